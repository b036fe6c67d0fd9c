"""The training input pipeline: every utterance once an epoch, padded to its bucket, resumable."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from models import data
from models.data import BatchPlan
from models.errors import BadInputError
from models.normalisation import normalise_text
from models.transform_graph import TransformGraph
from models.vocabulary import Vocabulary
from tests.conftest import TRANSCRIPTS, speech_example

FILES, UTTERANCES = 3, 25
# Utterance i is i samples longer than a second or so: a length says which one it is.
LENGTHS = [16_000 + 100 * (7 * i % UTTERANCES) for i in range(UTTERANCES)]
TEXTS = ["AB" * (1 + i % 4) for i in range(UTTERANCES)]
# Buckets of the shared Transform graph, which was fitted on eight utterances.
LONGEST_BUCKET = 19_200


@pytest.fixture(scope="module")
def graph(transform_graph_folder) -> TransformGraph:
    return TransformGraph(str(transform_graph_folder))


def write(folder, name: str, utterances) -> None:
    with tf.io.TFRecordWriter(str(folder / name)) as writer:
        for index in utterances:
            writer.write(speech_example(index, TEXTS[index], LENGTHS[index] / 16_000))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("Split-train")
    for shard in range(FILES):
        name = f"data_tfrecord-{shard:05d}-of-{FILES:05d}"
        write(folder, name, range(shard, UTTERANCES, FILES))
    return [str(folder / "*")]


def taken(files, graph, plan, count, start=0) -> list[dict]:
    batches = data.training_batches(files, graph, plan, start)
    return list(batches.take(count).as_numpy_iterator())


def epoch(files, graph, plan, number=0) -> list[dict]:
    size = data.batches_per_epoch(files, graph, plan)
    return taken(files, graph, plan, size, start=number * size)


def lengths_in(batches) -> list[int]:
    """Of the utterances in their order, without rows that only fill up."""
    return [int(length) for batch in batches for length in batch["lengths"] if length]


def same(batches, others) -> bool:
    return len(batches) == len(others) and all(
        one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
        for one, other in zip(batches, others, strict=True)
    )


def without_audio(files, length: int, folder) -> list[str]:
    """The same files, but the utterance of this length cannot be decoded."""
    for file in sorted(tf.io.gfile.glob(files[0])):
        with tf.io.TFRecordWriter(str(folder / file.rsplit("/", 1)[1])) as writer:
            for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
                example = tf.train.Example.FromString(record)
                if example.features.feature["num_samples"].int64_list.value[0] == length:
                    del example.features.feature["audio_pcm16"]
                writer.write(example.SerializeToString())
    return [str(folder / "*")]


def operations(dataset: tf.data.Dataset) -> set[str]:
    """Every kind of op in the dataset and in the functions that it maps."""
    graph = tf.compat.v1.GraphDef.FromString(dataset._as_serialized_graph().numpy())
    functions = [node for function in graph.library.function for node in function.node_def]
    return {node.op for node in [*graph.node, *functions]}


@pytest.mark.parametrize("static_shapes", [False, True])
def test_every_utterance_comes_once_in_each_epoch(files, graph, static_shapes):
    plan = BatchPlan(4, static_shapes=static_shapes)
    size = data.batches_per_epoch(files, graph, plan)
    batches = taken(files, graph, plan, 3 * size)
    for first in range(0, 3 * size, size):
        assert sorted(lengths_in(batches[first : first + size])) == sorted(LENGTHS)


def test_the_same_seed_gives_the_same_batches_and_another_seed_another_order(files, graph):
    first = epoch(files, graph, BatchPlan(4, seed=1))
    assert same(first, epoch(files, graph, BatchPlan(4, seed=1)))
    assert lengths_in(first) != lengths_in(epoch(files, graph, BatchPlan(4, seed=2)))


def test_the_order_does_not_depend_on_the_programs_global_seed(files, graph):
    orders = []
    for global_seed in (0, 5):
        tf.random.set_seed(global_seed)
        orders.append(lengths_in(epoch(files, graph, BatchPlan(4))))
    assert orders[0] == orders[1]


def test_every_epoch_comes_in_another_order(files, graph):
    orders = {tuple(lengths_in(epoch(files, graph, BatchPlan(4), number))) for number in range(4)}
    assert len(orders) == 4


@pytest.mark.parametrize("threads", [1, 5])
def test_the_order_is_the_same_on_any_number_of_threads(files, graph, threads):
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    batches = data.training_batches(files, graph, BatchPlan(4)).with_options(options)
    expected = taken(files, graph, BatchPlan(4), 12)
    assert same(list(batches.take(12).as_numpy_iterator()), expected)


@pytest.mark.parametrize("static_shapes", [False, True])
def test_a_run_goes_on_exactly_where_it_stopped_across_epochs_too(files, graph, static_shapes):
    plan = BatchPlan(4, seed=3, static_shapes=static_shapes)
    size = data.batches_per_epoch(files, graph, plan)
    unstopped = taken(files, graph, plan, 2 * size + 3)
    for start in (1, size - 1, size, size + 2):
        assert same(taken(files, graph, plan, len(unstopped) - start, start), unstopped[start:])


def test_batches_that_are_passed_over_are_not_decoded(files, graph, tmp_path):
    """An utterance that cannot be decoded stops a run, but not one that starts behind it."""
    plan = BatchPlan(1)
    (spoilt,) = lengths_in(taken(files, graph, plan, 1))
    changed = without_audio(files, spoilt, tmp_path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="audio_pcm16"):
        taken(changed, graph, plan, 1)
    assert same(taken(changed, graph, plan, 3, start=2), taken(files, graph, plan, 3, start=2))


@pytest.mark.parametrize("static_shapes", [False, True])
def test_workers_and_their_devices_share_out_the_very_batches_of_one_device(
    files, graph, static_shapes
):
    plan = BatchPlan(4, seed=2, static_shapes=static_shapes)
    count = data.batches_per_epoch(files, graph, plan) + 3
    whole = taken(files, graph, plan, count, start=2)
    # Two workers of two devices each: a worker's elements go to its devices in turn.
    workers = [
        taken(files, graph, replace(plan, replicas=4, own=own), 2 * count, start=2)
        for own in (range(0, 2), range(2, 4))
    ]
    assert min(len(lengths_in([batch])) for batch in whole) < 4  # some device is dealt no row
    for number, batch in enumerate(whole):
        parts = [part for worker in workers for part in worker[2 * number : 2 * number + 2]]
        assert len({tuple(value.shape for value in part.values()) for part in parts}) == 1
        assert lengths_in(parts) == lengths_in([batch])
        waveforms, labels = (
            np.concatenate([part[name] for part in parts]) for name in ("waveforms", "labels")
        )
        rows, widest = len(batch["lengths"]), max(batch["label_lengths"])
        np.testing.assert_allclose(waveforms[:rows], batch["waveforms"], atol=1e-5)
        assert not waveforms[rows:].any()
        assert np.array_equal(labels[:rows, :widest], batch["labels"][:, :widest])


def test_a_worker_decodes_only_the_rows_of_its_devices(files, graph, tmp_path):
    plan = BatchPlan(4, replicas=2)
    first, second = (replace(plan, own=range(index, index + 1)) for index in range(2))
    spoilt = lengths_in(taken(files, graph, second, 1))[0]
    changed = without_audio(files, spoilt, tmp_path)
    assert same(taken(changed, graph, first, 1), taken(files, graph, first, 1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="audio_pcm16"):
        taken(changed, graph, second, 1)


def test_a_transcript_that_would_part_the_devices_shapes_is_refused(tmp_path, graph):
    with tf.io.TFRecordWriter(str(tmp_path / "long")) as writer:
        writer.write(speech_example(0, "LONGER THAN ALL " * 4, seconds=1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="longer than any"):
        taken([str(tmp_path / "long")], graph, BatchPlan(2, replicas=2), 1)


def test_no_utterance_at_all_is_refused(tmp_path, graph):
    with pytest.raises(BadInputError, match="nowhere"):
        data.training_batches([str(tmp_path / "nowhere*")], graph, BatchPlan(4))


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"batch_size": 0}, "at least 1"),
        ({"batch_size": 4, "replicas": 3}, "batch_size is 4, which 3 devices cannot share"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan, told):
    with pytest.raises(BadInputError, match=told):
        BatchPlan(**plan)


def test_static_shapes_compile_a_step_once_for_each_bucket(speech_records, graph):
    plan = BatchPlan(3, static_shapes=True)
    batches = data.training_batches([str(speech_records)], graph, plan)
    traced = []

    @tf.function
    def step(batch):
        traced.append({name: tuple(value.shape) for name, value in batch.items()})

    for batch in batches.take(12):
        step(batch)
    widest = max(len(normalise_text(text, "librispeech")) for text in TRANSCRIPTS)
    assert len(traced) == 2
    assert len({shapes["waveforms"] for shapes in traced}) == 2
    for shapes in traced:
        assert shapes["waveforms"][0] == 3
        assert shapes["labels"] == (3, widest)
        assert shapes["lengths"] == shapes["label_lengths"] == (3,)
    # All but the length of the bucket and of the labels is known before any batch is read.
    spec = batches.element_spec
    assert all(one.shape[0] == 3 for one in spec.values())


def test_rows_that_fill_up_a_batch_have_no_samples_and_no_labels(speech_records, graph):
    plan = BatchPlan(3, static_shapes=True)
    batches = epoch([str(speech_records)], graph, plan)
    empty = [batch["lengths"] == 0 for batch in batches]
    assert sum(rows.sum() for rows in empty) == 3 * len(batches) - len(TRANSCRIPTS) > 0
    for batch, rows in zip(batches, empty, strict=True):
        assert not batch["waveforms"][rows].any()
        assert not batch["labels"][rows].any()
        assert not batch["label_lengths"][rows].any()


@pytest.mark.parametrize("static_shapes", [False, True])
def test_batches_hold_each_recording_with_its_transcript_and_zeros_behind(
    speech_records, graph, tiny_checkpoint, static_shapes
):
    vocabulary = Vocabulary.from_folder(tiny_checkpoint)
    spoken = {8000 + 1600 * n: text for n, text in enumerate(TRANSCRIPTS)}
    plan = BatchPlan(3, static_shapes=static_shapes)
    for batch in epoch([str(speech_records)], graph, plan):
        for row in np.flatnonzero(batch["lengths"]):
            length, characters = batch["lengths"][row], batch["label_lengths"][row]
            waveform, labels = batch["waveforms"][row], batch["labels"][row]
            assert vocabulary.spell(labels[:characters]) == normalise_text(
                spoken[int(length)], "librispeech"
            )
            assert waveform[:length].std() == pytest.approx(1, abs=1e-3)
            assert not waveform[length:].any()
            assert not labels[characters:].any()


def test_what_is_longer_than_any_in_training_is_neither_cut_nor_left_out(tmp_path, graph):
    text = "LONGER THAN ALL " * 4
    with tf.io.TFRecordWriter(str(tmp_path / "long")) as writer:
        writer.write(speech_example(0, text, seconds=3))
    plan = BatchPlan(2, static_shapes=True)
    (batch,) = taken([str(tmp_path / "long")], graph, plan, 1)
    assert batch["waveforms"].shape == (2, 3 * LONGEST_BUCKET)
    assert batch["lengths"].tolist() == [48_000, 0]
    assert batch["waveforms"][0, 47_900:48_000].any()
    assert batch["label_lengths"].tolist() == [len(text.strip()), 0]
    assert batch["labels"][0, len(text.strip()) - 1]


def test_evaluation_reads_every_utterance_once_in_one_order(files, graph):
    batches = data.evaluation_batches(files, graph, BatchPlan(4))
    first, again = (list(batches.as_numpy_iterator()) for _ in range(2))
    assert same(first, again)
    assert sorted(lengths_in(first)) == sorted(LENGTHS)


def test_records_are_read_with_or_without_compression(speech_records, graph, tmp_path):
    records = tf.data.TFRecordDataset(str(speech_records), compression_type="GZIP")
    with tf.io.TFRecordWriter(str(tmp_path / "data_tfrecord-00000-of-00001")) as writer:
        for record in records:
            writer.write(record.numpy())
    compressed = epoch([str(speech_records.parent / "data_tfrecord-*")], graph, BatchPlan(4))
    assert same(epoch([str(tmp_path / "data_tfrecord-*")], graph, BatchPlan(4)), compressed)


def test_nothing_in_the_pipeline_calls_back_into_python(files, graph):
    kinds = operations(data.training_batches(files, graph, BatchPlan(4)))
    assert {"ParallelMapDatasetV2", "DecodePaddedRaw"} <= kinds
    assert not [kind for kind in kinds if "PyFunc" in kind or kind == "GeneratorDataset"]


def test_a_call_back_into_python_would_be_seen():
    mapped = tf.data.Dataset.range(1).map(lambda x: tf.py_function(lambda y: y, [x], tf.int64))
    assert "EagerPyFunc" in operations(mapped)
