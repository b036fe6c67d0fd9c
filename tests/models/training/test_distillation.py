"""A student is made of its teacher's layers, and learns what the teacher would say."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadInputError
from models.training.config import Stage, TeacherConfig, TrainingConfig
from models.training.distillation import (
    distillation,
    kept_layers,
    posterior_divergence,
    state_distance,
    student_of,
)
from models.training.objective import ctc_objective
from models.training.step import TrainStep
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC
from models.wav2vec2.tensor_names import named_tensors

TEACHER = Wav2Vec2Config(
    vocab_size=8,
    # Two convolutions instead of seven: the same frames, compiled sooner.
    conv_dim=(8, 8),
    conv_kernel=(20, 16),
    conv_stride=(20, 16),
    hidden_size=16,
    num_hidden_layers=4,
    num_attention_heads=2,
    intermediate_size=16,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=2,
    # Weights so large that each layer makes a difference.
    initializer_range=0.3,
    mask_time_prob=0.0,
    hidden_dropout=0.0,
    activation_dropout=0.0,
    attention_dropout=0.0,
    final_dropout=0.0,
    layerdrop=0.0,
)
LESSON = TeacherConfig("teacher", layers=2)
BATCH, FRAMES, TOKENS = 3, 7, 5
FRAME_LENGTHS = np.array([7, 4, 1])
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def teacher() -> Wav2Vec2ForCTC:
    return Wav2Vec2ForCTC(TEACHER, seed=0)


def tensors(model: Wav2Vec2ForCTC) -> dict[str, np.ndarray]:
    return {tensor.key: tensor.to_checkpoint() for tensor in named_tensors(model)}


def batch_of(*seconds: float, padding: int = 0) -> dict[str, tf.Tensor]:
    """Noise as long as told, each with two letters; padding that is no zeros."""
    lengths = [int(16_000 * one) for one in seconds]
    waveforms = np.full((len(lengths), max(lengths) + padding), 9.0, np.float32)
    for row, length in zip(waveforms, lengths, strict=True):
        row[:length] = np.random.default_rng(length).normal(size=length)
    letters = np.tile(np.array([[5, 6]], np.int32), (len(lengths), 1))
    return {
        "waveforms": tf.constant(waveforms),
        "lengths": tf.constant(lengths, tf.int32),
        "labels": tf.constant(letters),
        "label_lengths": tf.constant([2 if length else 0 for length in lengths], tf.int32),
    }


@given(st.integers(2, 48).flatmap(lambda of: st.tuples(st.just(of), st.integers(1, of - 1))))
def test_a_student_keeps_layers_evenly_spread_and_the_last_one(layers):
    of, keep = layers
    places = kept_layers(of, keep)
    assert len(places) == keep
    assert places[-1] == of - 1
    steps = np.diff([-1, *places])
    assert steps.min() >= 1 and steps.max() - steps.min() <= 1


def test_each_tensor_of_the_student_is_its_teachers_to_the_bit(teacher):
    theirs, own = tensors(teacher), tensors(student_of(teacher, layers=2))
    layer = "wav2vec2.encoder.layers."
    # Of four layers the second and the fourth.
    renumbered = {f"{layer}0.": f"{layer}1.", f"{layer}1.": f"{layer}3."}
    for key, value in own.items():
        source = renumbered.get(key[: len(layer) + 2])
        kept = key if source is None else source + key[len(layer) + 2 :]
        np.testing.assert_array_equal(value, theirs[kept], err_msg=key)
    rest = {key for key in theirs if not key.startswith(layer)}
    assert {key for key in own if not key.startswith(layer)} == rest
    assert len(own) - len(rest) == (len(theirs) - len(rest)) / 2


def test_a_student_differs_from_its_teacher_in_its_layers_alone(teacher, tmp_path):
    student = student_of(teacher, layers=1)
    assert student.config == TEACHER.replace(num_hidden_layers=1)
    one_layer = sum(v.numpy().size for v in teacher.wav2vec2.encoder.layers[0].trainable_weights)
    assert student.count_params() == pytest.approx(teacher.count_params() - 3 * one_layer, abs=50)
    student.save_pretrained(tmp_path)
    again = tensors(Wav2Vec2ForCTC.from_pretrained(tmp_path))
    assert all(np.array_equal(again[key], value) for key, value in tensors(student).items())


@pytest.mark.parametrize("layers", [4, 5])
def test_a_student_as_deep_as_its_teacher_is_refused(teacher, layers):
    with pytest.raises(BadInputError, match=f"layers is {layers}, but the teacher has 4"):
        student_of(teacher, layers)


@pytest.mark.parametrize(
    ("unlike", "what"),
    [
        ({"vocab_size": 9}, "tokens"),
        ({"pad_token_id": 1}, "blanks"),
        ({"hidden_size": 32}, "hidden states"),
        ({"conv_stride": (20, 8)}, "frame rates"),
        ({"vocab_size": 9, "add_adapter": True}, "tokens and frame rates"),
    ],
)
def test_a_teacher_of_another_kind_is_refused_by_what_differs(teacher, unlike, what):
    student = Wav2Vec2ForCTC(TEACHER.replace(num_hidden_layers=1, **unlike), seed=0)
    with pytest.raises(BadInputError, match=f"student's {what} differ, .* choose a teacher"):
        distillation(teacher, student, LESSON)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_is_torchs_over_real_frames_as_far_as_the_teacher_hears_letters(temperature):
    logits, taught = RANDOM.normal(0, 2, (2, BATCH, FRAMES, TOKENS)).astype(np.float32)
    divergence = posterior_divergence(logits, taught, FRAME_LENGTHS, temperature, blank=0)
    for row, frames in enumerate(FRAME_LENGTHS):
        own, theirs = (torch.tensor(one[row, :frames]) for one in (logits, taught))
        of_frames = torch.nn.functional.kl_div(
            torch.log_softmax(own / temperature, dim=-1),
            torch.softmax(theirs / temperature, dim=-1),
            reduction="none",
        ).sum(dim=-1)
        letters = 1 - torch.softmax(theirs, dim=-1)[:, 0]
        expected = temperature**2 * (letters * of_frames).sum() / letters.sum()
        assert float(divergence[row]) == pytest.approx(float(expected), rel=1e-5)


def test_a_frame_in_which_the_teacher_is_sure_of_the_blank_teaches_nothing():
    logits = RANDOM.normal(size=(1, FRAMES, TOKENS)).astype(np.float32)
    taught = RANDOM.normal(size=(1, FRAMES, TOKENS)).astype(np.float32)
    silent = taught.copy()
    silent[:, 2:, 0] += 100.0
    divergence = posterior_divergence(logits, silent, np.array([FRAMES]), 2.0, blank=0)
    speaking = posterior_divergence(logits, taught, np.array([2]), 2.0, blank=0)
    assert float(divergence[0]) == pytest.approx(float(speaking[0]), rel=1e-5)
    all_silent = np.zeros_like(taught) + np.array([200.0, 0, 0, 0, 0], np.float32)
    assert posterior_divergence(logits, all_silent, np.array([FRAMES]), 2.0, blank=0) == 0


def test_the_distance_of_states_is_torchs_between_normed_ones_over_real_frames():
    states, taught = RANDOM.normal(1, 2, (2, BATCH, FRAMES, TOKENS)).astype(np.float32)
    distance = state_distance(states, taught, FRAME_LENGTHS)
    for row, frames in enumerate(FRAME_LENGTHS):
        own, theirs = (
            torch.nn.functional.layer_norm(torch.tensor(one[row, :frames]), (TOKENS,))
            for one in (states, taught)
        )
        expected = torch.nn.functional.mse_loss(own, theirs)
        assert float(distance[row]) == pytest.approx(float(expected), rel=1e-4)


def test_a_student_that_says_and_hears_what_its_teacher_does_is_left_the_loss_of_ctc():
    logits = RANDOM.normal(size=(BATCH, FRAMES, TOKENS)).astype(np.float32)
    assert np.abs(posterior_divergence(logits, logits, FRAME_LENGTHS, 2.0, blank=0)).max() < 1e-6
    # States of another size are the same states once they are normed.
    assert np.abs(state_distance(3 * logits + 1, logits, FRAME_LENGTHS)).max() < 1e-3
    nothing = np.zeros_like(logits)
    assert np.isfinite(
        posterior_divergence(logits, nothing, np.zeros(BATCH, np.int32), 2.0, blank=0)
    ).all()


def test_weights_of_nothing_leave_the_loss_of_ctc(teacher):
    student, batch = student_of(teacher, layers=2), batch_of(0.4, 0.3)
    alone = TeacherConfig("teacher", layers=2, logit_weight=0.0, feature_weight=0.0)
    losses = distillation(teacher, student, alone)(student, batch)
    np.testing.assert_allclose(losses, ctc_objective(student, batch), rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "xla"])
def test_padding_changes_no_loss_and_a_row_that_fills_up_its_batch_has_none(teacher, compiled):
    student = student_of(teacher, layers=2)
    objective = distillation(teacher, student, LESSON)
    loss_of = (
        tf.function(lambda batch: objective(student, batch), jit_compile=True, autograph=False)
        if compiled
        else (lambda batch: objective(student, batch))
    )

    together = loss_of(batch_of(0.4, 0.25, 0.0, padding=3000)).numpy()

    alone = [float(objective(student, batch_of(seconds))[0]) for seconds in (0.4, 0.25)]
    np.testing.assert_allclose(together, [*alone, 0.0], atol=1e-4)
    assert min(alone) > 0.1


def test_no_gradient_reaches_the_teacher(teacher):
    student, batch = student_of(teacher, layers=1), batch_of(0.2)
    objective = distillation(teacher, student, LESSON)

    with tf.GradientTape(persistent=True) as tape:
        losses = objective(student, batch)

    for model, learns in ((teacher, False), (student, True)):
        gradients = tape.gradient(losses, [one.value for one in model.trainable_variables])
        assert {gradient is not None for gradient in gradients} == {learns}


def test_a_student_comes_to_say_what_its_teacher_says_which_stays_as_it_was(teacher):
    student, batch = student_of(teacher, layers=1), batch_of(0.4, 0.3)
    lesson = TeacherConfig("teacher", layers=1, logit_weight=10.0, feature_weight=10.0)
    stage, config = Stage("all", 30, 2e-2, "one_cycle"), TrainingConfig()
    step = TrainStep(student, stage, config, distillation(teacher, student, lesson))
    before, frames = tensors(teacher), student.frame_lengths(batch["lengths"])

    def apart() -> np.ndarray:
        own, theirs = (
            one(batch["waveforms"], lengths=batch["lengths"]) for one in (student, teacher)
        )
        return posterior_divergence(own, theirs, frames, temperature=1.0, blank=0).numpy()

    untaught = apart()
    losses = [float(step([batch], number).loss) for number in range(30)]

    assert losses[-1] < 0.5 * losses[0]
    assert (apart() < 0.5 * untaught).all()
    assert all(np.array_equal(value, before[key]) for key, value in tensors(teacher).items())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"layers": 0}, r"model\.teacher\.layers must be at least 1, not 0"),
        (
            {"logit_weight": -1.0},
            r"model\.teacher\.logit_weight must be at least 0 and finite, not -1",
        ),
        ({"feature_weight": -0.5}, r"model\.teacher\.feature_weight must be at least 0"),
        ({"temperature": 0.0}, r"model\.teacher\.temperature must be above 0 and finite, not 0"),
    ],
)
def test_a_teacher_of_nonsense_is_refused_by_its_key(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        TeacherConfig(**{"checkpoint": "teacher", "layers": 2} | settings)
