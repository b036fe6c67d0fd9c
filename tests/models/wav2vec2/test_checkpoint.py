"""A checkpoint written here is read here and by the reference implementation, and back."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import BadInputError
from models.wav2vec2 import Wav2Vec2ForCTC, Wav2Vec2Model


def test_a_saved_model_is_read_back_with_equal_logits(config, waveforms, tmp_path):
    model = Wav2Vec2ForCTC(config, seed=1)

    model.save_pretrained(tmp_path)
    again = Wav2Vec2ForCTC.from_pretrained(tmp_path)

    assert again.config == config
    np.testing.assert_array_equal(again(waveforms), model(waveforms))


def test_the_reference_loads_what_we_save_with_no_key_missing_or_unexpected(
    config, waveforms, tmp_path
):
    import torch
    import transformers

    model = Wav2Vec2ForCTC(config, seed=1)
    model.save_pretrained(tmp_path)

    reference, info = transformers.Wav2Vec2ForCTC.from_pretrained(
        tmp_path, output_loading_info=True
    )

    assert not any(info.values())
    with torch.no_grad():
        expected = reference.eval()(torch.tensor(waveforms)).logits.numpy()
    np.testing.assert_allclose(model(waveforms), expected, atol=2e-5)


def test_we_load_what_the_reference_saves(config, reference_of, waveforms, tmp_path):
    model = Wav2Vec2ForCTC(config)
    reference_of(model).save_pretrained(tmp_path)

    again = Wav2Vec2ForCTC.from_pretrained(tmp_path)

    np.testing.assert_array_equal(again(waveforms), model(waveforms))


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"config\.json"):
        Wav2Vec2ForCTC.from_pretrained(tmp_path)


def test_a_new_head_for_another_vocabulary_keeps_the_trunk(tiny_config, waveforms, tmp_path):
    model = Wav2Vec2ForCTC(tiny_config("stable"), seed=1)
    model.save_pretrained(tmp_path)

    again = Wav2Vec2ForCTC.from_pretrained(tmp_path, new_head=True, vocab_size=40, seed=2)

    assert again(waveforms).shape[-1] == 40
    np.testing.assert_array_equal(again.wav2vec2(waveforms), model.wav2vec2(waveforms))


def test_a_head_of_another_size_is_refused_unless_a_new_one_is_asked_for(tiny_config, tmp_path):
    Wav2Vec2ForCTC(tiny_config("stable"), seed=1).save_pretrained(tmp_path)

    with pytest.raises(BadInputError, match=r"lm_head\.weight \(\[12, 32\] instead of \[40, 32\]"):
        Wav2Vec2ForCTC.from_pretrained(tmp_path, vocab_size=40)


def test_the_trunk_of_a_recogniser_can_be_read_alone(tiny_config, waveforms, tmp_path):
    model = Wav2Vec2ForCTC(tiny_config("stable"), seed=1)
    model.save_pretrained(tmp_path)

    trunk = Wav2Vec2Model.from_pretrained(tmp_path)

    np.testing.assert_array_equal(trunk(waveforms), model.wav2vec2(waveforms))


def test_settings_can_be_changed_in_passing_and_unknown_ones_are_refused(tiny_config, tmp_path):
    Wav2Vec2ForCTC(tiny_config("stable"), seed=1).save_pretrained(tmp_path)

    model = Wav2Vec2ForCTC.from_pretrained(tmp_path, layerdrop=0.3, mask_time_prob=0.0)

    assert (model.config.layerdrop, model.config.mask_time_prob) == (0.3, 0.0)
    with pytest.raises(BadInputError, match="no setting layer_drop"):
        Wav2Vec2ForCTC.from_pretrained(tmp_path, layer_drop=0.3)


def test_a_model_trained_in_mixed_precision_is_saved_in_full(tiny_config, tmp_path):
    model = Wav2Vec2ForCTC(tiny_config("stable"), seed=1, dtype="mixed_bfloat16")
    model.save_pretrained(tmp_path)

    again = Wav2Vec2ForCTC.from_pretrained(tmp_path)

    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
