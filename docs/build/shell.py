"""Run what a page tells its reader to type: its commands in one shell, then its Python."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from docs.build.page import Block, Page
from docs.build.places import WORK
from docs.build.workspace import environment, renewed

# Longer than any page takes, so that what hangs is told.
TIMEOUT_SECONDS = 300
LINES_SHOWN = 40


class PageError(Exception):
    """A page whose commands or Python failed, with the line."""


def has_work(page: Page) -> bool:
    """Whether anything on the page is run."""
    return any(block.is_run and block.language in ("console", "python") for block in page.blocks)


def run_page(page: Page, workspace: Path) -> float:
    """Run a page in a new copy of the workspace, and say how many seconds it took."""
    log = WORK / "pages" / f"{page.path.replace('/', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with renewed(workspace) as folder, log.open("wb") as output:
        started = time.monotonic()
        for command in (["bash", "-c", script_of(page)], [sys.executable, "-c", program_of(page)]):
            try:
                _run(command, folder, output)
            except subprocess.CalledProcessError as error:
                raise PageError(f"{page.path} failed:\n{_end_of(log)}") from error
            except subprocess.TimeoutExpired as error:
                raise PageError(
                    f"{page.path} ran for more than {TIMEOUT_SECONDS} s:\n{_end_of(log)}"
                ) from error
        return time.monotonic() - started


def _run(command: list[str], folder: Path, output: BinaryIO) -> None:
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            exit_code = process.wait(TIMEOUT_SECONDS)
        except BaseException:
            # What the shell has started would go on without it.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if exit_code:
        raise subprocess.CalledProcessError(exit_code, command)


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-LINES_SHOWN:])


def script_of(page: Page) -> str:
    """The page's files and commands as one shell script that stops at the first surprise."""
    lines = ["set -o pipefail", "trap 'kill $(jobs -p) 2>/dev/null' EXIT"]
    for block in page.blocks:
        if block.file_name:
            lines.append(f"printf %s {shlex.quote(block.text)} > {shlex.quote(block.file_name)}")
        elif block.is_run and block.language == "console":
            lines += _commands_of(page, block)
    return "\n".join([*lines, "exit 0"])


def _commands_of(page: Page, block: Block) -> list[str]:
    lines = []
    for command in block.commands:
        expected = block.exit_code if command == block.commands[-1] else 0
        place = f"{page.path}:{command.line}"
        lines += [
            f"echo {shlex.quote(f'$ {command.text}')}",
            command.text,
            f'code=$?; [ "$code" = {expected} ] || '
            f'{{ echo "{place}: ended with $code instead of {expected}"; exit 1; }}',
        ]
    return lines


def program_of(page: Page) -> str:
    """The page's Python as one program, whose traceback names the lines of the page.

    >>> from docs.build.page import Page
    >>> program_of(Page("a.md", "# A\\n\\n```python\\nprint(1)\\n```\\n"))
    '\\n\\n\\nprint(1)\\n'
    """
    program = ""
    for block in page.blocks:
        if block.is_run and block.language == "python":
            program += "\n" * (block.line - 1 - program.count("\n")) + block.text
    return program
