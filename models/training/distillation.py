"""Distillation: a student with fewer layers learns from the transcripts and from its teacher.

>>> from models.wav2vec2 import Wav2Vec2Config
>>> config = Wav2Vec2Config(num_hidden_layers=4, hidden_size=192, intermediate_size=192)
>>> teacher = Wav2Vec2ForCTC(config, seed=0)
>>> student = student_of(teacher, layers=2)
>>> objective = distillation(teacher, student, TeacherConfig("unused", layers=2))
"""

from __future__ import annotations

import re

import numpy as np
import tensorflow as tf

from models.data import Batch
from models.errors import BadInputError
from models.training.config import TeacherConfig
from models.training.objective import Objective, ctc_by_character
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC
from models.wav2vec2.tensor_names import named_tensors

LAYER_NUMBER = re.compile(r"(?<=^wav2vec2\.encoder\.layers\.)\d+")
# What the two must share, for one's frames to be held against the other's.
ALIKE = {"vocab_size": "tokens", "pad_token_id": "blanks", "hidden_size": "hidden states"}
ANY_LENGTHS = np.arange(32_000)
NORM_EPSILON = 1e-5


def kept_layers(of: int, keep: int) -> list[int]:
    """The places of a student's layers among its teacher's: evenly spread, the last one included.

    >>> kept_layers(12, 4)
    [2, 5, 8, 11]
    """
    if keep >= of:
        raise BadInputError(
            f"model.teacher.layers is {keep}, but the teacher has {of} transformer layers; a "
            "student has fewer."
        )
    return [(place + 1) * of // keep - 1 for place in range(keep)]


def student_of(teacher: Wav2Vec2ForCTC, layers: int) -> Wav2Vec2ForCTC:
    """The teacher without the layers between: every tensor of the student is one of its own."""
    places = kept_layers(teacher.config.num_hidden_layers, layers)
    student = Wav2Vec2ForCTC(
        teacher.config.replace(num_hidden_layers=layers),
        seed=teacher.seed,
        dtype=teacher.dtype_policy,
    )
    theirs = {tensor.key: tensor.variable for tensor in named_tensors(teacher)}
    for tensor in named_tensors(student):
        key = LAYER_NUMBER.sub(lambda number: str(places[int(number[0])]), tensor.key)
        tensor.variable.assign(theirs[key])
    return student


def distillation(
    teacher: Wav2Vec2ForCTC, student: Wav2Vec2ForCTC, config: TeacherConfig
) -> Objective:
    """The student's CTC loss, and how far it is from its teacher: posteriors and hidden states."""
    _refuse_unlike(teacher.config, student.config)
    matched = kept_layers(teacher.config.num_hidden_layers, student.config.num_hidden_layers)

    def objective(model: Wav2Vec2ForCTC, batch: Batch) -> tf.Tensor:
        waveforms, lengths = batch["waveforms"], batch["lengths"]
        logits, states = model.with_states(waveforms, lengths, training=True)
        taught_logits, taught_states = teacher.with_states(waveforms, lengths, training=False)
        losses = ctc_by_character(logits, model, batch)
        if config.logit_weight:
            losses += config.logit_weight * posterior_divergence(
                logits,
                taught_logits,
                model.config.frame_lengths(lengths),
                config.temperature,
                blank=model.config.pad_token_id,
            )
        if config.feature_weight:
            frames = model.config.encoder_frame_lengths(lengths)
            apart = [
                state_distance(state, taught_states[place], frames)
                for state, place in zip(states, matched, strict=True)
            ]
            losses += config.feature_weight * tf.add_n(apart) / len(apart)
        return losses

    return objective


def posterior_divergence(
    logits: tf.Tensor,
    taught: tf.Tensor,
    frame_lengths: tf.Tensor,
    temperature: float,
    blank: int,
) -> tf.Tensor:
    """KL(teacher | student), the mean of an utterance's frames. [batch]

    A frame weighs what the teacher gives to letters: CTC leaves most frames to the blank, which
    say nothing but when, and when a letter is said is the student's own affair. At a temperature
    the gradient shrinks by its square, which is put back.
    """
    taught = tf.stop_gradient(taught)
    heard, meant = (tf.nn.log_softmax(one / temperature) for one in (logits, taught))
    divergence = tf.reduce_sum(tf.exp(meant) * (meant - heard), axis=-1)  # [batch, frames]
    letters = 1.0 - tf.nn.softmax(taught)[:, :, blank]
    return temperature**2 * _mean_over_frames(divergence, frame_lengths, letters)


def state_distance(states: tf.Tensor, taught: tf.Tensor, frame_lengths: tf.Tensor) -> tf.Tensor:
    """Mean square distance between hidden states, normed frame by frame. [batch]

    Normed, because states that a later norm brings to one size may be of any size here.
    """
    apart = tf.math.squared_difference(_normed(states), _normed(tf.stop_gradient(taught)))
    return _mean_over_frames(tf.reduce_mean(apart, axis=-1), frame_lengths)


def _normed(states: tf.Tensor) -> tf.Tensor:
    states = tf.cast(states, tf.float32)
    mean, variance = tf.nn.moments(states, axes=[-1], keepdims=True)
    return (states - mean) * tf.math.rsqrt(variance + NORM_EPSILON)


def _mean_over_frames(
    values: tf.Tensor, frame_lengths: tf.Tensor, weights: tf.Tensor | float = 1.0
) -> tf.Tensor:
    """[batch, frames] -> [batch], padding left out; 0 where there is nothing to weigh."""
    real = tf.range(tf.shape(values)[1]) < frame_lengths[:, None]
    weights = tf.where(real, weights, tf.zeros_like(values))
    total = tf.reduce_sum(weights * tf.where(real, values, tf.zeros_like(values)), axis=1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(weights, axis=1))


def _refuse_unlike(teacher: Wav2Vec2Config, student: Wav2Vec2Config) -> None:
    unlike = [
        what for name, what in ALIKE.items() if getattr(teacher, name) != getattr(student, name)
    ]
    if not np.array_equal(teacher.frame_lengths(ANY_LENGTHS), student.frame_lengths(ANY_LENGTHS)):
        unlike.append("frame rates")
    if unlike:
        raise BadInputError(
            f"The teacher's and the student's {' and '.join(unlike)} differ, so one cannot be held "
            "against the other; choose a teacher (model.teacher) that differs in its layers alone."
        )
