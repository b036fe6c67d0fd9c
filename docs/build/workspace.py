"""The folder in which pages and notebooks work: a corpus and the released demo.

It is made as `make demo` makes it, so that a page's `w2v run demo` is served from the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from docs.build.places import CHECKOUT, PROGRAMS, WORK, digest_of_product

WORKSPACE_VARIABLE = "W2V_DOCS_WORKSPACE"
# Runs remember where they lie, so pages work in the folder where the demo ran, and notebooks, at
# the same time, read the copy from which that folder is made new for each page.
LIVE, KEPT = WORK / "workspace", WORK / "workspace-kept"
UTTERANCES = 700  # as `make demo` has it: pages name files and show figures of that corpus
OF_THE_CHECKOUT = ("demo", "models", "notebooks")


class WorkspaceError(Exception):
    """The folder could not be made."""


def environment() -> dict[str, str]:
    """What commands find around them: this checkout's programs, and no cache of a user's."""
    return os.environ | {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(WORK / "cache"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Modules come from the checkout itself, not from what is linked into the folder.
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONSAFEPATH": "1",
        "COLUMNS": "100",
    }


def ready_workspace() -> Path:
    """The folder to read: a named one, the kept one, or one made now."""
    if named := os.environ.get(WORKSPACE_VARIABLE):
        return Path(named).absolute()
    stamp = KEPT / "made-by"
    with _alone():
        digest = f"{digest_of_product()} {UTTERANCES}"
        if not (stamp.exists() and stamp.read_text() == digest):
            _make()
            stamp.write_text(digest)
    return KEPT


@contextlib.contextmanager
def renewed(workspace: Path) -> Iterator[Path]:
    """The folder in which a page works, as if nobody had been there."""
    with _alone():
        _renew(workspace)
        yield LIVE


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """There is one such folder, however many builds."""
    LIVE.parent.mkdir(parents=True, exist_ok=True)
    with LIVE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _renew(workspace: Path) -> None:
    shutil.rmtree(LIVE, ignore_errors=True)
    shutil.copytree(workspace, LIVE, symlinks=True, ignore=shutil.ignore_patterns("made-by"))
    for name in OF_THE_CHECKOUT:
        (LIVE / name).symlink_to(CHECKOUT / name)


def _make() -> None:
    for folder in (LIVE, KEPT):
        shutil.rmtree(folder, ignore_errors=True)
    LIVE.mkdir(parents=True)
    corpus = "w2v-runs/corpus"
    _w2v("corpus", "--to", corpus, "--utterances", str(UTTERANCES))
    (LIVE / "corpus").symlink_to(corpus)
    _w2v("run", "demo")
    shutil.copytree(LIVE, KEPT, symlinks=True)


def _w2v(*arguments: str) -> None:
    command = [str(PROGRAMS / "w2v"), *arguments]
    done = subprocess.run(command, cwd=LIVE, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise WorkspaceError(
            f"`w2v {' '.join(arguments)}` ended with {done.returncode}:\n"
            f"{(done.stdout + done.stderr)[-3000:]}"
        )
