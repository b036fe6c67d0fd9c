"""Which spans a run reads, and what TFX's cache makes of them."""

import datetime
import logging
import shutil
from pathlib import Path

import pytest
from google.protobuf import message
from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_gen.driver import FileBasedDriver
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.speech_example_gen.component import SpeechExampleGen
from components.speech_example_gen.config import DataConfig, TranscriptRules
from components.speech_example_gen.driver import Driver
from components.speech_example_gen.properties import read_inputs
from models.errors import BadInputError
from pipeline.local import beam_args

NUMBERED = {split: f"span-{{SPAN}}/{split}" for split in ("train", "dev", "test")}
DATED = {split: f"{{YYYY}}-{{MM}}-{{DD}}/{split}" for split in ("train", "dev", "test")}
VERSIONED = {split: f"{{SPAN:2}}/v{{VERSION}}/{split}" for split in ("train", "dev", "test")}


@pytest.fixture(autouse=True)
def user_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store():
    config = metadata_store_pb2.ConnectionConfig()
    config.fake_database.SetInParent()
    with metadata.Metadata(config) as handle:
        yield handle


def add(corpus: Path, *folders: str, splits=("train", "dev", "test")) -> Path:
    """One chapter of one utterance in each split of each folder."""
    for folder in folders:
        for split in splits:
            chapter = corpus / folder / split / "1" / "2"
            chapter.mkdir(parents=True)
            (chapter / "1-2.trans.txt").write_text("1-2-0000 HELLO\n")
            (chapter / "1-2-0000.flac").write_bytes(folder.encode())
    return corpus


def drive(store, corpus: Path, driver_type=Driver, **options):
    """What the driver gives to the executor and the cache, as TFX's launcher asks for it."""
    node = SpeechExampleGen(DataConfig(corpus=str(corpus), **options), TranscriptRules())
    properties = {
        name: proto_utils.proto_to_json(value) if isinstance(value, message.Message) else value
        for name, value in node.exec_properties.items()
    }
    return driver_type(store).run(
        data_types.ExecutionInfo(
            exec_properties=properties, output_dict={"examples": [standard_artifacts.Examples()]}
        )
    )


def told(output) -> dict:
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in output.exec_properties.items()
    }


def artifact_properties(output) -> dict:
    (artifact,) = output.output_artifacts["examples"].artifacts
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in artifact.custom_properties.items()
    }


def inputs(output, corpus: Path) -> list[tuple[str, str]]:
    return [
        (name, pattern.removeprefix(f"{corpus}/").removesuffix("/*/*/*"))
        for name, pattern in read_inputs(told(output), str(corpus))
    ]


def test_a_corpus_without_spans_is_told_as_the_stock_driver_tells_it(store, noise_corpus):
    ours, stock = (
        drive(store, noise_corpus, driver_type) for driver_type in (Driver, FileBasedDriver)
    )
    assert set(told(ours)) == set(told(stock))
    assert told(ours)["span"] == told(stock)["span"] == 0
    assert told(ours)["input_config"] == told(stock)["input_config"]
    assert set(artifact_properties(ours)) == set(artifact_properties(stock))
    assert artifact_properties(ours)["input_fingerprint"] == told(ours)["input_fingerprint"]


@pytest.mark.parametrize(
    ("patterns", "folders"),
    [
        (NUMBERED, ["span-9", "span-10", "span-2"]),
        (DATED, ["2026-01-31", "2025-12-31", "2026-01-09"]),
        (VERSIONED, ["07/v1", "07/v10", "06/v11", "07/v9"]),
    ],
)
@pytest.mark.parametrize("static", [False, True])
def test_one_span_is_resolved_as_the_stock_driver_does(store, tmp_path, patterns, folders, static):
    corpus = add(tmp_path / "corpus", *folders)
    span = told(drive(store, corpus, **patterns))["span"] if static else None
    ours, stock = (
        drive(store, corpus, driver_type, span=span, **patterns)
        for driver_type in (Driver, FileBasedDriver)
    )
    for name in ("span", "version", "input_config", "range_config"):
        assert told(ours).get(name) == told(stock).get(name)
    properties = (artifact_properties(ours), artifact_properties(stock))
    assert len({(shown["span"], shown.get("version")) for shown in properties}) == 1


def test_the_newest_spans_are_read_together(store, tmp_path):
    corpus = add(tmp_path / "corpus", "span-7", "span-9", "span-010", "span-latest")
    output = drive(store, corpus, last_spans=2, **NUMBERED)
    assert inputs(output, corpus) == [
        (split, f"{span}/{split}")
        for split in ("train", "dev", "test")
        for span in ("span-9", "span-010")
    ]
    assert told(output)["span"] == artifact_properties(output)["span"] == 10


def test_a_backfill_reads_the_window_that_ends_with_its_span(store, tmp_path):
    corpus = add(tmp_path / "corpus", "span-7", "span-9", "span-010", "span-11")
    output = drive(store, corpus, last_spans=2, span=10, **NUMBERED)
    assert inputs(output, corpus)[:2] == [("train", "span-9/train"), ("train", "span-010/train")]
    assert told(output)["span"] == 10


