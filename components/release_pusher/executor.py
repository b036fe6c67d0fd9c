"""Publishes the exported model with its report as a new release, if the gate blessed it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from components.release_gate.report import HTML_FILE
from components.release_pusher.config import RUNTIME_PARAMETERS, ReleaseConfig
from components.release_pusher.destinations.delivery import DeliveryError, push_to
from components.release_pusher.destinations.destination import Delivered
from components.release_pusher.hub import archive_url, publish_hub, web_address
from components.release_pusher.layout import CARD_FILE, REPORT_FOLDER
from components.release_pusher.pages.facts import facts_of, read_facts
from components.release_pusher.pages.writing import hub_page, model_card
from components.release_pusher.releases import Publication, keep_last, publish
from components.run_reporter.alert import success
from components.run_reporter.config import AlertsConfig
from components.run_reporter.links import file_page
from components.run_reporter.webhook import tell
from components.speech_example_gen.config import SPLITS
from components.wer_evaluator.scores import read_scores, whole
from models import filesystem
from models.artifact_kinds import HubKind
from models.export.artifacts import hub_folders, shipped_folders
from models.training.history import HISTORY_FILE, History
from schemas import model_properties
from schemas.properties import from_json
from schemas.release_manifest import Provenance, SplitFigures, TrainingFigures

Artifacts = dict[str, list[Artifact]]


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        fileio.makedirs(pushed.uri)
        blessing = artifact_utils.get_single_instance(input_dict["blessing"])
        if not model_utils.is_model_blessed(blessing):
            pushed.set_int_custom_property("pushed", 0)
            return
        evaluation = artifact_utils.get_single_uri(input_dict["evaluation"])
        exported = artifact_utils.get_single_uri(input_dict["model"])
        report = artifact_utils.get_single_uri(input_dict["report"])
        release = from_json(ReleaseConfig, exec_properties["release"])
        publication = publish(
            release.folder,
            exec_properties["name"],
            sources=shipped_folders(exported),
            evidence={REPORT_FOLDER: report},
            wer={score.trial: score.wer for score in whole(read_scores(evaluation))},
            provenance=_provenance(input_dict, exec_properties),
            pages=lambda manifest: {
                CARD_FILE: model_card(facts_of(manifest, report), release.page)
            },
        )
        pushed.set_int_custom_property("pushed", 1)
        pushed.set_int_custom_property("already", int(publication.already))
        pushed.set_string_custom_property("pushed_destination", publication.folder)
        pushed.set_string_custom_property("pushed_version", str(publication.manifest.version))
        if not publication.already:
            _tell(publication, from_json(AlertsConfig, exec_properties["alerts"]))
        _hand_on(publication, release, hub_folders(exported), pushed)


def _tell(publication: Publication, alerts: AlertsConfig) -> None:
    manifest = publication.manifest
    page = file_page(filesystem.join(publication.folder, REPORT_FOLDER, HTML_FILE))
    tell(alerts, success(manifest.name, manifest.version, manifest.wer, page))


def _hand_on(
    publication: Publication,
    release: ReleaseConfig,
    models: dict[HubKind, str],
    pushed: Artifact,
) -> None:
    """Everything that follows a release, also one that was out already: a retry finishes it.

    The one place from which other destinations are served; they come last, being out of our hands.
    """
    keep_last(release.folder, release.keep_last)
    if release.hub_folder:
        _publish_hub(publication, release, models)
    try:
        delivered = push_to(publication.folder, models, release.destinations, release.page)
    except DeliveryError as error:
        _note_delivered(pushed, error.delivered)
        raise
    _note_delivered(pushed, delivered)


def _note_delivered(pushed: Artifact, delivered: Sequence[Delivered]) -> None:
    urls = {one.name: one.url for one in delivered}
    pushed.set_string_custom_property("delivered", json.dumps(urls))


def _publish_hub(
    publication: Publication, release: ReleaseConfig, models: dict[HubKind, str]
) -> None:
    manifest, facts = publication.manifest, read_facts(publication.folder)
    address = release.hub_url or web_address(release.hub_folder)
    pages = {
        kind: hub_page(
            facts, kind, archive_url(address, manifest.name, kind, manifest.version), release.page
        )
        for kind in models
    }
    publish_hub(release.hub_folder, manifest, models, pages)


def _provenance(input_dict: Artifacts, exec_properties: dict[str, Any]) -> Provenance:
    examples = artifact_utils.get_single_instance(input_dict["examples"])
    base = artifact_utils.get_single_instance(input_dict["base_model"])
    return Provenance(
        checkpoint=base.get_string_custom_property(model_properties.CHECKPOINT),
        checkpoint_sha256=base.get_string_custom_property(model_properties.CHECKPOINT_SHA256),
        config_sha256=exec_properties["config_sha256"],
        data_fingerprint=examples.get_string_custom_property("input_fingerprint"),
        data_span=examples.get_int_custom_property("span"),
        code_version=exec_properties["code_version"],
        runtime_parameters=json.loads(exec_properties[RUNTIME_PARAMETERS]),
        splits={name: _split_figures(examples, name) for name in SPLITS},
        training=_training_figures(artifact_utils.get_single_instance(input_dict["model"])),
    )


def _split_figures(examples: Artifact, split: str) -> SplitFigures:
    return SplitFigures(
        utterances=examples.get_int_custom_property(f"{split}_utterances"),
        hours=examples.get_float_custom_property(f"{split}_hours"),
        speakers=examples.get_int_custom_property(f"{split}_speakers"),
        quarantined=examples.get_int_custom_property(f"{split}_quarantined"),
    )


def _training_figures(exported: Artifact) -> TrainingFigures | None:
    """From beside the trained model, where it still lies there."""
    trained = exported.get_string_custom_property(model_properties.TRAINED_MODEL)
    text = (
        filesystem.read_text_if_there(filesystem.join(trained, HISTORY_FILE)) if trained else None
    )
    if text is None:
        return None
    history = History.from_json(json.loads(text))
    return TrainingFigures(
        steps=history.evaluations[-1].step,
        audio_hours=history.audio_seconds / 3600,
        seconds=history.seconds,
        dev_wer_before=history.initial_wer,
        dev_wer_after=history.best.wer,
        kilowatt_hours=history.kilowatt_hours,
        hardware=history.hardware,
        electricity_method=history.electricity_method,
    )
