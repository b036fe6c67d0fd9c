"""The dimensions and settings of a Wav2Vec2 model, as `config.json` of a checkpoint states them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import BadInputError


@dataclass(frozen=True)
class Wav2Vec2Config:
    """Defaults are those of wav2vec2-base (Baevski et al. 2020), names those of its config.json.

    >>> config = Wav2Vec2Config()
    >>> config.frame_lengths(246_000)
    768
    """

    vocab_size: int = 32
    # Ids that the text side shares; `pad_token_id` is also the blank of CTC.
    pad_token_id: int = 0
    bos_token_id: int | None = 1
    eos_token_id: int | None = 2

    # Convolutions that turn 16 kHz samples into frames of 20 ms.
    conv_dim: tuple[int, ...] = (512, 512, 512, 512, 512, 512, 512)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    # "group": group norm on the first convolution (base). "layer": layer norm on all (XLS-R).
    feat_extract_norm: str = "group"
    feat_extract_activation: str = "gelu"

    # The transformer.
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-5
    do_stable_layer_norm: bool = False
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    initializer_range: float = 0.02

    # Regularisation in training.
    feat_proj_dropout: float = 0.0
    hidden_dropout: float = 0.1
    activation_dropout: float = 0.1
    attention_dropout: float = 0.1
    final_dropout: float = 0.1
    layerdrop: float = 0.1
    apply_spec_augment: bool = True
    mask_time_prob: float = 0.05
    mask_time_length: int = 10
    mask_time_min_masks: int = 2
    mask_feature_prob: float = 0.0
    mask_feature_length: int = 10
    mask_feature_min_masks: int = 0

    # What the CTC loss does with the utterances of a batch.
    ctc_loss_reduction: str = "sum"
    ctc_zero_infinity: bool = False

    # Pretraining: the quantiser and its two losses.
    feat_quantizer_dropout: float = 0.0
    num_codevectors_per_group: int = 320
    num_codevector_groups: int = 2
    contrastive_logits_temperature: float = 0.1
    num_negatives: int = 100
    codevector_dim: int = 256
    proj_codevector_dim: int = 256
    diversity_loss_weight: float = 0.1

    # Strided convolutions after the encoder, and small adapters inside its layers (MMS).
    add_adapter: bool = False
    adapter_kernel_size: int = 3
    adapter_stride: int = 2
    num_adapter_layers: int = 3
    output_hidden_size: int | None = None
    adapter_attn_dim: int | None = None

    def __post_init__(self) -> None:
        for name in ("conv_dim", "conv_stride", "conv_kernel"):
            object.__setattr__(self, name, tuple(int(value) for value in getattr(self, name)))
        if self.output_hidden_size is None:
            object.__setattr__(self, "output_hidden_size", self.hidden_size)
        _refuse_unsupported(self)

    @classmethod
    def from_json(cls, path: str | Path) -> Wav2Vec2Config:
        """Read a checkpoint's `config.json`, or the one in the folder `path`."""
        file = Path(path)
        file = file / "config.json" if file.is_dir() else file
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise BadInputError(
                f"There is no {file}: name the folder of a Hugging Face checkpoint."
            ) from error
        return cls.from_text(text, str(file))

    @classmethod
    def from_text(cls, text: str, where: str = "config.json") -> Wav2Vec2Config:
        """Take the text of a `config.json`; `where` names it in the sentence of an error."""
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadInputError(
                f"{where} is not JSON (line {error.lineno}: {error.msg}): fetch the file again."
            ) from error
        if not isinstance(content, dict):
            raise BadInputError(f"{where} holds no settings by name: fetch the file again.")
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Wav2Vec2Config:
        """Take what a `config.json` holds; keys about other tasks and tools are left aside."""
        model_type = content.get("model_type", "wav2vec2")
        if model_type != "wav2vec2":
            raise BadInputError(
                f"model_type is {model_type!r}, but only 'wav2vec2' checkpoints can be read."
            )
        known = {field.name for field in fields(cls)}
        nullable = {"bos_token_id", "eos_token_id", "output_hidden_size", "adapter_attn_dim"}
        given = {
            key: value
            for key, value in content.items()
            if key in known and (value is not None or key in nullable)
        }
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """What `config.json` says, complete enough for the reference implementation to read."""
        content = asdict(self)
        for name in ("conv_dim", "conv_stride", "conv_kernel"):
            content[name] = list(content[name])
        return {"model_type": "wav2vec2", **content}

    def to_json(self, architecture: str | None = None) -> str:
        """The text of `config.json`; `architecture` is the class whose weights lie beside it."""
        content = self.to_dict()
        if architecture is not None:
            content["architectures"] = [architecture]
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    def replace(self, **changes: Any) -> Wav2Vec2Config:
        """A copy with some settings changed; an unknown name is refused."""
        unknown = sorted(set(changes) - {field.name for field in fields(self)})
        if unknown:
            raise BadInputError(f"Wav2Vec2Config has no setting {', '.join(unknown)}.")
        return replace(self, **changes)

    @property
    def has_mask_embedding(self) -> bool:
        """Whether the model holds the vector that takes the place of masked frames."""
        return self.mask_time_prob > 0 or self.mask_feature_prob > 0

    @property
    def head_size(self) -> int:
        """The width of what the head of a model is given."""
        return int(self.output_hidden_size or 0) if self.add_adapter else self.hidden_size

    def encoder_frame_lengths(self, lengths: Any) -> Any:
        """Frames that the convolutions make of so many samples: ints, arrays or tensors of them."""
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            lengths = (lengths - kernel) // stride + 1
        return _at_least_zero(lengths)

    def frame_lengths(self, lengths: Any) -> Any:
        """Frames of logits for so many samples: ints, arrays or tensors of them."""
        frames = self.encoder_frame_lengths(lengths)
        for _ in range(self.num_adapter_layers if self.add_adapter else 0):
            frames = self.adapter_frame_lengths(frames)
        return frames

    def adapter_frame_lengths(self, frames: Any) -> Any:
        """Frames after one convolution of the adapter, which pads one frame on either side."""
        padded = frames + 2 - self.adapter_kernel_size
        return _at_least_zero(padded // self.adapter_stride + 1)


def _at_least_zero(lengths: Any) -> Any:
    """Clip what is too short for a convolution to no frames, in the kind that was given."""
    if isinstance(lengths, int):
        return max(lengths, 0)
    if isinstance(lengths, np.ndarray | np.integer):
        return np.maximum(lengths, 0)
    from keras import ops  # a tensor: TensorFlow is loaded already

    return ops.maximum(lengths, 0)


def _refuse_unsupported(config: Wav2Vec2Config) -> None:
    """Say in a sentence what this implementation cannot build, before anything is built."""
    for name in ("feat_extract_activation", "hidden_act"):
        if getattr(config, name) != "gelu":
            raise BadInputError(
                f"{name} is {getattr(config, name)!r}: only 'gelu', which every published"
                " Wav2Vec2 checkpoint uses, is supported."
            )
    if config.feat_extract_norm not in ("group", "layer"):
        raise BadInputError(
            f"feat_extract_norm is {config.feat_extract_norm!r}: it must be 'group' or 'layer'."
        )
    if config.ctc_loss_reduction not in ("sum", "mean", "none"):
        raise BadInputError(
            f"ctc_loss_reduction is {config.ctc_loss_reduction!r}: it must be 'sum', 'mean' or"
            " 'none'."
        )
    sizes = {len(config.conv_dim), len(config.conv_stride), len(config.conv_kernel)}
    if len(sizes) != 1 or not config.conv_dim:
        raise BadInputError(
            "conv_dim, conv_stride and conv_kernel must be equally long lists, one entry per layer."
        )
    _refuse_unless_divides(config, "hidden_size", "num_attention_heads")
    _refuse_unless_divides(config, "hidden_size", "num_conv_pos_embedding_groups")
    _refuse_unless_divides(config, "codevector_dim", "num_codevector_groups")
    if not 0 <= config.pad_token_id < config.vocab_size:
        raise BadInputError(
            f"pad_token_id (the CTC blank) is {config.pad_token_id}, outside the"
            f" {config.vocab_size} tokens of the vocabulary."
        )


def _refuse_unless_divides(config: Wav2Vec2Config, whole: str, parts: str) -> None:
    if getattr(config, parts) < 1 or getattr(config, whole) % getattr(config, parts):
        raise BadInputError(
            f"{whole} ({getattr(config, whole)}) must be a multiple of"
            f" {parts} ({getattr(config, parts)})."
        )
