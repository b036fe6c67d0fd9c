"""One container, without a container: its command in a fresh process, its output in a log."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeflow.rehearsal.environment import Image

# What a shell gives when it cannot start a command.
NOT_STARTED = 127


@dataclass(frozen=True)
class Ran:
    """A process that has ended."""

    exit_code: int
    seconds: float


def run_container(
    command: Sequence[str],
    declared: Mapping[str, str],
    image: Image,
    scratch: Path,
    log: Path,
) -> Ran:
    """Run the command as the image would, with a home of its own that is gone afterwards."""
    environment = image.environment(scratch, declared)
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        with open(log, "ab") as output:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=environment["HOME"],
            )
        exit_code = done.returncode
    except OSError as error:
        with open(log, "a", encoding="utf-8") as output:
            output.write(f"{type(error).__name__}: {error}\n")
        exit_code = NOT_STARTED
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Ran(exit_code, time.monotonic() - started)
