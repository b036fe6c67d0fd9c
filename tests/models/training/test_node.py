"""What the Trainer node writes is a recogniser in Hugging Face layout, with its history."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from models.processor import Processor
from models.training import run_fn
from models.training.assembly import load_for_training
from models.training.config import Stage, TrainingConfig
from models.training.history import HISTORY_FILE
from models.training.node import CONFIG_KEY, TEACHER_KEY
from models.transform_graph import TransformGraph
from models.warm_start import mark_warm_start
from models.wav2vec2 import Wav2Vec2ForCTC
from tests.conftest import fit_transform_graph

# A rate at which even four steps lower the WER (to silence): otherwise the weights that are kept
# would be the initial ones.
RECIPE = TrainingConfig(
    stages=(Stage("all_but_feature_encoder", 4, 1e-2),),
    batch_size=4,
    evaluate_every=3,
    mask_time_prob=0.2,
    dropout=0.1,
    seed=3,
)
# What a Tuner found for it, which changes little.
FOUND = {"dropout": 0.11}


def arguments(records, graph, checkpoint, output, config) -> FnArgs:
    """What TFX hands to the Trainer's run_fn."""
    return FnArgs(
        train_files=[str(records.parent / "*")],
        eval_files=[str(records.parent / "*")],
        transform_output=str(graph),
        serving_model_dir=str(output),
        base_model=str(checkpoint),
        hyperparameters={"space": [], "values": FOUND},
        custom_config={CONFIG_KEY: json.dumps(dataclasses.asdict(config))},
    )


@pytest.fixture(scope="module")
def trained(speech_records, transform_graph_folder, tiny_checkpoint, tmp_path_factory):
    output = tmp_path_factory.mktemp("model") / "Format-Serving"
    run_fn(arguments(speech_records, transform_graph_folder, tiny_checkpoint, output, RECIPE))
    return output


def test_the_trained_model_and_its_processor_load_back(trained, tiny_checkpoint):
    model = Wav2Vec2ForCTC.from_pretrained(trained)
    base = Wav2Vec2ForCTC.from_pretrained(tiny_checkpoint)
    assert Processor.from_pretrained(trained) == Processor.from_pretrained(tiny_checkpoint)
    for part, same in (("feature_encoder", True), ("encoder", False)):
        weights, before = (getattr(one.wav2vec2, part).get_weights() for one in (model, base))
        assert all(map(np.array_equal, weights, before)) is same
    assert not np.array_equal(model.lm_head.get_weights()[0], base.lm_head.get_weights()[0])


def test_the_history_says_what_happened(trained):
    history = json.loads((trained / HISTORY_FILE).read_text())
    assert [one["step"] for one in history["evaluations"]] == [0, 3, 4]
    assert history["best"] in history["evaluations"]
    assert history["best"]["wer"] == min(one["wer"] for one in history["evaluations"])
    assert history["losses"][-1][0] == 4 and history["losses"][-1][1] > 0
    assert history["skipped_steps"] == 0
    assert history["audio_seconds"] > 4 * 4 * 0.5
    assert history["initial_wer"] >= 0
    assert history["kilowatt_hours"] > 0
    assert history["hardware"]


def test_the_same_seed_trains_the_same_weights(
    trained, speech_records, transform_graph_folder, tiny_checkpoint, tmp_path
):
    run_fn(arguments(speech_records, transform_graph_folder, tiny_checkpoint, tmp_path, RECIPE))
    first, again = (Wav2Vec2ForCTC.from_pretrained(place) for place in (trained, tmp_path))
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.slow
def test_mixed_precision_trains_float32_weights(
    speech_records, transform_graph_folder, tiny_checkpoint, tmp_path
):
    config = dataclasses.replace(
        RECIPE, stages=(Stage("all", 4, 1e-2),), precision="mixed_bfloat16"
    )
    run_fn(arguments(speech_records, transform_graph_folder, tiny_checkpoint, tmp_path, config))
    # The same process exports next, in float32.
    assert keras.config.dtype_policy().name == "float32"
    model, base = (Wav2Vec2ForCTC.from_pretrained(one) for one in (tmp_path, tiny_checkpoint))
    trained, before = (one.lm_head.get_weights()[0] for one in (model, base))
    assert np.abs(trained - before).max() > 0
    # They hold more than bfloat16 can: small steps are not lost.
    assert np.mean(trained != tf.cast(tf.cast(trained, tf.bfloat16), tf.float32)) > 0.9
    history = json.loads((tmp_path / HISTORY_FILE).read_text())
    assert np.isfinite(history["losses"][-1][1])


