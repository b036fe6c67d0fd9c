"""The ingest of a whole corpus: every utterance in one place, the same bytes every time."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import message
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.speech_example_gen.component import SpeechExampleGen
from components.speech_example_gen.config import DataConfig
from components.speech_example_gen.executor import Executor
from pipeline.local import beam_args
from schemas import speech_example as names


def ingest(corpus: Path, to: Path, workers: int = 1, **options) -> standard_artifacts.Examples:
    """Run the executor with the real component's properties."""
    node = SpeechExampleGen(DataConfig(corpus=str(corpus), **options))
    properties = {
        name: proto_utils.proto_to_json(value) if isinstance(value, message.Message) else value
        for name, value in node.exec_properties.items()
    }
    examples = standard_artifacts.Examples()
    examples.uri = str(to)
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=beam_args(workers), tmp_dir=str(to), unique_id="1"
    )
    Executor(context).Do({}, {"examples": [examples]}, properties)
    return examples


def records(examples, split: str) -> list[tf.train.Example]:
    files = sorted(str(path) for path in Path(examples.uri, f"Split-{split}").glob("*"))
    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return [tf.train.Example.FromString(record.numpy()) for record in dataset]


def ids(examples, split: str) -> list[str]:
    feature = names.UTTERANCE_ID
    return [
        record.features.feature[feature].bytes_list.value[0].decode()
        for record in records(examples, split)
    ]


def digests(examples) -> dict[str, str]:
    root = Path(examples.uri)
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.gz")
    }


@pytest.fixture(scope="module")
def ingested(noise_corpus, tmp_path_factory):
    return ingest(noise_corpus, tmp_path_factory.mktemp("examples"))


@pytest.fixture
def damaged(noise_corpus, tmp_path) -> Path:
    return Path(shutil.copytree(noise_corpus, tmp_path / "corpus"))


def test_every_utterance_is_in_its_split_once(ingested):
    assert sorted(ids(ingested, "train")) == sorted(
        f"{speaker}-1-{number:04d}" for speaker in (101, 102) for number in range(4)
    )
    assert len(ids(ingested, "dev")) == len(ids(ingested, "test")) == 4
    assert ingested.get_int_custom_property("train_utterances") == 8
    assert json.loads(ingested.split_names) == ["dev", "test", "train"]


def test_records_are_shuffled_but_not_by_chance(ingested, noise_corpus, tmp_path):
    assert ids(ingested, "train") != sorted(ids(ingested, "train"))
    assert digests(ingest(noise_corpus, tmp_path)) == digests(ingested)


@pytest.mark.slow
def test_two_workers_write_the_same_bytes_as_one(ingested, noise_corpus, tmp_path):
    assert digests(ingest(noise_corpus, tmp_path, workers=2)) == digests(ingested)


def test_what_cannot_be_used_is_listed_with_its_reason(damaged, tmp_path):
    bad = damaged / "train-clean-100" / "101" / "1" / "101-1-0000.flac"
    bad.write_bytes(b"this is no FLAC")
    examples = ingest(damaged, tmp_path / "out", max_quarantined_fraction=0.2)
    listed = Path(examples.uri, "findings", "train-quarantined.jsonl").read_text().splitlines()
    assert [(row["id"], row["reason"]) for row in map(json.loads, listed)] == [
        ("101-1-0000", "unreadable audio")
    ]
    assert len(ids(examples, "train")) + len(listed) == 8
