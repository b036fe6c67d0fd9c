"""A release as it lies on a disk, with a report, made without a run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from components.wer_evaluator.scores import Score, score_as_json
from schemas.release_manifest import (
    MANIFEST_FILE,
    Provenance,
    PublishedFile,
    ReleaseManifest,
    SplitFigures,
    TrainingFigures,
)

PROVENANCE = Provenance(
    checkpoint="/home/somebody/checkpoints/tiny-en",
    checkpoint_sha256="c" * 64,
    config_sha256="d" * 64,
    data_fingerprint="sha256:" + "e" * 64,
    data_span=0,
    code_version="0.1.0",
    splits={
        "train": SplitFigures(utterances=584, hours=0.26, speakers=14, quarantined=1),
        "test": SplitFigures(utterances=84, hours=0.04, speakers=4, quarantined=0),
    },
    training=TrainingFigures(
        steps=900,
        audio_hours=6.24,
        seconds=78.6,
        dev_wer_before=1.0125,
        dev_wer_after=0.1458,
        kilowatt_hours=0.00042,
        hardware="2 threads of AMD EPYC",
        electricity_method="processors estimated, memory estimated",
    ),
)
MODEL_FILES = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"index",
    "assets/vocab.json": b'{"A": 0}',
    "tflite/model-int8.tflite": bytes(range(256)) * 40,
    "onnx/model-float32.onnx": b"onnx" * 999,
}


def score(variant: str, errors: int, slice_name: str = "", artifact: str = "saved_model") -> Score:
    return Score(
        artifact=artifact,
        variant=variant,
        slice=slice_name,
        utterances=84,
        excluded=0,
        failed=0,
        speakers=4,
        audio_seconds=131.4,
        compute_seconds=1.4,
        substitutions=errors,
        deletions=0,
        insertions=0,
        words=400,
        character_errors=errors,
        characters=1653,
        wrong_utterances=errors,
        wer_low=0.0125,
        wer_high=0.0375,
    )


SCORES = [
    score("unpadded", 8),
    score("unpadded", 20, "speaker:302"),
    score("unpadded", 6, "gender:F"),
    score("unpadded", 10, "gender:M"),
    score("constant_246000_unmasked", 286),
    score("constant_246000_forerunner", 287),
    score("static", 32, artifact="tflite_int8"),
]


def write_release(
    folder: Path, version: int = 1, name: str = "phone", files: dict[str, bytes] | None = None
) -> Path:
    """Write a release's files, its report and its manifest, and give its folder."""
    model = MODEL_FILES if files is None else files
    content = hashlib.sha256(repr(sorted(model.items())).encode()).hexdigest()
    everything = model | {"report/report.json": json.dumps(report(), allow_nan=False).encode()}
    for place, data in everything.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    manifest = ReleaseManifest(
        name=name,
        version=version,
        created="2026-11-21T12:25:28+00:00",
        content_sha256=content,
        files=tuple(
            PublishedFile(place, len(data), hashlib.sha256(data).hexdigest())
            for place, data in everything.items()
        ),
        wer={one.trial: one.wer for one in SCORES if not one.slice},
        provenance=PROVENANCE,
    )
    (folder / MANIFEST_FILE).write_text(json.dumps(dataclasses.asdict(manifest), indent=1))
    return folder


def report() -> dict:
    return {
        "about": {"split": "test", "normalisation": "librispeech", "decoding": "greedy"},
        "main_trial": "saved_model/unpadded",
        "damage": [{"dimension": "speaker", "slice": "speaker:302", "extra_errors": 3.4}],
        "scores": [score_as_json(one) for one in SCORES],
    }


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its place in it."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
