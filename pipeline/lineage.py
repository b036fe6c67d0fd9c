"""What made a release: from ML Metadata, back from what was pushed to the first inputs."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto.metadata_store_pb2 import Artifact, Event, Execution
from pydantic import TypeAdapter

from components.release_gate.verdict import Finding
from components.release_pusher.config import RUNTIME_PARAMETERS
from components.release_pusher.releases import list_releases, read_manifest
from components.speech_example_gen.config import SPLITS
from components.wer_evaluator.scores import MAIN_TRIAL
from models import filesystem
from models.errors import BadInputError
from models.training.config import TrainingConfig
from models.training.tuning import tuned
from pipeline.config import RunConfig
from pipeline.local import LAST_NODE, METADATA_FILE
from pipeline.metadata import SERVER_FILE, open_server, open_store
from pipeline.run_record import RunRecord, read_record, was_run
from pipeline.runs import INPUT, OUTPUT, Run, all_runs, number_of
from schemas import model_properties
from schemas.release_manifest import ReleaseManifest, RuntimeValue, SplitFigures

RELEASES_FOLDER = "releases"
LATEST = "latest"
WER = "wer/"
FINDING, PASSED = "finding/", "passed/"
HYPERPARAMETERS_FILE = "best_hyperparameters.txt"


@dataclass(frozen=True)
class Data:
    corpus: str
    span: int
    fingerprint: str
    splits: dict[str, SplitFigures]


@dataclass(frozen=True)
class Training:
    """The recipe as it was followed; figures are None where the model's folder is gone."""

    recipe: TrainingConfig
    tuned: bool
    steps: int | None
    seconds: float | None
    audio_hours: float | None
    dev_wer_before: float | None
    dev_wer_after: float | None
    best_step: int | None


@dataclass(frozen=True)
class Replaced:
    """The release that was the newest before this one."""

    version: int
    wer: float | None  # of the main trial


@dataclass(frozen=True)
class Link:
    """One execution of the chain, with the artifacts that it took and gave, by their ids."""

    execution: int
    node: str
    state: str
    inputs: dict[str, list[int]]
    outputs: dict[str, list[int]]


@dataclass(frozen=True)
class Made:
    """All that ML Metadata knows of how a release was made."""

    run: RunRecord
    data: Data
    checkpoint: str
    checkpoint_sha256: str
    parameters: int | None
    config_sha256: str
    # What a run on a cluster was told in place of the config's values.
    runtime_parameters: dict[str, RuntimeValue]
    code_version: str
    training: Training | None
    blessed: bool
    findings: tuple[Finding, ...]
    report: str
    wer: dict[str, float]
    chain: tuple[Link, ...]
    artifacts: dict[int, str]  # the place of each, by its id


@dataclass(frozen=True)
class Lineage:
    """A release and what made it; without `made` the manifest is all there is."""

    name: str
    version: int
    folder: str
    manifest: ReleaseManifest | None  # None where the release was removed
    restores: int | None
    replaced: Replaced | None
    made: Made | None

    def as_json(self) -> dict[str, Any]:
        """What `w2v lineage --json` prints."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class _Pushed:
    """A run's push; `already` where the same content was the newest release before."""

    run: Run
    version: int
    folder: str
    already: bool


def lineage_of(release: str, root: Path, config: RunConfig | None = None) -> Lineage:
    """The lineage of a version by its number, its folder, or of the `latest`.

    From the ML Metadata below a root, or from the server that a config names.
    """
    store = open_server(config) if config else _store_below(root)
    pushes = _pushes(store) if store else []
    folder = _folder_of(
        release, pushes, config.release.folder if config else str(root / RELEASES_FOLDER)
    )
    manifest = _manifest_of(folder)
    restores = manifest.restores if manifest else None
    origin = _sibling(folder, restores) if restores else folder
    push = _push_to(origin, pushes)
    if manifest is None and push is None:
        known = ", ".join(dict.fromkeys(str(one.version) for one in pushes)) or "none"
        raise BadInputError(
            f"There is no release at {folder}, and ML Metadata knows none of it (known versions: "
            f"{known}); name a version, the folder of a release, or latest."
        )
    version = manifest.version if manifest else push.version if push else 0
    return Lineage(
        name=manifest.name if manifest else push.run.pipeline if push else "",
        version=version,
        folder=folder,
        manifest=manifest,
        restores=restores,
        replaced=_replaced(folder, version, pushes),
        made=_made_if_known(store, push.run, manifest) if store and push else None,
    )


