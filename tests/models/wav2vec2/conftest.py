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


@pytest.fixture(scope="session")
def tiny_config():
    """A tiny config of a style, with changes."""

    def make(style: str = "base", **changes) -> Wav2Vec2Config:
        return Wav2Vec2Config(**{**TINY, **STYLES[style], **changes})

    return make


@pytest.fixture
def waveforms() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 4000)).astype(np.float32)


def make_reference(config: Wav2Vec2Config, class_name: str = "Wav2Vec2ForCTC", seed: int = 0):
    """A model of transformers with random weights, those of its norms included."""
    import torch
    import transformers

    torch.manual_seed(seed)
    content = config.to_dict()
    content.pop("model_type")
    reference_class = getattr(transformers, class_name)
    reference = reference_class(transformers.Wav2Vec2Config(**content)).eval()
    with torch.no_grad():  # scales of one and biases of zero would hide a mistaken mapping
        for name, parameter in reference.named_parameters():
            if parameter.ndim == 1 and "masked_spec_embed" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return reference


@pytest.fixture(scope="session")
def new_reference():
    """Makes a model of transformers for a config of ours."""
    return make_reference


@pytest.fixture(scope="session")
def reference_of():
    """The same model in transformers, its weights drawn there and copied into ours."""

    def make(model):
        from models.wav2vec2.tensor_names import named_tensors

        reference = make_reference(model.config, type(model).__name__)
        state = reference.state_dict()
        named = named_tensors(model)
        assert {tensor.key for tensor in named} == set(state)
        for tensor in named:
            assert tensor.shape == tuple(state[tensor.key].shape)
            tensor.assign(state[tensor.key].numpy())
        return reference

    return make
