"""The importer turns any checkpoint into a Model the Trainer can start from."""

import filecmp
import json
import shutil

import numpy as np
import pytest
from tfx.types import standard_artifacts

from components.checkpoint_importer.component import CheckpointImporter
from components.checkpoint_importer.executor import Executor
from models import filesystem
from models.errors import BadInputError
from models.processor import PROCESSOR_FILES
from models.vocabulary import Vocabulary
from models.warm_start import WARM_START_FILE
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining


def run_import(
    checkpoint, folder, last_blessed=None, vocabulary="checkpoint"
) -> standard_artifacts.Model:
    output = standard_artifacts.Model()
    output.uri = str(folder)
    properties = {
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": "c" * 64,
        "vocabulary": vocabulary,
    }
    inputs = {"last_blessed": [last_blessed]} if last_blessed else {}
    Executor().Do(inputs, {"model": [output]}, properties)
    return output


def exported_from(trained, first_checkpoint_sha256="c" * 64) -> standard_artifacts.Model:
    """A blessed model, as the exporter describes it."""
    blessed = standard_artifacts.Model()
    blessed.uri = "/pipeline/ModelExporter/exported_model/7"
    blessed.set_string_custom_property("trained_model", str(trained))
    blessed.set_string_custom_property("first_checkpoint_sha256", first_checkpoint_sha256)
    return blessed


@pytest.fixture(scope="module")
def trained(tiny_checkpoint, tmp_path_factory):
    """What a training from the tiny checkpoint left behind."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(tiny_checkpoint, folder, dirs_exist_ok=True)
    config = Wav2Vec2Config.from_json(tiny_checkpoint)
    Wav2Vec2ForCTC(config, seed=1).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pretrained_only(tiny_checkpoint, tmp_path_factory):
    """A checkpoint with the heads of pretraining and without an alphabet."""
    folder = tmp_path_factory.mktemp("pretrained")
    config = Wav2Vec2Config.from_json(tiny_checkpoint).replace(
        num_codevectors_per_group=8,
        codevector_dim=16,
        proj_codevector_dim=12,
        mask_time_prob=0.05,
    )
    Wav2Vec2ForPreTraining(config, seed=0).save_pretrained(folder)
    return folder


def test_a_recogniser_is_imported_with_every_weight_and_its_processor(tiny_checkpoint, tmp_path):
    output = run_import(tiny_checkpoint, tmp_path)
    served = tmp_path / "Format-Serving"
    imported, original = map(Wav2Vec2ForCTC.from_pretrained, (served, tiny_checkpoint))
    assert imported.config == original.config
    assert all(map(np.array_equal, imported.get_weights(), original.get_weights()))
    same, *_ = filecmp.cmpfiles(served, tiny_checkpoint, PROCESSOR_FILES, shallow=False)
    assert set(same) == set(PROCESSOR_FILES)
    assert output.get_string_custom_property("checkpoint") == str(tiny_checkpoint)
    assert output.get_string_custom_property("checkpoint_sha256") == "c" * 64
    assert not (served / WARM_START_FILE).exists()
    assert output.get_int_custom_property("parameters") == original.count_params() > 10_000


def test_a_pretrained_trunk_gets_a_new_head_and_keeps_its_weights(pretrained_only, tmp_path):
    run_import(pretrained_only, tmp_path)
    imported = Wav2Vec2ForCTC.from_pretrained(tmp_path / "Format-Serving")
    trunk = Wav2Vec2ForPreTraining.from_pretrained(pretrained_only).wav2vec2
    assert all(map(np.array_equal, imported.wav2vec2.get_weights(), trunk.get_weights()))
    assert imported.lm_head.get_weights()[0].std() > 0
    assert not (tmp_path / "Format-Serving" / "vocab.json").exists()


def test_the_same_checkpoint_is_imported_to_the_same_bytes(pretrained_only, tmp_path):
    for name in ("one", "other"):
        run_import(pretrained_only, tmp_path / name)
    one, other = (
        (tmp_path / name / "Format-Serving" / "model.safetensors").read_bytes()
        for name in ("one", "other")
    )
    assert one == other


def test_a_checkpoint_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(BadInputError, match=r"There is no .*nowhere"):
        run_import(tmp_path / "nowhere", tmp_path / "model")


def test_the_node_caches_by_path_and_weights():
    node = CheckpointImporter("/checkpoint", checkpoint_sha256="c" * 64, vocabulary="fit")
    told = {"checkpoint": "/checkpoint", "checkpoint_sha256": "c" * 64, "vocabulary": "fit"}
    assert node.exec_properties == told
    assert not node.inputs
    assert node.outputs["model"].type is standard_artifacts.Model


def test_a_warm_start_imports_what_the_last_blessed_model_was_trained_to(
    tiny_checkpoint, trained, tmp_path
):
    output = run_import(tiny_checkpoint, tmp_path, last_blessed=exported_from(trained))
    served = tmp_path / "Format-Serving"
    imported, before = map(Wav2Vec2ForCTC.from_pretrained, (served, trained))
    assert all(map(np.array_equal, imported.get_weights(), before.get_weights()))
    assert json.loads((served / WARM_START_FILE).read_text()) == {"trained_model": str(trained)}
    digest = filesystem.sha256_of_folder(trained)
    assert output.get_string_custom_property("checkpoint") == str(trained)
    assert output.get_string_custom_property("checkpoint_sha256") == digest


def test_a_warm_start_from_a_training_that_is_gone_is_refused_with_the_cure(
    tiny_checkpoint, tmp_path
):
    gone = tmp_path / "Trainer" / "model" / "6" / "Format-Serving"
    with pytest.raises(BadInputError) as refused:
        run_import(tiny_checkpoint, tmp_path, last_blessed=exported_from(gone))
    assert str(refused.value) == (
        "model.warm_start cannot go on from the last blessed model "
        f"(/pipeline/ModelExporter/exported_model/7): the trained model {gone} that it was "
        "exported from is gone; run once with --set model.warm_start=false, which starts from "
        f"{tiny_checkpoint}."
    )


def test_a_blessed_model_of_before_there_were_warm_starts_is_refused(tiny_checkpoint, tmp_path):
    with pytest.raises(BadInputError, match="does not say which trained model"):
        run_import(tiny_checkpoint, tmp_path, last_blessed=standard_artifacts.Model())


def test_another_checkpoint_in_the_config_is_not_passed_over_in_silence(
    tiny_checkpoint, trained, tmp_path
):
    blessed = exported_from(trained, first_checkpoint_sha256="b" * 64)
    with pytest.raises(BadInputError, match="began from another checkpoint than"):
        run_import(tiny_checkpoint, tmp_path, last_blessed=blessed)


def test_only_an_alphabet_that_is_learned_may_have_grown(tiny_checkpoint, trained, tmp_path):
    grown = tmp_path / "grown"
    shutil.copytree(trained, grown)
    Vocabulary.from_folder(trained).extended("Ö").save(grown)
    with pytest.raises(BadInputError, match="writes another alphabet than"):
        run_import(tiny_checkpoint, tmp_path / "model", last_blessed=exported_from(grown))
    run_import(tiny_checkpoint, tmp_path / "model", exported_from(grown), vocabulary="fit")
    imported = Vocabulary.from_folder(tmp_path / "model" / "Format-Serving")
    assert imported.tokens[-1] == "Ö"
