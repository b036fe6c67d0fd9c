"""A run when there is new data, and only then."""

from __future__ import annotations

import dataclasses
import datetime
import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from components.speech_example_gen.config import (
    SPAN_BY_NUMBER,
    TFX_EPOCH,
    DataConfig,
)
from components.speech_example_gen.driver import resolve_spans
from components.speech_example_gen.fingerprint import LocalDigests, default_memory, fingerprint
from components.speech_example_gen.properties import below_corpus, input_config
from components.speech_example_gen.sources import source_type
from kubeflow.names import SPAN
from kubeflow.schedules.backfill import run_id
from kubeflow.schedules.compiled import CompiledPipeline
from kubeflow.schedules.service import ScheduleService, SubmittedRun, WantedRun, digest_of
from models import filesystem
from models.errors import BadInputError

MEMORY_FILE = "last-triggered.json"


@dataclass(frozen=True)
class SeenSpan:
    """The newest data that is there, and what it holds."""

    name: str  # as a user knows it: a number or a date; empty where the corpus has no spans
    version: int | None
    fingerprint: str

    def __str__(self) -> str:
        version = "" if self.version is None else f" (version {self.version})"
        return f"span {self.name}{version}" if self.name else "the corpus"


@dataclass(frozen=True)
class Memory:
    """What was submitted last, and when that was written down."""

    # Tells a step to the same data from an earlier one: its run is another one.
    written: str
    span: SeenSpan | None  # None before the first run


@dataclass(frozen=True)
class Triggered:
    """What came of a look."""

    span: SeenSpan
    run: SubmittedRun | None  # None: nothing new


def trigger(
    connect: Callable[[], ScheduleService],
    pipeline: CompiledPipeline,
    data: DataConfig,
    expected: datetime.date | int | None = None,
) -> Triggered:
    """Look at the corpus, and submit a run if its newest span is not what was submitted last.

    The run's id is of the span and of the memory as it is before: if this process ends before it
    remembers the span, the next look finds the run already there. Nothing is connected to where
    nothing is new.
    """
    seen = newest_span(data, expected)
    file = filesystem.join(pipeline.root, MEMORY_FILE)
    memory = read_memory(file)
    if memory and memory.span == seen:
        return Triggered(seen, None)
    parameters = _parameters(seen, data)
    pipeline.check_takes(*parameters)
    service = connect()
    # Also a memory that was deleted must begin with another time than the one before it.
    memory = memory or _remember(file, None)
    run = service.submit(WantedRun(pipeline, _id(pipeline, memory, seen), parameters))
    _remember(file, seen)
    return Triggered(seen, run)


def newest_span(data: DataConfig, expected: datetime.date | int | None = None) -> SeenSpan:
    """What a run would read now, or one sentence: also where the expected span is not there."""
    source = source_type(data.layout)(data)
    inputs = input_config(data, source.files_below_subset)
    if expected is not None:
        expecting = _expecting(data, expected)
        resolve_spans(inputs, data.corpus, expecting)  # says what is missing
        data = data if data.last_spans > 1 else expecting
    resolved, newest = resolve_spans(inputs, data.corpus, data)
    patterns = [(split.name, below_corpus(data.corpus, split.pattern)) for split in resolved.splits]
    content = fingerprint(patterns, source, data.corpus, LocalDigests(default_memory()))
    return SeenSpan(_name_of(newest.number, data), newest.version, content)


def read_memory(path: str) -> Memory | None:
    """What the last run was submitted for; None where there is no memory."""
    text = filesystem.read_text_if_there(path)
    if text is None:
        return None
    try:
        told = json.loads(text)
        return Memory(told["written"], told["span"] and SeenSpan(**told["span"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{path} does not tell which span was submitted last; delete it, and the next look "
            "submits a run."
        ) from error


def _remember(path: str, span: SeenSpan | None) -> Memory:
    memory = Memory(datetime.datetime.now(datetime.UTC).isoformat(), span)
    partial = f"{path}.partial"
    filesystem.make_folder(posixpath.dirname(path))
    filesystem.write_text(partial, json.dumps(dataclasses.asdict(memory), indent=1) + "\n")
    filesystem.rename_file(partial, path)
    return memory


def _id(pipeline: CompiledPipeline, memory: Memory, seen: SeenSpan) -> str:
    step = digest_of({"after": dataclasses.asdict(memory), "new": dataclasses.asdict(seen)})
    name = f"span-{seen.name}" if seen.name else "corpus"
    return run_id(pipeline.name, f"{name}-{step[:8]}")


def _parameters(seen: SeenSpan, data: DataConfig) -> dict[str, str]:
    """The run reads what was looked at, even if a newer span comes before it starts."""
    if not seen.name or data.last_spans > 1:
        return {}
    return {SPAN: seen.name}


def _expecting(data: DataConfig, expected: datetime.date | int) -> DataConfig:
    span = expected if isinstance(expected, int) else expected.isoformat()
    try:
        return dataclasses.replace(data, last_spans=1, span=span)
    except ValueError as error:
        raise BadInputError(f"No span can be expected: {error}.") from error


def _name_of(number: int, data: DataConfig) -> str:
    if data.has_dates:
        return (TFX_EPOCH + datetime.timedelta(days=number)).isoformat()
    return str(number) if data.placeholders >= SPAN_BY_NUMBER else ""
