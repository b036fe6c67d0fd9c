"""The training input pipeline: TFRecords in, padded batches out, pure TF ops all the way.

The features come from the Transform graph, so this module knows how records are batched and
nothing of how they were made.

Serialized records are shuffled and sorted into buckets; audio is decoded last, a batch at a time.
The order of an epoch depends on the seed and the epoch's number alone, so the number of batches
that were consumed is all that a run needs to go on: they are passed over undecoded. A checkpoint
of tf.data's iterator would hold the shuffle buffer, the unfinished buckets and the decoded batches
that wait: hundreds of megabytes from each worker at each save, for this very graph alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import tensorflow as tf

from models.errors import BadInputError

# What the Transform graph gives for one utterance.
WAVEFORM = "waveform"  # ragged float32 [batch, (samples)], normalised
LABELS = "labels"  # ragged int64 [batch, (characters)]
PAD_TO = "pad_to"  # int64 [batch]: the length that this utterance's bucket is padded to
PAD_LABELS_TO = "pad_labels_to"  # int64 [batch]: one length that holds any training transcript

Batch = dict[str, tf.Tensor]


class FeatureGraph(Protocol):
    """Turns serialized speech examples into features; the fitted Transform graph is one."""

    def __call__(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """The features named above."""

    def pad_to(self, serialized: tf.Tensor) -> tf.Tensor:
        """What each utterance's bucket is padded to, without a look at its audio. [batch]"""


# Ingest laid the records into the files at random, so an epoch only has to part neighbours of the
# one before: files come in another order, some in turns, and records move within a small buffer
# (of LibriSpeech's 200 MB, as much as one file).
FILES_AT_ONCE = 4
SHUFFLED_RECORDS = 512
LONGER_THAN_IN_TRAINING = (
    "A transcript is longer than any that the Transform graph was fitted on, so that the devices "
    "would get different shapes."
)


@dataclass(frozen=True)
class BatchPlan:
    """How batches are made, and which rows of them a process decodes.

    With `static_shapes` every batch of a bucket has one full shape: labels are as wide in each
    batch, and what is left of a bucket at the end of an epoch is filled up with rows of length 0.
    Dropping it instead would keep a bucket smaller than a batch out of training altogether.

    `batch_size` utterances are dealt out to `replicas` devices, of which a worker decodes for its
    `own`. All of them go through the same batches in the same order, whatever their number, and
    what they are dealt of a batch has one shape: workers must compile the same step together.
    """

    batch_size: int
    seed: int = 0
    static_shapes: bool = False
    replicas: int = 1
    own: range = range(1)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise BadInputError(f"batch_size must be at least 1, not {self.batch_size}.")
        if self.batch_size % self.replicas:
            raise BadInputError(
                f"training.batch_size is {self.batch_size}, which {self.replicas} devices cannot "
                "share evenly; choose a multiple of their number."
            )

    @property
    def rows(self) -> int | None:
        """Of what a replica gets of each batch, where that is always the same."""
        return self.batch_size // self.replicas if self.static_shapes else None


def training_batches(
    files: Sequence[str],
    graph: FeatureGraph,
    plan: BatchPlan,
    start: int = 0,
    epoch_size: Callable[[], int] | None = None,
) -> tf.data.Dataset:
    """Batches without end, epoch after epoch, going on after the first `start` ones.

    To go on one must know how many an epoch has; who knows it spares the count by `epoch_size`.
    An epoch holds each utterance once: batches as buckets fill, then what is left of each bucket.
    The plan's own replicas get their parts of each batch one after the other.
    """
    records = _Records.of(files)
    count = epoch_size or partial(batches_per_epoch, files, graph, plan)
    epoch, done = divmod(start, count()) if start else (0, 0)
    windows = tf.data.Dataset.range(epoch, tf.int64.max).flat_map(
        lambda epoch: _windows(records.shuffled(plan.seed, epoch), graph, plan.batch_size)
    )
    own = tf.data.Dataset.range(plan.own.start, plan.own.stop)
    parts = windows.skip(done).flat_map(lambda window: own.map(lambda replica: (window, replica)))
    # Known to have no end, lest devices ask each other before each batch whether there is one more.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return _decoded(parts.apply(endless), graph, plan)


def evaluation_batches(
    files: Sequence[str], graph: FeatureGraph, plan: BatchPlan
) -> tf.data.Dataset:
    """Every utterance once, always in the same order, whole batches on each worker."""
    windows = _windows(read_records(files), graph, plan.batch_size)
    whole = replace(plan, replicas=1, own=range(1))
    return _decoded(windows.map(lambda window: (window, tf.constant(0, tf.int64))), graph, whole)


def batches_per_epoch(files: Sequence[str], graph: FeatureGraph, plan: BatchPlan) -> int:
    """The same for every epoch; the records are read to count them, but not decoded."""
    buckets = _with_bucket(_Records.of(files).in_order(), graph).map(lambda bucket, _: bucket)
    utterances = Counter(buckets.as_numpy_iterator())
    return sum(math.ceil(count / plan.batch_size) for count in utterances.values())


