"""Resolvers ask for the newest artifact that fits; a rehearsal remembers what earlier ones made."""

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.history import History
from models.errors import BadInputError


def artifact(name: str, title: str, **metadata) -> proto.RuntimeArtifact:
    told = {"name": name, "type": {"instanceSchema": f"title: {title}"}, "metadata": metadata}
    return json_format.ParseDict(told, proto.RuntimeArtifact())


@pytest.fixture
def history(tmp_path) -> History:
    history = History(tmp_path / "artifacts.jsonl", "demo")
    history.add([artifact("m1", "tfx.Model"), artifact("b1", "tfx.ModelBlessing", blessed=1)])
    history.add([artifact("m2", "tfx.Model"), artifact("b2", "tfx.ModelBlessing", blessed=0)])
    History(tmp_path / "artifacts.jsonl", "another").add([artifact("m3", "tfx.Model")])
    return history


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ('schema_title="tfx.Model" AND state=LIVE', "m2"),
        ('schema_title="tfx.ModelBlessing" AND state=LIVE', "b2"),
        (
            'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1',
            "b1",
        ),
        ('schema_title="tfx.Model" AND state=LIVE AND name="m1"', "m1"),
    ],
)
def test_the_newest_that_fits_is_found_among_the_pipelines_own(history, query, name):
    assert history.latest(query).name == name


def test_nothing_is_found_where_nothing_fits(history, tmp_path):
    assert history.latest('schema_title="tfx.Schema" AND state=LIVE') is None
    assert History(tmp_path / "none.jsonl", "demo").latest("state=LIVE") is None


def test_a_question_that_only_the_service_could_answer_is_named(history):
    with pytest.raises(BadInputError, match="asks for create_time>1"):
        history.latest('schema_title="tfx.Model" AND create_time>1')
