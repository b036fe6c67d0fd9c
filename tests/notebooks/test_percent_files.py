"""The notebooks are text that can be read, run and checked; `make docs` runs them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jupytext
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = (
    "fine-tune-from-hub",
    "wer-unpadded",
    "padding-246000",
    "onnx-tflite-latency",
    "your-own-voice",
    "new-language",
)
LONGEST_CELL = 45  # lines; what is longer is not read
PRIVATE = re.compile(r"^_[a-z]")


def read(name: str):
    return jupytext.read(FOLDER / f"{name}.py")


def text_after_header(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text().partition("\n# ---\n")[2]


def cells_of(notebook) -> list:
    """Without the front matter, which jupytext makes a raw cell."""
    return [cell for cell in notebook.cells if cell.cell_type != "raw"]


def code_of(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_every_notebook_is_listed_here_and_in_the_readme():
    there = {path.stem for path in FOLDER.glob("*.py")}
    listed = re.findall(r"\]\(([\w-]+)\.py\)", (FOLDER / "README.md").read_text())
    assert there == set(NAMES) == set(listed)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_no_more_of_its_kernel_than_its_name(name):
    metadata = read(name).metadata
    assert set(metadata) == {"jupytext", "kernelspec"}
    assert metadata.kernelspec.name == "python3"
    assert metadata.jupytext.text_representation.format_name == "percent"


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_survives_the_way_to_ipynb_and_back(name):
    notebook = read(name)
    again = jupytext.reads(jupytext.writes(notebook, fmt="ipynb"), fmt="ipynb")
    assert jupytext.writes(again, fmt="py:percent").endswith(text_after_header(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cell_says_what_comes_out_and_how_long_that_takes(name):
    first = cells_of(read(name))[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "At the end" in first.source
    assert re.search(r"It takes about [^.]* (minute|seconds)", " ".join(first.source.split()))


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_python_of_a_length_that_is_read(name):
    for source in code_of(read(name)):
        ast.parse(source)
        assert len(source.splitlines()) <= LONGEST_CELL, source.splitlines()[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_last_cell_asserts_what_was_shown(name):
    last = ast.parse(code_of(read(name))[-1])
    assert sum(isinstance(node, ast.Assert) for node in ast.walk(last)) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_the_real_thing_is_named_in_the_environment_and_told_in_the_readme(name):
    switches = set(re.findall(r'"(W2V_[A-Z_]+)"', (FOLDER / f"{name}.py").read_text()))
    told = set(re.findall(r"`(W2V_[A-Z_]+)`", (FOLDER / "README.md").read_text()))
    assert switches
    assert switches <= told


@pytest.mark.parametrize("name", NAMES)
def test_what_a_notebook_imports_of_ours_is_there_and_public(name):
    for node in ast.walk(ast.parse("\n".join(code_of(read(name))))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in OURS:
            assert module_file(node.module).exists(), node.module
            assert not any(PRIVATE.match(alias.name) for alias in node.names)
            defined = names_of(module_file(node.module))
            assert {alias.name for alias in node.names} <= defined, node.module


OURS = ("models", "components", "pipeline", "schemas", "support")


def module_file(module: str) -> Path:
    root = FOLDER if module.startswith("support") else FOLDER.parent
    path = root / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def names_of(file: Path) -> set[str]:
    """What the module defines, what it imports for those that ask, and the modules beside it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom) and file.name == "__init__.py":
            names |= {alias.name for alias in node.names}
    return names | {path.stem for path in file.parent.glob("*.py")}
