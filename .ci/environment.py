"""Make the virtual environment that the Makefile runs in. Standard library only.

    python3 .ci/environment.py .venv            what the product needs
    python3 .ci/environment.py .venv --tests    and what its tests need, torch among it

Every problem that can be known beforehand is one sentence that says what to do.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
# The wheels of ml-metadata and TFDV for Python 3.12 and 3.13 are built against this one.
GLIBC_OF_NEW_LINE = (2, 39)
UV = "uv==0.13.8"
# uv would take the CUDA build of several GB; pip finds a CPU build where one is configured.
TORCH = "torch==2.13.0"
# What tests compare with and look through: Debian's packages by the commands that show them there.
PEERS = {
    "sctk": ("sctk",),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "nodejs": ("node",),
    "npm": ("npm",),
    "postgresql": ("postgres", "pg_lsclusters"),
    "mariadb-server": ("mariadbd",),
}


def main() -> None:
    venv = Path(sys.argv[1])
    with_tests = "--tests" in sys.argv[2:]
    check_machine()
    check_same_python(venv)
    stamp = venv / ("ready-for-tests" if with_tests else "ready")
    wanted = digest_of_lock()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    python = make_venv(venv)
    groups = ["--group", "dev"] if with_tests else ["--no-default-groups"]
    run(
        [venv / "bin" / "uv", "sync", "--frozen", "--inexact", "--quiet", *groups],
        f"Setting up {venv} (a few minutes the first time)",
        env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(venv)},
    )
    if with_tests:
        run([python, "-m", "pip", "install", "--quiet", TORCH], "Adding PyTorch for the tests")
        add_peers()
    stamp.write_text(wanted)


def add_peers() -> None:
    """Install what no Python package brings, where that needs nobody's password."""
    missing = [name for name, commands in PEERS.items() if not any(map(shutil.which, commands))]
    if not missing:
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        names = " ".join(missing)
        refuse(f"The tests compare with peers that are missing here: apt-get install {names}.")
    run(["apt-get", "update", "--quiet"], "Reading Debian's packages")
    command = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *missing]
    run(command, f"Adding {' and '.join(missing)} for the tests")


def digest_of_lock() -> str:
    """What the environment is made from; the same again means there is nothing to do."""
    digest = hashlib.sha256()
    for name in ("uv.lock", "pyproject.toml", "setup.py", ".ci/environment.py"):
        digest.update(Path(name).read_bytes())
    return digest.hexdigest()


def check_machine() -> None:
    here = sys.version_info[:2]
    if not OLDEST <= here <= NEWEST:
        refuse(
            f"Python {here[0]}.{here[1]} is not supported: use 3.11 (or 3.12/3.13 on a system with "
            "glibc 2.39), for example `make demo PYTHON=python3.11`."
        )
    libc, version = platform.libc_ver()
    glibc = tuple(int(part) for part in version.split(".")[:2]) if libc == "glibc" else None
    if here > OLDEST and glibc is not None and glibc < GLIBC_OF_NEW_LINE:
        refuse(
            f"On Python {here[0]}.{here[1]} TFX needs glibc 2.39 or newer (Ubuntu 24.04, Debian "
            f"13) and this system has {version}: use Python 3.11 here, `make … PYTHON=python3.11`."
        )
    if not any(shutil.which(compiler) for compiler in ("cc", "gcc", "clang")):
        refuse("No C compiler was found, and pyfarmhash builds from source: install gcc or clang.")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        refuse(
            f"Python's headers are missing, and pyfarmhash needs them: install python{here[0]}."
            f"{here[1]}-dev."
        )


def check_same_python(venv: Path) -> None:
    config = venv / "pyvenv.cfg"
    if not config.exists():
        return
    settings = dict(
        line.split(" = ", 1) for line in config.read_text().splitlines() if " = " in line
    )
    made_by = settings.get("version", "?")
    if tuple(made_by.split(".")[:2]) != tuple(str(part) for part in sys.version_info[:2]):
        refuse(
            f"{venv} was made by Python {made_by} and this is Python {platform.python_version()}: "
            f"remove it (rm -rf {venv}) or name its Python, `make … PYTHON=python"
            f"{'.'.join(made_by.split('.')[:2])}`."
        )
    if not (venv / "bin" / "python").exists():
        refuse(f"{venv} points to a Python that is gone: remove it (rm -rf {venv}) and try again.")


def make_venv(venv: Path) -> Path:
    python = venv / "bin" / "python"
    if not (venv / "bin" / "uv").exists():
        run([sys.executable, "-m", "venv", venv], f"Making {venv}")
        run([python, "-m", "pip", "install", "--quiet", UV], "Adding uv")
    return python


def run(command: list, step: str, env: dict[str, str] | None = None) -> None:
    print(f"{step} …", file=sys.stderr, flush=True)
    done = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        refuse(f"{step}: the command above failed; mend what it names and call make again.")


def refuse(sentence: str) -> None:
    sys.exit(f"set-up: {sentence}")


if __name__ == "__main__":
    main()
