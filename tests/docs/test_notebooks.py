"""Notebooks: run, kept, shown; a failure names its cell."""

from __future__ import annotations

import pytest

from docs.build import notebooks
from docs.build.notebooks import Notebook, NotebookError, as_page, run

HEADER = "# ---\n# checked: 2026-11-22\n# jupyter:\n#   jupytext: {}\n# ---\n\n"


@pytest.fixture()
def notebook(tmp_path, monkeypatch):
    """Makes a notebook of a text, and keeps what it showed away from the checkout."""
    monkeypatch.setattr(notebooks, "WORK", tmp_path / "work")

    def of(text: str) -> Notebook:
        path = tmp_path / "sums.py"
        path.write_text(HEADER + text)
        return Notebook(path)

    return of


def test_a_notebook_is_shown_without_outputs_before_it_ran(notebook):
    page = as_page(notebook("# %% [markdown]\n# # Sums\n\n# %%\n1 + 1\n"))["notebooks/sums.md"]
    assert "checked: 2026-11-22" in page and "# Sums" in page and "was **not run**" in page


@pytest.mark.docs
def test_a_run_is_shown_with_its_outputs_and_kept_until_the_text_changes(notebook, tmp_path):
    sums = notebook("# %%\nprint(f'{1 + 1} apples')\n")
    run(sums, workspace=tmp_path)
    page = as_page(sums)["notebooks/sums.md"]
    assert "2 apples" in page and "was run for this page" in page
    assert "2 apples" not in as_page(notebook("# %%\nprint('pears')\n"))["notebooks/sums.md"]


@pytest.mark.docs
def test_a_failure_names_its_cell(notebook, tmp_path):
    with pytest.raises(NotebookError, match=r"notebooks/sums\.py:\d+: cell 2 \(1 / 0\) failed"):
        run(notebook("# %%\na = 1\n\n# %%\n1 / 0\n\n# %%\n2\n"), workspace=tmp_path)
