"""A training as TensorBoard draws it: curves, what the model hears, and the recipe.

TensorFlow writes the events here, so that training needs no TensorBoard: only who looks does.
"""

from __future__ import annotations

import dataclasses
import math
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from models import filesystem
from models.training.config import TrainingConfig
from models.training.watching import EvaluationReport, Sample, StepReport
from models.word_errors import CORRECT, DELETED, INSERTED, align_words

# A bucket takes the whole file again at each flush.
SECONDS_BETWEEN_FLUSHES = 30.0
# From this version on a reader forgets, at a start event, what an earlier run said of that step
# and later ones.
FILE_VERSION = "brain.Event:2"
DATA_CLASS_TENSOR = 2  # TensorBoard's DataClass, which TensorFlow has under no public name
# Where Markdown, or the HTML in it, could see more than a letter, a digit or a space.
MARKS = re.compile(r"[^\w ]|_")
UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
WRONG = "**{}**"
NOTHING = "–"


class TensorBoard:
    """Writes what training reports into a folder on any filesystem that TensorFlow knows.

    A run that goes on from a checkpoint goes on in the same folder: what the killed one reported
    after that checkpoint is replaced, not drawn twice.
    """

    def __init__(self, folder: str, config: TrainingConfig) -> None:
        self._folder = folder
        self._config = config
        self._events: EventFile | None = None
        self._reported_step: int | None = None

    def step(self, report: StepReport) -> None:
        scalars = _training_figures(report) | _speeds(report)
        # How many steps this process's first report is about nobody says, and compiling the step
        # would dwarf the curve.
        if self._reported_step is not None:
            scalars |= _step_times(report, report.step - self._reported_step)
        self._reported_step = report.step
        with self._file(report.step) as events:
            events.add(report.step, scalars)

    def evaluation(self, report: EvaluationReport) -> None:
        scalars = {
            "dev/wer_percent": 100 * report.wer,
            "speed/evaluation_seconds": report.seconds,
        }
        with self._file(report.step) as events:
            events.add(report.step, scalars, {"dev/samples": samples_table(report.samples)})
            events.flush()

    def close(self) -> None:
        if self._events:
            self._events.close()

    @contextmanager
    def _file(self, step: int) -> Iterator[EventFile]:
        """The events of this process, the first of which is about this step.

        After a failure a new file goes on: readers stop where half a record was written.
        """
        try:
            if self._events is None:
                self._events = EventFile(self._folder, step)
                self._events.add(step, {}, {"config": config_table(self._config)})
            yield self._events
        except Exception:
            self._events = None
            raise


class EventFile:
    """A new file of TensorBoard's events, which holds from its first step on."""

    def __init__(self, folder: str, first_step: int) -> None:
        filesystem.make_folder(folder)
        # Readers take the files of a folder by name, so the time comes first.
        name = f"events.out.tfevents.{time.time():.6f}.{uuid.uuid4().hex[:8]}"
        self._records = tf.io.TFRecordWriter(filesystem.join(folder, name))
        self._flushed = -math.inf
        self._write(tf.compat.v1.Event(file_version=FILE_VERSION))
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._write(tf.compat.v1.Event(step=first_step, session_log=start))

    def add(
        self, step: int, scalars: dict[str, float], texts: dict[str, str] | None = None
    ) -> None:
        """Tell figures, and texts in Markdown, under their names."""
        summary = tf.compat.v1.Summary()
        for name, figure in scalars.items():
            # Not as a tensor, for not every reader forgets tensors at a start event.
            summary.value.add(tag=name, simple_value=figure)
        for name, text in (texts or {}).items():
            tensor = tf.make_tensor_proto(text.encode())
            summary.value.add(tag=name, tensor=tensor, metadata=_text_metadata())
        self._write(tf.compat.v1.Event(step=step, summary=summary))
        if time.monotonic() - self._flushed > SECONDS_BETWEEN_FLUSHES:
            self.flush()

    def flush(self) -> None:
        self._records.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._records.close()

    def _write(self, event: tf.compat.v1.Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


def _text_metadata() -> tf.compat.v1.SummaryMetadata:
    metadata = tf.compat.v1.SummaryMetadata(data_class=DATA_CLASS_TENSOR)
    metadata.plugin_data.plugin_name = "text"
    return metadata


def _training_figures(report: StepReport) -> dict[str, float]:
    return {
        "train/loss": report.loss,
        "train/learning_rate": report.learning_rate,
        "train/gradient_norm": report.gradient_norm,
        "train/skipped_steps": report.skipped_steps,
        "train/stage": report.stage + 1,
    }


def _speeds(report: StepReport) -> dict[str, float]:
    filled = _part(report.audio_seconds, report.padded_seconds)
    return {
        "speed/utterances_per_second": _part(report.utterances, report.seconds),
        "speed/audio_seconds_per_second": _part(report.audio_seconds, report.seconds),
        "speed/padding_percent": 100 * (1 - filled),
        "speed/input_wait_percent": 100 * _part(report.waited_seconds, report.seconds),
    }


def _step_times(report: StepReport, steps: int) -> dict[str, float]:
    computed_seconds = report.seconds - report.waited_seconds
    return {
        "speed/step_ms": 1000 * _part(report.seconds, steps),
        "speed/step_ms_input_wait": 1000 * _part(report.waited_seconds, steps),
        "speed/step_ms_compute": 1000 * _part(computed_seconds, steps),
    }


def _part(amount: float, whole: float) -> float:
    return amount / whole if whole else math.nan


def samples_table(samples: Iterable[Sample]) -> str:
    """Samples as a Markdown table, what differs in bold.

    >>> print(samples_table([Sample("CALL MY MOTHER", "CALL MOTHER NOW")]))
    | Reference | Heard |
    |---|---|
    | CALL **MY** MOTHER | CALL MOTHER **NOW** |
    """
    return _table(("Reference", "Heard"), map(_sample_cells, samples))


def _sample_cells(sample: Sample) -> tuple[str, str]:
    alignment = align_words(sample.reference, sample.hypothesis)
    return (
        _marked(sample.reference, alignment.replace(INSERTED, "")),
        _marked(sample.hypothesis, alignment.replace(DELETED, "")),
    )


def _marked(text: str, alignment: str) -> str:
    words = zip(text.split(), alignment, strict=True)
    shown = [
        _literal(word) if how == CORRECT else WRONG.format(_literal(word)) for word, how in words
    ]
    return " ".join(shown) or NOTHING


def config_table(config: TrainingConfig) -> str:
    """The recipe as Markdown: a table of the stages, and one of what they share."""
    shared = dataclasses.asdict(config)
    stages = shared.pop("stages")
    stage_table = _table(map(_cell, stages[0]), [map(_cell, stage.values()) for stage in stages])
    shared_table = _table(("setting", "value"), [map(_cell, item) for item in shared.items()])
    return f"### Stages\n\n{stage_table}\n\n### All stages\n\n{shared_table}"


def _cell(value: object) -> str:
    return NOTHING if value is None else _literal(str(value))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    first, *others = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    columns = first.count(" | ") + 1
    return "\n".join((first, "|---" * columns + "|", *others))


def _literal(text: str) -> str:
    """Any text as Markdown that shows just this text on one line, by HTML's number of each mark.

    >>> _literal("a|b *c*")
    'a&#124;b &#42;c&#42;'
    """
    return MARKS.sub(_by_number, " ".join(text.split()))


def _by_number(mark: re.Match[str]) -> str:
    return f"&#{ord(mark[0])};" if mark[0].isprintable() else UNPRINTABLE
