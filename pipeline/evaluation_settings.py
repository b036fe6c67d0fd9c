"""What `w2v evaluate` is told: two sections of a run's config, from options and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from components.release_gate.config import GateConfig
from components.wer_evaluator.config import EvaluationConfig
from models.errors import BadInputError
from pipeline.config import apply_override, find_config, parse_settings, read_yaml

SECTIONS = ("evaluation", "gate")


@dataclass(frozen=True)
class EvaluationSettings:
    """Without a gate nothing is judged, only measured."""

    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    gate: GateConfig | None = None


def read_settings(
    artifact: str,
    *,
    config: str | None = None,
    options: dict[str, Any] | None = None,
    bounds: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> EvaluationSettings:
    """The sections of a config, changed by options of the evaluation, bounds and overrides.

    >>> read_settings("saved_model", bounds=["0.05"]).gate.max_wer
    {'saved_model/unpadded': 0.05}
    """
    settings: dict[str, Any] = {}
    if config:
        sections = read_yaml(find_config(config))
        settings = {name: sections[name] or {} for name in SECTIONS if name in sections}
    evaluation = settings.setdefault("evaluation", {})
    searched = evaluation.get("beam_search") or {}
    evaluation.update(options or {})
    if evaluation.get("beam_search") is not None:
        evaluation["beam_search"] = searched | evaluation["beam_search"]
    variants = evaluation.get("variants") or ["unpadded"]
    padding = "static" if artifact.startswith("tflite") else variants[0]
    evaluation["beam_trials"] = [f"{artifact}/{padding}"]
    if bounds:
        gate = settings.setdefault("gate", {})
        gate["max_wer"] = dict(parse_bound(bound, artifact) for bound in bounds)
        gate.setdefault("regression_trials", [default_trial(artifact)])
    for override in overrides:
        apply_override(settings, override)
    return parse_settings(EvaluationSettings, settings, source=config or "w2v evaluate")


def parse_bound(text: str, artifact: str) -> tuple[str, float]:
    """`0.05` or `bucketed=0.05` as the full name of a trial and its bound.

    >>> parse_bound("unpadded@gender:F=0.05", "saved_model")
    ('saved_model/unpadded@gender:F', 0.05)
    """
    name, _, value = text.rpartition("=")
    try:
        bound = float(value)
    except ValueError:
        raise BadInputError(
            f"--max-wer {text!r} is no bound; give a rate, such as 0.05, or bucketed=0.05."
        ) from None
    if not name:
        return default_trial(artifact), bound
    return (name if "/" in name.partition("@")[0] else f"{artifact}/{name}"), bound


def default_trial(artifact: str) -> str:
    """The trial that is meant where none is named."""
    return f"{artifact}/{'static' if artifact.startswith('tflite') else 'unpadded'}"
