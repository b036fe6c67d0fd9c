"""Tiny models in both styles, and the reference implementation with the same weights."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from models.wav2vec2 import Wav2Vec2Config

TINY = {
    "vocab_size": 12,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 24),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    # Weights of normal size, so that an error anywhere shows in the logits.
    "initializer_range": 0.2,
}
STYLES = {
    "base": {},
    "stable": {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True},
}


@pytest.fixture(params=sorted(STYLES))
def config(request) -> Wav2Vec2Config:
    """A tiny model: `base` (group norm, post norm) and `stable` (layer norm, pre norm)."""
    return Wav2Vec2Config(**TINY, **STYLES[request.param])


@pytest.fixture
def tiny_config():
    """A tiny config of a style, with changes."""

    def make(style: str = "base", **changes) -> Wav2Vec2Config:
        return Wav2Vec2Config(**{**TINY, **STYLES[style], **changes})

    return make


@pytest.fixture
def waveforms() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 4000)).astype(np.float32)


@pytest.fixture
def reference_of():
    """The same model in transformers, its weights drawn there and copied into ours."""

    def make(model, randomise_norms: bool = True):
        import torch
        import transformers

        from models.wav2vec2.tensor_names import named_tensors

        torch.manual_seed(0)
        content = model.config.to_dict()
        content.pop("model_type")
        reference_class = getattr(transformers, type(model).__name__)
        reference = reference_class(transformers.Wav2Vec2Config(**content)).eval()
        if randomise_norms:  # scales of one and biases of zero would hide a mistaken mapping
            with torch.no_grad():
                for name, parameter in reference.named_parameters():
                    if parameter.ndim == 1 and "masked_spec_embed" not in name:
                        parameter.add_(torch.randn_like(parameter) * 0.1)
        state = reference.state_dict()
        named = named_tensors(model)
        assert {tensor.key for tensor in named} == set(state)
        for tensor in named:
            assert tensor.shape == tuple(state[tensor.key].shape)
            tensor.assign(state[tensor.key].numpy())
        return reference

    return make
