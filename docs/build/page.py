"""A page of the documentation as its tests see it: the day it was checked, blocks, links.

>>> page = Page("a.md", "```console\\n$ w2v doctor\\nfine\\n```\\n")
>>> page.blocks[0].commands
[Command(text='w2v doctor', line=2)]
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import yaml
from markdown_it import MarkdownIt

from docs.build.places import PAGES

FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
TITLE = re.compile(r'title="([^"]*)"')
EXIT_CODE = re.compile(r"exit code (\d+)")
FILE_NAME = re.compile(r"[\w-]+(\.[\w-]+)+")


@dataclass(frozen=True)
class Command:
    """What is typed behind a `$ `, and the line of the page where it stands."""

    text: str
    line: int


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is the first one of its text."""

    language: str
    title: str
    text: str
    line: int

    @property
    def file_name(self) -> str:
        """The file that the block shows, where its title names one."""
        named = self.language != "console" and FILE_NAME.fullmatch(self.title)
        return self.title if named else ""

    @property
    def exit_code(self) -> int:
        """What the block's last command must end with."""
        named = EXIT_CODE.search(self.title)
        return int(named[1]) if named else 0

    @property
    def is_run(self) -> bool:
        """Whether the block is for everybody; a title says what another one needs."""
        return not self.title or bool(self.language == "console" and self.exit_code)

    @property
    def commands(self) -> list[Command]:
        """The lines behind `$ `, each with the lines that continue it."""
        found: list[Command] = []
        goes_on = False
        for number, line in enumerate(self.text.splitlines(), start=self.line):
            if goes_on:
                found[-1] = Command(f"{found[-1].text}\n{line}", found[-1].line)
            elif line.startswith("$ "):
                found.append(Command(line.removeprefix("$ "), number))
            else:
                continue
            goes_on = line.endswith("\\")
        return found


@dataclass(frozen=True)
class Page:
    """A page by its path below `docs/pages/`, and its text."""

    path: str
    text: str

    @property
    def front_matter(self) -> dict:
        found = FRONT_MATTER.match(self.text)
        return (yaml.safe_load(found[1]) or {}) if found else {}

    @property
    def checked(self) -> datetime.date:
        """The day on which somebody last held the page against the product."""
        day = self.front_matter.get("checked")
        if not isinstance(day, datetime.date):
            raise ValueError(f"{self.path}: the page must begin with `checked: YYYY-MM-DD`.")
        return day

    @cached_property
    def _tokens(self) -> list:
        # Front matter becomes empty lines, so that line numbers stay those of the file.
        body = FRONT_MATTER.sub(lambda found: "\n" * found[0].count("\n"), self.text)
        return MarkdownIt("commonmark").enable("table").parse(_flat(body))

    @cached_property
    def blocks(self) -> list[Block]:
        """Every fenced block, those in tabs and admonitions too."""
        return [
            Block(
                language=token.info.split()[0] if token.info.strip() else "",
                title=title[1] if (title := TITLE.search(token.info)) else "",
                text=token.content,
                line=token.map[0] + 2,
            )
            for token in self._tokens
            if token.type == "fence"
        ]

    @property
    def links(self) -> Iterator[str]:
        """What the page points to: the targets of links and pictures."""
        for token in self._tokens:
            for child in token.children or ():
                target = child.attrs.get("href") or child.attrs.get("src")
                if target:
                    yield str(target)


def pages() -> list[Page]:
    """Every page that somebody wrote."""
    return [
        Page(path.relative_to(PAGES).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(PAGES.rglob("*.md"))
    ]


def _flat(text: str) -> str:
    """What is indented below `!!!`, `???` and `===` taken to the margin, where it is Markdown."""
    lines, inside = [], False
    for line in text.splitlines():
        if re.match(r"(!!!|\?\?\?\+?|===) ", line):
            inside = True
            lines.append("")
            continue
        if inside and line.strip() and not line.startswith("    "):
            inside = False
        lines.append(line.removeprefix("    ") if inside else line)
    return "\n".join(lines) + "\n"
