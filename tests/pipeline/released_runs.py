"""Runs with their releases: what ML Metadata knows of them, beside the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.release_pusher.releases import publish
from models.training.config import Stage, TrainingConfig
from schemas.properties import to_json
from schemas.release_manifest import Provenance
from tests.pipeline.metadata_of_runs import Runs

RECIPE = TrainingConfig(stages=(Stage("head", 40, 1e-3), Stage("all", 60, 1e-4)), batch_size=8)
FIGURES = {
    "audio_seconds": 7200.0,
    "seconds": 60.0,
    "initial_wer": 1.0,
    "best": {"step": 80, "wer": 0.25},
    "evaluations": [{"step": 0, "wer": 1.0}, {"step": 80, "wer": 0.25}, {"step": 100, "wer": 0.3}],
}
PROVENANCE = Provenance("/checkpoint", "c" * 64, "d" * 64, "sha256:data", 7, "1.0")


def release(
    runs: Runs, name: str, number: int, wer: float, values: Mapping[str, Any] | None = None
) -> None:
    """A run of that id with its release; `values` are what its tuner found."""
    root = runs.root
    run = runs.begin(name)
    base = run.execute(
        "CheckpointImporter",
        gives={
            "model": (
                root / "base",
                {"checkpoint": "/checkpoint", "checkpoint_sha256": "c" * 64, "parameters": 856128},
            )
        },
    )
    split = {"utterances": 560, "hours": 0.25, "speakers": 12, "quarantined": 3}
    told = {f"train_{key}": value for key, value in split.items()}
    examples = run.execute(
        "SpeechExampleGen",
        told={"input_base": "/corpus"},
        gives={"examples": (root / "e", {"span": 7, "input_fingerprint": "sha256:data", **told})},
    )
    takes = {"examples": examples["examples"], "base_model": base["model"]}
    if values:
        (root / "found").mkdir(exist_ok=True)
        (root / "found" / "best_hyperparameters.txt").write_text(json.dumps({"values": values}))
        found = run.execute("Tuner", gives={"best_hyperparameters": (root / "found", {})})
        takes["hyperparameters"] = found["best_hyperparameters"]
    folder = root / "Trainer" / name
    (folder / "Format-Serving").mkdir(parents=True)
    (folder / "Format-Serving" / "history.json").write_text(json.dumps(FIGURES))
    custom = json.dumps({"training": to_json(RECIPE)})
    trained = run.execute(
        "Trainer", told={"custom_config": custom}, takes=takes, gives={"model": (folder, {})}
    )
    evaluation = run.execute(
        "WerEvaluator",
        takes={"model": trained["model"], "examples": examples["examples"]},
        gives={"evaluation": (root / "evaluation", {"wer/saved_model/unpadded": wer})},
    )
    judged = run.execute(
        "ReleaseGate",
        takes={"evaluation": evaluation["evaluation"]},
        gives={
            "blessing": (root / "blessing", {"blessed": 1}),
            "report": (
                root / "report",
                {"finding/runtime": "no utterance failed", "passed/runtime": 1},
            ),
        },
    )
    (root / f"model-{name}").mkdir()
    (root / f"model-{name}" / "saved_model.pb").write_text(name)
    published = publish(
        root / "releases",
        "demo",
        {"": str(root / f"model-{name}")},
        {},
        {"saved_model/unpadded": wer},
        PROVENANCE,
    )
    assert published.manifest.version == number
    run.execute(
        "ReleasePusher",
        told={
            "config_sha256": "d" * 64,
            "code_version": "1.0",
            "runtime_parameters": '{"steps_1": 30}',
        },
        takes={
            "examples": examples["examples"],
            "base_model": base["model"],
            "evaluation": evaluation["evaluation"],
            "report": judged["report"],
            "blessing": judged["blessing"],
        },
        gives={
            "pushed_model": (
                root / "pushed",
                {
                    "pushed": 1,
                    "already": 0,
                    "pushed_version": str(number),
                    "pushed_destination": published.folder,
                },
            )
        },
    )