def _store_below(root: Path) -> mlmd.MetadataStore | None:
    file = root / METADATA_FILE
    is_there = file.exists() or file.with_name(SERVER_FILE).exists()
    return open_store(file) if is_there else None


def _pushes(store: mlmd.MetadataStore) -> list[_Pushed]:
    found = []
    for run in all_runs(store):
        pushed = run.output_if_any(LAST_NODE, "pushed_model")
        # From the cache it is what an earlier run pushed.
        if pushed is None or not was_run(run.work[LAST_NODE]):
            continue
        told = pushed.custom_properties
        if told["pushed"].int_value:
            version = int(told["pushed_version"].string_value)
            folder, already = told["pushed_destination"].string_value, told["already"].int_value
            found.append(_Pushed(run, version, folder, bool(already)))
    return found


def _push_to(folder: str, pushes: list[_Pushed]) -> _Pushed | None:
    """The push that made a release.

    A node that failed after it had published is not known to have pushed; its retry is.
    """
    there = [one for one in pushes if _same_place(one.folder, folder)]
    made = [one for one in there if not one.already]
    return made[-1] if made else next(iter(there), None)


def _folder_of(release: str, pushes: list[_Pushed], default: str) -> str:
    """The folder that a number, `latest` or a folder's own name stands for."""
    if release != LATEST and not release.isdecimal():
        return release
    places = list(dict.fromkeys(os.path.dirname(one.folder) for one in pushes))
    if release == LATEST:
        place = places[-1] if places else default
        newest = list_releases(place)[-1:]
        versions = [one.version for one in newest] or [one.version for one in pushes][-1:]
        if not versions:
            raise BadInputError(f"Nothing has been published in {place} yet; run a pipeline first.")
        return filesystem.join(place, str(versions[0]))
    if len(places) > 1:
        raise BadInputError(
            f"There are releases in {' and '.join(places)}; name the folder of the one you mean."
        )
    return filesystem.join(places[0] if places else default, release)


def _manifest_of(folder: str) -> ReleaseManifest | None:
    return read_manifest(folder) if filesystem.exists(folder) else None


def _sibling(folder: str, version: int) -> str:
    return filesystem.join(os.path.dirname(folder.rstrip("/")), str(version))


def _same_place(one: str, other: str) -> bool:
    if filesystem.is_remote(one) or filesystem.is_remote(other):
        return one.rstrip("/") == other.rstrip("/")
    return os.path.realpath(one) == os.path.realpath(other)


def _replaced(folder: str, version: int, pushes: list[_Pushed]) -> Replaced | None:
    """From the manifests, which know rollbacks, or from the pushes, which outlive the files."""
    place = os.path.dirname(folder.rstrip("/"))
    known = {
        one.version: one.run
        for one in pushes
        if one.version < version and _same_place(os.path.dirname(one.folder), place)
    }
    there = {one.version: one for one in list_releases(place) if one.version < version}
    before = max((*known, *there), default=None)
    if before is None:
        return None
    rates = there[before].wer if before in there else _wer_if_known(known[before])
    return Replaced(before, rates.get(MAIN_TRIAL))


def _made_if_known(
    store: mlmd.MetadataStore, run: Run, manifest: ReleaseManifest | None
) -> Made | None:
    """None where the server was away for a part of the run, and the manifest says the rest."""
    try:
        return _made(store, run)
    except BadInputError:
        if manifest is None:
            raise
        return None


def _made(store: mlmd.MetadataStore, run: Run) -> Made:
    examples = run.input(LAST_NODE, "examples")
    base_model = run.input(LAST_NODE, "base_model")
    report = run.output("ReleaseGate", "report")
    blessing = run.output("ReleaseGate", "blessing")
    chain = _chain(store, run)
    return Made(
        run=read_record(run),
        data=_data(run, examples),
        checkpoint=_text(base_model, model_properties.CHECKPOINT),
        checkpoint_sha256=_text(base_model, model_properties.CHECKPOINT_SHA256),
        parameters=base_model.custom_properties["parameters"].int_value if base_model else None,
        config_sha256=run.told(LAST_NODE, "config_sha256"),
        # Runs from before it was recorded say nothing.
        runtime_parameters=json.loads(run.told(LAST_NODE, RUNTIME_PARAMETERS) or "{}"),
        code_version=run.told(LAST_NODE, "code_version"),
        training=_training(run),
        blessed=bool(blessing.custom_properties["blessed"].int_value),
        findings=_findings(report),
        report=report.uri,
        wer=_wer_of(run),
        chain=chain,
        artifacts=_places(store, chain),
    )


