"""Running an artifact over a split: batches, exclusions, and what a failing runtime costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.wer_evaluator.decode import DecodeAgain, Search
from components.wer_evaluator.padding import parse_variant
from components.wer_evaluator.predict import RunTrial, Spoken, Trial, by_padded_length, in_batches
from components.wer_evaluator.predictions import BEAM, CRASHED, NOT_A_NUMBER, TOO_LONG
from models.beam_search import BeamSearchConfig
from models.recognisers import Recognition

LONGEST = 960_000


def spoken(samples: int, reference: str = "A") -> Spoken:
    noise = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    return Spoken(f"id-{samples}", "1", "dev", "F", reference, noise)


@given(st.lists(st.integers(400, 300_000), max_size=20), st.floats(0.1, 100))
def test_batches_hold_every_utterance_once_within_their_seconds(lengths, batch_seconds):
    utterances = [Spoken("id", "1", "dev", "F", "A", np.zeros(length)) for length in lengths]
    seen = []
    groups = by_padded_length(utterances, parse_variant("bucketed"), LONGEST)
    for samples, group in groups.items():
        for batch in in_batches(group, samples, batch_seconds):
            assert len(batch) == 1 or len(batch) * samples <= batch_seconds * 16_000
            assert all(len(one.waveform) <= samples for one in batch)
            seen += batch
    assert sorted(map(id, seen)) == sorted(map(id, utterances))


def trial(checkpoint, **changes) -> Trial:
    options = {"variants": ("constant_16000",), "normalisation": "librispeech"} | changes
    return Trial("keras", str(checkpoint), batch_seconds=4.0, utterances=2, **options)


def rows_of(running: Trial, *utterances: Spoken, recogniser=None) -> list:
    run = RunTrial(running)
    run.setup()
    if recogniser is not None:
        run._recogniser = recogniser
    return list(run.process(utterances))


def test_without_windows_what_does_not_fit_is_excluded_never_cut(tiny_checkpoint):
    fits, too_long = rows_of(trial(tiny_checkpoint), spoken(9_000), spoken(20_000))
    assert fits.excluded == "" and fits.windows == 1
    assert too_long.excluded == TOO_LONG and too_long.hypothesis == ""


def test_with_windows_everything_is_heard(tiny_checkpoint):
    with_windows = trial(tiny_checkpoint, overlap=3_200)
    fits, long = rows_of(with_windows, spoken(9_000), spoken(40_000))
    assert fits.windows == 1 and long.windows == 3
    assert long.excluded == ""


def test_a_padding_without_end_goes_by_windows_beyond_the_longest(tiny_checkpoint):
    unpadded = trial(tiny_checkpoint, variants=("unpadded",), overlap=3_200, longest=16_000)
    short, long = rows_of(unpadded, spoken(15_999), spoken(17_000))
    assert (short.windows, long.windows) == (1, 2)


def test_only_the_forerunners_protocol_cuts(tiny_checkpoint):
    variants = ("constant_16000_forerunner",)
    (cut,) = rows_of(trial(tiny_checkpoint, variants=variants, overlap=3_200), spoken(20_000))
    assert cut.excluded == "" and cut.windows == 1
    assert cut.audio_seconds == 1.25


def test_only_the_wanted_trials_leave_log_probabilities(tiny_checkpoint):
    keeping = trial(tiny_checkpoint, kept_log_probs=("keras/constant_16000",))
    prediction, kept = rows_of(keeping, spoken(9_000))
    assert kept.tag == "log_probs"
    assert kept.value["utterance"] == prediction.utterance
    assert len(kept.value["log_probs"]) == kept.value["frames"] * 32 * 4


def test_what_was_not_heard_is_not_heard_by_the_beam_search_either(tiny_checkpoint):
    keeping = trial(tiny_checkpoint, kept_log_probs=("keras/constant_16000",))
    prediction, kept = rows_of(keeping, spoken(20_000))
    assert prediction.excluded == TOO_LONG
    decoding = DecodeAgain(Search(None, BeamSearchConfig(), None, "librispeech"))
    (again,) = decoding.process(kept.value)
    assert again.decoder == BEAM and again.excluded == TOO_LONG


def test_references_are_normalised_as_hypotheses_are(tiny_checkpoint):
    (row,) = rows_of(trial(tiny_checkpoint), spoken(9_000, "Twenty-one"))
    assert row.reference == "TWENTY ONE"


class Faulty:
    """A runtime that fails on every second batch and gives NaN on the others."""

    static_lengths = None

    def __init__(self) -> None:
        self._calls = 0

    def recognise(self, waveforms, lengths, mask="full"):
        self._calls += 1
        if self._calls % 2:
            raise RuntimeError("out of memory\nand a long trace")
        return [Recognition("A", np.full((10, 32), np.nan)) for _ in lengths]


def test_a_runtime_that_fails_costs_what_it_failed_on_and_says_why(tiny_checkpoint):
    variants = ("unpadded",)
    rows = rows_of(
        trial(tiny_checkpoint, variants=variants),
        spoken(9_000),
        spoken(12_000),
        recogniser=Faulty(),
    )
    assert [row.excluded for row in rows] == [
        f"{CRASHED}RuntimeError: out of memory",
        NOT_A_NUMBER,
    ]


@pytest.mark.parametrize("samples", [9_000, 40_000])
def test_a_runtime_that_fails_in_windows_is_told_alike(tiny_checkpoint, samples):
    (row,) = rows_of(trial(tiny_checkpoint, overlap=3_200), spoken(samples), recogniser=Faulty())
    assert row.excluded.startswith(CRASHED)
