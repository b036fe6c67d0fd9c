"""SpecAugment hides as much as the reference does, within each utterance, anew at every call."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

from models.wav2vec2.masking import SpecAugment, random_spans
from models.wav2vec2.seeds import Seeds

ROWS, FRAMES = 400, 200


def spans(lengths, size=FRAMES, probability=0.05, span=10, min_spans=2, seed=0) -> np.ndarray:
    generator = keras.random.SeedGenerator(seed)
    return random_spans(
        np.array(lengths, np.int32), size, probability, span, min_spans, generator
    ).numpy()


def runs(row: np.ndarray) -> list[int]:
    """The lengths of the stretches of masked positions."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return list(edges[1::2] - edges[::2])


@pytest.mark.parametrize(
    ("probability", "span", "min_spans"), [(0.05, 10, 2), (0.5, 10, 0), (0.3, 4, 1), (0.01, 10, 0)]
)
def test_as_much_is_masked_as_by_the_reference(probability, span, min_spans):
    np.random.seed(0)
    theirs = _compute_mask_indices((ROWS, FRAMES), probability, span, min_masks=min_spans)

    ours = np.concatenate(
        [spans([FRAMES] * 20, FRAMES, probability, span, min_spans, seed) for seed in range(20)]
    )

    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.02)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    span=st.integers(1, 12),
    min_spans=st.integers(0, 3),
    probability=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_spans_are_whole_and_lie_within_each_utterance(lengths, span, min_spans, probability, seed):
    masks = spans(lengths, 60, probability, span, min_spans, seed)

    for length, mask in zip(lengths, masks, strict=True):
        assert not mask[length:].any()
        assert all(run >= span for run in runs(mask))
        if length < span:
            assert not mask.any()
        elif min_spans and span * min_spans <= 60:
            assert mask.any()


def test_rows_and_calls_differ_and_the_same_seed_gives_the_same():
    generator = keras.random.SeedGenerator(3)
    lengths = np.array([FRAMES, FRAMES], np.int32)
    draw = tf.function(lambda: random_spans(lengths, FRAMES, 0.3, 10, 2, generator))

    first, second = draw().numpy(), draw().numpy()

    assert (first[0] != first[1]).any() and (first != second).any()
    np.testing.assert_array_equal(spans(lengths, seed=5), spans(lengths, seed=5))


@pytest.fixture
def augment(tiny_config):
    def make(**changes) -> SpecAugment:
        layer = SpecAugment(tiny_config(**changes), Seeds(0))
        layer.build((None, None, 32))
        return layer

    return make


HIDDEN = np.random.default_rng(0).normal(size=(3, FRAMES, 32)).astype(np.float32)


def test_masked_frames_become_the_learned_vector_and_others_stay(augment):
    layer = augment(mask_time_prob=0.3)

    masked = layer(HIDDEN, np.array([FRAMES, 120, 5]), training=True).numpy()

    changed = (masked != HIDDEN).any(-1)
    assert changed[0].any() and changed[1].any() and not changed[2].any()
    assert not changed[1, 120:].any()
    embed = layer.masked_spec_embed.numpy()
    np.testing.assert_array_equal(masked[changed], np.broadcast_to(embed, masked[changed].shape))


def test_masked_features_are_zero_in_all_frames(augment):
    layer = augment(mask_time_prob=0.0, mask_feature_prob=0.3, mask_feature_length=4)

    masked = layer(HIDDEN, training=True).numpy()

    zeroed = (masked == 0).all(1)  # [batch, features]
    assert zeroed.any() and not zeroed.all()
    np.testing.assert_array_equal(masked, np.where(zeroed[:, None], 0, HIDDEN))


@pytest.mark.parametrize(
    ("changes", "training"),
    [
        ({"mask_time_prob": 0.5, "mask_feature_prob": 0.5}, False),
        ({"mask_time_prob": 0.5, "apply_spec_augment": False}, True),
        ({"mask_time_prob": 0.0}, True),
    ],
)
def test_nothing_is_masked_where_it_is_not_wanted(augment, changes, training):
    masked = augment(**changes)(HIDDEN, training=training)

    np.testing.assert_array_equal(masked, HIDDEN)


def test_a_given_mask_is_used_as_it_is(augment):
    layer = augment()
    mask = np.zeros((3, FRAMES), bool)
    mask[:, 7:9] = True

    masked = layer(HIDDEN, time_mask=mask).numpy()

    np.testing.assert_array_equal((masked != HIDDEN).any(-1), mask)
