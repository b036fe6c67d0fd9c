"""A run's config: YAML in, one frozen value out, every mistake named at the door.

>>> config = load_config("demo", root="/tmp/w2v", overrides=["training.batch_size=8"])
>>> config.training.batch_size
8
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
import shlex
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from components.language_model_trainer.config import LanguageModelConfig
from components.release_gate.config import GateConfig
from components.release_pusher.config import ReleaseConfig
from components.run_reporter.config import PLACES, AlertsConfig
from components.speech_example_gen.config import DataConfig
from components.transform.config import TextConfig
from components.wer_evaluator.config import EvaluationConfig
from models.errors import BadInputError
from models.export.config import ExportConfig
from models.training.config import TeacherConfig, TrainingConfig
from models.training.tuning import TuningConfig, knobs
from pipeline.cluster_config import ClusterConfig

READY_CONFIGS = Path(__file__).parent / "configs"
SHIPPED_CHECKPOINTS = Path(__file__).parent.parent / "models" / "pretrained"
RunnerName = Literal["local", "beam"]
EngineName = Literal[
    "DirectRunner",
    "PortableRunner",
    "DaskRunner",
    "FlinkRunner",
    "SparkRunner",
    "DataflowRunner",
]
Section = TypeVar("Section")
PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
METADATA_SERVER = re.compile(
    r"(?P<kind>mysql|postgresql)://(?P<user>[\w.-]+)@(?P<host>[\w.-]+)(:(?P<port>\d+))?"
    r"/(?P<database>[\w-]+)"
)


@dataclass(frozen=True)
class ModelConfig:
    """What training starts from."""

    # A folder in Hugging Face layout; with a teacher it is the teacher's.
    checkpoint: str = ""
    # From what was trained for this pipeline's last blessed model, as soon as there is one: each
    # run of a schedule goes on learning, from its own span of data.
    warm_start: bool = False
    # What is trained is a smaller student, which starts with some of this one's layers.
    teacher: TeacherConfig | None = None

    def __post_init__(self) -> None:
        if self.teacher is None:
            if not self.checkpoint:
                raise ValueError("model.checkpoint is missing")
            return
        if self.checkpoint not in ("", self.teacher.checkpoint):
            raise ValueError(
                "model.checkpoint must be left out beside model.teacher: a student starts with "
                "its teacher's weights"
            )
        if self.warm_start:
            raise ValueError(
                "model.warm_start must be false beside model.teacher: the last blessed model is "
                "the student of an earlier run"
            )
        object.__setattr__(self, "checkpoint", self.teacher.checkpoint)


@dataclass(frozen=True)
class RunnerConfig:
    """How the pipeline itself runs."""

    # A node whose inputs, settings and code are an earlier run's is not run again.
    cache: bool = True
    # Where Beam's nodes run, and what Beam is told there; `pipeline/engines.py` knows them all.
    engine: EngineName = "DirectRunner"
    # Beam's own options, each as --name=value, such as --job_endpoint=localhost:8099.
    beam_flags: tuple[str, ...] = ()
    # Processes of the DirectRunner.
    beam_workers: int = 1
    # Where artifacts go if not below --root: a place that an engine's workers reach.
    artifacts: str = ""
    # A server for ML Metadata, if it is not to be a file below --root:
    # mysql://USER@HOST:PORT/DATABASE or postgresql://USER@HOST:PORT/DATABASE.
    metadata: str = ""
    # Where its password lies: env:NAME, file:PATH, or secret:projects/P/secrets/S/versions/V of
    # Google Secret Manager. Never the password itself.
    metadata_password: str = ""
    # The container image that a compiled spec names.
    image: str = "wav2vec2-tfx"

    def __post_init__(self) -> None:
        for flag in self.beam_flags:
            if not flag.startswith("--"):
                raise ValueError(f"runner.beam_flags: {flag!r} must be of the form --name=value")
        if self.beam_workers < 1:
            raise ValueError(f"runner.beam_workers must be at least 1, not {self.beam_workers}")
        # Neither is repeated: who writes a password there by mistake must not find it in a log.
        if self.metadata and not METADATA_SERVER.fullmatch(self.metadata):
            raise ValueError(
                "runner.metadata must be of the form mysql://USER@HOST:PORT/DATABASE or "
                "postgresql://USER@HOST:PORT/DATABASE, without a password"
            )
        if self.metadata_password and not self.metadata_password.startswith(PLACES):
            raise ValueError(
                "runner.metadata_password must be env:NAME, file:PATH or "
                "secret:projects/P/secrets/S/versions/V: a password is no part of a config"
            )


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is told."""

    # Of the pipeline and of its releases: lower-case letters, digits and hyphens.
    name: str
    data: DataConfig
    model: ModelConfig
    text: TextConfig = field(default_factory=TextConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    # A search for a better recipe, before each training on new data.
    tuning: TuningConfig | None = None
    export: ExportConfig = field(default_factory=ExportConfig)
    # Trained on the train split's transcripts where the evaluation searches with one.
    language_model: LanguageModelConfig | None = None
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    release: ReleaseConfig = field(default_factory=ReleaseConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        if self.release.hub_folder and not self.export.hub:
            raise ValueError(
                "release.hub_folder has nothing to hold: name export.hub: [recogniser, encoder]"
            )
        if self.model.teacher and self.text.vocabulary != "checkpoint":
            raise ValueError(
                "text.vocabulary must be checkpoint beside model.teacher: a student writes its "
                "teacher's alphabet"
            )
        if self.model.teacher and self.tuning:
            raise ValueError(
                "tuning must be left out beside model.teacher: what it finds for the teacher's "
                "size is not the student's recipe"
            )
        if self.tuning:
            knobs(self.training, self.tuning)  # says what of the recipe cannot be varied so
        if not PIPELINE_NAME.fullmatch(self.name):
            raise ValueError(
                f"name: {self.name!r} must be lower-case letters, digits and hyphens (at most 128)"
            )

    @property
    def sha256(self) -> str:
        """The digest of the config, so that two runs can be seen to have been told the same."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_config(
    name_or_path: str, *, root: str | Path = "w2v-runs", overrides: Sequence[str] = ()
) -> RunConfig:
    """A ready config by name or a YAML file by path, with `key.key=value` overrides.

    `{root}` in a value stands for the run's root folder, `{shipped}` for the folder of the
    checkpoints that come with this package.
    """
    path = find_config(name_or_path)
    settings = read_yaml(path)
    for override in overrides:
        apply_override(settings, override)
    root_text = str(root) if "://" in str(root) else str(Path(root).expanduser().absolute())
    filled = _fill(settings, {"root": root_text, "shipped": str(SHIPPED_CHECKPOINTS)})
    _set_if_empty(filled, ("release", "folder"), f"{root_text}/releases")
    return parse_config(filled, source=str(path))


def parse_config(settings: Mapping[str, Any], source: str) -> RunConfig:
    """Settings as a `RunConfig`, or one sentence that names every key that is wrong."""
    return parse_settings(RunConfig, settings, source)


def parse_settings(
    section_type: type[Section], settings: Mapping[str, Any], source: str
) -> Section:
    """Settings as a frozen dataclass of sections, or one sentence about all that is wrong."""
    problems = list(_unknown_keys(section_type, settings))
    if problems:
        raise BadInputError(f"{source}: {'; '.join(problems)}.")
    try:
        # JSON's strict mode: "3" is no number, but a list is a tuple and 1 is 1.0.
        return TypeAdapter(section_type).validate_json(
            json.dumps(settings, default=str), strict=True
        )
    except ValidationError as error:
        raise BadInputError(f"{source}: {'; '.join(_readable(error))}.") from error


def ready_configs() -> list[str]:
    """The names of the configs that come with this package."""
    return sorted(path.stem for path in READY_CONFIGS.glob("*.yaml"))


def find_config(name_or_path: str) -> Path:
    """The file behind a ready config's name or a path."""
    for candidate in (READY_CONFIGS / f"{name_or_path}.yaml", Path(name_or_path)):
        if candidate.is_file():
            return candidate
    raise BadInputError(
        f"There is no config {name_or_path!r}: give the path of a YAML file or one of "
        f"{', '.join(ready_configs())}."
    )


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, to which 1e-4 is a number as everybody else thinks."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+"), list("+-0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of a YAML file."""
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place else ""
        raise BadInputError(f"{path} is not valid YAML{where}; mend it there.") from error
    if not isinstance(settings, dict):
        raise BadInputError(f"{path} must hold sections with keys, as `w2v config demo` shows.")
    return settings


def apply_override(settings: dict[str, Any], override: str) -> None:
    """Change one setting as `section.key=value` says."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise BadInputError(f"--set {override!r} is not of the form section.key=value.")
    *sections, last = key.strip().split(".")
    place = settings
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise BadInputError(f"--set {override!r}: {section!r} is a value, not a section.")
    try:
        place[last] = yaml.load(value, _Loader)
    except yaml.YAMLError as error:
        # Most often a pattern, whose star YAML takes for an alias.
        quoted = shlex.quote(f'{key}="{value}"')
        raise BadInputError(
            f"--set {override!r}: the value is not valid YAML; if it is a text, quote it: "
            f"--set {quoted}"
        ) from error


def _fill(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
    return value


def _set_if_empty(settings: dict[str, Any], key: tuple[str, str], value: str) -> None:
    section = settings.setdefault(key[0], {})
    if isinstance(section, dict) and not section.get(key[1]):
        section[key[1]] = value


def _unknown_keys(section_type: Any, settings: Any, place: str = "") -> Iterator[str]:
    """A sentence for each key that no field takes, with the nearest one that does."""
    if typing.get_origin(section_type) is Mapping and isinstance(settings, dict):
        _, of_values = typing.get_args(section_type)
        for key, value in settings.items():
            yield from _unknown_keys(of_values, value, f"{place}{key}.")
    for inner in _dataclasses_in(section_type):
        items = settings if isinstance(settings, list) else [settings]
        for item in items:
            if isinstance(item, dict):
                yield from _unknown_keys_of(inner, item, place)


def _unknown_keys_of(section: type, settings: dict[str, Any], place: str) -> Iterator[str]:
    hints = typing.get_type_hints(section)
    for key, value in settings.items():
        full = f"{place}{key}"
        if key in hints:
            yield from _unknown_keys(hints[key], value, f"{full}.")
            continue
        nearest = difflib.get_close_matches(str(key), hints, n=1, cutoff=0.5)
        hint = f"did you mean {place}{nearest[0]}?" if nearest else f"known: {', '.join(hints)}"
        yield f"unknown key {full} ({hint})"


def _dataclasses_in(annotation: Any) -> list[type]:
    """The dataclass of a field, also inside `tuple[…]` and `… | None`."""
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return [annotation]
    if typing.get_origin(annotation) in (tuple, typing.Union, types.UnionType):
        return [found for part in typing.get_args(annotation) for found in _dataclasses_in(part)]
    return []


def _readable(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "value_error":  # a sentence of our own, which names its key
            yield str(problem["ctx"]["error"])
        elif problem["type"] in ("missing", "missing_argument"):
            yield f"{where} is missing"
        else:
            given = json.dumps(problem["input"], ensure_ascii=False, default=str)
            yield f"{where} is {given}, but: {problem['msg'][0].lower()}{problem['msg'][1:]}"