def test_an_alphabet_learned_from_the_data_gets_a_head_of_its_size(
    speech_records, tiny_checkpoint, tmp_path
):
    folder = fit_transform_graph(speech_records, tiny_checkpoint, tmp_path, vocabulary="fit")
    output = tmp_path / "model"
    config = dataclasses.replace(RECIPE, stages=(Stage("head", 1, 1e-3),))
    run_fn(arguments(speech_records, folder, tiny_checkpoint, output, config))
    vocabulary = TransformGraph(str(folder)).processor(tiny_checkpoint).vocabulary
    assert Processor.from_pretrained(output).vocabulary == vocabulary
    model = Wav2Vec2ForCTC.from_pretrained(output)
    assert model.config.vocab_size == len(vocabulary.tokens)
    assert model.lm_head.get_weights()[0].shape[-1] == len(vocabulary.tokens)


def test_the_recipe_decides_the_regularisation_and_what_it_leaves_open_stays(tiny_checkpoint):
    vocab_size = Wav2Vec2ForCTC.from_pretrained(tiny_checkpoint).config.vocab_size
    config = TrainingConfig(mask_time_prob=0.3, mask_time_length=7, dropout=0.25, layerdrop=None)
    model = load_for_training(str(tiny_checkpoint), config, new_head=False, vocab_size=vocab_size)
    assert (model.config.mask_time_prob, model.config.mask_time_length) == (0.3, 7)
    assert model.config.hidden_dropout == model.config.final_dropout == 0.25
    assert model.config.attention_dropout == model.config.feat_proj_dropout == 0.25
    assert model.config.layerdrop == 0.1  # the checkpoint's own


def test_with_a_teacher_the_node_writes_a_student_of_the_base_model(
    speech_records, transform_graph_folder, tiny_checkpoint, tmp_path
):
    config = dataclasses.replace(RECIPE, stages=(Stage("head", 2, 1e-3),))
    told = arguments(speech_records, transform_graph_folder, tiny_checkpoint, tmp_path, config)
    told.custom_config[TEACHER_KEY] = json.dumps({"checkpoint": "the base model", "layers": 1})
    run_fn(told)
    student, teacher = (Wav2Vec2ForCTC.from_pretrained(one) for one in (tmp_path, tiny_checkpoint))
    assert student.config.num_hidden_layers == 1
    kept, last = student.wav2vec2.encoder.layers[0], teacher.wav2vec2.encoder.layers[1]
    assert all(map(np.array_equal, kept.get_weights(), last.get_weights()))
    assert json.loads((tmp_path / HISTORY_FILE).read_text())["losses"][-1][0] == 2


def test_a_warm_start_keeps_the_rows_of_the_letters_that_it_knows(tiny_checkpoint, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(tiny_checkpoint, base)
    before = Wav2Vec2ForCTC.from_pretrained(base).lm_head.get_weights()[0]
    grown = {"new_head": True, "vocab_size": before.shape[-1] + 1}
    for kept in (False, True):
        head = load_for_training(str(base), RECIPE, **grown).lm_head.get_weights()[0]
        assert np.array_equal(head[:, :-1], before) is kept
        mark_warm_start(str(base), "/earlier/training")


def test_what_the_tuner_found_is_trained_with(trained):
    assert Wav2Vec2ForCTC.from_pretrained(trained).config.hidden_dropout == FOUND["dropout"]
