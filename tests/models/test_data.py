"""The training input pipeline: every utterance once, padded to its bucket."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models import data
from models.transform_graph import TransformGraph
from models.vocabulary import Vocabulary
from tests.conftest import TRANSCRIPTS

BUCKETS = (10, 20, 40)


@pytest.fixture(scope="module")
def graph(transform_graph_folder) -> TransformGraph:
    return TransformGraph(str(transform_graph_folder))


def epoch(records, graph, **options) -> list[dict]:
    return list(data.utterances([str(records)], graph, **options).as_numpy_iterator())


def numbered(lengths: list[int]) -> tf.data.Dataset:
    """Utterances of these lengths: number i says i+1 in every sample and has i+1 labels."""

    def generate():
        for index, length in enumerate(lengths):
            yield {
                "waveforms": np.full(length, index + 1, np.float32),
                "lengths": length,
                "labels": np.full(index + 1, index + 1, np.int32),
                "label_lengths": index + 1,
                "pad_to": next((bound for bound in BUCKETS if length <= bound), BUCKETS[-1]),
            }

    return tf.data.Dataset.from_generator(
        generate,
        output_signature={
            "waveforms": tf.TensorSpec([None], tf.float32),
            "lengths": tf.TensorSpec([], tf.int32),
            "labels": tf.TensorSpec([None], tf.int32),
            "label_lengths": tf.TensorSpec([], tf.int32),
            "pad_to": tf.TensorSpec([], tf.int64),
        },
    )


def seen_in(batches: list[dict]) -> list[int]:
    return sorted(int(row[0]) for batch in batches for row in batch["waveforms"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 5))
def test_every_utterance_comes_once_whole_and_padded_to_its_bucket(lengths, batch_size):
    batches = list(data.bucketed_batches(numbered(lengths), batch_size).as_numpy_iterator())
    assert seen_in(batches) == list(range(1, len(lengths) + 1))
    for batch in batches:
        rows, samples = batch["waveforms"].shape
        assert 1 <= rows <= batch_size
        assert samples in BUCKETS or set(batch["lengths"]) == {samples}
        for row in range(rows):
            number = int(batch["waveforms"][row, 0])
            length = batch["lengths"][row]
            assert length == lengths[number - 1]
            assert (batch["waveforms"][row, :length] == number).all()
            assert not batch["waveforms"][row, length:].any()
            assert batch["label_lengths"][row] == number
            assert (batch["labels"][row, :number] == number).all()
            assert not batch["labels"][row, number:].any()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 4))
def test_without_remainders_every_batch_is_full(lengths, batch_size):
    dataset = data.bucketed_batches(numbered(lengths), batch_size, drop_remainder=True)
    batches = list(dataset.as_numpy_iterator())
    assert all(len(batch["lengths"]) == batch_size for batch in batches)
    sizes = [sum(low < length <= high for length in lengths) for low, high in _bounds()]
    assert len(batches) == sum(size // batch_size for size in sizes)


def _bounds() -> list[tuple[int, int]]:
    return list(zip((0, *BUCKETS), BUCKETS, strict=False))


def test_an_utterance_longer_than_every_bucket_gets_one_of_its_own_size():
    batches = list(data.bucketed_batches(numbered([40, 57]), 2).as_numpy_iterator())
    assert sorted(batch["waveforms"].shape for batch in batches) == [(1, 40), (1, 57)]


def test_an_epoch_reads_every_record_with_its_own_length_and_labels(
    speech_records, graph, tiny_checkpoint
):
    vocabulary = Vocabulary.from_folder(tiny_checkpoint)
    utterances = epoch(speech_records, graph)
    assert [len(one["waveforms"]) for one in utterances] == [8000 + 1600 * n for n in range(8)]
    for one, transcript in zip(utterances, TRANSCRIPTS, strict=True):
        assert one["lengths"] == len(one["waveforms"])
        assert one["label_lengths"] == len(one["labels"])
        expected = transcript.upper().replace("-", " ")
        assert vocabulary.spell(one["labels"]) == expected
        assert one["waveforms"].std() == pytest.approx(1, abs=1e-3)


def test_shuffling_keeps_every_utterance_and_the_same_seed_gives_the_same_order(
    speech_records, graph
):
    plain, first, again, other = (
        [one["lengths"] for one in epoch(speech_records, graph, shuffle_seed=seed)]
        for seed in (None, 1, 1, 2)
    )
    assert first == again
    assert len({tuple(plain), tuple(first), tuple(other)}) == 3
    assert sorted(first) == sorted(other) == plain


def test_epochs_of_a_repeated_dataset_come_in_different_orders(speech_records, graph):
    repeated = data.utterances([str(speech_records)], graph, shuffle_seed=1).repeat(2)
    lengths = [one["lengths"] for one in repeated.as_numpy_iterator()]
    assert sorted(lengths[:8]) == sorted(lengths[8:])
    assert lengths[:8] != lengths[8:]


def test_records_are_found_by_pattern_and_read_with_or_without_compression(
    speech_records, graph, tmp_path
):
    records = tf.data.TFRecordDataset(str(speech_records), compression_type="GZIP")
    with tf.io.TFRecordWriter(str(tmp_path / "plain-00000-of-00001")) as writer:
        for record in records:
            writer.write(record.numpy())
    compressed = epoch(speech_records.parent / "data_tfrecord-*", graph)
    plain = epoch(tmp_path / "plain-*", graph)
    assert len(plain) == len(compressed) == 8
    for one, other in zip(plain, compressed, strict=True):
        np.testing.assert_array_equal(one["waveforms"], other["waveforms"])


def test_batches_of_the_records_have_one_shape_for_each_bucket(speech_records, graph):
    batches = data.bucketed_batches(data.utterances([str(speech_records)], graph), 4)
    shapes = [batch["waveforms"].shape for batch in batches.as_numpy_iterator()]
    assert sum(rows for rows, _ in shapes) == 8
    assert len({samples for _, samples in shapes}) == 2
