"""Wav2Vec2 from waveform to hidden states, and with a CTC head to logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Self

import keras
from keras import ops

from models.wav2vec2.adapter import Adapter
from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.encoder import Encoder
from models.wav2vec2.feature_encoder import FeatureEncoder
from models.wav2vec2.linear import Linear
from models.wav2vec2.masking import SpecAugment
from models.wav2vec2.seeds import Seeds


class FeatureProjection(keras.layers.Layer):
    """Norms the latent frames and widens them; the quantiser takes the normed ones."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="feature_projection", **kwargs)
        policy, self.channels = self.dtype_policy, config.conv_dim[-1]
        bound = self.channels**-0.5
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=config.layer_norm_eps, dtype=policy, name="layer_norm"
        )
        self.projection = Linear(
            config.hidden_size,
            seeds,
            kernel_initializer=keras.initializers.RandomUniform(-bound, bound, seed=seeds.draw()),
            bias_initializer=keras.initializers.RandomUniform(-bound, bound, seed=seeds.draw()),
            dtype=policy,
            name="projection",
        )
        self.dropout = keras.layers.Dropout(
            config.feat_proj_dropout, seed=seeds.draw(), dtype=policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.layer_norm.build((None, None, self.channels))
        self.projection.build((None, None, self.channels))

    def call(self, features: Any, training: bool | None = None) -> tuple[Any, Any]:
        features = self.layer_norm(features)
        return self.dropout(self.projection(features), training=training), features


class Pretrained(keras.Model):
    """What all models share: a config, a seed, and checkpoints in the Hugging Face layout."""

    def __init__(
        self,
        config: Wav2Vec2Config,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {
            "config": self.config.to_dict(),
            "seed": self.seed,
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        dtype = keras.dtype_policies.deserialize(config["dtype"])
        own = Wav2Vec2Config.from_dict(config["config"])
        return cls(own, seed=config["seed"], name=config["name"], dtype=dtype)

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        """What TensorFlow saves of a model that hangs on an exported module."""
        if save_type != "savedmodel":
            return super()._trackable_children(save_type, **kwargs)
        # Keras would save a copy of each variable beside the one that the functions read, and the
        # TFLite converter aborts on finding the latter without a value.
        return {f"variable_{i}": variable.value for i, variable in enumerate(self.variables)}

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        new_head: bool = False,
        seed: int | None = None,
        dtype: str | None = None,
        **changes: Any,
    ) -> Self:
        """Read a checkpoint: a Hugging Face folder, or a fairseq `.pt` file.

        `changes` replace settings of its config (`layerdrop=0.0`, `mask_time_prob=0.065`, ...).
        With `new_head=True` the CTC head starts afresh, for another vocabulary (`vocab_size=`);
        otherwise every tensor of the model must be in the checkpoint.
        """
        from models.wav2vec2.checkpoint import load_model

        return load_model(cls, path, new_head=new_head, seed=seed, dtype=dtype, changes=changes)

    def save_pretrained(self, path: str | Path) -> None:
        """Write `config.json` and `model.safetensors`, which `transformers` loads back."""
        from models.wav2vec2.checkpoint import save_model

        save_model(self, path)


class Encoded(NamedTuple):
    """All that the trunk of a model knows of a batch."""

    hidden: Any  # [batch, frames, hidden], what a head reads
    features: Any  # the normed latent frames that pretraining quantises
    states: list[Any]  # [batch, frames, hidden] after each transformer layer, not yet normed


class Wav2Vec2Model(Pretrained):
    """[batch, samples] of float32 -> hidden states [batch, frames, hidden]."""

    def __init__(
        self,
        config: Wav2Vec2Config,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed=seed, name=name or "wav2vec2", **kwargs)
        seeds, policy = Seeds(seed), self.dtype_policy
        self.feature_encoder = FeatureEncoder(config, seeds, dtype=policy)
        self.feature_projection = FeatureProjection(config, seeds, dtype=policy)
        self.spec_augment = SpecAugment(config, seeds, dtype=policy)
        self.encoder = Encoder(config, seeds, dtype=policy)
        self.adapter = Adapter(config, seeds, dtype=policy) if config.add_adapter else None
        self.build((None, None))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for layer in (
            self.feature_encoder,
            self.feature_projection,
            self.spec_augment,
            self.encoder,
            self.adapter,
        ):
            if layer is not None:
                layer.build(input_shape)
        self.built = True

    def call(
        self,
        waveforms: Any,
        lengths: Any = None,
        training: bool | None = None,
        time_mask: Any = None,
        norm_over_padding: bool = False,
    ) -> Any:
        """`lengths`, [batch] in samples, says what is padding; without it nothing is.

        `norm_over_padding` leaves padding in the statistics of the group norm, as the reference
        does: what that costs can be measured alone.
        """
        return self.encode(waveforms, lengths, training, time_mask, norm_over_padding).hidden

    def encode(
        self,
        waveforms: Any,
        lengths: Any = None,
        training: bool | None = None,
        time_mask: Any = None,
        norm_over_padding: bool = False,
    ) -> Encoded:
        """As `call`, with what lies on the way."""
        frame_lengths = frame_mask = None
        if lengths is not None:
            lengths = ops.cast(ops.convert_to_tensor(lengths), "int32")
            waveforms = hide_padding(waveforms, lengths)
            frame_lengths = self.config.encoder_frame_lengths(lengths)
        normed_over = None if norm_over_padding else lengths
        features = self.feature_encoder(waveforms, normed_over)  # [batch, frames, conv_dim]
        hidden, features = self.feature_projection(features, training=training)
        hidden = self.spec_augment(hidden, frame_lengths, time_mask, training=training)
        if frame_lengths is not None:
            positions = ops.arange(ops.shape(hidden)[1], dtype="int32")
            frame_mask = positions < frame_lengths[:, None]  # [batch, frames]
        hidden, states = self.encoder(hidden, frame_mask, training=training)
        if self.adapter is not None:
            hidden = self.adapter(hidden, frame_lengths)
        return Encoded(hidden, features, states)


def hide_padding(waveforms: Any, lengths: Any) -> Any:
    """Zero whatever lies beyond each length, so that no content of the padding can matter."""
    positions = ops.arange(ops.shape(waveforms)[1], dtype="int32")
    return ops.where(positions < lengths[:, None], waveforms, ops.zeros_like(waveforms))


class Wav2Vec2ForCTC(Pretrained):
    """[batch, samples] of float32 -> logits over the vocabulary, [batch, frames, vocab] of float32.

    >>> model = Wav2Vec2ForCTC(Wav2Vec2Config(num_hidden_layers=1), seed=0)
    >>> model(ops.zeros((2, 16_000)), lengths=[16_000, 8_000]).shape
    TensorShape([2, 49, 32])
    """

    def __init__(
        self,
        config: Wav2Vec2Config,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed=seed, name=name or "wav2vec2_for_ctc", **kwargs)
        seeds = Seeds(None if seed is None else seed + 1)
        self.wav2vec2 = Wav2Vec2Model(config, seed=seed, dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(
            config.final_dropout, seed=seeds.draw(), dtype=self.dtype_policy
        )
        self.lm_head = Linear(
            config.vocab_size,
            seeds,
            config.initializer_range,
            dtype=self.dtype_policy,
            name="lm_head",
        )
        self.build((None, None))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.lm_head.build((None, None, self.config.head_size))
        self.built = True

    def call(
        self,
        waveforms: Any,
        lengths: Any = None,
        training: bool | None = None,
        norm_over_padding: bool = False,
    ) -> Any:
        """As the encoder's: `lengths`, [batch] in samples, says what is padding."""
        if lengths is not None:
            lengths = ops.convert_to_tensor(lengths)  # a list is not yet a tensor
        hidden = self.wav2vec2(
            waveforms, lengths, training=training, norm_over_padding=norm_over_padding
        )
        return self._logits(hidden, training)

    def with_states(
        self, waveforms: Any, lengths: Any = None, training: bool | None = None
    ) -> tuple[Any, list[Any]]:
        """The logits, and the hidden states after each transformer layer."""
        encoded = self.wav2vec2.encode(waveforms, lengths, training)
        return self._logits(encoded.hidden, training), encoded.states

    def _logits(self, hidden: Any, training: bool | None) -> Any:
        hidden = self.dropout(hidden, training=training)
        return ops.cast(self.lm_head(hidden), "float32")  # [batch, frames, vocab]

    def frame_lengths(self, lengths: Any) -> Any:
        """Frames of logits for so many samples."""
        return self.config.frame_lengths(lengths)
