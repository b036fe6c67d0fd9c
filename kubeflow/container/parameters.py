"""What a run may be told without compiling again: the names that compiler and container agree on.

The root of the spec takes them under their own names; a node takes those that concern it under
`this_run_…`, beside its own properties: TFX has a `span` and a `run_fn`.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf import json_format

from components.release_gate.config import GateConfig
from components.release_pusher.config import RUNTIME_PARAMETERS
from components.speech_example_gen.properties import custom_config, read_settings
from kubeflow.names import DATA_DATE, LEARNING_RATE, SPAN, STEPS
from models.errors import BadInputError
from models.training.config import TrainingConfig
from models.training.node import CONFIG_KEY
from models.training.tuning import TuningConfig
from pipeline.config import RunConfig
from schemas.properties import from_json, to_json

Value = str | int | float
TASK_PREFIX = "this_run_"
MAX_WER = "max_wer_"
# Given to the task that writes down what a run was told: what the config says itself, as JSON.
DEFAULTS = "defaults"


@dataclass(frozen=True)
class RuntimeParameter:
    """One value that a run may be told."""

    name: str
    kind: Literal["STRING", "NUMBER_DOUBLE", "NUMBER_INTEGER"]
    default: Value
    nodes: tuple[str, ...]
    about: str

    @property
    def task_name(self) -> str:
        return TASK_PREFIX + self.name


def runtime_parameters(config: RunConfig) -> list[RuntimeParameter]:
    """Every value of a config that a run may be told, each with the config's own as default."""
    # Where no span has a date, another date must not make the cache miss.
    readers = ("SpeechExampleGen",) if config.data.has_dates else ()
    return [
        RuntimeParameter(SPAN, "STRING", "", ("SpeechExampleGen",), "span to read; empty: newest"),
        RuntimeParameter(DATA_DATE, "STRING", "", readers, "the span's date, or a schedule's time"),
        *_of_training(config.training, config.tuning),
        *_of_gate(config.gate),
    ]


def _of_training(
    training: TrainingConfig, tuning: TuningConfig | None
) -> Iterator[RuntimeParameter]:
    """What a Tuner searches is none: what it finds would silently take its place."""
    learners = ("Tuner", "Trainer") if tuning else ("Trainer",)
    finds_rates = bool(tuning and tuning.learning_rate_factor)
    # The last stage has what the others leave of the sum: it is found with them.
    finds_steps = bool(tuning and tuning.steps_factor and len(training.stages) > 1)
    for number, stage in enumerate(training.stages, start=1):
        about = f"of training stage {number} ({stage.trains})"
        if not finds_rates:
            rate = float(stage.learning_rate)
            name = f"{LEARNING_RATE}{number}"
            yield RuntimeParameter(
                name, "NUMBER_DOUBLE", rate, learners, f"peak learning rate {about}"
            )
        if not finds_steps:
            yield RuntimeParameter(
                f"{STEPS}{number}", "NUMBER_INTEGER", stage.steps, learners, f"steps {about}"
            )


def _of_gate(gate: GateConfig) -> Iterator[RuntimeParameter]:
    for trial, bound in gate.max_wer.items():
        about = f"the gate's bound on the WER of {trial}"
        yield RuntimeParameter(
            bound_name(trial), "NUMBER_DOUBLE", float(bound), ("ReleaseGate",), about
        )


def bound_name(trial: str) -> str:
    """A bound's parameter; services take letters, digits and underscores only.

    >>> bound_name("tflite_int8/static")
    'max_wer_tflite_int8_static'
    """
    return MAX_WER + re.sub(r"[^A-Za-z0-9]+", "_", trial).strip("_")


def apply_parameters(properties: Mapping[str, Any], timezone: str = "UTC") -> dict[str, Any]:
    """A node's properties, the run's own values in the place of the config's."""
    told = {
        name.removeprefix(TASK_PREFIX): value
        for name, value in properties.items()
        if name.startswith(TASK_PREFIX)
    }
    own = {name: value for name, value in properties.items() if not name.startswith(TASK_PREFIX)}
    if DEFAULTS in told:
        return own | {RUNTIME_PARAMETERS: _differing(told, json.loads(told[DEFAULTS]))}
    try:
        if told.get(SPAN) or told.get(DATA_DATE):
            own["custom_config"] = _with_span(own, told, timezone)
        if any(name.startswith((LEARNING_RATE, STEPS)) for name in told):
            own["custom_config"] = _with_training(own["custom_config"], told)
        if any(name.startswith(MAX_WER) for name in told):
            own["gate"] = _with_bounds(own["gate"], told)
    except ValueError as error:
        raise BadInputError(f"The run's parameters are wrong: {error}.") from error
    return own


def _differing(told: Mapping[str, Any], defaults: Mapping[str, Value]) -> str:
    """What is not as the config says; a service hands on every number as a double."""
    differing = {
        name: type(default)(told[name])
        for name, default in defaults.items()
        if told[name] != default
    }
    return json.dumps(differing, sort_keys=True)


def _with_span(own: Mapping[str, Any], told: Mapping[str, Any], timezone: str) -> str:
    data, rules = read_settings(dict(own))
    text = str(told.get(SPAN) or "")
    if text:
        data = dataclasses.replace(data, span=int(text) if text.isdecimal() else text)
    elif data.has_dates:
        date = _date(str(told[DATA_DATE]), timezone)
        data = dataclasses.replace(data, span=date.isoformat())
    return json_format.MessageToJson(custom_config(data, rules), sort_keys=True)


def _date(text: str, timezone: str) -> datetime.date:
    """A date as it is; a time, as services tell it, in the schedule's own time zone."""
    try:
        if "T" not in text:
            return datetime.date.fromisoformat(text)
        time = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{DATA_DATE} is {text!r}, but must be as 2026-01-31 or 2026-01-31T06:00:00Z"
        ) from error
    if time.tzinfo is None:
        return time.date()
    return time.astimezone(zoneinfo.ZoneInfo(timezone)).date()


def _with_training(text: str, told: Mapping[str, Any]) -> str:
    settings = json.loads(text)
    training = from_json(TrainingConfig, settings[CONFIG_KEY])
    stages = tuple(
        dataclasses.replace(
            stage,
            learning_rate=float(told.get(f"{LEARNING_RATE}{number}", stage.learning_rate)),
            steps=int(told.get(f"{STEPS}{number}", stage.steps)),
        )
        for number, stage in enumerate(training.stages, start=1)
    )
    settings[CONFIG_KEY] = to_json(dataclasses.replace(training, stages=stages))
    return json.dumps(settings, sort_keys=True)


def _with_bounds(text: str, told: Mapping[str, Any]) -> str:
    gate = from_json(GateConfig, text)
    bounds = {
        trial: float(told.get(bound_name(trial), bound)) for trial, bound in gate.max_wer.items()
    }
    return to_json(dataclasses.replace(gate, max_wer=bounds))