def _data(run: Run, examples: Artifact | None) -> Data:
    assert examples is not None  # the pusher takes them
    told = examples.custom_properties
    splits = {
        name: SplitFigures(
            utterances=told[f"{name}_utterances"].int_value,
            hours=number_of(told[f"{name}_hours"]),
            speakers=told[f"{name}_speakers"].int_value,
            quarantined=told[f"{name}_quarantined"].int_value,
        )
        for name in SPLITS
    }
    return Data(
        corpus=run.told("SpeechExampleGen", "input_base"),
        span=told["span"].int_value,
        fingerprint=told["input_fingerprint"].string_value,
        splits=splits,
    )


def _training(run: Run) -> Training | None:
    given = json.loads(run.told("Trainer", "custom_config") or "{}")
    if "training" not in given:
        return None
    recipe = TypeAdapter(TrainingConfig).validate_json(given["training"])
    values = _values_found(run)
    figures = run.training_figures() or {}
    best = figures.get("best", {})
    seconds = figures.get("audio_seconds")
    return Training(
        recipe=tuned(recipe, values) if values else recipe,
        tuned=bool(values),
        steps=figures["evaluations"][-1]["step"] if figures else None,
        seconds=figures.get("seconds"),
        audio_hours=None if seconds is None else seconds / 3600,
        dev_wer_before=figures.get("initial_wer"),
        dev_wer_after=best.get("wer"),
        best_step=best.get("step"),
    )


def _values_found(run: Run) -> dict[str, Any]:
    """What the Tuner found, where there was one and its file is still there."""
    found = run.input("Trainer", "hyperparameters")
    if found is None:
        return {}
    text = filesystem.read_text_if_there(filesystem.join(found.uri, HYPERPARAMETERS_FILE))
    return json.loads(text)["values"] if text else {}


def _findings(report: Artifact) -> tuple[Finding, ...]:
    """Each rule's finding, those that failed first."""
    told = report.custom_properties
    findings = [
        Finding(
            rule=name.removeprefix(FINDING),
            passed=bool(told[name.replace(FINDING, PASSED, 1)].int_value),
            reason=told[name].string_value,
        )
        for name in sorted(told)
        if name.startswith(FINDING)
    ]
    return tuple(sorted(findings, key=lambda finding: finding.passed))


def _wer_of(run: Run) -> dict[str, float]:
    evaluation = run.output("WerEvaluator", "evaluation").custom_properties
    return {
        name.removeprefix(WER): number_of(evaluation[name])
        for name in sorted(evaluation)
        if name.startswith(WER)
    }


def _wer_if_known(run: Run) -> dict[str, float]:
    return _wer_of(run) if run.output_if_any("WerEvaluator", "evaluation") else {}


def _chain(store: mlmd.MetadataStore, run: Run) -> tuple[Link, ...]:
    """Every execution that the push rests on, the push itself last."""
    wanted = [run.work[LAST_NODE].id]
    links: dict[int, Link] = {}
    while wanted:
        execution = wanted.pop()
        if execution in links:
            continue
        links[execution] = _link(store, execution)
        for artifact in _ids(links[execution].inputs):
            makers = [
                event.execution_id
                for event in store.get_events_by_artifact_ids([artifact])
                if event.type == OUTPUT
            ]
            wanted += makers[:1]  # later ones took it from the cache
    return tuple(links[execution] for execution in sorted(links))


def _link(store: mlmd.MetadataStore, execution_id: int) -> Link:
    (execution,) = store.get_executions_by_id([execution_id])
    events = store.get_events_by_execution_ids([execution_id])
    return Link(
        execution=execution_id,
        node=store.get_execution_types_by_id([execution.type_id])[0].name.rpartition(".")[2],
        state=Execution.State.Name(execution.last_known_state).lower(),
        inputs=_by_key(events, INPUT),
        outputs=_by_key(events, OUTPUT),
    )


def _by_key(events: list[Event], kind: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for event in events:
        if event.type == kind:
            found.setdefault(event.path.steps[0].key, []).append(event.artifact_id)
    return found


def _ids(artifacts: dict[str, list[int]]) -> list[int]:
    return [one for several in artifacts.values() for one in several]


def _places(store: mlmd.MetadataStore, chain: tuple[Link, ...]) -> dict[int, str]:
    ids = {one for link in chain for one in (*_ids(link.inputs), *_ids(link.outputs))}
    return {artifact.id: artifact.uri for artifact in store.get_artifacts_by_id(sorted(ids))}


def _text(artifact: Artifact | None, key: str) -> str:
    return artifact.custom_properties[key].string_value if artifact else ""
