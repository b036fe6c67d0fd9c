"""The config reads and writes config.json, counts frames, and refuses what cannot be built."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from models.errors import BadInputError
from models.wav2vec2 import Wav2Vec2Config


def test_frames_are_counted_alike_for_ints_arrays_and_tensors():
    import tensorflow as tf

    config = Wav2Vec2Config()

    assert config.frame_lengths(246_000) == 768
    assert config.frame_lengths(0) == 0
    assert config.frame_lengths(np.array([399, 400, 16_000])).tolist() == [0, 1, 49]
    assert config.frame_lengths(tf.constant([399, 400, 16_000])).numpy().tolist() == [0, 1, 49]


def test_config_json_survives_a_round_trip(tmp_path):
    config = Wav2Vec2Config(vocab_size=40, pad_token_id=3, conv_dim=[8] * 7, mask_feature_prob=0.1)

    (tmp_path / "config.json").write_text(config.to_json("Wav2Vec2ForCTC"))

    assert Wav2Vec2Config.from_json(tmp_path) == config
    assert json.loads(config.to_json("Wav2Vec2ForCTC"))["architectures"] == ["Wav2Vec2ForCTC"]


def test_keys_of_other_tasks_and_nulls_are_left_aside():
    config = Wav2Vec2Config.from_dict(
        {"model_type": "wav2vec2", "tdnn_dim": [512], "vocab_size": None, "hidden_size": 1024}
        | {"num_attention_heads": 16}
    )

    assert (config.vocab_size, config.hidden_size) == (32, 1024)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"feat_extract_norm": "batch"}, "feat_extract_norm"),
        ({"conv_dim": [512]}, "conv_dim"),
        ({"num_attention_heads": 7}, "num_attention_heads"),
        ({"pad_token_id": 32}, "pad_token_id"),
        ({"model_type": "hubert"}, "hubert"),
        ({"ctc_loss_reduction": "max"}, "ctc_loss_reduction"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(changes, named):
    with pytest.raises(BadInputError, match=named):
        Wav2Vec2Config.from_dict(changes)


def test_a_missing_or_broken_file_is_refused_by_name(tmp_path):
    with pytest.raises(BadInputError, match=r"config\.json"):
        Wav2Vec2Config.from_json(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadInputError, match="not JSON"):
        Wav2Vec2Config.from_json(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(BadInputError, match="no settings by name"):
        Wav2Vec2Config.from_json(tmp_path)


def test_an_unknown_change_is_refused_by_name():
    with pytest.raises(BadInputError, match="layer_drop"):
        Wav2Vec2Config().replace(layer_drop=0.0)


def test_reading_a_config_does_not_import_tensorflow():
    code = "import sys, models.wav2vec2.config; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
