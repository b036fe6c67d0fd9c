"""What padding wastes, and how fast training data is read: ours beside the ways of others."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.base_model import (
    LONGEST,
    MEDIAN_SECONDS,
    SAMPLE_RATE,
    SAMPLES,
    SHORTEST,
    SPREAD,
    base_processor,
    noise,
)
from benchmarks.records import serialized_example
from benchmarks.rows import Row

if TYPE_CHECKING:
    import tensorflow as tf

    from models.transform_graph import TransformGraph

UTTERANCES, FEWER, BATCH, SHARDS = 2_000, 400, 32, 8
EPOCHS = 8
# LibriSpeech's train splits are cut at pauses after 12 to 16 s; a quarter is shorter, few longer.
TRAIN_SECONDS, TRAIN_SPREAD, TRAIN_LONGEST = 14.3, 1.2, 24.5
SHARE_SHORT, SHARE_LONG = 0.25, 0.01


def reading() -> list[Row]:
    """Records through the real Transform analysis and the real batches."""
    rows = []
    for name, lengths in (("train", like_train(UTTERANCES)), ("test", like_test(UTTERANCES))):
        with tempfile.TemporaryDirectory() as folder:
            rows += _waste(name, lengths, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        return rows + _speed(like_test(FEWER), Path(folder))


def like_test(utterances: int) -> np.ndarray:
    """Samples of utterances as in LibriSpeech's test-clean."""
    draw = np.random.default_rng(0)
    seconds = np.exp(draw.normal(np.log(MEDIAN_SECONDS), SPREAD, utterances))
    return _samples(np.clip(seconds, SHORTEST, LONGEST))


def like_train(utterances: int) -> np.ndarray:
    """Samples of utterances as in LibriSpeech's train-clean-100, roughly."""
    draw = np.random.default_rng(0)
    kind = draw.random(utterances)
    seconds = draw.normal(TRAIN_SECONDS, TRAIN_SPREAD, utterances)
    seconds = np.where(
        kind < SHARE_SHORT, draw.uniform(SHORTEST, TRAIN_SECONDS, utterances), seconds
    )
    seconds = np.where(kind > 1 - SHARE_LONG, draw.uniform(16, TRAIN_LONGEST, utterances), seconds)
    return _samples(np.clip(seconds, SHORTEST, TRAIN_LONGEST))


def _waste(name: str, lengths: np.ndarray, folder: Path) -> list[Row]:
    from models import data

    files, graph = prepared(lengths, folder)
    plan = data.BatchPlan(BATCH)
    spoken = padded = 0
    batches = data.training_batches(files, graph, plan)
    for batch in batches.take(data.batches_per_epoch(files, graph, plan)):
        spoken += int(np.sum(batch["lengths"]))
        padded += int(np.prod(batch["waveforms"].shape))
    assert spoken == lengths.sum()
    # What is longer than the constant would be cut; padding to the longest cuts nothing.
    constant = max(SAMPLES, int(lengths.max()))
    task, unit = f"padding of lengths as in LibriSpeech's {name}", "% of samples"
    return [
        Row(task, f"constant {constant}", 100 * (1 - lengths.mean() / constant), unit, True),
        Row(task, "ours, bucketed", 100 * (1 - spoken / padded), unit),
    ]


def _speed(lengths: np.ndarray, folder: Path) -> list[Row]:
    from models import data

    files, graph = prepared(lengths, folder)
    audio = [noise(int(samples), seed) for seed, samples in enumerate(lengths)]
    plan = data.BatchPlan(BATCH)
    size = data.batches_per_epoch(files, graph, plan)
    constant = math.ceil(FEWER / BATCH)
    hours = lengths.sum() / SAMPLE_RATE / 3600
    peer = "float32 tensors, constant length"
    contenders = {
        peer: (_float_tensors(audio, folder), constant),
        "sound files in Python, constant length": (_sound_files(audio, folder), constant),
        "ours, normalised and with labels": (data.training_batches(files, graph, plan), size),
    }
    return [
        Row("reading", who, hours / _epoch_seconds(*given), "audio hours a second", who == peer)
        for who, given in contenders.items()
    ]


def _epoch_seconds(batches: tf.data.Dataset, size: int) -> float:
    """What an epoch takes of a run that goes on.

    One contender after the other: in turns each would fill its buffers while another is timed.
    """
    going_on = iter(batches)
    for _ in range(size):
        next(going_on)
    started = time.monotonic()
    for _ in range(EPOCHS * size):
        next(going_on)
    return (time.monotonic() - started) / EPOCHS


