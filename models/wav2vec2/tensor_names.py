"""Which variable of ours is which tensor of a checkpoint: our variable ← their key, in a list.

PyTorch writes every kernel output first (`[out, in, taps]`), Keras output last (`[taps, in, out]`),
so reversing the axes turns the one into the other; vectors stay as they are. The codebook of the
quantiser alone is laid out alike on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class NamedTensor:
    """A variable, the key of its tensor in a checkpoint, and how its axes lie there."""

    key: str
    variable: Any
    axes_reversed: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor in the checkpoint."""
        shape = tuple(int(size) for size in self.variable.shape)
        return shape[::-1] if self.axes_reversed else shape

    def assign(self, tensor: np.ndarray) -> None:
        """Give the variable the values of a tensor that lies as in a checkpoint."""
        self.variable.assign(np.transpose(tensor) if self.axes_reversed else tensor)

    def to_checkpoint(self) -> np.ndarray:
        value = np.asarray(self.variable.numpy(), dtype=np.float32)
        return np.ascontiguousarray(np.transpose(value) if self.axes_reversed else value)


def named_tensors(model: Any) -> list[NamedTensor]:
    """All tensors of a `Wav2Vec2Model`, `Wav2Vec2ForCTC` or `Wav2Vec2ForPreTraining`."""
    if not hasattr(model, "wav2vec2"):
        return _trunk(model, "")
    named = _trunk(model.wav2vec2, "wav2vec2.")
    if hasattr(model, "lm_head"):
        named += _linear(model.lm_head, "lm_head")
    if hasattr(model, "quantizer"):
        quantizer = model.quantizer
        named += [NamedTensor("quantizer.codevectors", quantizer.codevectors, axes_reversed=False)]
        named += _linear(quantizer.weight_proj, "quantizer.weight_proj")
        named += _linear(model.project_hid, "project_hid") + _linear(model.project_q, "project_q")
    return named


def _trunk(model: Any, prefix: str) -> list[NamedTensor]:
    named: list[NamedTensor] = []
    if model.spec_augment.masked_spec_embed is not None:
        embed = model.spec_augment.masked_spec_embed
        named.append(NamedTensor(f"{prefix}masked_spec_embed", embed))
    for index, layer in enumerate(model.feature_encoder.conv_layers):
        key = f"{prefix}feature_extractor.conv_layers.{index}"
        named += _linear(layer.conv, f"{key}.conv")
        if layer.norm is not None:
            named += _norm(layer.norm, f"{key}.layer_norm")
    projection = model.feature_projection
    named += _norm(projection.layer_norm, f"{prefix}feature_projection.layer_norm")
    named += _linear(projection.projection, f"{prefix}feature_projection.projection")

    encoder, positional = model.encoder, model.encoder.pos_conv_embed
    key = f"{prefix}encoder.pos_conv_embed.conv"
    named += [
        NamedTensor(f"{key}.bias", positional.bias),
        NamedTensor(f"{key}.parametrizations.weight.original0", positional.g),
        NamedTensor(f"{key}.parametrizations.weight.original1", positional.v),
    ]
    named += _norm(encoder.layer_norm, f"{prefix}encoder.layer_norm")
    for index, layer in enumerate(encoder.layers):
        named += _encoder_layer(layer, f"{prefix}encoder.layers.{index}")
    if model.adapter is not None:
        named += _adapter(model.adapter, f"{prefix}adapter")
    return named


def _encoder_layer(layer: Any, key: str) -> list[NamedTensor]:
    named: list[NamedTensor] = []
    for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
        named += _linear(getattr(layer.attention, name), f"{key}.attention.{name}")
    named += _norm(layer.layer_norm, f"{key}.layer_norm")
    for name in ("intermediate_dense", "output_dense"):
        named += _linear(getattr(layer.feed_forward, name), f"{key}.feed_forward.{name}")
    named += _norm(layer.final_layer_norm, f"{key}.final_layer_norm")
    if layer.adapter_layer is not None:
        adapter = layer.adapter_layer
        named += _norm(adapter.norm, f"{key}.adapter_layer.norm")
        named += _linear(adapter.linear_1, f"{key}.adapter_layer.linear_1")
        named += _linear(adapter.linear_2, f"{key}.adapter_layer.linear_2")
    return named


def _adapter(adapter: Any, key: str) -> list[NamedTensor]:
    named: list[NamedTensor] = []
    if adapter.proj is not None:
        named += _linear(adapter.proj, f"{key}.proj")
        named += _norm(adapter.proj_layer_norm, f"{key}.proj_layer_norm")
    for index, layer in enumerate(adapter.layers):
        named += _linear(layer.conv, f"{key}.layers.{index}.conv")
    return named


def _linear(layer: Any, key: str) -> list[NamedTensor]:
    named = [NamedTensor(f"{key}.weight", layer.kernel)]
    if layer.bias is not None:
        named.append(NamedTensor(f"{key}.bias", layer.bias))
    return named


def _norm(layer: Any, key: str) -> list[NamedTensor]:
    return [
        NamedTensor(f"{key}.weight", layer.gamma),
        NamedTensor(f"{key}.bias", layer.beta),
    ]
