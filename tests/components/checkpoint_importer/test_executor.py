"""The importer turns any checkpoint into a Model the Trainer can start from."""

import filecmp

import numpy as np
import pytest
from tfx.types import standard_artifacts

from components.checkpoint_importer.component import CheckpointImporter
from components.checkpoint_importer.executor import Executor
from models.errors import BadInputError
from models.processor import PROCESSOR_FILES
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining


def run_import(checkpoint, folder) -> standard_artifacts.Model:
    output = standard_artifacts.Model()
    output.uri = str(folder)
    properties = {"checkpoint": str(checkpoint), "checkpoint_sha256": "c" * 64}
    Executor().Do({}, {"model": [output]}, properties)
    return output


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
    assert output.get_string_custom_property("checkpoint_sha256") == "c" * 64
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
    node = CheckpointImporter(checkpoint="/checkpoint", checkpoint_sha256="c" * 64)
    assert node.exec_properties == {"checkpoint": "/checkpoint", "checkpoint_sha256": "c" * 64}
    assert node.outputs["model"].type is standard_artifacts.Model
