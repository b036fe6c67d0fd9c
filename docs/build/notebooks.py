"""The notebooks: run once for each state of their text and of the product, shown as pages."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert import MarkdownExporter
from nbformat import NotebookNode
from traitlets.config import Config

from docs.build.places import NOTEBOOKS, PROGRAMS, WORK, digest_of_product
from docs.build.workspace import WORKSPACE_VARIABLE

# Longer than any takes, so that what hangs is told.
TIMEOUT_SECONDS = 300
HEADER = re.compile(r"\A# ---\n(.*?\n)# ---\n", re.DOTALL)
TEMPLATES = Path(__file__).parent / "templates"


class NotebookError(Exception):
    """A notebook that failed, with its cell."""


@dataclass(frozen=True)
class Notebook:
    """`notebooks/NAME.py`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def front_matter(self) -> dict:
        """What the header holds beside jupytext's own part, such as `checked`."""
        found = HEADER.match(self.text)
        lines = found[1].splitlines() if found else []
        held = yaml.safe_load("\n".join(line.removeprefix("#")[1:] for line in lines)) or {}
        return {key: value for key, value in held.items() if key != "jupyter"}

    @property
    def kept_run(self) -> Path:
        """Where the notebook with its outputs lies, once it ran."""
        digest = hashlib.sha256((self.text + _digest_of_product()).encode()).hexdigest()
        return WORK / "notebooks" / f"{self.name}-{digest[:16]}.ipynb"

    def read(self) -> NotebookNode:
        """Its cells, without outputs."""
        notebook = jupytext.reads(self.text, fmt="py:percent")
        # Front matter, which jupytext keeps as a cell.
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type != "raw"]
        return notebook


@cache
def _digest_of_product() -> str:
    """Of the product, and of what notebooks share."""
    shared = sorted((NOTEBOOKS / "support").rglob("*.py"))
    return digest_of_product() + "".join(path.read_text(encoding="utf-8") for path in shared)


def notebooks(*names: str) -> list[Notebook]:
    """Those of the names, or all there are."""
    found = [Notebook(path) for path in sorted(NOTEBOOKS.glob("*.py"))]
    unknown = set(names) - {notebook.name for notebook in found}
    if unknown:
        raise NotebookError(f"There is no notebook {', '.join(sorted(unknown))}.")
    return [notebook for notebook in found if not names or notebook.name in names]


def run(notebook: Notebook, workspace: Path) -> float:
    """Run the cells in a fresh folder, keep what they showed, and say how many seconds it took."""
    folder = WORK / "notebooks" / notebook.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cells = notebook.read()
    client = NotebookClient(
        cells,
        timeout=TIMEOUT_SECONDS,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    started = time.monotonic()
    try:
        client.execute(env=_environment(workspace))
    except (CellExecutionError, CellTimeoutError) as error:
        raise NotebookError(_failure(notebook, cells, error)) from error
    for old in notebook.kept_run.parent.glob(f"{notebook.name}-*.ipynb"):
        old.unlink()
    nbformat.write(cells, notebook.kept_run)
    return time.monotonic() - started


def _environment(workspace: Path) -> dict[str, str]:
    return os.environ | {
        WORKSPACE_VARIABLE: str(workspace),
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(NOTEBOOKS),  # as where Jupyter opens one: `support` lies beside it
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def _failure(notebook: Notebook, cells: NotebookNode, error: Exception) -> str:
    """Which cell failed: the first one of code that did not come to its end."""
    number, cell = next(
        (number, cell)
        for number, cell in enumerate(cells.cells, start=1)
        if cell.cell_type == "code"
        and (
            cell.execution_count is None
            or any(output.output_type == "error" for output in cell.outputs)
        )
    )
    first = cell.source.strip().splitlines()[0]
    line = notebook.text[: notebook.text.find(first)].count("\n") + 1
    return f"notebooks/{notebook.name}.py:{line}: cell {number} ({first}) failed:\n{error}"


def as_page(notebook: Notebook) -> dict[str, str | bytes]:
    """The page of a notebook and its pictures, by their paths; without outputs if it did not run.

    The first path is the page's.
    """
    ran = notebook.kept_run.exists()
    cells = nbformat.read(notebook.kept_run, as_version=4) if ran else notebook.read()
    exporter = MarkdownExporter(
        template_name="page", extra_template_basedirs=[str(TEMPLATES)], config=_exporter_config()
    )
    body, resources = exporter.from_notebook_node(
        cells, resources={"output_files_dir": f"{notebook.name}-outputs", "unique_key": "output"}
    )
    front_matter = yaml.safe_dump(notebook.front_matter)
    page = f"---\n{front_matter}---\n{body.strip()}\n\n{_about(notebook, ran)}\n"
    pictures = {f"notebooks/{name}": data for name, data in resources["outputs"].items()}
    return {f"notebooks/{notebook.name}.md": page, **pictures}


def _exporter_config() -> Config:
    config = Config()
    config.NbConvertBase.display_data_priority = [
        "image/svg+xml",
        "image/png",
        "text/html",
        "text/markdown",
        "text/plain",
    ]
    return config


def _about(notebook: Notebook, ran: bool) -> str:
    how = "was run for this page" if ran else "was **not run** for this page: `make docs` does"
    return (
        f"The notebook `notebooks/{notebook.name}.py` {how}. To open it yourself: "
        f"`jupytext --to notebook notebooks/{notebook.name}.py`."
    )
