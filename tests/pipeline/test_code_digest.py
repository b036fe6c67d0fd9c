"""The cache sees the code: a node whose rooms change has another digest, the others keep theirs."""

import shutil

import pytest

from pipeline import code_digest
from pipeline.code_digest import digest_of, rooms_of
from pipeline.config import load_config
from pipeline.dag import create_pipeline
from pipeline.provenance import Provenance


@pytest.fixture(scope="module")
def nodes():
    provenance = Provenance("checkpoint", "c", "d", "e")
    config = load_config("demo", overrides=["tuning={trial_steps: 8}"])
    return {node.id: node for node in create_pipeline(config, provenance, "/root", []).components}


def test_every_node_of_the_dag_carries_its_digest(nodes):
    for node in nodes.values():
        assert node.executor_spec.extra_flags == [f"--code={digest_of(rooms_of(node))}"]


def test_a_node_runs_on_the_shared_rooms_and_its_own(nodes):
    importer = ("models", "schemas", "components/checkpoint_importer")
    assert rooms_of(nodes["CheckpointImporter"]) == importer
    assert rooms_of(nodes["Transform"]) == ("models", "schemas", "components/transform")
    assert rooms_of(nodes["Trainer"]) == ("models", "schemas")
    assert rooms_of(nodes["Tuner"]) == ("models", "schemas", "components/tuner")


def test_a_node_also_runs_on_the_components_that_it_imports_and_on_theirs(nodes):
    rooms = rooms_of(nodes["ReleasePusher"])
    for name in ("release_pusher", "run_reporter", "wer_evaluator", "release_gate"):
        assert f"components/{name}" in rooms
    assert "components/transform" not in rooms


@pytest.mark.parametrize("name", ["executor.py", "report/templates/report.html.jinja"])
def test_a_changed_source_changes_the_digest_of_its_room_alone(monkeypatch, tmp_path, name):
    for room in ("components/release_gate", "components/transform"):
        shutil.copytree(code_digest.PACKAGE / room, tmp_path / room)
    monkeypatch.setattr(code_digest, "PACKAGE", tmp_path)
    gate, other = (digest_of((f"components/{room}",)) for room in ("release_gate", "transform"))
    changed = tmp_path / "components" / "release_gate" / name
    changed.write_text(changed.read_text() + "\n")
    assert digest_of(("components/release_gate",)) != gate
    assert digest_of(("components/transform",)) == other
