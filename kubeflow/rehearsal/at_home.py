"""What of a command cannot run on this machine, and what runs instead of it.

Nothing else of the command is changed, and each change is told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeflow.names import METADATA_FLAG
from pipeline.local import FILE_ADDRESS, METADATA_FILE, beam_args

RUNNER_FLAG = "--runner"
# Runners that are processes of this machine anyway.
LOCAL_RUNNERS = ("FnApiRunner", "BundleBasedDirectRunner", "DirectRunner", "PrismRunner")
# More than one: the workers are then processes of their own, and functions must be sent to them.
WORKERS = 2
# The key of a node's settings under which TFX's extension finds the custom job to start.
CUSTOM_JOB_KEY = '"ai_platform_training_args"'
MODULE_FLAG = "-m"
CUSTOM_JOB_MODULE = "custom_job"


@dataclass(frozen=True)
class Command:
    """A command as it is run here, with what was changed of it."""

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()


def at_home(words: Sequence[str], parameters: Mapping[str, Any]) -> Command:
    """The command without what needs a cluster: a remote runner of Beam, a custom job.

    >>> at_home(["python", "-m", "node", "--runner=DataflowRunner"], {}).words[3]
    '--runner=FnApiRunner'
    """
    local_beam = _with_local_beam(words)
    if not any(CUSTOM_JOB_KEY in value for value in parameters.values() if isinstance(value, str)):
        return local_beam
    kept = list(local_beam.words)
    if MODULE_FLAG in kept:
        kept.insert(kept.index(MODULE_FLAG) + 1, CUSTOM_JOB_MODULE)
    note = "the custom job was not sent to Vertex AI: its first worker's command ran here"
    return Command(tuple(kept), (*local_beam.notes, note))


def recorded_at_home(words: Sequence[str], root: Path) -> list[str]:
    """The command that records its node below the rehearsal's root, and not beside real runs."""
    kept = list(words)
    if METADATA_FLAG in kept:
        place = kept.index(METADATA_FLAG) + 1
        file = {"address": f"{FILE_ADDRESS}{root / METADATA_FILE}", "password": ""}
        kept[place] = json.dumps(json.loads(kept[place]) | file)
    return kept


def _with_local_beam(words: Sequence[str]) -> Command:
    kept: list[str] = []
    replaced = ""
    rest = iter(words)
    for word in rest:
        flag, separator, value = word.partition("=")
        if flag != RUNNER_FLAG:
            kept.append(word)
            continue
        runner = value if separator else next(rest, "")
        if runner in LOCAL_RUNNERS:
            kept.append(f"{RUNNER_FLAG}={runner}")
        else:
            replaced = runner
            kept += beam_args(WORKERS)
    note = f"{replaced} was replaced by {WORKERS} worker processes of Beam on this machine"
    return Command(tuple(kept), (note,) if replaced else ())
