"""What a report counts: damage, confusions, lengths, paddings, exclusions and the trend."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from components.release_gate.report.axis import Axis, rate_axis
from components.release_gate.report.confusions import Confusion, count_confusions
from components.release_gate.report.content import gather, plain_wer
from components.release_gate.report.cuts import dimension_and_label, dimensions_of
from components.release_gate.report.lengths import MOST_BINS, histogram_of, wer_by_duration
from components.release_gate.report.padding import PaddedVariant, waterfall_of
from components.release_gate.verdict import PastRun, Verdict
from components.wer_evaluator.evaluation import PaddingCause
from components.wer_evaluator.predictions import with_counts
from tests.components.release_gate.evaluations import (
    frame_of,
    heard,
    left_out,
    scores_of,
    write_evaluation,
)

RATES = st.floats(0, 10) | st.just(0.0)


def scored(*predictions):
    return with_counts(frame_of(predictions))


def content_of(folder, *predictions, **changes):
    evaluation = write_evaluation(folder, predictions, causes=changes.pop("causes", ()))
    verdict = Verdict("tiny", [], scores_of(predictions, *changes.pop("features", ())))
    return gather(dataclasses.replace(verdict, **changes), evaluation)


class TestSlices:
    ROWS = (
        *(heard(f"a{number}", "A B C D", "A B C X", speaker="often") for number in range(10)),
        heard("b", "A", "X Y", speaker="rare"),
        *(heard(f"c{number}", "A B C D", "A B C D", speaker="never") for number in range(10)),
    )

    def test_the_most_extra_errors_come_first_not_the_highest_rate(self):
        scores = scores_of(self.ROWS, "speaker")
        (by_speaker,) = dimensions_of(scores, scores[0])
        assert [cut.label for cut in by_speaker.cuts] == ["often", "rare", "never"]
        assert by_speaker.cuts[0].score.wer < by_speaker.cuts[1].score.wer

    def test_the_extra_errors_of_a_dimension_add_up_to_nothing(self):
        scores = scores_of(self.ROWS, "speaker", "gender")
        for dimension in dimensions_of(scores, scores[0]):
            assert sum(cut.damage for cut in dimension.cuts) == pytest.approx(0, abs=1e-9)

    def test_other_trials_are_left_out(self):
        rows = [heard("a", "A", "B"), heard("a", "A", "B", variant="bucketed", speaker="other")]
        scores = scores_of(rows, "speaker")
        (by_speaker,) = dimensions_of(scores, scores[0])
        assert [cut.label for cut in by_speaker.cuts] == ["61"]

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("speaker:61", ("speaker", "61")),
            ("corpus:a,b:c", ("corpus", "a,b:c")),
            ("gender:F,duration:over 20 s", ("gender × duration", "F × over 20 s")),
            ("unheard of", ("other", "unheard of")),
        ],
    )
    def test_a_slice_has_a_dimension_and_a_label(self, name, expected):
        assert dimension_and_label(name) == expected


class TestConfusions:
    def test_words_are_counted_with_how_often_they_were_said_or_heard(self):
        found = count_confusions(
            scored(
                heard("a", "THE CAT SAT", "A CAT SAT"),
                heard("b", "THE CAT SAT", "A CAT"),
                heard("c", "THE END", "THE END UH"),
                heard("d", "UH", "UH"),
            )
        )
        assert found.substituted == (Confusion("THE", "A", 2, 3),)
        assert found.missed == (Confusion("SAT", "", 1, 2),)
        assert found.inserted == (Confusion("", "UH", 1, 2),)

    def test_of_equally_frequent_ones_the_first_by_name_comes_first(self):
        found = count_confusions(scored(heard("a", "C", "X"), heard("b", "B", "X")))
        assert [pair.said for pair in found.substituted] == ["B", "C"]


class TestLengths:
    def test_rates_are_by_duration_in_its_order_with_the_slices_intervals(self):
        rows = (
            heard("long", "A B", "A C", audio_seconds=25.0),
            heard("short", "A B", "A B", audio_seconds=1.0),
        )
        scores = scores_of(rows)
        over_20 = dataclasses.replace(scores[0], slice="duration:over 20 s", wer_low=0.25)
        short, long = wer_by_duration(scored(*rows), [*scores, over_20], "saved_model/unpadded")
        assert (short.label, short.wer, long.label, long.wer) == ("0-2 s", 0.0, "over 20 s", 0.5)
        assert long.wer_low == 0.25 and short.wer_low != short.wer_low

    @given(st.lists(st.floats(0, 7000), max_size=40))
    def test_every_utterance_is_in_one_of_not_too_many_bins(self, seconds):
        rows = frame_of([heard("a", "A", "A", audio_seconds=length) for length in [1.0, *seconds]])
        histogram = histogram_of(rows.audio_seconds)
        assert sum(histogram.counts) == len(rows)
        assert len(histogram.counts) <= MOST_BINS


class TestPaddings:
    CONSTANT = "constant_246000"

    def variants(self, folder, *others):
        content = content_of(
            folder,
            heard("one", "A B", "A B"),
            heard("two", "A B", "A C"),
            heard("three", "A B", "A B"),
            *others,
        )
        return content.paddings

    def test_masked_padding_that_changes_nothing_shows_zero(self, tmp_path):
        others = [
            heard("one", "A B", "A B", variant=self.CONSTANT),
            heard("two", "A B", "A C", variant=self.CONSTANT),
            left_out("three", "longer than the padding", variant=self.CONSTANT),
        ]
        assert self.variants(tmp_path, *others) == (
            PaddedVariant(self.CONSTANT, "to 15.4 s, masked", True, 0.25, 2, 0, 0, 0.0),
        )

    def test_every_other_word_counts_as_another_transcript(self, tmp_path):
        unmasked = f"{self.CONSTANT}_unmasked"
        others = [
            heard("one", "A B", "A", variant=unmasked),
            heard("two", "A B", "A D", variant=unmasked),
            heard("three", "A B", "A B", variant=unmasked),
        ]
        (padded,) = self.variants(tmp_path, *others)
        assert (padded.masked, padded.different, padded.compared) == (False, 2, 3)
        assert padded.added_wer == pytest.approx(1 / 6)

    @pytest.mark.parametrize(("unpadded", "padded"), [(1, 2), (2, 1)])
    def test_an_utterance_cut_into_windows_is_not_compared(self, unpadded, padded, tmp_path):
        content = content_of(
            tmp_path,
            heard("one", "A B", "A B", windows=unpadded),
            heard("two", "A B", "A C"),
            heard("one", "A B", "A X", variant=self.CONSTANT, windows=padded),
            heard("two", "A B", "A C", variant=self.CONSTANT),
        )
        (compared,) = content.paddings
        assert (compared.different, compared.compared, compared.in_windows) == (0, 1, 1)

    def test_the_causes_add_up_to_the_last_rate(self):
        counts = [("unpadded", 10), ("padded", 10), ("group norm", 40), ("audio cut", 35)]
        steps = waterfall_of([PaddingCause(cause, 5, 200, errors) for cause, errors in counts])
        assert [step.added for step in steps] == pytest.approx([0.05, 0.0, 0.15, -0.025])
        assert sum(step.added for step in steps) == pytest.approx(steps[-1].wer) == 0.175


class TestWhole:
    def test_the_plain_rate_is_the_edit_distance_over_words(self):
        pairs = [("A B C D E F", "X Y A Z C Q"), ("A B", "A B"), ("ONE TWO THREE", "TWO FOUR")]
        rows = scored(*(heard(str(i), *pair) for i, pair in enumerate(pairs)))
        errors = sum(Levenshtein.distance(said.split(), got.split()) for said, got in pairs)
        assert plain_wer(rows) == pytest.approx(errors / 11)

    def test_exclusions_are_counted_by_trial_and_reason(self, tmp_path):
        bucketed = {"variant": "bucketed"}
        content = content_of(
            tmp_path,
            heard("one", "A B", "A B"),
            heard("one", "A B", "A B", **bucketed),
            left_out("two", "longer than the padding", audio_seconds=20.0, **bucketed),
            left_out("three", "the model gave NaN", **bucketed),
            left_out("four", "longer than the padding", audio_seconds=30.0, **bucketed),
        )
        longer, broken = content.exclusions
        assert (longer.trial, longer.reason) == ("saved_model/bucketed", "longer than the padding")
        assert (longer.utterances, longer.audio_seconds) == (2, 50.0)
        assert longer.examples == ("four", "two")
        assert (broken.reason, broken.utterances) == ("the model gave NaN", 1)

    def test_of_very_many_reasons_the_rare_ones_stand_together(self, tmp_path):
        rows = [left_out(f"u{i}", f"the runtime failed: at {i:#x}") for i in range(50)]
        rows += [left_out(f"v{i}", "the model gave NaN") for i in range(3)]
        content = content_of(tmp_path, *rows)
        assert len(content.exclusions) == 11
        assert sum(found.utterances for found in content.exclusions) == 53
        first, second, *_ = content.exclusions
        assert (first.reason, first.utterances) == ("other reasons", 41)
        assert (second.reason, second.utterances) == ("the model gave NaN", 3)

    def test_the_trend_ends_with_this_run_and_skips_runs_without_the_trial(self, tmp_path):
        trial = "saved_model/unpadded"
        history = (
            PastRun("2026-11-01T00:00:00+00:00", {trial: 0.7}),
            PastRun("2026-11-08T00:00:00+00:00", {"tflite_int8/static": 0.1}),
            PastRun("2026-11-15T00:00:00+00:00", {trial: float("nan")}),
        )
        content = content_of(tmp_path, heard("one", "A B", "A C"), history=history, evaluated="now")
        assert [(point.when, point.wer) for point in content.trend] == [
            ("2026-11-01T00:00:00+00:00", 0.7),
            ("now", 0.5),
        ]

    def test_the_worst_utterance_comes_first_and_a_right_one_not_at_all(self, tmp_path):
        content = content_of(
            tmp_path,
            heard("one", "A B", "A C"),
            heard("two", "A B", "C D E"),
            heard("three", "A", "A"),
        )
        assert [mistake.utterance for mistake in content.worst] == ["two", "one"]


class TestAxis:
    @given(st.lists(RATES, min_size=1), st.booleans())
    def test_every_value_lies_between_even_ticks(self, values, from_zero):
        axis = Axis.over(values, from_zero=from_zero)
        assert axis.ticks[0] <= min(values) + 1e-9 and max(values) <= axis.ticks[-1] + 1e-9
        assert 2 <= len(axis.ticks) <= 9
        steps = [after - before for before, after in zip(axis.ticks, axis.ticks[1:], strict=False)]
        assert steps == pytest.approx([steps[0]] * len(steps))
        places = [float(axis.at(value).rstrip("%")) for value in sorted(values)]
        assert places == sorted(places) and places[0] >= 0 and places[-1] <= 100

    def test_an_outlier_does_not_flatten_the_others(self):
        rows = [heard("a", "A " * 99 + "B", "A " * 100), heard("a", "A", "B", variant="bucketed")]
        good, bad = scores_of(rows)
        axis = rate_axis([good, bad], good.wer)
        assert axis.high < 0.06 and axis.ends_before(bad.wer) and not axis.ends_before(good.wer)
