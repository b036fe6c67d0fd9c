"""A run that goes on from an earlier model: each letter keeps its row of the head."""

import numpy as np
import tensorflow as tf

from models.vocabulary import Vocabulary
from models.warm_start import carried_alphabet, keep_head_rows, mark_warm_start
from models.wav2vec2 import Wav2Vec2ForCTC


def test_only_an_earlier_runs_model_has_an_alphabet_to_carry_on(tiny_checkpoint, tmp_path):
    alphabet = Vocabulary.of_characters("AÖ")
    alphabet.save(tmp_path)
    assert carried_alphabet(str(tmp_path)) is carried_alphabet(str(tiny_checkpoint)) is None
    mark_warm_start(str(tmp_path), "/earlier/Trainer/model/3/Format-Serving")
    assert carried_alphabet(str(tmp_path)) == alphabet


def test_the_head_keeps_its_rows_and_adds_new_ones(tiny_checkpoint):
    base = Wav2Vec2ForCTC.from_pretrained(tiny_checkpoint)
    tokens = base.config.vocab_size
    grown = Wav2Vec2ForCTC.from_pretrained(
        tiny_checkpoint, new_head=True, vocab_size=tokens + 2, seed=0
    )
    keep_head_rows(grown, str(tiny_checkpoint))
    waveforms = tf.random.stateless_normal([2, 8000], seed=[1, 2])
    np.testing.assert_allclose(grown(waveforms)[..., :tokens], base(waveforms), atol=1e-6)
    assert (grown.lm_head.get_weights()[0][:, tokens:].std(axis=0) > 0).all()
