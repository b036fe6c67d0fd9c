"""What TensorBoard reads, with its own reader, of what a training wrote."""

import math
import resource
import uuid
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st
from tensorboard import plugin_util
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.util import tensor_util

from models.training.config import Stage, TrainingConfig
from models.training.tensorboard import TensorBoard, config_table, samples_table
from models.training.watching import EvaluationReport, Sample, StepReport

CONFIG = TrainingConfig(
    stages=(Stage("head", 100, 1e-3), Stage("all_but_feature_encoder", 900, 5e-5)),
    evaluate_every=100,
)
SAMPLES = (Sample("CALL MY MOTHER", "CALL MOTHER NOW"), Sample("STOP", ""), Sample("GO", "GO"))


def step_report(step: int, **changes) -> StepReport:
    """Ten steps of two seconds, a quarter of the time spent waiting and a fifth of it padding."""
    figures = {
        "step": step,
        "total_steps": 1000,
        "stage": 0,
        "loss": 2.5,
        "learning_rate": 1e-3,
        "gradient_norm": 7.0,
        "utterances": 80,
        "audio_seconds": 400.0,
        "padded_seconds": 500.0,
        "seconds": 2.0,
        "waited_seconds": 0.5,
        "skipped_steps": 0,
    }
    return StepReport(**(figures | changes))


def evaluation_report(step: int, wer: float = 0.25) -> EvaluationReport:
    return EvaluationReport(step, wer, seconds=3.0, samples=SAMPLES)


class Reading:
    """A folder as TensorBoard's server reads it: under each name what was said at which steps."""

    def __init__(self, folder) -> None:
        everything = {plugin_event_accumulator.TENSORS: 0}
        self._events = plugin_event_accumulator.EventAccumulator(str(folder), everything).Reload()

    def names_of(self, plugin: str) -> set[str]:
        return set(self._events.PluginTagToContent(plugin))

    def scalars(self, name: str) -> list[tuple[int, float]]:
        return [(step, float(value)) for step, value in self._values(name)]

    def texts(self, name: str) -> list[tuple[int, str]]:
        return [(step, value.item().decode()) for step, value in self._values(name)]

    def _values(self, name: str):
        events = self._events.Tensors(name)
        return [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in events]


@pytest.fixture(params=["disk", "object store"])
def folder(request, tmp_path) -> str:
    """A place for events; TensorFlow's memory filesystem stands in for a bucket."""
    return str(tmp_path / "events") if request.param == "disk" else f"ram://{uuid.uuid4().hex}/e"


def watch(folder, *reports) -> TensorBoard:
    """A training that tells these reports and has not ended yet."""
    board = TensorBoard(str(folder), CONFIG)
    for report in reports:
        tell = board.step if isinstance(report, StepReport) else board.evaluation
        tell(report)
    return board


def test_every_figure_stands_under_its_name_at_its_step(folder):
    watch(
        folder,
        evaluation_report(0, wer=0.975),
        step_report(10),
        step_report(20, loss=1.5, stage=1, skipped_steps=2),
        evaluation_report(20),
    ).close()
    read = Reading(folder)
    assert {name: read.scalars(name) for name in read.names_of("scalars")} == {
        "train/loss": [(10, 2.5), (20, 1.5)],
        "train/learning_rate": [(10, pytest.approx(1e-3)), (20, pytest.approx(1e-3))],
        "train/gradient_norm": [(10, 7.0), (20, 7.0)],
        "train/skipped_steps": [(10, 0), (20, 2)],
        "train/stage": [(10, 1), (20, 2)],
        "dev/wer_percent": [(0, 97.5), (20, 25.0)],
        "speed/utterances_per_second": [(10, 40), (20, 40)],
        "speed/audio_seconds_per_second": [(10, 200), (20, 200)],
        "speed/padding_percent": [(10, pytest.approx(20)), (20, pytest.approx(20))],
        "speed/input_wait_percent": [(10, 25), (20, 25)],
        "speed/step_ms": [(20, 200)],
        "speed/step_ms_input_wait": [(20, 50)],
        "speed/step_ms_compute": [(20, 150)],
        "speed/evaluation_seconds": [(0, 3), (20, 3)],
    }
    assert read.names_of("text") == {"config", "dev/samples"}


def test_texts_tell_the_recipe_at_the_start_and_the_samples_at_each_evaluation(folder):
    watch(folder, evaluation_report(0), step_report(10), evaluation_report(10)).close()
    read = Reading(folder)
    assert read.texts("config") == [(0, config_table(CONFIG))]
    assert read.texts("dev/samples") == [(step, samples_table(SAMPLES)) for step in (0, 10)]


def test_an_evaluation_can_be_seen_before_training_ends(folder):
    # When a training goes on after its first evaluations...
    board = watch(folder, evaluation_report(0), step_report(10), evaluation_report(10))
    # ... then all that was said up to the last is there to be read.
    assert Reading(folder).scalars("train/loss") == [(10, 2.5)]
    assert [step for step, _ in Reading(folder).scalars("dev/wer_percent")] == [0, 10]
    board.close()


