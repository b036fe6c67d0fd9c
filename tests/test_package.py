"""The package: what Beam ships to remote workers holds all that a worker imports."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("pipeline", "components", "models", "schemas", "kubeflow")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> set[str]:
    """The files in what `python setup.py sdist` makes."""
    copy = tmp_path_factory.mktemp("package")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "setup.py", "sdist"], cwd=copy, check=True, capture_output=True)
    (archive,) = (copy / "dist").iterdir()
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def test_every_file_of_the_rooms_is_shipped(shipped):
    here = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here - shipped == set()


def test_tests_and_demo_are_not_shipped(shipped):
    assert not any(name.startswith(("tests/", "demo/", "benchmarks/")) for name in shipped)
