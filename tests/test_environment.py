"""The set-up: what cannot work is said in one sentence that names the cure."""

import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "environment.py"


@pytest.fixture(scope="module")
def environment():
    spec = importlib.util.spec_from_file_location("environment", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def foreign_venv(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}\n")
    return folder


def test_a_venv_of_another_python_is_refused_and_left_alone(tmp_path):
    venv = foreign_venv(tmp_path / ".venv", "3.9.18")
    done = subprocess.run([sys.executable, SCRIPT, venv], capture_output=True, text=True)
    assert done.returncode != 0
    assert f"{venv} was made by Python 3.9.18" in done.stderr
    assert f"rm -rf {venv}" in done.stderr and "Traceback" not in done.stderr
    assert (venv / "pyvenv.cfg").exists()


def test_a_venv_whose_python_is_gone_is_refused(environment, tmp_path):
    venv = foreign_venv(tmp_path / ".venv", platform.python_version())
    with pytest.raises(SystemExit, match="points to a Python that is gone"):
        environment.check_same_python(venv)


@pytest.mark.parametrize(
    ("python", "glibc", "sentence"),
    [
        ((3, 10), "2.39", "Python 3.10 is not supported: use 3.11"),
        ((3, 14), "2.41", "Python 3.14 is not supported"),
        ((3, 12), "2.36", "needs glibc 2.39 or newer .* and this system has 2.36: use Python 3.11"),
    ],
)
def test_a_python_that_has_no_wheels_here_is_refused(
    environment, monkeypatch, python, glibc, sentence
):
    monkeypatch.setattr(environment.sys, "version_info", (*python, 0))
    monkeypatch.setattr(environment.platform, "libc_ver", lambda: ("glibc", glibc))
    with pytest.raises(SystemExit, match=sentence):
        environment.check_machine()


def test_without_a_compiler_the_package_that_needs_it_is_named(environment, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match=r"No C compiler was found.*install gcc or clang"):
        environment.check_machine()