def test_a_killed_run_goes_on_as_one_curve(folder):
    # Given a run that was killed after step 130, and its last checkpoint at step 100,
    before = [step_report(step, loss=9.0) for step in range(10, 140, 10)]
    watch(folder, evaluation_report(0), *before, evaluation_report(120, wer=0.9)).close()
    # when it goes on from the checkpoint,
    after = [step_report(step, loss=1.0) for step in (110, 120, 130, 140)]
    watch(folder, *after[:2], evaluation_report(120, wer=0.1), *after[2:]).close()
    # then each step has one loss, the newer one after the checkpoint.
    one_curve = [
        *((step, 9.0) for step in range(10, 101, 10)),
        *((step, 1.0) for step in range(110, 141, 10)),
    ]
    read = Reading(folder)
    assert read.scalars("train/loss") == one_curve
    assert read.scalars("dev/wer_percent") == [(0, 25.0), (120, pytest.approx(10))]
    assert [step for step, _ in read.texts("config")] == [0, 110]
    # TensorBoard's reader for notebooks and scripts sees the same.
    events = event_accumulator.EventAccumulator(str(folder)).Reload().Scalars("train/loss")
    assert [(event.step, event.value) for event in events] == one_curve


def test_a_run_from_the_start_replaces_what_lies_in_its_folder(folder):
    watch(folder, evaluation_report(0), *(step_report(step) for step in (10, 20, 30))).close()
    watch(folder, evaluation_report(0), step_report(10, loss=1.0)).close()
    assert Reading(folder).scalars("train/loss") == [(10, 1.0)]


def test_a_loss_that_is_no_number_is_shown_as_such(tmp_path):
    watch(tmp_path, step_report(10, loss=math.nan, gradient_norm=math.inf)).close()
    read = Reading(tmp_path)
    assert math.isnan(read.scalars("train/loss")[0][1])
    assert read.scalars("train/gradient_norm") == [(10, math.inf)]


def test_steps_without_audio_or_time_divide_by_nothing(tmp_path):
    watch(tmp_path, step_report(10, audio_seconds=0.0, padded_seconds=0.0, seconds=0.0)).close()
    assert math.isnan(Reading(tmp_path).scalars("speed/padding_percent")[0][1])


def test_nothing_is_written_before_there_is_something_to_tell(tmp_path):
    TensorBoard(str(tmp_path / "events"), CONFIG).close()
    assert not (tmp_path / "events").exists()


@contextmanager
def full_disk():
    """Files of this process may grow no further than a page."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_when_a_full_disk_has_room_again_the_curve_goes_on(tmp_path):
    # Given a report that could be written by half only,
    board = watch(tmp_path, evaluation_report(0), step_report(10))
    with full_disk(), pytest.raises(tf.errors.OpError):
        for _ in range(100):
            board.evaluation(evaluation_report(20))
    # when there is room for the next ones,
    for step in (30, 40):
        board.step(step_report(step))
    board.close()
    # then they are read.
    assert [step for step, _ in Reading(tmp_path).scalars("train/loss")] == [10, 30, 40]


def test_a_folder_that_cannot_be_is_told_at_the_first_report(tmp_path):
    (tmp_path / "file").write_text("in the way")
    board = TensorBoard(str(tmp_path / "file" / "events"), CONFIG)
    for _ in range(2):
        with pytest.raises(OSError, match="Not a directory"):
            board.step(step_report(10))
    board.close()


class Cells(HTMLParser):
    """The cells of tables, as text with the bold words in brackets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True
        elif self._in_cell:
            assert tag == "strong", f"a transcript became <{tag}>"
            self.rows[-1][-1] += "["

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._in_cell = False
        elif tag == "strong":
            self.rows[-1][-1] += "]"

    def handle_data(self, data):
        if self._in_cell:
            self.rows[-1][-1] += data


def shown(markdown: str) -> list[list[str]]:
    """The table's cells on TensorBoard's page."""
    return Cells(plugin_util.markdown_to_safe_html(markdown)).rows


def test_words_that_were_misheard_are_bold():
    assert shown(samples_table(SAMPLES)) == [
        ["Reference", "Heard"],
        ["CALL [MY] MOTHER", "CALL MOTHER [NOW]"],
        ["[STOP]", "–"],
        ["GO", "GO"],
    ]


@given(st.text(), st.text())
@example("a|b `c` **d** _e_ [f](javascript:g) <img src=x onerror=h> &lt; \\| ![i](j)", "\x02wz\x03")
@example("| | |\n|---|\n# x\n```\n", "1. 2) - + > ~~~ &amp; &#42; \x00 \x7f")
def test_any_transcript_is_shown_as_it_is(reference, hypothesis):
    _, cells = shown(samples_table((Sample(reference, hypothesis),)))
    for text, cell in zip((reference, hypothesis), cells, strict=True):
        assert without_brackets(cell) == without_brackets(as_printed(text) or "–")


def as_printed(text: str) -> str:
    """On one line, with a sign for what has none."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "�" for letter in line)


def without_brackets(text: str) -> str:
    """What is said in brackets is bold in a cell, and in a transcript just said."""
    return text.replace("[", "").replace("]", "")


def test_the_recipe_is_two_tables():
    rows = shown(config_table(CONFIG))
    stages, shared = rows[:3], rows[3:]
    assert [row[:3] for row in stages] == [
        ["trains", "steps", "learning_rate"],
        ["head", "100", "0.001"],
        ["all_but_feature_encoder", "900", "5e-05"],
    ]
    assert shared[0] == ["setting", "value"]
    assert ["evaluate_every", "100"] in shared and ["patience", "–"] in shared
