"""The pusher as a node: only what is blessed, and everything that follows a release."""

import dataclasses
import json
import os

import pytest
from tfx.types import standard_artifacts

from components.release_pusher.config import ReleaseConfig
from components.release_pusher.destinations.config import DestinationsConfig, HuggingFaceConfig
from components.release_pusher.destinations.delivery import DeliveryError
from components.release_pusher.executor import Executor
from components.release_pusher.releases import list_releases, read_manifest, roll_back, verify
from components.run_reporter.config import AlertsConfig
from components.wer_evaluator.scores import Score, write_scores
from models import filesystem
from models.errors import BadInputError, GateRefusedError
from models.export.artifacts import ExportedArtifact, write_index
from models.training.energy import Energy
from models.training.history import Evaluation, History
from schemas.properties import to_json
from schemas.release_manifest import SplitFigures, TrainingFigures
from tests.components.release_pusher.destinations.hugging_face_hub import WRITER, HuggingFaceHub
from tests.components.release_pusher.destinations.loopback import serving
from tests.components.run_reporter.webhook_server import Webhook

ABOUT = {
    "name": "demo",
    "config_sha256": "d" * 64,
    "code_version": "1.0",
    "runtime_parameters": '{"steps_1": 7}',
}
NO_WEBHOOK = AlertsConfig()


def artifact(artifact_type, folder):
    made = artifact_type()
    made.uri = str(folder)
    return made


def score(of_slice):
    """One word in fifty is wrong."""
    none = {field.name: 0 for field in dataclasses.fields(Score) if field.type in ("int", "float")}
    told = {"artifact": "saved_model", "variant": "unpadded", "slice": of_slice}
    return Score(**{**none, **told, "words": 50, "substitutions": 1})


@pytest.fixture
def hub_model():
    """What the exporter's index says of the encoder."""
    texts = {"name": "hub_encoder", "format": "hub", "path": "hub/encoder", "sha256": "f" * 64}
    numbers = {field.name: 0 for field in dataclasses.fields(ExportedArtifact)}
    return ExportedArtifact(**{**numbers, **texts, "lossy": False})


@pytest.fixture
def pushed(tmp_path):
    return artifact(standard_artifacts.PushedModel, tmp_path / "pushed")


@pytest.fixture
def push(tmp_path, hub_model, pushed):
    """Run the node on a model with this graph, and give its PushedModel."""

    def run(config, graph="graph", blessed=True, alerts=NO_WEBHOOK, trained=""):
        for name in ("Format-Serving/saved_model.pb", "hub/encoder/saved_model.pb"):
            filesystem.write_text(tmp_path / "model" / name, graph)
        write_index(str(tmp_path / "model"), [hub_model])
        filesystem.write_text(tmp_path / "report" / "report.md", "good")
        write_scores([score(""), score("gender:F")], str(tmp_path / "evaluation"))
        blessing = artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing")
        blessing.set_int_custom_property("blessed", int(blessed))
        examples = artifact(standard_artifacts.Examples, tmp_path / "examples")
        examples.set_string_custom_property("input_fingerprint", "e" * 64)
        examples.set_int_custom_property("train_utterances", 20)
        examples.set_float_custom_property("train_hours", 0.5)
        examples.set_int_custom_property("train_speakers", 3)
        examples.set_int_custom_property("train_quarantined", 1)
        model = artifact(standard_artifacts.Model, tmp_path / "model")
        model.set_string_custom_property("trained_model", str(trained))
        base_model = artifact(standard_artifacts.Model, tmp_path / "base_model")
        base_model.set_string_custom_property("checkpoint", "tiny")
        base_model.set_string_custom_property("checkpoint_sha256", "c" * 64)
        inputs = {
            "model": model,
            "base_model": base_model,
            "examples": examples,
            "evaluation": artifact(standard_artifacts.ModelEvaluation, tmp_path / "evaluation"),
            "report": artifact(standard_artifacts.ModelEvaluation, tmp_path / "report"),
            "blessing": blessing,
        }
        Executor().Do(
            {name: [made] for name, made in inputs.items()},
            {"pushed_model": [pushed]},
            {**ABOUT, "release": to_json(config), "alerts": to_json(alerts)},
        )
        return pushed

    return run


@pytest.fixture
def config(tmp_path):
    return ReleaseConfig(folder=str(tmp_path / "releases"), hub_folder=str(tmp_path / "hub"))


def test_what_is_blessed_is_published_with_its_report_and_scores(push, config):
    pushed = push(config)
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_int_custom_property("already") == 0
    assert pushed.get_string_custom_property("pushed_version") == "1"
    folder = pushed.get_string_custom_property("pushed_destination")
    assert folder == f"{config.folder}/1"
    manifest = read_manifest(folder)
    assert [file.path for file in manifest.files] == [
        "saved_model.pb",
        "report/report.md",
        "MODEL_CARD.md",
    ]
    assert verify(folder) == []
    assert manifest.wer == {"saved_model/unpadded": 0.02}
    assert manifest.provenance.data_fingerprint == "e" * 64
    assert manifest.provenance.checkpoint == "tiny"
    assert manifest.provenance.checkpoint_sha256 == "c" * 64
    assert manifest.provenance.runtime_parameters == {"steps_1": 7}
    assert manifest.provenance.splits["train"] == SplitFigures(20, 0.5, 3, 1)