def test_each_span_is_read_in_its_newest_version(store, tmp_path):
    corpus = add(tmp_path / "corpus", "01/v2", "01/v10", "02/v1")
    output = drive(store, corpus, last_spans=2, **VERSIONED)
    assert inputs(output, corpus)[:2] == [("train", "01/v10/train"), ("train", "02/v1/train")]
    assert (told(output)["span"], told(output)["version"]) == (2, 1)
    assert artifact_properties(output)["version"] == 1


def test_fewer_spans_than_asked_for_are_read_and_that_is_said(store, tmp_path, caplog):
    corpus = add(tmp_path / "corpus", "span-1", "span-2")
    with caplog.at_level(logging.WARNING):
        output = drive(store, corpus, last_spans=5, **NUMBERED)
    assert len(inputs(output, corpus)) == 6
    assert "data.last_spans is 5" in caplog.text
    assert "holds only 1, 2" in caplog.text


def test_a_backfill_reads_exactly_its_span_by_number_or_date(store, tmp_path):
    corpus = add(tmp_path / "corpus", "2026-01-30", "2026-01-31")
    day = (datetime.date(2026, 1, 30) - datetime.date(1970, 1, 1)).days
    for span in (day, "2026-01-30"):
        output = drive(store, corpus, span=span, **DATED)
        assert inputs(output, corpus)[0] == ("train", "2026-01-30/train")
        assert told(output)["span"] == day


@pytest.mark.parametrize(
    ("patterns", "folders", "span", "said"),
    [
        (NUMBERED, ["span-3", "span-4"], 7, r"no span 7 .*span-7/train/\*.* there is 3, 4\."),
        (DATED, ["2026-01-31"], "2026-01-30", r"2026-01-30/train/.* there is 2026-01-31\."),
        (VERSIONED, ["03/v1", "03/v2"], 4, r"04/v\*/train/.* there is 3 \(version 2\)\."),
    ],
)
def test_a_span_that_is_missing_is_named_with_those_that_are_there(
    store, tmp_path, patterns, folders, span, said
):
    corpus = add(tmp_path / "corpus", *folders)
    with pytest.raises(BadInputError, match=said):
        drive(store, corpus, span=span, **patterns)


def test_no_span_at_all_names_the_pattern(store, tmp_path):
    corpus = add(tmp_path / "corpus", "other")
    with pytest.raises(BadInputError, match=r"no span for data\.train: nothing matches .*{SPAN}"):
        drive(store, corpus, **NUMBERED)


def test_a_span_that_only_some_splits_have_is_not_read(store, tmp_path):
    corpus = add(tmp_path / "corpus", "span-1")
    add(corpus, "span-2", splits=("train", "dev"))
    with pytest.raises(BadInputError, match=r"data\.dev has 2; data\.test has 1"):
        drive(store, corpus, **NUMBERED)
    assert told(drive(store, corpus, span=1, **NUMBERED))["span"] == 1


def test_the_cache_holds_until_a_span_of_the_window_changes(store, tmp_path):
    corpus = add(tmp_path / "corpus", "span-1", "span-2", "span-3")

    def key() -> tuple[str, str]:
        shown = told(drive(store, corpus, last_spans=2, **NUMBERED))
        return shown["input_fingerprint"], shown["input_config"]

    first = key()
    (corpus / "span-1" / "train" / "1" / "2" / "1-2-0000.flac").write_bytes(b"out of the window")
    assert key() == first
    (corpus / "span-2" / "train" / "1" / "2" / "1-2-0000.flac").write_bytes(b"inside of it")
    changed = key()
    assert changed != first
    add(corpus, "span-4")
    assert key()[1] != changed[1]


def test_tfx_serves_the_same_content_from_its_cache(noise_corpus, tmp_path):
    corpus = Path(shutil.copytree(noise_corpus, tmp_path / "corpus"))

    def run() -> list[int]:
        """The states of all executions so far, the last one's last."""
        node = SpeechExampleGen(DataConfig(corpus=str(corpus)), TranscriptRules())
        database = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
        LocalDagRunner().run(
            Pipeline(
                pipeline_name="ingest",
                pipeline_root=str(tmp_path / "root"),
                components=[node],
                enable_cache=True,
                metadata_connection_config=database,
                beam_pipeline_args=beam_args(1),
            )
        )
        with metadata.Metadata(database) as handle:
            return [execution.last_known_state for execution in handle.store.get_executions()]

    done, cached = metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED
    assert run() == [done]
    for path in corpus.rglob("*"):
        path.touch()
    assert run() == [done, cached]


def test_more_than_one_span_is_refused_by_the_stock_driver_not_cut_short(store, tmp_path):
    corpus = add(tmp_path / "corpus", "span-1", "span-2")
    with pytest.raises(ValueError, match="only support single span"):
        drive(store, corpus, FileBasedDriver, last_spans=2, **NUMBERED)


def test_archives_have_spans_too(store, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for span in (1, 2):
        for split in NUMBERED:
            (corpus / f"{split}-{span}.tar.gz").write_bytes(b"")
    patterns = {split: f"{split}-{{SPAN}}.tar.gz" for split in NUMBERED}
    output = drive(store, corpus, last_spans=2, **patterns)
    resolved = example_gen_pb2.Input()
    proto_utils.json_to_proto(told(output)["input_config"], resolved)
    assert [split.pattern for split in resolved.splits][:2] == ["train-1.tar.gz", "train-2.tar.gz"]
