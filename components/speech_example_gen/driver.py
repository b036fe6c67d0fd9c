"""Decides what a run reads, and tells the cache what that is.

As the stock driver it fills spans and versions into the patterns and leaves span, version and
fingerprint on the output. Beside that it reads several spans together, on any filesystem that Beam
knows, and its fingerprint is of the content.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tfx.components.example_gen import driver, utils
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.speech_example_gen.config import PLACEHOLDER, SPAN_BY_DATE, TFX_EPOCH, DataConfig
from components.speech_example_gen.files import as_regex, list_files
from components.speech_example_gen.fingerprint import LocalDigests, default_memory, fingerprint
from components.speech_example_gen.properties import below_corpus, read_inputs, read_settings
from components.speech_example_gen.sources import source_type
from models.errors import BadInputError

log = logging.getLogger(__name__)

WITHOUT_SPANS = 0  # the number that TFX gives to the whole of a corpus that has none
SHOWN_SPANS = 8


@dataclass(frozen=True, order=True)
class Span:
    """One span of one input, in its newest version."""

    number: int
    version: int | None
    pattern: str  # filled in


class Driver(driver.Driver):
    """Resolves the spans of a `SpeechExampleGen`, and fingerprints what is in them."""

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        del pipeline_info, component_info
        data, _ = read_settings(exec_properties)
        corpus = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        inputs = example_gen_pb2.Input()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], inputs
        )
        resolved, newest = resolve_spans(inputs, corpus, data)
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY] = proto_utils.proto_to_json(
            resolved
        )
        exec_properties[utils.SPAN_PROPERTY_NAME] = newest.number
        exec_properties[utils.VERSION_PROPERTY_NAME] = newest.version
        exec_properties[utils.FINGERPRINT_PROPERTY_NAME] = fingerprint(
            read_inputs(exec_properties, corpus),
            source_type(data.layout)(data),
            corpus,
            LocalDigests(default_memory()),
        )
        return exec_properties


def resolve_spans(
    inputs: example_gen_pb2.Input, corpus: str, data: DataConfig
) -> tuple[example_gen_pb2.Input, Span]:
    """An entry for each span of each input, and the newest span of all."""
    if not any(PLACEHOLDER.search(split.pattern) for split in inputs.splits):
        return inputs, Span(WITHOUT_SPANS, None, "")
    chosen = {split.name: _choose(split, corpus, data) for split in inputs.splits}
    _refuse_disagreement(chosen, data)
    resolved = example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=name, pattern=span.pattern)
            for name, spans in chosen.items()
            for span in spans
        ]
    )
    return resolved, max(span for spans in chosen.values() for span in spans)


def find_spans(pattern: str, corpus: str) -> list[Span]:
    """The spans that are there, each in its newest version, the oldest first.

    What stands in a placeholder's place and is no number, or no date, is no span.
    """
    matches = re.compile(_spans_as_regex(below_corpus(corpus, pattern)), re.DOTALL).fullmatch
    newest: dict[int, Span] = {}
    for file in list_files(PLACEHOLDER.sub("*", below_corpus(corpus, pattern))):
        found = matches(file.path)
        number = found and _number(found.groupdict())
        if found is None or number is None:
            continue
        told = found.groupdict()
        version = int(told["VERSION"]) if "VERSION" in told else None
        span = Span(number, version, _filled(pattern, told))
        newest[number] = max(span, newest.get(number, span), key=_by_version)
    return sorted(newest.values())


def _choose(split: example_gen_pb2.Input.Split, corpus: str, data: DataConfig) -> Sequence[Span]:
    """The newest spans, as many as are asked for, up to the one that is."""
    there = find_spans(split.pattern, corpus)
    wanted = data.span_number
    pattern = below_corpus(corpus, split.pattern)
    if not there:
        raise BadInputError(
            f"There is no span for data.{split.name}: nothing matches {pattern}; check data.corpus "
            f"and data.{split.name}."
        )
    if wanted is not None and wanted not in {span.number for span in there}:
        raise BadInputError(
            f"There is no span {data.span} for data.{split.name}: nothing matches "
            f"{_expected(pattern, wanted)}; there is {_shown(there, pattern)}."
        )
    until = [span for span in there if wanted is None or span.number <= wanted]
    if len(until) < data.last_spans:
        log.warning(
            "data.last_spans is %d, but %s holds only %s: reading these",
            data.last_spans,
            pattern,
            _shown(until, pattern),
        )
    return until[-data.last_spans :]


def _refuse_disagreement(chosen: dict[str, Sequence[Span]], data: DataConfig) -> None:
    """TFX's own rule: a span is one part of the whole corpus, so every split has it."""
    told = {name: [(span.number, span.version) for span in spans] for name, spans in chosen.items()}
    if len({tuple(spans) for spans in told.values()}) == 1:
        return
    named = "; ".join(
        f"data.{name} has {_shown(spans, data.patterns[name])}" for name, spans in chosen.items()
    )
    raise BadInputError(
        f"The newest spans differ between the splits ({named}); wait until all are there, or name "
        "one that is by data.span."
    )


def _filled(pattern: str, told: dict[str, str]) -> str:
    return PLACEHOLDER.sub(lambda place: told[place[1]], pattern)


def _spans_as_regex(pattern: str) -> str:
    parts, done = [], 0
    for place in PLACEHOLDER.finditer(pattern):
        digits = {"YYYY": "4", "MM": "2", "DD": "2"}.get(place[1], place[2] or "1,")
        parts += [as_regex(pattern[done : place.start()]), rf"(?P<{place[1]}>\d{{{digits}}})"]
        done = place.end()
    return "".join((*parts, as_regex(pattern[done:])))


def _number(told: dict[str, str]) -> int | None:
    if "SPAN" in told:
        return int(told["SPAN"])
    try:
        date = datetime.date(int(told["YYYY"]), int(told["MM"]), int(told["DD"]))
    except ValueError:
        return None
    return (date - TFX_EPOCH).days


def _by_version(span: Span) -> tuple[int, str]:
    return (-1 if span.version is None else span.version, span.pattern)


def _expected(pattern: str, number: int) -> str:
    """The pattern with the span filled in, as it would have to be there."""
    date = TFX_EPOCH + datetime.timedelta(days=number)
    told = {"YYYY": f"{date:%Y}", "MM": f"{date:%m}", "DD": f"{date:%d}", "VERSION": "*"}
    return PLACEHOLDER.sub(
        lambda place: told.get(place[1], str(number).zfill(int(place[2] or 0))), pattern
    )


def _shown(spans: Sequence[Span], pattern: str) -> str:
    """The newest spans as a user knows them: by number or by date, with their versions."""
    by_date = any(place[1] in SPAN_BY_DATE for place in PLACEHOLDER.finditer(pattern))
    names = [
        (TFX_EPOCH + datetime.timedelta(days=span.number)).isoformat()
        if by_date
        else str(span.number)
        for span in spans
    ]
    versions = ["" if span.version is None else f" (version {span.version})" for span in spans]
    shown = [name + version for name, version in zip(names, versions, strict=True)]
    more = f"{len(shown) - SHOWN_SPANS} older and " if len(shown) > SHOWN_SPANS else ""
    return more + ", ".join(shown[-SHOWN_SPANS:])
