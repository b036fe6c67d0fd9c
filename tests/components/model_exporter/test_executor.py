"""The exporter turns a trained Model into artifacts, probed with real utterances."""

import shutil

import pytest
import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from components.model_exporter.executor import Executor, read_utterances
from models.export.artifacts import read_index
from models.export.config import ExportConfig
from models.recognisers import open_recogniser
from schemas.properties import to_json
from tests.conftest import speech_example

CONFIG = ExportConfig(tflite=("float32",), tflite_seconds=(1.0,), onnx=("float32",))


def artifact(artifact_type, folder):
    made = artifact_type()
    made.uri = str(folder)
    return made


@pytest.fixture(scope="module")
def inputs(tiny_checkpoint, transform_graph_folder, speech_records, tmp_path_factory) -> dict:
    """What the Trainer, Transform and the generator would hand over."""
    root = tmp_path_factory.mktemp("inputs")
    shutil.copytree(tiny_checkpoint, root / "model" / "Format-Serving")
    (root / "examples" / "Split-dev").mkdir(parents=True)
    shutil.copy(speech_records, root / "examples" / "Split-dev")
    examples = artifact(standard_artifacts.Examples, root / "examples")
    examples.split_names = artifact_utils.encode_split_names(["dev"])
    return {
        "model": [artifact(standard_artifacts.Model, root / "model")],
        "transform_graph": [artifact(standard_artifacts.TransformGraph, transform_graph_folder)],
        "examples": [examples],
    }


def run_export(inputs, folder):
    output = artifact(standard_artifacts.Model, folder)
    properties = {
        "export": to_json(CONFIG),
        "probe_split": "dev",
        "first_checkpoint_sha256": "c" * 64,
    }
    Executor().Do(inputs, {"exported_model": [output]}, properties)
    return output


def test_the_artifact_holds_every_export_and_says_its_sizes_and_its_training(inputs, tmp_path):
    output = run_export(inputs, tmp_path)
    index = read_index(str(tmp_path))
    assert [one.name for one in index] == ["saved_model", "tflite_float32", "onnx_float32"]
    for one in index:
        assert output.get_int_custom_property(f"{one.name}_bytes") == one.bytes > 0
        assert open_recogniser(tmp_path / one.path)
    trained = f"{inputs['model'][0].uri}/Format-Serving"
    assert output.get_string_custom_property("trained_model") == trained
    assert output.get_string_custom_property("first_checkpoint_sha256") == "c" * 64
    signatures = tf.saved_model.load(str(tmp_path / "Format-Serving")).signatures
    assert {"serving_default", "examples"} <= set(signatures)
    texts = signatures["examples"](examples=tf.constant([speech_example(0, "", 0.5)]))["text"]
    assert texts.shape == (1,)


def test_the_utterances_are_the_first_of_the_split_as_waveforms(inputs):
    files = f"{inputs['examples'][0].uri}/Split-dev/*"
    utterances = read_utterances(files, 3)
    assert [len(waveform) for waveform in utterances] == [8000, 9600, 11_200]
    assert all(0.05 < waveform.std() < 0.2 for waveform in utterances)
    assert len(read_utterances(files, 64)) == 8  # all there are
