"""Layer drop skips whole layers at random, in training only."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.wav2vec2.encoder import Encoder
from models.wav2vec2.seeds import Seeds

HIDDEN = np.random.default_rng(0).normal(size=(2, 20, 32)).astype(np.float32)
NO_DROPOUT = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}


@pytest.fixture(params=["base", "stable"])
def encoder(request, tiny_config):
    def make(layerdrop: float) -> Encoder:
        config = tiny_config(request.param, layerdrop=layerdrop, **NO_DROPOUT)
        encoder = Encoder(config, Seeds(0))
        encoder.build((None, None, 32))
        return encoder

    return make


def test_a_model_that_drops_every_layer_passes_on_what_was_embedded(encoder):
    dropping = encoder(layerdrop=1.0)

    hidden, _ = dropping(HIDDEN, training=True)

    np.testing.assert_allclose(hidden, dropping.finish(dropping.embed(HIDDEN)), atol=1e-6)


def test_nothing_is_dropped_outside_training(encoder):
    hidden, _ = encoder(layerdrop=1.0)(HIDDEN, training=False)
    np.testing.assert_allclose(hidden, encoder(layerdrop=0.0)(HIDDEN)[0], atol=1e-6)


def test_each_step_of_one_graph_drops_layers_anew_and_as_often_as_asked(encoder):
    dropping = encoder(layerdrop=0.5)
    step = tf.function(lambda: dropping(HIDDEN, training=True)[0])

    distinct = {step().numpy().tobytes() for _ in range(60)}

    # Three layers that are each there or not: eight models, all of which are met.
    assert len(distinct) == 8
