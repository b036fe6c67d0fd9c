"""Running an artifact over a split: batches, exclusions, and one row for each utterance."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.wer_evaluator.padding import parse_variant
from components.wer_evaluator.predict import Spoken, Trial, by_padded_length, in_batches, predict
from components.wer_evaluator.predictions import PREDICTIONS_FILE, read_predictions
from models.processor import Processor


def spoken(samples: int) -> Spoken:
    return Spoken("id", "1", "dev", "F", "A", np.zeros(samples, np.float32))


@given(st.lists(st.integers(400, 300_000), max_size=20), st.floats(0.1, 100))
def test_batches_hold_every_utterance_once_within_their_seconds(lengths, batch_seconds):
    utterances = [spoken(length) for length in lengths]
    seen = []
    for samples, group in by_padded_length(utterances, parse_variant("bucketed")).items():
        for batch in in_batches(group, samples, batch_seconds):
            assert len(batch) == 1 or len(batch) * samples <= batch_seconds * 16_000
            assert all(len(one.waveform) <= samples for one in batch)
            seen += batch
    assert sorted(map(id, seen)) == sorted(map(id, utterances))


@pytest.fixture(scope="module")
def table(tiny_checkpoint, speech_records, tmp_path_factory) -> pd.DataFrame:
    """The random recogniser over eight utterances, under two paddings, one of them too short."""
    import apache_beam as beam

    folder = tmp_path_factory.mktemp("evaluation")
    trial = Trial(
        artifact="keras",
        path=str(tiny_checkpoint),
        variants=("unpadded", "constant_16000"),
        normalisation="librispeech",
        batch_seconds=4.0,
        utterances=8,
    )
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        predict(pipeline, str(speech_records), [trial], str(folder / PREDICTIONS_FILE))
    return read_predictions(str(folder))


def test_there_is_one_row_for_each_utterance_and_padding(table):
    assert len(table) == 16
    assert not table.duplicated(["variant", "utterance"]).any()


def test_what_is_longer_than_the_constant_is_excluded_never_cut(table):
    constant = table[table.variant == "constant_16000"]
    too_long = constant[constant.audio_seconds > 1.0]
    assert len(too_long) == 2
    assert (too_long.excluded == "longer than the padding").all()
    assert (constant[constant.audio_seconds <= 1.0].excluded == "").all()


def test_masked_padding_changes_no_hypothesis(table):
    scored = table[table.excluded == ""]
    both = scored.groupby("utterance").filter(lambda rows: len(rows) == 2)
    assert (both.groupby("utterance").hypothesis.nunique() == 1).all()


def test_references_and_counts_are_those_of_the_normalised_transcript(table, tiny_checkpoint):
    row = table[(table.utterance == "utterance-2") & (table.variant == "unpadded")].iloc[0]
    assert row.reference == "TWENTY ONE"
    assert row.words == 2
    letters = set(Processor.from_pretrained(tiny_checkpoint).vocabulary.tokens)
    assert set(row.hypothesis) <= letters | {" "}
