"""A page as its tests see it."""

from __future__ import annotations

import pytest

from docs.build.page import Page
from docs.build.shell import script_of


def test_a_page_without_its_day_is_refused():
    with pytest.raises(ValueError, match=r"a\.md: the page must begin with `checked"):
        _ = Page("a.md", "# A\n").checked


def test_blocks_in_admonitions_and_tabs_are_found():
    text = '=== "Linux"\n\n    ```console\n    $ w2v doctor\n    ```\n\nAfter.\n'
    (block,) = Page("a.md", text).blocks
    assert [command.text for command in block.commands] == ["w2v doctor"]


@pytest.mark.parametrize(
    ("info", "run"),
    [
        ("console", True),
        ('console title="exit code 3"', True),
        ('console title="needs Google Cloud"', False),
        ("python", True),
        ('python title="example.py"', False),
    ],
)
def test_a_title_says_what_a_block_needs_so_it_is_not_run(info, run):
    (block,) = Page("a.md", f"```{info}\n$ x\n```\n").blocks
    assert block.is_run is run


def test_a_file_that_a_page_shows_is_there_for_the_commands_below():
    text = '```yaml title="mine.yaml"\nname: mine\n```\n\n```console\n$ w2v config mine.yaml\n```\n'
    script = script_of(Page("a.md", text))
    assert script.index("> mine.yaml") < script.index("w2v config mine.yaml")
