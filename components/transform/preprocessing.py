"""The Transform node's graph: everything fitted on data and everything serving must repeat."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.transform.config import TextConfig
from models import data
from models.audio import PCM16_SCALE, normalise_batch
from models.normalisation import normalise_batch_of_text
from models.processor import Processor
from models.transform_graph import FITTED_ALPHABET
from models.vocabulary import SPECIAL_TOKENS, Vocabulary
from schemas import speech_example
from schemas.properties import from_json

# Custom config keys of the Transform node.
TEXT_KEY = "text"
CHECKPOINT_KEY = "checkpoint"
NO_VOCABULARY_YET = Vocabulary(SPECIAL_TOKENS)
LEFT_OUT = -1  # a character that an alphabet without an unknown token cannot write

Features = dict[str, Any]


def preprocessing_fn(inputs: Features, custom_config: dict[str, str]) -> Features:
    """Speech examples to what the trainer reads: waveform, labels and duration bucket."""
    text = from_json(TextConfig, custom_config[TEXT_KEY])
    processor = Processor.from_pretrained(
        custom_config[CHECKPOINT_KEY],
        vocabulary=NO_VOCABULARY_YET if text.vocabulary == "fit" else None,
    )
    transcripts = normalise_batch_of_text(inputs[speech_example.TRANSCRIPT], text.normalisation)
    waveforms = decode_pcm16(inputs[speech_example.AUDIO])
    return {
        data.WAVEFORM: _normalise_ragged(waveforms) if processor.normalises else waveforms,
        data.LABELS: _labels(transcripts, text.vocabulary, processor.vocabulary),
        data.PAD_TO: _bucket_length(
            inputs[speech_example.NUM_SAMPLES], buckets=text.duration_buckets
        ),
    }


def decode_pcm16(audio: tf.Tensor) -> tf.RaggedTensor:
    """PCM16 strings as ragged float waveforms in [-1, 1). [batch, (samples)]

    The batch is joined and decoded in one go: no per-example loop, no padding to cut off.
    """
    flat = tf.io.decode_raw(tf.strings.reduce_join(audio), tf.int16)
    return tf.RaggedTensor.from_row_lengths(
        tf.cast(flat, tf.float32) / PCM16_SCALE, tf.strings.length(audio) // 2
    )


def _normalise_ragged(waveforms: tf.RaggedTensor) -> tf.RaggedTensor:
    lengths = waveforms.row_lengths()
    return tf.RaggedTensor.from_tensor(normalise_batch(waveforms.to_tensor(), lengths), lengths)


def _labels(transcripts: tf.Tensor, source: str, vocabulary: Vocabulary) -> tf.RaggedTensor:
    delimited = tf.strings.regex_replace(transcripts, " ", "|")
    if source == "fit":
        characters = tf.strings.unicode_split(delimited, "UTF-8")
        return len(SPECIAL_TOKENS) + tft.compute_and_apply_vocabulary(
            characters, vocab_filename=FITTED_ALPHABET
        )
    codepoints = tf.strings.unicode_decode(delimited, "UTF-8")
    table = _id_by_codepoint(vocabulary)
    rows = tf.minimum(codepoints.flat_values, tf.size(table) - 1)
    labels = codepoints.with_flat_values(tf.gather(table, rows))
    return tf.ragged.boolean_mask(labels, labels != LEFT_OUT)


def _id_by_codepoint(vocabulary: Vocabulary) -> tf.Tensor:
    """A dense table from codepoint to token id; its last row is for every codepoint beyond it."""
    ids = {
        ord("|") if token == vocabulary.delimiter else ord(token): index
        for index, token in enumerate(vocabulary.tokens)
        if len(token) == 1
    }
    unknown = LEFT_OUT if vocabulary.unknown is None else vocabulary.unknown
    return tf.constant([ids.get(point, unknown) for point in range(max(ids) + 2)], tf.int64)


def _bucket_length(num_samples: tf.Tensor, buckets: int) -> tf.Tensor:
    """The upper duration bound of the utterance's quantile bucket, fitted on the train split."""
    num_samples = tf.cast(num_samples, tf.int64)
    inner = tft.quantiles(num_samples, num_buckets=buckets, epsilon=0.01)  # [1, buckets - 1]
    bounds = tf.concat([tf.cast(tf.reshape(inner, [-1]), tf.int64), [tft.max(num_samples)]], axis=0)
    bucket = tf.searchsorted(bounds, num_samples, side="left")
    return tf.gather(bounds, tf.minimum(bucket, tf.size(bounds) - 1))
