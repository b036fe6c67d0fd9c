"""A checkpoint written here is read here and by the reference implementation, and back."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import BadInputError
from models.wav2vec2 import Wav2Vec2ForCTC


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
