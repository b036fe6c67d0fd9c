"""What is known of a release: its manifest, and what the report beside it measured."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from components.release_gate.report import JSON_FILE
from components.release_pusher.layout import REPORT_FOLDER, is_file_artifact, is_of_saved_model
from components.release_pusher.releases import read_manifest
from components.wer_evaluator.explain import ENDINGS_TO_EXPLAIN
from components.wer_evaluator.scores import Score, main_trial, score_of, whole
from models import filesystem
from schemas.release_manifest import ReleaseManifest

log = logging.getLogger(__name__)

REPORT_FILE = f"{REPORT_FOLDER}/{JSON_FILE}"
SAVED_MODEL_FILE = "saved_model.pb"
WORST_SLICES = 3
# Of one feature, such as gender or duration; of hundreds of speakers only the worst are told.
MOST_VALUES_SHOWN = 8
# Paddings that nobody ships: they are run to be compared with.
ENDINGS_TO_COMPARE = ("_unmasked", *ENDINGS_TO_EXPLAIN)


@dataclass(frozen=True)
class Part:
    """Something in the release that a client takes: a file, or the SavedModel as a whole."""

    path: str
    bytes: int


@dataclass(frozen=True)
class ReleaseFacts:
    """A release as its pages tell of it; without a report there are the manifest's rates alone."""

    manifest: ReleaseManifest
    scores: tuple[Score, ...] = ()
    split: str = ""
    normalisation: str = ""
    decoding: str = ""
    worst_slices: tuple[Score, ...] = ()
    # Of the main trial, by the feature that cuts them: gender, duration, …
    slices: dict[str, tuple[Score, ...]] = field(default_factory=dict)

    @property
    def main(self) -> Score | None:
        """The score that a reader is told first."""
        if not self.scores:
            return None
        name = main_trial(list(self.scores))
        return next(score for score in self.scores if score.trial == name)

    @property
    def wer(self) -> dict[str, float]:
        """The error rate of every trial but those that are only compared with."""
        rates = self.manifest.wer.items()
        return {trial: rate for trial, rate in rates if not _only_compares(trial.partition("+")[0])}

    @property
    def checkpoint(self) -> str:
        """The name of the checkpoint; where it lay is nobody's business."""
        return PurePosixPath(self.manifest.provenance.checkpoint).name

    @property
    def parts(self) -> list[Part]:
        """What can be taken from the release, the SavedModel first."""
        files = self.manifest.files
        single = [Part(file.path, file.bytes) for file in files if is_file_artifact(file.path)]
        saved_model = [file.bytes for file in files if is_of_saved_model(file.path)]
        return [Part(SAVED_MODEL_FILE, sum(saved_model)), *single] if saved_model else single

    def has(self, folder: str) -> bool:
        return any(file.path.startswith(f"{folder}/") for file in self.manifest.files)


def read_facts(release: str) -> ReleaseFacts:
    """What a release's folder says of itself."""
    return facts_of(read_manifest(release), filesystem.join(release, REPORT_FOLDER))


def facts_of(manifest: ReleaseManifest, report_folder: str) -> ReleaseFacts:
    """What is known of a version by its manifest, and by its report wherever that lies."""
    if REPORT_FILE not in {file.path for file in manifest.files}:
        return ReleaseFacts(manifest)
    report = json.loads(filesystem.read_text(filesystem.join(report_folder, JSON_FILE)))
    try:
        return _reported(manifest, report)
    except KeyError as missing:  # a release is never changed, and its report may be an older one
        log.info("%s has no %s: its pages do without it", report_folder, missing)
        return ReleaseFacts(manifest)


def _reported(manifest: ReleaseManifest, report: dict[str, Any]) -> ReleaseFacts:
    scores = [score_of(row) for row in report["scores"]]
    about = report["about"]
    return ReleaseFacts(
        manifest=manifest,
        scores=tuple(score for score in whole(scores) if not _only_compares(score.variant)),
        split=about["split"],
        normalisation=about["normalisation"],
        decoding=about["decoding"],
        worst_slices=tuple(_worst_slices(report, scores)),
        slices=_short_slicings([one for one in scores if one.trial == report["main_trial"]]),
    )


def _short_slicings(scores: list[Score]) -> dict[str, tuple[Score, ...]]:
    """Slices by their feature, where a page has room for all of its values."""
    found: dict[str, list[Score]] = {}
    for score in scores:
        if score.slice:
            found.setdefault(score.slice.partition(":")[0], []).append(score)
    return {
        feature: tuple(several)
        for feature, several in found.items()
        if 1 < len(several) <= MOST_VALUES_SHOWN
    }


def _worst_slices(report: dict[str, Any], scores: list[Score]) -> list[Score]:
    """The main trial's slices that cost most words beyond its average."""
    of_main = {score.slice: score for score in scores if score.trial == report["main_trial"]}
    damaging = [
        (row["extra_errors"], row["slice"])
        for row in report["damage"]
        if row["extra_errors"] and row["extra_errors"] > 0
    ]
    ranked = sorted(damaging, key=lambda found: (-found[0], found[1]))
    return [of_main[name] for _, name in ranked if name in of_main][:WORST_SLICES]


def _only_compares(variant: str) -> bool:
    return variant.endswith(ENDINGS_TO_COMPARE)
