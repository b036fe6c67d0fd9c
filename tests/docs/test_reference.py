"""The parts of the reference that are written from the code: nothing of it is left out."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from typing import Literal

import pytest

from components.release_gate.report import machine
from components.release_pusher.layout import CARD_FILE
from docs.build.doctests import fenced
from docs.build.page import pages
from docs.build.reference import GENERATORS, MARK, fill_in
from docs.build.reference.commands import commands, exit_codes
from docs.build.reference.configs import config_keys
from docs.build.reference.fields import fields_of
from pipeline.cli import COMMANDS
from pipeline.config import RunConfig, ready_configs
from schemas.release_manifest import MANIFEST_FILE, ReleaseManifest


@dataclass(frozen=True)
class Colours:
    """Of a picture."""

    # Behind everything.
    ground: Literal["white", "black"]
    depth: int = 8  # bits
    names: tuple[str, ...] = ("red",)


def test_a_field_is_told_with_its_type_its_default_and_its_comment():
    ground, depth, names = fields_of(Colours)
    assert (ground.kind, ground.default, ground.meaning) == (
        "`white` or `black`",
        "",
        "Behind everything.",
    )
    assert (depth.kind, depth.default, depth.meaning) == ("a whole number", "`8`", "bits")
    assert (names.kind, names.default, names.meaning) == ("a list, each text", "`[red]`", "")


def test_every_command_has_its_place_with_its_options():
    text = commands()
    assert all(f"## w2v {name} {{ #w2v-{name} }}" in text for name in COMMANDS)
    assert "### w2v schedule apply" in text
    assert (
        "| `--root DIRECTORY` | Folder for artifacts, metadata, logs and releases. | `w2v-runs` |"
        in text
    )


def test_every_exit_code_is_told():
    assert [line.split("`")[1] for line in exit_codes().splitlines()[2:]] == [
        "0",
        "1",
        "2",
        "3",
        "130",
        "143",
    ]


def test_every_key_of_a_config_has_an_anchor():
    text = config_keys()
    assert [key for key in keys_below("", RunConfig) if f"#{key} }}" not in text] == []


def keys_below(place: str, section: type) -> list[str]:
    keys = []
    for field in fields_of(section):
        key = f"{place}{field.name}"
        keys += [key, *(one for inner in field.sections for one in keys_below(f"{key}.", inner))]
    return keys


def test_every_ready_config_is_shown():
    shown = GENERATORS["ready configs"]()
    assert all(f"### {name} {{" in shown for name in ready_configs())


def test_every_key_of_a_report_is_told():
    page = next(page for page in pages() if page.path == "reference/report-and-manifest.md")
    (rows,) = (
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(machine.as_json)))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "rows"
    )
    keys = [ast.literal_eval(key) for key in rows.keys]
    told = fill_in(page.text)
    assert [key for key in keys if f"`{key}`" not in told and f"#{key}." not in told] == []


def test_every_key_of_a_manifest_and_every_page_beside_it_is_told():
    page = next(page for page in pages() if page.path == "reference/report-and-manifest.md")
    told = fill_in(page.text)
    names = [key.rpartition(".")[2] for key in keys_below("", ReleaseManifest)]
    assert {"runtime_parameters", "splits", "quarantined", "training"} <= set(names)
    assert [one for one in (*names, CARD_FILE, MANIFEST_FILE) if f"| `{one}` |" not in told] == []


@pytest.mark.parametrize("page", [page for page in pages() if MARK.search(page.text)])
def test_every_mark_on_a_page_is_one_that_is_filled_in(page):
    assert not MARK.search(fill_in(page.text))


def test_examples_of_a_docstring_become_code():
    assert fenced("Adds.\n\n>>> 1 + 1\n2\n\nMore.") == (
        "Adds.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."
    )
