"""The step as XLA compiles it, for a TPU too: known shapes, nothing on the host, half precision."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.training.config import Stage, TrainingConfig
from models.training.objective import ctc_objective
from models.training.step import TrainStep
from models.wav2vec2 import Wav2Vec2ForCTC
from tests.models.training.test_step import SMALL, TEXTS, batch_of

STAGE = Stage("all", 40, 1e-2, "constant")
# All that is drawn at random is in the step too.
MASKED = SMALL.replace(mask_time_prob=0.3, mask_time_length=2, hidden_dropout=0.1, layerdrop=0.1)
# What asks the host, and operations whose result has a size that depends on values.
NOT_ON_A_TPU = re.compile(
    r".*PyFunc|Py.*|String.*|Where|Unique.*|.*BooleanMask|DynamicPartition|Print.*|Assert|NonMax.*"
    r"|RaggedTensor.*|DecodeRaw|Lookup.*|HashTable.*|Send|Recv|_?Host.*"
)


def step_of(model, **settings) -> TrainStep:
    config = TrainingConfig(stages=(STAGE,), static_shapes=True, **settings)
    return TrainStep(model, STAGE, config, ctc_objective)


def operations(graph: tf.Graph) -> set[str]:
    definition = graph.as_graph_def()
    functions = [node for one in definition.library.function for node in one.node_def]
    return {node.op for node in [*definition.node, *functions]}


@pytest.fixture(scope="module")
def compiled():
    """A step that XLA compiled, and batches of its two shapes."""
    step = step_of(Wav2Vec2ForCTC(MASKED, seed=0), jit_compile=True)
    return step, [batch_of(TEXTS), batch_of(["AB", "BA", "B", "C"])]


def test_a_step_is_compiled_once_for_each_shape(compiled):
    step, batches = compiled
    results = [step([batches[number % 2]], number) for number in range(6)]
    assert all(np.isfinite(float(one.loss)) and bool(one.applied) for one in results)
    assert step.traces == 2


def test_what_is_compiled_has_known_shapes_and_asks_no_host(compiled):
    step, batches = compiled
    function, number = step._one, tf.constant(0, tf.int64)
    kinds = operations(function.get_concrete_function(batches[0], number).graph)
    assert {"Conv2D", "StatelessWhile"} & kinds  # the functions within are looked through
    assert not [kind for kind in kinds if NOT_ON_A_TPU.fullmatch(kind)]
    program = function.experimental_get_compiler_ir(batches[0], number)(stage="hlo")
    assert "convolution" in program
    assert "<=" not in program  # how a size up to a bound is written
    assert "f64[" not in program  # which a TPU has to imitate
    assert not re.search(r"\b(custom-call|infeed|outfeed|send|recv)\(", program)


def test_in_bfloat16_the_utterances_are_learned():
    policy = keras.DTypePolicy("mixed_bfloat16")
    step = step_of(Wav2Vec2ForCTC(SMALL, seed=0, dtype=policy), precision="mixed_bfloat16")
    batch = batch_of(TEXTS)
    losses = [float(step([batch], number).loss) for number in range(STAGE.steps)]
    assert losses[-1] < 0.5 * losses[0]
