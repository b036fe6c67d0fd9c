"""Of the batches those that can be read: a spoilt utterance is counted, a damaged file refused."""

from itertools import islice
from pathlib import Path

import pytest
import tensorflow as tf

from models import data
from models.errors import BadInputError, W2vError
from models.training.history import History
from models.training.readable import MOST_IN_A_ROW, Readable, damage_told
from models.transform_graph import TransformGraph
from schemas import speech_example as names
from tests.conftest import TRANSCRIPTS, speech_example

SPOILT = 3
BATCHES_OF_AN_EPOCH = len(TRANSCRIPTS) // 2


@pytest.fixture
def history() -> History:
    return History([])


@pytest.fixture(scope="module")
def graph(transform_graph_folder) -> TransformGraph:
    return TransformGraph(str(transform_graph_folder))


@pytest.fixture
def records(tmp_path):
    """Eight utterances, of which one is what a test makes of it."""

    def write(spoil) -> Path:
        path = tmp_path / "records"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for index, text in enumerate(TRANSCRIPTS):
                record = speech_example(index, text, 0.5 + index / 10)
                writer.write(spoil(record) if index == SPOILT else record)
        return path

    return write


def half_a_sample(record: bytes) -> bytes:
    """The utterance with one byte of its audio lost."""
    example = tf.train.Example.FromString(record)
    audio = example.features.feature[names.AUDIO].bytes_list.value
    audio[0] = audio[0][:-1]
    return example.SerializeToString()


def batches_of(path, graph):
    plan = data.BatchPlan(batch_size=2, seed=1)
    return lambda start: data.training_batches([str(path)], graph, plan, start)


def lengths_of(batch) -> list[int]:
    return batch["lengths"].numpy().tolist()


def test_the_batch_of_a_spoilt_utterance_is_left_out_and_counted_once_an_epoch(
    records, graph, history
):
    make = batches_of(records(half_a_sample), graph)
    readable = Readable(make, 0, history)
    while readable.consumed < 5 * BATCHES_OF_AN_EPOCH:
        next(readable)
        assert abs(history.skipped_batches - readable.consumed / BATCHES_OF_AN_EPOCH) <= 1


def test_a_training_that_goes_on_finds_its_place_behind_a_spoilt_batch(records, graph, history):
    make = batches_of(records(half_a_sample), graph)
    whole = Readable(make, 0, history)
    first = [lengths_of(next(whole)) for _ in range(3)]
    place, skipped = whole.consumed, history.skipped_batches
    rest = [lengths_of(next(whole)) for _ in range(4)]
    again = Readable(make, place, History([], skipped_batches=skipped))
    assert [lengths_of(next(again)) for _ in range(4)] == rest
    assert again.consumed == whole.consumed
    assert len(first) == 3 and skipped <= 1


@pytest.mark.parametrize("start", [0, 3])
def test_a_damaged_file_is_refused_at_first_sight_and_when_training_goes_on(
    records, graph, history, start
):
    path = records(lambda record: record)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"of the train split cannot be read \(corrupted rec"):
        list(islice(iter_of(Readable(batches_of(path, graph), start, history)), 8))


def iter_of(readable):
    while True:
        yield next(readable)


def test_records_that_are_no_speech_examples_are_refused_when_training_goes_on(
    records, graph, history
):
    path = records(lambda record: b"no example at all")
    with pytest.raises(BadInputError, match="Could not parse example input"):
        Readable(batches_of(path, graph), 3, history)


def test_a_run_of_which_nothing_can_be_read_is_given_up(history):
    three_bytes = tf.data.Dataset.from_tensors(b"abc").repeat()
    unreadable = three_bytes.map(lambda audio: tf.io.decode_raw(audio, tf.int16))
    readable = Readable(unreadable.skip, 0, history)
    with pytest.raises(W2vError, match=f"^{MOST_IN_A_ROW} batches in a row could not be read"):
        next(readable)
    assert history.skipped_batches == MOST_IN_A_ROW


def test_what_is_damaged_is_told_by_its_split():
    damage = tf.errors.DataLossError(None, None, "{{function_node f}} truncated record at 9\n[[x]]")
    with (
        pytest.raises(
            BadInputError, match=r"the dev split cannot be read \(truncated record at 9\)"
        ),
        damage_told("dev"),
    ):
        raise damage
