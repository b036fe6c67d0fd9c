"""Running a page: in a folder of its own, told by its line when it fails."""

from __future__ import annotations

import time

import pytest

from docs.build import shell, workspace
from docs.build.page import Page


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    """A workspace of one file, and a place for what pages do to it."""
    monkeypatch.setattr(workspace, "LIVE", tmp_path / "live")
    monkeypatch.setattr(shell, "WORK", tmp_path)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a.txt").write_text("as it was")
    return tmp_path / "kept"


def test_a_page_s_commands_share_a_shell_and_its_python_comes_after_them(folder):
    text = (
        "```console\n$ name=b.txt\n$ cp a.txt $name\nsome output\n```\n"
        "```python\nassert open('b.txt').read() == 'as it was'\n```\n"
    )
    assert shell.run_page(Page("a.md", text), folder) > 0


def test_each_page_finds_the_folder_as_new(folder):
    shell.run_page(Page("a.md", "```console\n$ rm a.txt\n```\n"), folder)
    shell.run_page(Page("b.md", "```console\n$ cat a.txt\n```\n"), folder)


def test_a_command_that_fails_is_told_by_its_line(folder):
    text = "# A\n\n```console\n$ true\n$ ls nowhere\n$ true\n```\n"
    with pytest.raises(shell.PageError, match=r"a\.md:5: ended with 2 instead of 0"):
        shell.run_page(Page("a.md", text), folder)


def test_a_block_may_expect_another_exit_code(folder):
    refused = '```console title="exit code 3"\n$ true\n$ (exit 3)\n```\n'
    shell.run_page(Page("a.md", refused), folder)
    with pytest.raises(shell.PageError, match="ended with 0 instead of 3"):
        shell.run_page(Page("a.md", refused.replace("(exit 3)", "true")), folder)


def test_what_hangs_is_ended_with_all_that_it_started(folder, monkeypatch):
    monkeypatch.setattr(shell, "TIMEOUT_SECONDS", 0.5)
    kept = folder.parent / "later.txt"
    slow = f"```console\n$ (sleep 1; touch {kept}) & sleep 60\n```\n"
    with pytest.raises(shell.PageError, match="ran for more than"):
        shell.run_page(Page("a.md", slow), folder)
    time.sleep(1)
    assert not kept.exists()


def test_python_that_fails_is_told_by_its_line(folder):
    with pytest.raises(shell.PageError, match="line 4"):
        shell.run_page(Page("a.md", "# A\n\n```python\nassert False\n```\n"), folder)
