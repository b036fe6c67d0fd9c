"""The figures that pages show: each is there for light and dark pages, and says what made it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = CHECKOUT / "docs" / "pages"
SCRIPTS = CHECKOUT / "docs" / "figures"
FIGURES = PAGES / "figures"
SHOWN = re.compile(
    r"!\[(?P<says>[^]]*)\]\((?P<file>[^)#]*figures/[^)#]+\.svg)(?P<theme>#[\w-]+)?\)"
)
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
LIGHT, DARK = "#only-light", "#only-dark"


def shown() -> list[tuple[Path, re.Match]]:
    pages = sorted((PAGES / "concepts").glob("*.md"))
    return [(page, found) for page in pages for found in SHOWN.finditer(page.read_text("utf-8"))]


def made() -> list[Path]:
    """What the scripts have made: a script's own name, and its twin for dark pages."""
    scripts = [path for path in SCRIPTS.glob("*.py") if "keep(" in path.read_text("utf-8")]
    names = [path.stem.replace("_", "-") for path in scripts if path.stem != "drawing"]
    return [FIGURES / f"{name}{theme}.svg" for name in sorted(names) for theme in ("", "-dark")]


def about(figure: Path, field: str) -> str:
    element = ElementTree.parse(figure).find(f".//{DUBLIN_CORE}{field}")
    return (element.text or "") if element is not None else ""


@pytest.mark.parametrize("page, figure", shown(), ids=lambda value: getattr(value, "name", ""))
def test_a_page_shows_a_figure_that_a_script_has_made_and_says_what_is_on_it(page, figure):
    assert (page.parent / figure["file"]).resolve() in made()
    assert len(figure["says"]) > 20, "for whoever cannot see it"


def test_each_figure_is_shown_on_light_and_on_dark_pages_alike():
    files = {LIGHT: set(), DARK: set()}
    for page, figure in shown():
        file = (page.parent / figure["file"]).resolve()
        files[figure["theme"]].add(file.stem.removesuffix("-dark"))
        assert file.stem.endswith("-dark") == (figure["theme"] == DARK)

    assert files[LIGHT] == files[DARK] == {path.stem for path in made() if "-dark" not in path.stem}


@pytest.mark.parametrize("figure", made(), ids=lambda path: path.name)
def test_a_figure_says_which_script_made_it_and_of_which_run(figure):
    script = CHECKOUT / about(figure, "source")

    assert script.stem.replace("_", "-") == figure.stem.removesuffix("-dark")
    assert script.is_file()
    known = r"run demo, evaluated on \d{4}-\d\d-\d\d|pipeline/dag\.py|simulated evaluations"
    assert re.search(known, about(figure, "description"))


@pytest.mark.parametrize("figure", made(), ids=lambda path: path.name)
def test_a_figure_is_small_and_asks_nobody_for_anything(figure):
    links = re.findall(r'href="(?!#|data:)([^"]+)"', figure.read_text("utf-8"))

    assert figure.stat().st_size < 300_000
    assert [link for link in links if "purl.org" not in link] == []


def test_the_diagram_of_the_pipeline_shows_each_node_of_the_dag():
    dag = ast.parse((CHECKOUT / "pipeline" / "dag.py").read_text("utf-8"))
    calls = [node for node in ast.walk(dag) if isinstance(node, ast.Call)]
    imported = {
        name.name
        for node in ast.walk(dag)
        if isinstance(node, ast.ImportFrom)
        and (node.module == "tfx.components" or (node.module or "").endswith(".component"))
        for name in node.names
    }
    resolvers = {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "with_id"
    }
    drawn = re.findall(r"<!-- (\w+) -->", (FIGURES / "pipeline-dag.svg").read_text("utf-8"))

    # The demo does not tune.
    assert set(drawn) == (imported | resolvers) - {"Tuner"}
