"""The reference of the files that machines read: manifest, report, speech example."""

from __future__ import annotations

import ast
import inspect
import re

from components.release_gate.report.confusions import Confusions
from components.release_gate.report.content import Exclusion, Mistake
from components.release_gate.report.lengths import DurationBar, Histogram
from components.release_gate.report.padding import PaddedVariant, WaterfallStep
from components.release_gate.report.shipping import ShippedArtifact
from components.release_gate.verdict import Finding, PastRun
from components.wer_evaluator.evaluation import About
from components.wer_evaluator.scores import Score
from docs.build.reference.fields import fields_of, prose
from schemas import speech_example
from schemas.release_manifest import ReleaseManifest

# Where `report.json` holds what; its other keys are a text, a number or true or false.
REPORT_PARTS: dict[str, type] = {
    "findings": Finding,
    "scores": Score,
    "about": About,
    "shipped": ShippedArtifact,
    "history": PastRun,
    "padding.variants": PaddedVariant,
    "padding.waterfall": WaterfallStep,
    "durations": DurationBar,
    "lengths": Histogram,
    "confusions": Confusions,
    "worst_utterances": Mistake,
    "exclusions": Exclusion,
}


def keys_of_manifest() -> str:
    """Every key of `manifest.json`."""
    return "\n\n".join(_record("", ReleaseManifest))


def keys_of_report() -> str:
    """Every record of `report.json`."""
    return "\n\n".join(
        part for key, record in REPORT_PARTS.items() for part in _record(key, record)
    )


def features_of_speech() -> str:
    """Every feature of the speech example, with its type."""
    kinds = {
        "bytes": speech_example.BYTES_FEATURES,
        "int64": speech_example.INT_FEATURES,
        "float": speech_example.FLOAT_FEATURES,
        "bytes, several": speech_example.LIST_FEATURES,
    }
    comments = _comments_of_constants()
    rows = [
        f"| `{name}` | {kind} | {comments.get(name, '')} |"
        for kind, names in kinds.items()
        for name in names
    ]
    return "\n".join(["| feature | type | |", "|---|---|---|", *rows])


def _record(key: str, record: type) -> list[str]:
    """A record's heading, what it is, its fields, and the records in it."""
    heading = [f"### `{key}` {{ #{key} }}"] if key else []
    # A recording is in the page alone.
    fields = [one for one in fields_of(record) if one.kind != "bytes"]
    rows = [f"| `{one.name}` | {one.kind} | {one.meaning} |" for one in fields]
    table = "\n".join(["| key | is | |", "|---|---|---|", *rows])
    below = [
        part
        for one in fields
        for inner in one.sections
        for part in _record(f"{key}.{one.name}" if key else one.name, inner)
    ]
    return [*heading, prose(record.__doc__), table, *below]


def _comments_of_constants() -> dict[str, str]:
    """What the module says behind each name of a feature."""
    lines = inspect.getsource(speech_example)
    pairs = re.findall(r'^[A-Z_]+ = ("[^"]+")(?:  # (.*))?$', lines, re.MULTILINE)
    return {ast.literal_eval(name): comment for name, comment in pairs}
