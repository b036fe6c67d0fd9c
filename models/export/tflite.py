"""TFLite for phones: static lengths as signatures of one file, sharing its weights."""

from __future__ import annotations

import tempfile

import tensorflow as tf

from models import filesystem
from models.audio import normalise_batch
from models.export.config import TfliteKind
from models.processor import Processor
from models.recognisers.litert_signatures import signature_name
from models.wav2vec2 import Wav2Vec2ForCTC


def export_tflite(
    model: Wav2Vec2ForCTC,
    processor: Processor,
    lengths: tuple[int, ...],
    kinds: tuple[TfliteKind, ...],
    folder: str,
) -> dict[TfliteKind, str]:
    """One file of each kind, from a padded waveform and its length to log-probabilities."""
    paths: dict[TfliteKind, str] = {}
    with tempfile.TemporaryDirectory() as workspace:
        _save_static(model, processor, lengths, workspace)
        for kind in kinds:
            paths[kind] = filesystem.join(folder, f"model-{kind}.tflite")
            filesystem.write_bytes(paths[kind], _convert(workspace, lengths, kind))
    processor.save_pretrained(folder)
    return paths


def _save_static(
    model: Wav2Vec2ForCTC, processor: Processor, lengths: tuple[int, ...], folder: str
) -> None:
    module = tf.Module()
    module.model = model
    signatures = {
        signature_name(samples): _static_function(model, processor, samples) for samples in lengths
    }
    tf.saved_model.save(module, folder, signatures=signatures)


def _static_function(
    model: Wav2Vec2ForCTC, processor: Processor, samples: int
) -> tf.types.experimental.ConcreteFunction:
    @tf.function
    def recognise(waveform: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        normalised = normalise_batch(waveform, length) if processor.normalises else waveform
        logits = model(normalised, lengths=length, training=False)
        return {
            "log_probs": tf.nn.log_softmax(logits),  # [1, frames, vocab]
            "frame_lengths": model.config.frame_lengths(length),  # [1]
        }

    return recognise.get_concrete_function(
        waveform=tf.TensorSpec([1, samples], tf.float32, name="waveform"),
        length=tf.TensorSpec([1], tf.int32, name="length"),
    )


def _convert(saved_model: str, lengths: tuple[int, ...], kind: TfliteKind) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=[signature_name(samples) for samples in lengths]
    )
    # Builtin operators only: a flex operator would need all of TensorFlow on the phone.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()
