"""Greedy decoding of dev: what was said, what is heard, and the word error rate between them."""

from itertools import groupby

import numpy as np
import pytest
import tensorflow as tf

from models.training.evaluation import make_recogniser, transcribe, wer_of
from models.training.watching import Sample
from models.wav2vec2 import Wav2Vec2ForCTC
from tests.models.training.test_loop import MODEL, TEXTS, VOCABULARY, batch_of

pytestmark = pytest.mark.usefixtures("untraced")


def test_every_utterance_comes_with_its_own_text_in_the_order_of_the_batches():
    heard = iter([["AB", "", "C", "A"], ["B", "CAB", "BC", "A CA"]])
    samples = transcribe(
        lambda waveforms, lengths: tf.constant(next(heard)), VOCABULARY, map(batch_of, TEXTS)
    )
    assert samples[:2] == [Sample("AB", "AB"), Sample("BA C", "")]
    assert [sample.reference for sample in samples] == [text for texts in TEXTS for text in texts]


def test_the_rate_counts_words_left_out_put_in_and_replaced():
    samples = [Sample("BA C", "BA"), Sample("A", "A B"), Sample("ACB", "A"), Sample("A CA", "A CA")]
    assert wer_of(samples) == pytest.approx(3 / 6)


def test_what_is_heard_is_the_greedy_path_of_the_real_frames_whatever_the_padding():
    model = Wav2Vec2ForCTC(MODEL, seed=1)
    model.lm_head.kernel.assign(50.0 * model.lm_head.kernel)  # opinions that no rounding turns
    recognise = make_recogniser(model, VOCABULARY)
    alone = [transcribe(recognise, VOCABULARY, [batch_of([text])])[0] for text in TEXTS[0]]
    assert transcribe(recognise, VOCABULARY, [batch_of(TEXTS[0])]) == alone
    logits = model(batch_of(["AB"])["waveforms"], training=False).numpy()[0]
    merged = [index for index, _ in groupby(np.argmax(logits, axis=-1))]
    spelt = VOCABULARY.spell([index for index in merged if index != VOCABULARY.blank])
    assert alone[0].hypothesis == " ".join(spelt.split())
