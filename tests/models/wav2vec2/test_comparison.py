"""The comparing helper finds the layer in which two implementations part."""

from __future__ import annotations

import numpy as np
import pytest

from models.wav2vec2 import Wav2Vec2ForCTC, Wav2Vec2Model
from models.wav2vec2.comparison import compare_layers


@pytest.fixture
def pair(config, reference_of):
    model = Wav2Vec2ForCTC(config.replace(conv_bias=True, add_adapter=True, num_adapter_layers=1))
    return model, reference_of(model)


@pytest.mark.parametrize("lengths", [None, [4000, 4000]])
def test_every_intermediate_equals_that_of_the_reference(pair, waveforms, lengths):
    comparison = compare_layers(*pair, waveforms, lengths)

    names = [one.name for one in comparison.layers]
    assert names[:4] == [f"feature_extractor.conv_layers.{i}" for i in range(3)] + [
        "feature_projection"
    ]
    assert names[-3:] == ["encoder", "adapter", "lm_head"]
    assert len(names) == 3 + 2 + 3 * 3 + 3
    assert comparison.first_that_differs is None
    assert all(one.largest <= 2e-5 and one.scale > 0.1 for one in comparison.layers)


def test_padded_frames_are_left_out_of_the_comparison(tiny_config, reference_of, waveforms):
    model = Wav2Vec2ForCTC(tiny_config("stable"))
    reference = reference_of(model)
    waveforms[1, 2503:] = 0.0

    comparison = compare_layers(model, reference, waveforms, [4000, 2503])

    assert comparison.first_that_differs is None, str(comparison)


SPOILT = {
    "feature_extractor.conv_layers.1": lambda trunk: trunk.feature_encoder.conv_layers[1].conv.bias,
    "feature_projection": lambda trunk: trunk.feature_projection.projection.bias,
    "encoder.pos_conv_embed": lambda trunk: trunk.encoder.pos_conv_embed.g,
    "encoder.layers.1.attention": lambda trunk: trunk.encoder.layers[1].attention.q_proj.kernel,
    "encoder.layers.2.feed_forward": lambda trunk: (
        trunk.encoder.layers[2].feed_forward.output_dense.bias
    ),
    "adapter": lambda trunk: trunk.adapter.layers[0].conv.bias,
}


def spoil(variable) -> None:
    variable.assign(variable * 1.05 + 0.05)


@pytest.mark.parametrize("name", sorted(SPOILT))
def test_the_first_layer_that_differs_is_named_and_printed(pair, waveforms, name):
    model, reference = pair
    spoil(SPOILT[name](model.wav2vec2))

    comparison = compare_layers(model, reference, waveforms)

    assert comparison.first_that_differs.name == name
    [marked] = [line for line in str(comparison).splitlines() if "first that differs" in line]
    assert f" {name} [" in marked


def test_a_layer_whose_parts_agree_can_differ_itself(tiny_config, reference_of, waveforms):
    model = Wav2Vec2ForCTC(tiny_config("base"))
    reference = reference_of(model)
    spoil(model.wav2vec2.encoder.layers[1].final_layer_norm.beta)

    comparison = compare_layers(model, reference, waveforms)

    assert comparison.first_that_differs.name == "encoder.layers.1"


def test_a_layer_that_gives_nan_differs(pair, waveforms):
    model, reference = pair
    model.lm_head.bias.assign(model.lm_head.bias * np.nan)

    assert compare_layers(model, reference, waveforms).first_that_differs.name == "lm_head"


def test_the_model_is_left_as_it_was(config, reference_of, waveforms):
    model = Wav2Vec2Model(config)
    reference = reference_of(model)
    before = model(waveforms)

    assert compare_layers(model, reference, waveforms).first_that_differs is None

    np.testing.assert_array_equal(model(waveforms), before)
    assert "call" not in vars(model.encoder)
    assert not reference.encoder._forward_hooks
