"""ONNX for ONNX Runtime: one file for any batch and any length, its vocabulary inside.

Inputs   waveforms [batch, samples] float32, lengths [batch] int32
Outputs  log_probs [batch, frames, vocab], frame_lengths [batch]

In the int8 kind each product's activations share one scale, drawn from the whole batch: what stands
beside an utterance, padding too, moves its log-probabilities a little. The float32 kind is exact.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import tensorflow as tf
from onnxruntime.quantization import quantize_dynamic
from tf2onnx import optimizer, tf_loader
from tf2onnx.tfonnx import process_tf_graph

from models import filesystem
from models.audio import normalise_batch
from models.errors import BadInputError
from models.export.config import OnnxKind
from models.export.saved_model import LENGTHS, WAVEFORMS
from models.processor import Processor
from models.recognisers.onnx_model import metadata_of
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC

OPSET = 18  # the highest that tf2onnx writes
MOST_BYTES = 2**31 - 2**24  # protobuf's limit, less room for the graph itself
AXES = {
    "waveforms": ("batch", "samples"),
    "lengths": ("batch",),
    "log_probs": ("batch", "frames"),
    "frame_lengths": ("batch",),
}
# Not all that tf2onnx has: its `reshape_optimizer` and `remove_back_to_back` together break the
# reshapes around attention, and ONNX Runtime optimises what it loads anyway.
OPTIMIZERS = {
    "optimize_transpose": optimizer.TransposeOptimizer,
    "merge_duplication": optimizer.MergeDuplicatedNodesOptimizer,
    "remove_identity": optimizer.IdentityOptimizer,
}


def export_onnx(
    model: Wav2Vec2ForCTC, processor: Processor, kinds: tuple[OnnxKind, ...], folder: str
) -> dict[OnnxKind, str]:
    """One file of each kind, from padded waveforms and their lengths to log-probabilities."""
    _refuse_too_large(model)
    paths: dict[OnnxKind, str] = {}
    with _hushed_logging():
        exact = _convert(_recognition(model, processor))
        for kind in kinds:
            paths[kind] = filesystem.join(folder, f"model-{kind}.onnx")
            converted = _quantise(exact) if kind == "int8" else exact
            onnx.helper.set_model_props(converted, metadata_of(processor))
            filesystem.write_bytes(paths[kind], converted.SerializeToString())
    return paths


def _refuse_too_large(model: Wav2Vec2ForCTC) -> None:
    weights = 4 * model.count_params()
    if weights > MOST_BYTES:
        raise BadInputError(
            f"The model has {weights / 1e9:.1f} GB of weights, and an ONNX file holds at most "
            f"{MOST_BYTES / 1e9:.1f} GB; set export.onnx to []."
        )


def _recognition(
    model: Wav2Vec2ForCTC, processor: Processor
) -> tf.types.experimental.ConcreteFunction:
    shortest = _samples_of_one_frame(model.config)

    @tf.function(input_signature=[WAVEFORMS, LENGTHS])
    def recognise(waveforms: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        # ONNX Runtime refuses to convolve what is shorter than a kernel.
        missing = tf.maximum(shortest - tf.shape(waveforms)[1], 0)
        waveforms = tf.pad(waveforms, [[0, 0], [0, missing]])
        normalised = normalise_batch(waveforms, lengths) if processor.normalises else waveforms
        logits = model(normalised, lengths=lengths, training=False)
        return {
            "log_probs": tf.nn.log_softmax(logits),
            "frame_lengths": model.config.frame_lengths(lengths),
        }

    return recognise.get_concrete_function()


def _samples_of_one_frame(config: Wav2Vec2Config) -> int:
    samples = 1
    for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
        samples = (samples - 1) * stride + kernel
    return samples


def _convert(function: tf.types.experimental.ConcreteFunction) -> onnx.ModelProto:
    inputs = {f"{spec.name}:0": spec.name for spec in (WAVEFORMS, LENGTHS)}
    outputs = {tensor.name: name for name, tensor in function.structured_outputs.items()}
    frozen = tf_loader.from_function(function, list(inputs), list(outputs))
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        mapped = process_tf_graph(
            graph,
            opset=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            tensors_to_rename=inputs | outputs,
        )
    optimised = optimizer.optimize_graph(mapped, catch_errors=False, optimizers=OPTIMIZERS)
    converted = optimised.make_model("wav2vec2")
    _name_axes(converted.graph)
    return converted


def _name_axes(graph: onnx.GraphProto) -> None:
    """Dynamic axes by what they count, where the converter numbers them."""
    for value in (*graph.input, *graph.output):
        dimensions = value.type.tensor_type.shape.dim
        for dimension, name in zip(dimensions, AXES[value.name], strict=False):
            dimension.dim_param = name


def _quantise(exact: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as workspace:
        path = Path(workspace) / "model.onnx"
        quantize_dynamic(
            exact,
            path,
            op_types_to_quantize=["MatMul"],  # all of `Linear`; the convolutions stay as they are
            per_channel=True,
            # Seven bits: sums of products of eight overflow on processors without VNNI.
            reduce_range=True,
        )
        return onnx.load(path)


@contextmanager
def _hushed_logging() -> Iterator[None]:
    """Keep what the converters log off the screen, and their hands off the root logger."""
    root, nowhere = logging.getLogger(), logging.NullHandler()
    disabled = root.manager.disable
    # `logging.info` would give a root logger without handlers one to stderr, and for good.
    root.addHandler(nowhere)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.removeHandler(nowhere)
