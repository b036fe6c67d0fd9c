"""Every tensor of a checkpoint accounted for: which variable it went to, or the refusal by name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from models.errors import BadInputError
from models.wav2vec2.checkpoint_files import Checkpoint
from models.wav2vec2.tensor_names import NamedTensor, named_tensors

_NAMES_SHOWN = 10
# Heads: what one task puts on the trunk and another task has no use for.
CTC_HEAD = ("lm_head.",)
PRETRAINING_HEADS = ("quantizer.", "project_hid.", "project_q.")
MASK_EMBEDDING = "wav2vec2.masked_spec_embed"


@dataclass(frozen=True)
class MappedTensor:
    """One tensor: its key in the checkpoint, the variable and the key it is written under."""

    source: str
    variable: str
    key: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ConversionReport:
    """What became of each tensor of a checkpoint."""

    checkpoint: str
    architecture: str
    parameters: int
    mapped: tuple[MappedTensor, ...]
    left_out: tuple[str, ...] = ()
    initialised: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def __str__(self) -> str:
        rows = [
            f"{'×'.join(map(str, one.shape)):>14}  {one.source} → {one.key}" for one in self.mapped
        ]
        rows += [f"{'left out':>14}  {name}" for name in self.left_out]
        rows += [f"{'initialised':>14}  {name}" for name in self.initialised]
        rows.append(
            f"{self.architecture}: {len(self.mapped)} tensors mapped,"
            f" {len(self.left_out)} left out, {len(self.initialised)} initialised;"
            f" {self.parameters:,} parameters."
        )
        rows.append(self._about_vocabulary())
        return "\n".join(rows)

    def _about_vocabulary(self) -> str:
        if self.vocabulary:
            return f"A vocabulary of {len(self.vocabulary)} tokens lies beside the weights."
        return "No vocabulary came with it (vocab.json, or dict.ltr.txt beside a fairseq .pt)."


def assign(
    model: Any,
    checkpoint: Checkpoint,
    *,
    may_leave_out: Iterable[str] = (),
    may_lack: Iterable[str] = (),
    afresh: Iterable[str] = (),
) -> ConversionReport:
    """Give every variable its tensor. What is missing, extra or ill-shaped is refused by name.

    Each exception is a prefix of names: tensors that `may_leave_out` need no place in the model,
    those that it `may_lack` keep the model's own values if they are missing, those that start
    `afresh` keep them in any case.
    """
    named = {_full_name(model, tensor.key): tensor for tensor in named_tensors(model)}
    renewed = {name for name in named if name.startswith(tuple(afresh))}
    missing = [name for name in named if name not in checkpoint.tensors and name not in renewed]
    extra = [name for name in checkpoint.tensors if name not in named]
    wanted = {name: named[name] for name in named if name not in renewed.union(missing)}
    _refuse(
        checkpoint,
        missing=[name for name in missing if not name.startswith(tuple(may_lack))],
        extra=[name for name in extra if not name.startswith(tuple(may_leave_out))],
        wanted=wanted,
    )
    for name, tensor in wanted.items():
        tensor.assign(checkpoint.tensors[name].tensor.read())
    return ConversionReport(
        checkpoint=checkpoint.path,
        architecture=type(model).__name__,
        parameters=model.count_params(),
        mapped=tuple(
            MappedTensor(
                checkpoint.tensors[name].key, tensor.variable.path, tensor.key, tensor.shape
            )
            for name, tensor in wanted.items()
        ),
        left_out=tuple(checkpoint.tensors[name].key for name in extra),
        initialised=tuple(tensor.key for name, tensor in named.items() if name not in wanted),
    )


def _full_name(model: Any, key: str) -> str:
    return key if hasattr(model, "wav2vec2") else f"wav2vec2.{key}"


def _refuse(
    checkpoint: Checkpoint, missing: list[str], extra: list[str], wanted: dict[str, NamedTensor]
) -> None:
    found = checkpoint.tensors
    ill_shaped = [
        f"{found[name].key} ({list(found[name].tensor.shape)} instead of {list(tensor.shape)})"
        for name, tensor in wanted.items()
        if found[name].tensor.shape != tensor.shape
    ]
    complaints = [
        f"{what} {_some(names)}"
        for what, names in (
            ("lacks", missing),
            ("holds the unknown", [found[name].key for name in extra]),
            ("holds in the wrong shape", ill_shaped),
        )
        if names
    ]
    if not complaints:
        return
    hint = ""
    if any(name.startswith(CTC_HEAD) for name in missing):
        hint = " It was not fine-tuned: pass new_head=True to start the CTC head afresh."
    raise BadInputError(f"The checkpoint {checkpoint.path} {'; '.join(complaints)}.{hint}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