def _float_tensors(audio: list[np.ndarray], folder: Path) -> tf.data.Dataset:
    """As the forerunner: a serialized float32 tensor in each record, all padded to one length."""
    import tensorflow as tf

    path = str(folder / "floats.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for samples in audio:
            writer.write(serialized_example(speech=tf.io.serialize_tensor(samples).numpy()))
    spec = {"speech": tf.io.FixedLenFeature([], tf.string)}

    def parse(record: tf.Tensor) -> tf.Tensor:
        speech = tf.io.parse_singleserialized_example(record, spec)["speech"]
        return tf.ensure_shape(tf.io.parse_tensor(speech, tf.float32), [None])

    records = tf.data.TFRecordDataset(path).shuffle(len(audio))
    return _constant_batches(records.map(parse, num_parallel_calls=tf.data.AUTOTUNE))


def _sound_files(audio: list[np.ndarray], folder: Path) -> tf.data.Dataset:
    """A FLAC file of each utterance, decoded by soundfile in a Python function."""
    import soundfile
    import tensorflow as tf

    paths = [str(folder / f"{index}.flac") for index in range(len(audio))]
    for path, samples in zip(paths, audio, strict=True):
        soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")

    def decode(path: tf.Tensor) -> np.ndarray:
        return soundfile.read(path.numpy(), dtype="float32")[0]

    def read(path: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.py_function(decode, [path], tf.float32), [None])

    files = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths))
    return _constant_batches(files.map(read, num_parallel_calls=tf.data.AUTOTUNE))


def _constant_batches(waveforms: tf.data.Dataset) -> tf.data.Dataset:
    import tensorflow as tf

    batches = waveforms.padded_batch(BATCH, padded_shapes=[SAMPLES]).repeat()
    return batches.prefetch(tf.data.AUTOTUNE)


def prepared(lengths: np.ndarray, folder: Path) -> tuple[list[str], TransformGraph]:
    """Speech examples of these lengths in shards, and the Transform graph fitted on them."""
    import tensorflow as tf

    from models.audio import float_to_pcm16
    from models.transform_graph import TransformGraph
    from schemas import speech_example as names

    pcm = float_to_pcm16(noise(int(lengths.max())))
    for shard in range(SHARDS):
        path = folder / f"data_tfrecord-{shard:05d}-of-{SHARDS:05d}"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for samples in lengths[shard::SHARDS].tolist():
                texts = dict.fromkeys(names.BYTES_FEATURES, b"en")
                texts[names.TRANSCRIPT] = b"WORD " * (1 + 2 * samples // SAMPLE_RATE)
                texts[names.AUDIO] = pcm[: 2 * samples]
                writer.write(serialized_example(**texts, **{names.NUM_SAMPLES: samples}))
    base_processor().save_pretrained(folder)
    _analyse(folder)
    return [str(folder / "data_tfrecord-*")], TransformGraph(str(folder / "graph"))


def _analyse(folder: Path) -> None:
    """What the Transform node does."""
    import apache_beam as beam
    import tensorflow_transform.beam as tft_beam
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tensorflow_transform.tf_metadata import metadata_io
    from tensorflow_transform.tf_metadata.dataset_metadata import DatasetMetadata
    from tfx_bsl.public import tfxio

    from components.transform import preprocessing
    from components.transform.config import TextConfig
    from pipeline.node_options import schema_file
    from schemas import speech_example as names
    from schemas.properties import to_json

    schema = text_format.Parse(Path(schema_file()).read_text(), schema_pb2.Schema())
    # The drift features are of no use here.
    for name in (names.LOUDNESS, names.CHARACTERS):
        schema.feature.remove(next(one for one in schema.feature if one.name == name))
        del schema.tensor_representation_group[""].tensor_representation[name]
    settings = {
        preprocessing.TEXT_KEY: to_json(TextConfig()),
        preprocessing.CHECKPOINT_KEY: str(folder),
    }
    source = tfxio.TFExampleRecord(str(folder / "data_tfrecord-*"), schema=schema)
    with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(str(folder / "temp")):
        records = (pipeline | source.BeamSource(), source.TensorAdapterConfig())
        graph = records | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing.preprocessing_fn(inputs, settings)
        )
        graph | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(DatasetMetadata(schema), str(folder / "graph" / "metadata"))


def _samples(seconds: np.ndarray) -> np.ndarray:
    return (seconds * SAMPLE_RATE).astype(np.int64)