def test_the_release_has_a_card_with_what_is_known_of_its_training(push, config, tmp_path):
    history = History([Evaluation(0, 1.0), Evaluation(40, 0.25)], audio_seconds=7200, seconds=90)
    history.spend(Energy(0.0021, "2 threads of a processor", "all by meters"))
    trained = tmp_path / "trained"
    filesystem.write_text(trained / "history.json", json.dumps(history.as_json()))
    folder = push(config, trained=trained).get_string_custom_property("pushed_destination")
    assert read_manifest(folder).provenance.training == TrainingFigures(
        40, 2.0, 90, 1.0, 0.25, 0.0021, "2 threads of a processor", "all by meters"
    )
    card = filesystem.read_text(filesystem.join(folder, "MODEL_CARD.md"))
    assert "# demo, version 1" in card
    assert "40 steps over 2.0 hours of audio" in card
    assert "took 2.1 Wh on 2 threads of a processor, as CodeCarbon found it: all by meters." in card


def test_where_the_trained_model_is_gone_the_card_says_that_nothing_is_known(
    push, config, tmp_path
):
    folder = push(config, trained=tmp_path / "gone").get_string_custom_property(
        "pushed_destination"
    )
    assert read_manifest(folder).provenance.training is None
    assert "not counted" in filesystem.read_text(filesystem.join(folder, "MODEL_CARD.md"))


def test_what_is_not_blessed_leaves_no_trace(push, config):
    pushed = push(config, blessed=False)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not os.path.exists(config.folder)
    assert not os.path.exists(config.hub_folder)


def test_a_new_release_is_told_to_whom_asked_for_it_and_a_retry_tells_nothing(
    push, config, monkeypatch
):
    alerts = AlertsConfig(webhook="env:W2V_WEBHOOK", on=("success",))
    with serving(Webhook()) as webhook:
        monkeypatch.setenv("W2V_WEBHOOK", webhook.address)
        push(config, alerts=alerts)
        push(config, alerts=alerts)
    (message,) = webhook.messages
    assert message["text"] == (
        "demo 1 is released: WER saved_model/unpadded 2.00 % "
        f"(Report: {config.folder}/1/report/report.html)"
    )


def test_the_hub_model_has_the_releases_version_and_is_no_part_of_the_release(push, config):
    push(config, "graph 1")
    push(config, "graph 2")
    files = [
        f"{version}.{kind}" for version in (1, 2) for kind in ("md", "tar.gz", "tar.gz.sha256")
    ]
    assert sorted(os.listdir(f"{config.hub_folder}/demo-encoder")) == files
    assert not os.path.exists(f"{config.folder}/2/hub")


def test_a_retry_finishes_the_hub_layout_of_a_release_that_is_out(push, config):
    push(config)
    filesystem.remove(config.hub_folder)
    assert push(config).get_int_custom_property("already") == 1
    assert os.path.exists(f"{config.hub_folder}/demo-encoder/1.tar.gz")


def test_without_a_hub_folder_there_is_no_hub_layout(push, config, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)  # where a folder without a name would be
    push(ReleaseConfig(folder=config.folder))
    assert not list(here.iterdir())
    assert not list(tmp_path.rglob("*.tar.gz*"))


def test_a_release_folder_that_begins_anew_does_not_keep_its_old_hub_model(push, config):
    push(config, "old graph")
    filesystem.remove(config.folder)
    with pytest.raises(BadInputError, match=r"1\.tar\.gz is of another release .* release\.hub_fo"):
        push(config, "new graph")


@pytest.mark.parametrize(
    ("url", "address"),
    [("", "https://hub.example.org"), ("https://speech.org/hub/", "https://speech.org/hub")],
)
def test_the_hub_page_names_an_address_and_no_folder_of_this_machine(push, config, url, address):
    push(dataclasses.replace(config, hub_url=url))
    page = filesystem.read_text(f"{config.hub_folder}/demo-encoder/1.md")
    assert f"<!-- asset-path: {address}/demo-encoder/1.tar.gz -->" in page
    assert config.hub_folder not in page
    assert ("stands for the address" in page) == (not url)


@pytest.fixture
def hub(monkeypatch):
    """A Hugging Face Hub on this machine."""
    from huggingface_hub import constants

    with serving(HuggingFaceHub()) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield hub


@pytest.fixture
def delivering(config):
    repository = HuggingFaceConfig("lab/phone")
    return dataclasses.replace(
        config, keep_last=1, destinations=DestinationsConfig(hugging_face=repository)
    )


def test_where_a_release_was_delivered_is_kept(push, delivering, hub):
    pushed = push(delivering)
    assert json.loads(pushed.get_string_custom_property("delivered")) == {
        "Hugging Face": f"{hub.url}/lab/phone/tree/v1"
    }


def test_a_destination_that_fails_hides_no_release_and_keeps_no_old_one(
    push, pushed, delivering, hub
):
    push(delivering, "graph 1")
    hub.fail("commit/main", 413)
    with pytest.raises(DeliveryError, match="has no room"):
        push(delivering, "graph 2")
    assert pushed.get_string_custom_property("pushed_version") == "2"
    assert pushed.get_string_custom_property("delivered") == "{}"
    assert [release.version for release in list_releases(delivering.folder)] == [2]


def test_only_the_last_versions_are_kept(push, config):
    for number in range(4):
        push(ReleaseConfig(folder=config.folder, keep_last=2), f"graph {number}")
    assert [release.version for release in list_releases(config.folder)] == [3, 4]


def test_what_was_rolled_back_is_not_pushed_again(push, config):
    push(config, "graph 1")
    push(config, "graph 2")
    roll_back(config.folder)
    with pytest.raises(GateRefusedError, match="published as version 2 and rolled back"):
        push(config, "graph 2")
    assert len(list_releases(config.folder)) == 3
