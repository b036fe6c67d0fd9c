"""`python -m docs.build`: see the package's docstring."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from docs.build import __doc__ as how_to_use
from docs.build.links import look_after
from docs.build.notebooks import Notebook, NotebookError, notebooks
from docs.build.notebooks import run as run_notebook
from docs.build.page import Page, pages
from docs.build.places import PROGRAMS, SETTINGS, SITE
from docs.build.shell import PageError, has_work, run_page
from docs.build.workspace import WorkspaceError, ready_workspace

AT_ONCE = 2  # the cores of the smallest machine that builds this
PROBLEMS = (NotebookError, PageError, WorkspaceError)


def main() -> None:
    """One step, or all of them."""
    parser = argparse.ArgumentParser(
        description=how_to_use, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = ("all", "commands", "notebooks", "site", "links")
    parser.add_argument("step", nargs="?", choices=steps, default="all")
    parser.add_argument("names", nargs="*", help="pages or notebooks, if not all")
    given = parser.parse_args()
    if given.step in ("site", "links"):
        sys.exit({"site": build_site, "links": check_links}[given.step]())
    if given.step != "all":
        sys.exit(run_in_turn(work_of(given.step, given.names), timed(ready_workspace)))
    sys.exit(make_all())


def make_all() -> int:
    """Pages and notebooks beside each other, then the site and its links."""
    workspace = timed(ready_workspace)
    # Pages share one folder, so they wait for each other; notebooks need not.
    together = [work_of("commands", ()), *([one] for one in work_of("notebooks", ()))]
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        failed = list(at_once.map(lambda work: run_in_turn(work, workspace), together))
    return int(any(failed)) or build_site() or check_links()


Work = tuple[str, Callable[[Path], float | None]]


def work_of(kind: str, names: Sequence[str]) -> list[Work]:
    """What is to be run, with its name; a notebook that has run as it stands gives no time."""
    if kind == "commands":
        return [(page.path, partial(run_page, page)) for page in pages_of(names)]
    return [(f"notebooks/{one.name}", partial(_run_once, one)) for one in notebooks(*names)]


def _run_once(notebook: Notebook, workspace: Path) -> float | None:
    return None if notebook.kept_run.exists() else run_notebook(notebook, workspace)


def pages_of(names: Sequence[str]) -> list[Page]:
    """The pages of these names that hold something to run, or all such pages."""
    known = {page.path: page for page in pages()}
    for name in names:
        if name not in known:
            raise PageError(f"There is no page {name}.")
    return [page for page in known.values() if has_work(page) and (not names or page.path in names)]


def run_in_turn(work: Sequence[Work], workspace: Path) -> int:
    """Run one after another, all of them, and say how each went."""
    failed = 0
    for name, run in work:
        try:
            seconds = run(workspace)
        except PROBLEMS as problem:
            failed = 1
            print(f"  ✗ {name}\n{problem}", flush=True)
        else:
            how = "ran before" if seconds is None else f"{seconds:5.1f} s"
            print(f"  ✓ {name:<40} {how}", flush=True)
    return failed


def timed(step: Callable[[], Path]) -> Path:
    """The workspace, and how long it took to have."""
    started = time.monotonic()
    workspace = step()
    print(f"Workspace {workspace} after {time.monotonic() - started:.1f} s", flush=True)
    return workspace


def build_site() -> int:
    """MkDocs, which takes every warning for an error."""
    program, settings = str(PROGRAMS / "mkdocs"), str(SETTINGS)
    command = [program, "build", "--strict", "--quiet", "--config-file", settings]
    # The theme's makers announce their next product here.
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, env=quiet).returncode


def check_links() -> int:
    """Say which links lead nowhere, and which leave the site."""
    found = look_after(SITE)
    for link in found.external:
        print(f"  ↗ {link} (not followed)")
    for problem in found.problems:
        print(f"  ✗ {problem}")
    print(f"{len(found.external)} links leave the site; {len(found.problems)} lead nowhere.")
    return int(bool(found.problems))


if __name__ == "__main__":
    try:
        main()
    except PROBLEMS as problem:
        sys.exit(str(problem))
