"""What Wav2Vec2 calculates: floating-point operations of its products, counted from its layers.

Norms, activations and softmax are left out: they are some hundredths, and no device's peak counts
them.

>>> round(forward(Wav2Vec2Config(), 246_000).total / 1e9)
236
"""

from __future__ import annotations

from dataclasses import dataclass

from models.training.config import Trainable
from models.wav2vec2.config import Wav2Vec2Config


@dataclass(frozen=True)
class Forward:
    """The operations of one utterance's forward pass, by what a stage may train."""

    feature_encoder: float
    transformer: float  # with its adapters
    head: float

    @property
    def total(self) -> float:
        return self.feature_encoder + self.transformer + self.head

    def training(self, trains: Trainable) -> float:
        """Forward, and twice as much again backward through all that is trained."""
        trained = {
            "head": self.head,
            "all_but_feature_encoder": self.transformer + self.head,
            "all": self.total,
        }
        return self.total + 2 * trained[trains]


def forward(config: Wav2Vec2Config, samples: int) -> Forward:
    """The operations of an utterance of so many samples."""
    frames = config.encoder_frame_lengths(samples)
    return Forward(
        feature_encoder=_convolutions(config, samples),
        transformer=_transformer(config, frames) + _adapter(config, frames),
        head=2.0 * config.frame_lengths(samples) * config.head_size * config.vocab_size,
    )


def _convolutions(config: Wav2Vec2Config, samples: int) -> float:
    total, frames, channels = 0.0, samples, 1
    for width, kernel, stride in zip(
        config.conv_dim, config.conv_kernel, config.conv_stride, strict=True
    ):
        frames = max((frames - kernel) // stride + 1, 0)
        total += 2.0 * frames * kernel * channels * width
        channels = width
    return total


def _transformer(config: Wav2Vec2Config, frames: int) -> float:
    hidden = config.hidden_size
    projection = config.conv_dim[-1] * hidden
    positions = (
        config.num_conv_pos_embeddings * hidden * hidden / config.num_conv_pos_embedding_groups
    )
    layer = 4 * hidden * hidden + 2 * hidden * config.intermediate_size
    if config.adapter_attn_dim is not None and config.do_stable_layer_norm:
        layer += 2 * hidden * config.adapter_attn_dim
    attention = 2 * frames * hidden  # queries with keys, weights with values
    return 2.0 * frames * (projection + positions + config.num_hidden_layers * (layer + attention))


def _adapter(config: Wav2Vec2Config, frames: int) -> float:
    if not config.add_adapter:
        return 0.0
    width = config.head_size
    total = 2.0 * frames * config.hidden_size * width if width != config.hidden_size else 0.0
    for _ in range(config.num_adapter_layers):
        frames = config.adapter_frame_lengths(frames)
        total += 2.0 * frames * config.adapter_kernel_size * width * 2 * width
    return total
