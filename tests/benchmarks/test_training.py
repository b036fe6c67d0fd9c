"""The two sides of the training benchmark start alike, train the same, and learn."""

import pytest

from benchmarks.training import noise_batch, our_step, save_random_model, torch_step

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 24),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    # With a norm over features padding changes nothing on either side, so losses can be compared.
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}


@pytest.mark.parametrize("trains", ["all", "all_but_feature_encoder"])
def test_both_sides_lose_the_same_step_after_step(tmp_path, trains):
    save_random_model(SMALL, str(tmp_path))
    batch = noise_batch(utterances=3, seconds=0.5)

    theirs, ours = (side(str(tmp_path), trains, batch) for side in (torch_step, our_step))

    losses = [(ours(), theirs()) for _ in range(3)]
    assert [our for our, _ in losses] == pytest.approx([their for _, their in losses], rel=1e-5)
    assert losses[2] < losses[1] < losses[0]
