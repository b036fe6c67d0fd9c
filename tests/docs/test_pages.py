"""The documentation's pages: dated, complete in the navigation, true in what they quote.

That their commands run and their links lead somewhere, `make docs` shows.
"""

from __future__ import annotations

import ast
import contextlib
import datetime
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag, urlsplit

import pytest
import yaml

from docs.build.notebooks import notebooks
from docs.build.page import Page, pages
from docs.build.places import CHECKOUT, PAGES, ROOMS, SETTINGS
from docs.build.reference.configs import config_keys
from docs.build.w2v_lines import check_page, check_settings
from models.errors import BadInputError

every_page = pytest.mark.parametrize("page", pages(), ids=lambda page: page.path)


@every_page
def test_a_page_says_when_it_was_checked(page):
    assert page.checked <= datetime.date.today()


@pytest.mark.parametrize("notebook", notebooks(), ids=lambda notebook: notebook.name)
def test_a_notebook_says_when_it_was_checked_and_holds_no_outputs(notebook):
    page = Page(notebook.path.name, f"---\n{yaml.safe_dump(notebook.front_matter)}---\n")
    assert page.checked <= datetime.date.today()
    assert not any(cell.get("outputs") for cell in notebook.read().cells)


@every_page
def test_the_w2v_lines_and_configs_of_a_page_are_accepted(page):
    assert list(check_page(page)) == []


@every_page
def test_the_python_of_a_page_parses(page):
    for block in page.blocks:
        if block.language == "python":
            ast.parse(block.text, filename=f"{page.path}:{block.line}")


@every_page
def test_what_a_page_links_to_is_there(page):
    there = {one.path for one in pages()} | {f"notebooks/{one.name}.md" for one in notebooks()}
    folder = PurePosixPath(page.path).parent
    for link in page.links:
        file, _ = urldefrag(link)
        if file and not urlsplit(link).scheme:
            target = Path(PAGES, folder, file).resolve()
            assert target.is_relative_to(PAGES), f"{link} leads out of the site"
            known = target.relative_to(PAGES).as_posix() in there
            assert known or (target.suffix != ".md" and target.is_file()), link


@pytest.mark.parametrize(
    "file", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md"]
)
def test_what_a_file_beside_the_pages_links_to_is_there(file):
    path = CHECKOUT / file
    links = Page(file, path.read_text(encoding="utf-8")).links
    files = [path.parent / urldefrag(link)[0] for link in links if not urlsplit(link).scheme]
    assert [target for target in files if not target.exists()] == []


@every_page
def test_a_snippet_is_a_line_that_the_site_fills_in(page):
    """Formatters of code know no snippets: they part its marks, and the page shows the line."""
    lines = [line for block in page.blocks for line in block.text.splitlines()]
    told = [line for line in lines if re.search(r"--\s*8\s*<", line)]
    files = [re.fullmatch(r'--8<-- "(.+)"', line) for line in told]
    assert all(file and (CHECKOUT / file[1]).is_file() for file in files), told


def test_every_page_and_notebook_stands_in_the_navigation_and_nothing_else():
    there = {page.path for page in pages()} | {f"notebooks/{one.name}.md" for one in notebooks()}
    decisions = {path for path in there if path.startswith("decisions/")}
    assert set(paths_in(navigation())) == there - decisions | {"decisions/"}


def navigation() -> list:
    return yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["nav"]


def paths_in(items: list) -> list[str]:
    found = []
    for item in items:
        for value in item.values():
            found += [value] if isinstance(value, str) else paths_in(value)
    return found


# A message stands on the page of symptoms in a block named `text`, with examples where the product
# puts values in. It is known by the texts between them, which must be a good part of it.
VALUE = "\0"
TELLING = 10  # letters; what is shorter is said everywhere
LEAST_KNOWN = 0.4


def test_every_message_of_trouble_shooting_is_one_that_the_product_says():
    page = next(page for page in pages() if page.path == "trouble-shooting.md")
    quoted = [_on_one_line(block.text) for block in page.blocks if block.language == "text"]
    assert len(quoted) >= 25
    assert [text for text in quoted if not is_said(text)] == []


def test_a_message_that_the_product_does_not_say_is_found():
    assert is_said("There is no utterance in a.tfrecord; check the path.")
    assert not is_said("There is no utterance in a.tfrecord; pray.")


# What the page says to set. A key without its section stands for those of that name.
OVERRIDE = re.compile(r"\bset ([\w.]+=[^\s`,;]+)")
SETTING = re.compile(r"`([a-z_.]+): ([^`]+)`")


def test_every_cure_of_trouble_shooting_is_one_that_the_config_takes():
    page = next(page for page in pages() if page.path == "trouble-shooting.md")
    assert len(list(cures_in(page.text))) >= 6
    assert [cure for cure in cures_in(page.text) if not is_taken(cure)] == []


@pytest.mark.parametrize(
    "told",
    [
        "`text.vocabulary: data`",
        "`precision: float8`",
        "`no_such_key: 1`",
        "add --set cluster.secrets.HF_TOKEN=projects/P/secrets/S/versions/V, or take it away",
    ],
)
def test_a_cure_that_the_config_refuses_is_found(told):
    (cure,) = cures_in(told)
    assert not is_taken(cure)


def cures_in(text: str) -> Iterator[tuple[str, ...]]:
    """The overrides that each cure may stand for."""
    known = re.findall(r"\{ #([\w.]+) \}", config_keys())
    for override in OVERRIDE.findall(text):
        yield (override,)
    for name, value in SETTING.findall(text):
        keys = (key for key in known if f".{key}".endswith(f".{name}"))
        yield tuple(f"{key}={value}" for key in keys)


def is_taken(cure: tuple[str, ...]) -> bool:
    for override in cure:
        with contextlib.suppress(BadInputError):
            check_settings({}, (override,))
            return True
    return False


def is_said(text: str) -> bool:
    """Whether texts of the product make up the message; it may join several."""
    known = set()
    for pattern in patterns_of_messages():
        if found := pattern.search(text):
            known.update(at for group in found.regs[1:] for at in range(*group))
    return len(known) >= LEAST_KNOWN * len(text)


@cache
def patterns_of_messages() -> list[re.Pattern]:
    """Every telling text in the source, with anything where a value is put in."""
    folders = [CHECKOUT / name for name in (*ROOMS, ".ci")]
    texts = {
        text
        for folder in folders
        for path in folder.rglob("*.py")
        for text in texts_of(ast.parse(path.read_text(encoding="utf-8")))
    }
    split = [[_on_one_line(part) for part in text.split(VALUE)] for text in texts]
    telling = [list(filter(None, parts)) for parts in split if max(map(len, parts)) >= TELLING]
    return [re.compile(".*?".join(f"({re.escape(part)})" for part in parts)) for parts in telling]


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Its strings; of an f-string the whole, with a mark for each value."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    if isinstance(tree, ast.JoinedStr):
        yield "".join(
            str(one.value) if isinstance(one, ast.Constant) else VALUE for one in tree.values
        )
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(tree, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from texts_of(child)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
