"""By the clock on a corpus without dates: cheap where nothing is new, or refused, or told."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.speech_example_gen.config import DataConfig
from kubeflow.commands.compile import command as compile_command
from kubeflow.commands.options import read_both
from kubeflow.compile import compile_pipeline
from kubeflow.compiled_file import Target
from kubeflow.names import SCHEDULED_TIME
from kubeflow.schedules.compiled import CompiledPipeline, read_compiled
from kubeflow.schedules.undated import what_each_run_reads
from models.errors import BadInputError
from pipeline.config import load_config
from tests.kubeflow.schedules.test_trigger import NUMBERED, WHOLE

ROOT, CORPUS = "gs://bucket/w2v", "gs://bucket/corpus"
DATA = DataConfig(corpus=CORPUS, **NUMBERED)
MAKE_THE_MODEL = {"SpeechExampleGen", "Transform", "CheckpointImporter", "Trainer", "ModelExporter"}


def compiled(folder: Path, target: Target, *overrides: str) -> CompiledPipeline:
    """The demo's whole pipeline, on a numbered corpus."""
    patterns = [f"data.{split}={pattern}" for split, pattern in NUMBERED.items()]
    checkpoint = 'model.checkpoint="{shipped}/tiny-en"'
    settings = [checkpoint, f"data.corpus={CORPUS}", *patterns, *overrides]
    to = folder / "pipeline"
    compile_pipeline(load_config("demo", root=ROOT, overrides=settings), ROOT, target, to)
    return read_compiled(to)


@pytest.fixture(scope="module", params=["vertex", "kfp"])
def cached(request, tmp_path_factory) -> CompiledPipeline:
    return compiled(tmp_path_factory.mktemp("cached"), request.param)


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> CompiledPipeline:
    return compiled(tmp_path_factory.mktemp("warm"), "vertex", "model.warm_start=true")


def tasks_in(pipeline: CompiledPipeline) -> dict:
    return pipeline.spec["components"]["tfx-dag"]["dag"]["tasks"]


def without_cache(pipeline: CompiledPipeline, node: str) -> CompiledPipeline:
    """As `cluster.nodes` compiles it where it says `cache: false` of the node."""
    other = replace(pipeline, document=copy.deepcopy(pipeline.document))
    tasks_in(other)[node]["cachingOptions"] = {}
    return other


def test_the_cache_gives_the_model_of_a_span_that_was_read_before(cached):
    said = what_each_run_reads(cached, DATA, {})
    assert "the model comes from the service's cache, and nothing is released again" in said
    assert "`w2v trigger` starts a run only for new data" in said


def test_a_compiled_file_says_what_it_reads(cached):
    cached.check_reads(replace(DATA, corpus=f"{CORPUS}/"))
    for other in (replace(DATA, last_spans=2), replace(DATA, span=17)):
        with pytest.raises(
            BadInputError, match=r"with data\.(last_spans 1|span None), but the con"
        ):
            cached.check_reads(other)


def test_a_root_that_ends_in_a_slash_leads_to_the_same_data(tmp_path):
    to = tmp_path / "pipeline.json"
    compiling = CliRunner().invoke(compile_command, ["demo", "--root", f"{ROOT}/", "--to", str(to)])
    assert compiling.exit_code == 0, compiling.output
    _, config = read_both(to, "demo", ())
    assert config.data.corpus == f"{ROOT}/corpus"


def test_the_time_of_a_run_reaches_no_node_that_makes_the_model(cached):
    tasks = tasks_in(cached.at_scheduled_time())
    told_the_time = {name for name in tasks if SCHEDULED_TIME in json.dumps(tasks[name])}
    assert not told_the_time & (MAKE_THE_MODEL | {"SpeechExampleGen-spans"})


@pytest.mark.parametrize("node", sorted(MAKE_THE_MODEL))
def test_where_the_cache_is_off_a_numbered_corpus_is_not_scheduled(cached, node):
    with pytest.raises(BadInputError, match=rf"same data again, since {node} never .*w2v trigger"):
        what_each_run_reads(without_cache(cached, node), DATA, {})


@pytest.mark.parametrize("node", ["WerEvaluator", "ReleaseGate", "SpeechValidator"])
def test_what_only_judges_may_run_again(cached, node):
    assert "comes from the service's cache" in what_each_run_reads(
        without_cache(cached, node), DATA, {}
    )


def test_a_warm_start_would_train_on_the_last_span_again_and_is_not_scheduled(warm):
    with pytest.raises(BadInputError, match=r"since LatestBlessed-model-resolver never .*warm_st"):
        what_each_run_reads(warm, DATA, {})


def test_a_corpus_without_spans_is_scheduled_and_told_what_that_costs(warm):
    said = what_each_run_reads(warm, DataConfig(corpus=CORPUS, **WHOLE), {})
    assert "reads the whole corpus; where nothing in it is new, it would train on the same" in said
    assert "w2v trigger" in said


@pytest.mark.parametrize(("data", "values"), [(replace(DATA, span=17), {}), (DATA, {"span": "17"})])
def test_a_span_that_was_chosen_is_what_each_run_reads(warm, data, values):
    assert "each run reads span 17, whatever is newer" in what_each_run_reads(warm, data, values)
