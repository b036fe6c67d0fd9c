"""Operations counted from a config's layers, beside those that TensorFlow counts in the graph."""

import pytest
import tensorflow as tf
from tensorflow.python.framework import ops  # what tf.compat.v1.profiler asks

from kubeflow.cost.flops import forward
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC

SECONDS = 16_000
SMALL = Wav2Vec2Config(
    conv_dim=(32,) * 7,
    hidden_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=96,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=4,
)
STABLE = SMALL.replace(feat_extract_norm="layer", do_stable_layer_norm=True)
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv2D")


def counted_by_tensorflow(config: Wav2Vec2Config, samples: int) -> float:
    """The products of the real model's graph, by TensorFlow's own statistics."""
    model = Wav2Vec2ForCTC(config, seed=0)
    traced = tf.function(model).get_concrete_function(tf.TensorSpec([1, samples], tf.float32))
    graph = traced.graph
    return float(
        sum(
            ops.get_stats_for_node_def(graph, operation.node_def, "flops").value
            for operation in graph.get_operations()
            if operation.type in PRODUCTS
        )
    )


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        STABLE,
        STABLE.replace(adapter_attn_dim=16),
        SMALL.replace(add_adapter=True, output_hidden_size=64, num_adapter_layers=2),
    ],
    ids=["base", "stable", "adapters in layers", "adapter behind"],
)
def test_each_product_of_the_graph_is_counted(config):
    samples = 3 * SECONDS + 77
    assert forward(config, samples).total == pytest.approx(
        counted_by_tensorflow(config, samples), rel=1e-6
    )


def test_base_takes_what_was_measured_of_it():
    """`benchmarks.base_model.FORWARD_FLOP`, and 236 GFLOP for 15.4 s."""
    assert forward(Wav2Vec2Config(), 246_000).total == pytest.approx(235e9, rel=0.01)


def test_a_stage_pays_backward_only_for_what_it_trains():
    parts = forward(SMALL, 3 * SECONDS)
    assert parts.training("all") == 3 * parts.total
    assert parts.training("head") == parts.total + 2 * parts.head
    assert parts.training("all_but_feature_encoder") == 3 * parts.total - 2 * parts.feature_encoder


def test_too_short_an_utterance_takes_nothing():
    assert forward(SMALL, 100).transformer == 0