def read_records(files: Sequence[str]) -> tf.data.Dataset:
    """The serialized examples of every file that the patterns match, in the order of the names."""
    paths = _matching(files)
    return tf.data.TFRecordDataset(paths, compression_type=compression_of(paths))


def compression_of(paths: Sequence[str]) -> str:
    """What TensorFlow calls the compression of TFRecord files, by their names."""
    return "GZIP" if paths and str(paths[0]).endswith(".gz") else ""


def _matching(files: Sequence[str]) -> list[str]:
    return sorted(path for pattern in files for path in tf.io.gfile.glob(pattern))


@dataclass(frozen=True)
class _Records:
    """The training records; the same in every epoch, in another order."""

    paths: list[str]

    @classmethod
    def of(cls, files: Sequence[str]) -> _Records:
        records = cls(_matching(files))
        # Epochs of nothing would be looked through without end.
        if not any(True for _ in records.in_order().take(1)):
            raise BadInputError(f"There is no utterance in {', '.join(files)}; check the path.")
        return records

    def in_order(self) -> tf.data.Dataset:
        return self._read(tf.range(len(self.paths), dtype=tf.int64))

    def shuffled(self, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
        """The records in the order of an epoch; to be called while tf.data traces."""
        # Of the function that is traced: an order must not depend on the program's global seed.
        tf.random.set_seed(1)
        drawn = tf.random.stateless_uniform([], [seed, epoch], None, None, tf.int64)
        files = tf.random.experimental.stateless_shuffle(
            tf.range(len(self.paths), dtype=tf.int64), [seed, epoch]
        )
        return self._read(files).shuffle(
            SHUFFLED_RECORDS, seed=drawn, reshuffle_each_iteration=False
        )

    def _read(self, files: tf.Tensor) -> tf.data.Dataset:
        paths, compression = tf.constant(self.paths, tf.string), compression_of(self.paths)

        def read(file: tf.Tensor) -> tf.data.Dataset:
            return tf.data.TFRecordDataset(tf.gather(paths, file), compression_type=compression)

        return tf.data.Dataset.from_tensor_slices(files).interleave(
            read,
            cycle_length=FILES_AT_ONCE,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )


def _windows(records: tf.data.Dataset, graph: FeatureGraph, batch_size: int) -> tf.data.Dataset:
    """Serialized utterances of one bucket together."""
    return _with_bucket(records, graph).group_by_window(
        key_func=lambda bucket, _: bucket,
        reduce_func=lambda _, window: window.map(lambda _, record: record).batch(batch_size),
        window_size=batch_size,
    )


def _with_bucket(records: tf.data.Dataset, graph: FeatureGraph) -> tf.data.Dataset:
    return records.map(
        lambda record: (graph.pad_to(record[tf.newaxis])[0], record),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _decoded(parts: tf.data.Dataset, graph: FeatureGraph, plan: BatchPlan) -> tf.data.Dataset:
    """Each replica's rows of the windows that are paired with it."""

    def decode(window: tf.Tensor, replica: tf.Tensor) -> Batch:
        dealt = window[replica :: plan.replicas]
        # The shape is the whole batch's, and a replica that is dealt no row of it learns it too.
        shown = tf.cond(tf.size(dealt) > 0, lambda: dealt, lambda: window[:1])
        rows = plan.rows or -(-tf.size(window) // plan.replicas)
        return _padded(graph(shown), tf.size(dealt), rows, plan)

    return parts.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )


def _padded(
    features: dict[str, tf.Tensor], real: tf.Tensor, rows: int | tf.Tensor, plan: BatchPlan
) -> Batch:
    """The first `real` utterances of one bucket side by side, filled up to so many rows."""
    waveforms, labels = features[WAVEFORM][:real], tf.cast(features[LABELS][:real], tf.int32)
    characters = labels.bounding_shape(axis=1, out_type=tf.int64)
    if plan.static_shapes or plan.replicas > 1:
        unit = features[PAD_LABELS_TO][0]
        if plan.replicas > 1:
            tf.debugging.assert_less_equal(characters, unit, LONGER_THAN_IN_TRAINING)
        # A transcript longer than any in training is not cut: it makes its batch twice as wide.
        characters = unit * -(-tf.maximum(characters, 1) // unit)
    batch = {
        "waveforms": _to_dense(waveforms, rows, features[PAD_TO][0]),
        "lengths": _to_rows(waveforms.row_lengths(), rows),
        "labels": _to_dense(labels, rows, characters),
        "label_lengths": _to_rows(labels.row_lengths(), rows),
    }
    shapes = {name: [plan.rows, None][: value.shape.rank] for name, value in batch.items()}
    return {name: tf.ensure_shape(value, shapes[name]) for name, value in batch.items()}


def _to_dense(ragged: tf.RaggedTensor, rows: int | tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return ragged.to_tensor(shape=tf.stack([tf.cast(rows, tf.int64), columns]))


def _to_rows(lengths: tf.Tensor, rows: int | tf.Tensor) -> tf.Tensor:
    return tf.pad(tf.cast(lengths, tf.int32), [[0, rows - tf.size(lengths)]])
