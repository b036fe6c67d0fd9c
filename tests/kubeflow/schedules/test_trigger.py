"""A run is submitted for new data, once, and never for the last one again."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import pytest

from components.speech_example_gen.config import DataConfig
from kubeflow.schedules import trigger as module
from kubeflow.schedules.compiled import CompiledPipeline, read_compiled
from kubeflow.schedules.trigger import MEMORY_FILE, trigger
from models import filesystem
from models.errors import BadInputError
from tests.kubeflow.schedules.conftest import write_vertex

NUMBERED = {split: f"span-{{SPAN}}/{split}" for split in ("train", "dev", "test")}
DATED = {split: f"{{YYYY}}-{{MM}}-{{DD}}/{split}" for split in ("train", "dev", "test")}
VERSIONED = {split: f"{{SPAN}}/v{{VERSION}}/{split}" for split in ("train", "dev", "test")}
WHOLE = {split: split for split in ("train", "dev", "test")}


def add(corpus: Path, folder: str, transcript: str = "HELLO") -> None:
    """One utterance in each split of a folder."""
    for split in ("train", "dev", "test"):
        chapter = corpus / folder / split / "1" / "2"
        chapter.mkdir(parents=True, exist_ok=True)
        (chapter / "1-2.trans.txt").write_text(f"1-2-0000 {transcript}\n")
        (chapter / "1-2-0000.flac").write_bytes(b"audio")


@pytest.fixture
def corpus(tmp_path) -> Path:
    return tmp_path / "corpus"


@pytest.fixture
def pipeline(tmp_path) -> CompiledPipeline:
    return read_compiled(write_vertex(tmp_path, root=str(tmp_path / "root" / "digits")))


@pytest.fixture
def look(vertex, pipeline, corpus):
    def look(patterns: dict[str, str], expected=None, **options):
        data = DataConfig(corpus=str(corpus), **patterns, **options)
        return trigger(lambda: vertex.service, pipeline, data, expected)

    return look


def spans_run(server) -> list[str]:
    """The span that each submitted run was told."""
    return [
        job["runtimeConfig"].get("parameterValues", {}).get("span", "newest")
        for job in server.jobs.values()
    ]


def test_the_first_look_submits_a_run_for_the_newest_span(look, corpus, vertex):
    add(corpus, "span-1")
    add(corpus, "span-2")
    came = look(NUMBERED)
    assert came.run is not None
    assert str(came.span) == "span 2"
    assert spans_run(vertex.server) == ["2"]


def test_when_nothing_is_new_nothing_is_asked_for(look, corpus, vertex):
    add(corpus, "span-1")
    look(NUMBERED)
    vertex.server.asked.clear()
    assert look(NUMBERED).run is None
    assert vertex.server.asked == []


def test_a_newer_span_is_run(look, corpus, vertex):
    add(corpus, "2026-01-30")
    look(DATED)
    add(corpus, "2026-01-31")
    look(DATED)
    assert spans_run(vertex.server) == ["2026-01-30", "2026-01-31"]


def test_a_newer_version_of_the_span_is_run(look, corpus, vertex):
    add(corpus, "1/v1")
    look(VERSIONED)
    add(corpus, "1/v2")
    came = look(VERSIONED)
    assert str(came.span) == "span 1 (version 2)"
    assert spans_run(vertex.server) == ["1", "1"]


def test_other_content_is_run_and_so_is_its_return_each_time(look, corpus, vertex):
    for number, transcript in enumerate(("HELLO", "GOODBYE", "HELLO", "GOODBYE"), start=1):
        add(corpus, "span-1", transcript)
        came = look(NUMBERED)
        assert came.run is not None
        assert not came.run.found
        assert len(vertex.server.jobs) == number


def test_without_its_memory_it_submits_a_run_for_the_same_span_again(
    look, corpus, vertex, pipeline
):
    add(corpus, "span-1")
    look(NUMBERED)
    Path(pipeline.root, MEMORY_FILE).unlink()
    assert not look(NUMBERED).run.found
    assert spans_run(vertex.server) == ["1", "1"]


def test_a_corpus_without_spans_is_new_by_its_content(look, corpus, vertex):
    add(corpus, ".")
    came = look(WHOLE)
    assert str(came.span) == "the corpus"
    assert look(WHOLE).run is None
    add(corpus, ".", "GOODBYE")
    assert look(WHOLE).run is not None
    assert spans_run(vertex.server) == ["newest", "newest"]


def test_several_spans_that_are_read_together_are_left_to_the_run(look, corpus, vertex):
    add(corpus, "span-1")
    add(corpus, "span-2")
    look(NUMBERED, last_spans=2)
    assert spans_run(vertex.server) == ["newest"]
    add(corpus, "span-1", "GOODBYE")
    assert look(NUMBERED, last_spans=2).run is not None


def test_a_missing_span_that_is_expected_runs_nothing(look, corpus, vertex):
    add(corpus, "2026-01-30")
    expected = datetime.date(2026, 1, 31)
    for last_spans in (1, 2):
        with pytest.raises(BadInputError, match=r"There is no span 2026-01-31 .* 2026-01-30"):
            look(DATED, expected=expected, last_spans=last_spans)
    assert vertex.server.asked == []
    add(corpus, "2026-01-31")
    assert look(DATED, expected=expected).run is not None
    assert look(DATED, expected=expected).run is None


def test_the_expected_span_is_the_one_that_is_run(look, corpus, vertex):
    add(corpus, "span-1")
    add(corpus, "span-2")
    look(NUMBERED, expected=1)
    assert spans_run(vertex.server) == ["1"]


def test_no_span_is_expected_of_a_corpus_without_spans(look, corpus):
    add(corpus, ".")
    with pytest.raises(BadInputError, match=r"No span can be expected: data\.span has no spans"):
        look(WHOLE, expected=1)


class KilledError(BaseException):
    """As if the process ended here."""


@pytest.mark.parametrize("earlier", [[], ["span-1"]], ids=["the first look", "a later one"])
def test_a_look_that_ended_before_it_remembered_submits_no_second_run(
    look, corpus, vertex, monkeypatch, earlier
):
    for span in earlier:
        add(corpus, span)
        look(NUMBERED)
    add(corpus, "span-2")
    remember = module._remember

    def killed_after_submitting(path, span):
        if span is not None:
            raise KilledError
        return remember(path, span)

    with monkeypatch.context() as patched:
        patched.setattr(module, "_remember", killed_after_submitting)
        with pytest.raises(KilledError):
            look(NUMBERED)
    came = look(NUMBERED)
    assert came.run.found
    assert spans_run(vertex.server) == [*(["1"] if earlier else []), "2"]
    assert look(NUMBERED).run is None


def test_a_run_that_was_refused_is_not_remembered(look, corpus, vertex):
    add(corpus, "span-1")
    vertex.server.fail("POST", "/pipelineJobs", 403, "no")
    with pytest.raises(BadInputError):
        look(NUMBERED)
    assert look(NUMBERED).run is not None


def test_a_memory_that_cannot_be_read_is_named(look, corpus, pipeline):
    add(corpus, "span-1")
    look(NUMBERED)
    memory = Path(pipeline.root, MEMORY_FILE)
    assert json.loads(memory.read_text())["span"]["name"] == "1"
    assert not list(memory.parent.glob("*.partial"))
    for text in ("", "[]", '{"span": null}', '{"written": "", "span": {"name": "1"}}'):
        memory.write_text(text)
        with pytest.raises(BadInputError, match=rf"{memory} does not tell .*; delete it"):
            look(NUMBERED)


def test_the_memory_lies_at_a_root_of_any_filesystem(vertex, corpus, tmp_path):
    root = f"ram://{tmp_path.name}/digits"
    pipeline = read_compiled(write_vertex(tmp_path, root=root))
    add(corpus, "span-1")
    data = DataConfig(corpus=str(corpus), **NUMBERED)
    assert trigger(lambda: vertex.service, pipeline, data).run is not None
    assert trigger(lambda: vertex.service, pipeline, data).run is None
    assert filesystem.exists(f"{root}/{MEMORY_FILE}")


def test_a_corpus_that_is_gone_is_one_sentence(look, corpus):
    add(corpus, "span-1")
    look(NUMBERED)
    shutil.rmtree(corpus)
    with pytest.raises(BadInputError, match=r"There is no span for data\.train"):
        look(NUMBERED)
