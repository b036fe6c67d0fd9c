"""What this machine can do: looked at without importing TensorFlow or TFX."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

# What the pipeline cannot do without, and what each is for.
NEEDED = {
    "tfx": "the pipeline",
    "tensorflow": "the model",
    "apache-beam": "ingest and evaluation",
    "tensorflow-transform": "preprocessing",
    "tensorflow-data-validation": "data checks",
    "ml-metadata": "lineage and the cache",
    "kfp": "compiling for the cluster",
    "ai-edge-litert": "running TFLite",
    "espeakng-loader": "the synthetic corpus",
}
# Distributions that bring the same package for other machines.
STAND_INS = {"tensorflow": "tensorflow-tpu"}
GIB = 1024**3
LITTLE_DISK, LITTLE_MEMORY = 5 * GIB, 8 * GIB


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `missing` is what stops work, `note` only what is worth knowing."""

    what: str
    state: Literal["ok", "note", "missing"]
    found: str
    cure: str = ""


def examine(folder: Path = Path()) -> list[Finding]:
    """Everything a run on this machine depends on."""
    return [
        Finding("Python", "ok", platform.python_version()),
        _glibc(),
        Finding("cores", "ok", str(os.cpu_count())),
        _memory(),
        _disk(folder),
        *_packages(),
        _torch(),
        _gpu(),
        _cloud(),
    ]


def _glibc() -> Finding:
    name, version = platform.libc_ver()
    return Finding("C library", "ok", f"{name} {version}".strip() or platform.system())


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total < LITTLE_MEMORY:
        return Finding("memory", "note", f"{total / GIB:.1f} GiB", "use small batches")
    return Finding("memory", "ok", f"{total / GIB:.1f} GiB")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder.absolute()).free
    found = f"{free / GIB:.1f} GiB free here"
    if free < LITTLE_DISK:
        return Finding("disk", "note", found, "enough for the demo, not for LibriSpeech")
    return Finding("disk", "ok", found)


def _packages() -> Iterator[Finding]:
    for package, purpose in NEEDED.items():
        try:
            yield Finding(package, "ok", f"{_version(package)} ({purpose})")
        except metadata.PackageNotFoundError:
            yield Finding(package, "missing", f"not installed ({purpose})", f"install {package}")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return metadata.version(STAND_INS.get(package, package))


def _torch() -> Finding:
    if util.find_spec("torch"):
        return Finding("torch", "ok", f"{metadata.version('torch')} (comparisons with PyTorch)")
    return Finding(
        "torch",
        "note",
        "not installed: only comparisons with PyTorch need it",
        "pip install torch==2.13.0",
    )


def _gpu() -> Finding:
    if shutil.which("nvidia-smi"):
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
        if listed.returncode == 0 and listed.stdout.strip():
            return Finding("GPU", "ok", listed.stdout.strip().splitlines()[0])
    return Finding("GPU", "note", "none: training runs on the CPU")


def _cloud() -> Finding:
    known = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or (
        Path.home() / ".config/gcloud/application_default_credentials.json"
    )
    if Path(known).exists():
        return Finding("Google Cloud", "ok", "application credentials found")
    return Finding(
        "Google Cloud",
        "note",
        "no credentials: compiling works, submitting does not",
        "gcloud auth application-default login",
    )
