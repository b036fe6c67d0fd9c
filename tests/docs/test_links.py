"""The links of a built site."""

from __future__ import annotations

import pytest

from docs.build.links import look_after


@pytest.fixture()
def site(tmp_path):
    """A page with one anchor, and a place for another page's text."""
    (tmp_path / "b.html").write_text('<h1 id="there">B</h1>')

    def with_page(text: str):
        (tmp_path / "a.html").write_text(text)
        return look_after(tmp_path)

    return with_page


@pytest.mark.parametrize("link", ["b.html", "b.html#there", "#here", "mailto:me@example.org"])
def test_links_that_lead_somewhere_are_fine(site, link):
    assert site(f'<p id="here"><a href="{link}">x</a></p>').problems == []


@pytest.mark.parametrize("link", ["c.html", "b.html#gone", "#gone", "/c.html"])
def test_links_that_lead_nowhere_are_told(site, link):
    (problem,) = site(f'<a href="{link}">x</a>').problems
    assert link in problem


def test_links_to_others_are_listed_and_not_followed(site):
    found = site('<a href="https://example.org/x">x</a>')
    assert (found.problems, found.external) == ([], ["https://example.org/x"])


@pytest.mark.parametrize(
    "needs",
    [
        '<script src="https://example.org/a.js"></script>',
        '<img src="//example.org/a.png">',
        '<link rel="stylesheet" href="https://example.org/a.css">',
    ],
)
def test_a_page_that_needs_another_host_to_be_shown_is_told(site, needs):
    (problem,) = site(needs).problems
    assert "needs" in problem
