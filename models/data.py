"""The training input pipeline: TFRecords in, padded batches out, pure TF ops all the way.

The features come from the Transform graph, so this module knows how records are batched and
nothing of how they were made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

# What the Transform graph gives for one utterance.
WAVEFORM = "waveform"  # ragged float32 [batch, (samples)], normalised
LABELS = "labels"  # ragged int64 [batch, (characters)]
PAD_TO = "pad_to"  # int64 [batch]: the length that this utterance's bucket is padded to

Batch = dict[str, tf.Tensor]
TransformFn = Callable[[tf.Tensor], dict[str, tf.Tensor]]

# Records decoded at once, before they are sorted into buckets.
DECODE_BATCH = 32


def utterances(
    files: Sequence[str], transform: TransformFn, *, shuffle_seed: int | None = None
) -> tf.data.Dataset:
    """One element per utterance: `waveform`, `labels`, their lengths and `pad_to`.

    `transform` turns a batch of serialized examples into the features named above.
    """
    paths = sorted(path for pattern in files for path in tf.io.gfile.glob(pattern))
    records = tf.data.TFRecordDataset(paths, compression_type=_compression(paths))
    if shuffle_seed is not None:
        # Records are already shuffled over the shards; this only varies the epochs.
        records = records.shuffle(2048, seed=shuffle_seed, reshuffle_each_iteration=True)
    decoded = records.batch(DECODE_BATCH).map(
        lambda serialized: _dense(transform(serialized)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return decoded.unbatch().map(_cut_to_length)


def bucketed_batches(
    dataset: tf.data.Dataset, batch_size: int, *, drop_remainder: bool = False
) -> tf.data.Dataset:
    """Utterances of one duration bucket together, padded to that bucket's length.

    Every batch of a bucket has the same number of samples, so a compiled step is traced once for
    each bucket and padding stays small.
    """

    def pad(bucket: tf.Tensor, window: tf.data.Dataset) -> tf.data.Dataset:
        shapes = {"waveforms": [bucket], "lengths": [], "labels": [None], "label_lengths": []}
        return window.padded_batch(batch_size, padded_shapes=shapes, drop_remainder=drop_remainder)

    return dataset.map(_as_model_input).group_by_window(
        key_func=lambda example: example["pad_to"],
        reduce_func=lambda bucket, window: pad(bucket, window.map(_without_bucket)),
        window_size=batch_size,
    )


def _compression(paths: Sequence[str]) -> str:
    return "GZIP" if paths and paths[0].endswith(".gz") else ""


def _dense(features: dict[str, tf.Tensor]) -> Batch:
    """Ragged features as padded ones with their lengths: unbatching ragged tensors is slow."""
    waveforms, labels = features[WAVEFORM], features[LABELS]
    return {
        "waveforms": waveforms.to_tensor(),  # [batch, samples]
        "lengths": tf.cast(waveforms.row_lengths(), tf.int32),
        "labels": tf.cast(labels.to_tensor(), tf.int32),  # [batch, characters]
        "label_lengths": tf.cast(labels.row_lengths(), tf.int32),
        "pad_to": tf.cast(features[PAD_TO], tf.int64),
    }


def _cut_to_length(example: Batch) -> Batch:
    return example | {
        "waveforms": example["waveforms"][: example["lengths"]],
        "labels": example["labels"][: example["label_lengths"]],
    }


def _as_model_input(example: Batch) -> Batch:
    # An utterance longer than every bucket seen in training gets a bucket of its own size.
    longest = tf.cast(example["lengths"], tf.int64)
    return example | {"pad_to": tf.maximum(example["pad_to"], longest)}


def _without_bucket(example: Batch) -> Batch:
    return {name: value for name, value in example.items() if name != "pad_to"}
