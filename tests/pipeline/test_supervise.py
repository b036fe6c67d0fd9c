"""What went wrong inside TFX and Beam comes out as one sentence with the right exit code."""

import errno
import os
from pathlib import Path

import apache_beam as beam
import pytest

from components.release_pusher.destinations.delivery import DeliveryError
from models.errors import BadInputError, GateRefusedError, W2vError
from pipeline.config import load_config
from pipeline.dag import create_pipeline
from pipeline.local import LAST_OF_INGEST
from pipeline.provenance import provenance_of
from pipeline.runners import nodes_up_to
from pipeline.supervise import as_user_error, run_supervised
from tests.components.release_pusher.destinations.loopback import serving
from tests.components.run_reporter.webhook_server import Webhook

LOG = Path("run.log")


def wrapped(cause: BaseException) -> BaseException:
    """The cause as a node's failure reaches the runner."""
    try:
        try:
            raise cause
        except BaseException as error:
            raise RuntimeError("Failed to execute node") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize("kind", [BadInputError, GateRefusedError, DeliveryError])
def test_an_error_of_ours_comes_out_as_it_was(kind):
    cause = kind("The corpus is empty; add files.")
    error = as_user_error(wrapped(cause), LOG)
    assert (type(error), str(error)) == (kind, str(cause))


def test_an_error_of_ours_inside_a_beam_worker_is_found_in_its_text():
    def fail(_):
        raise BadInputError("a.flac is broken; replace it.")

    with pytest.raises(Exception) as failure:
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            _ = pipeline | beam.Create([1]) | beam.Map(fail)
    error = as_user_error(wrapped(failure.value), LOG)
    assert isinstance(error, BadInputError)
    assert str(error) == "a.flac is broken; replace it."


@pytest.mark.parametrize(
    "cause",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/records.gz"),
        RuntimeError("RESOURCE_EXHAUSTED: /data/records.gz; No space left on device"),
    ],
)
def test_a_full_disk_says_what_to_do_and_that_releases_are_safe(cause):
    error = as_user_error(wrapped(cause), LOG)
    assert isinstance(error, BadInputError)
    assert "The disk is full" in str(error) and "no release was touched" in str(error)


def test_any_other_error_names_itself_and_the_log():
    error = as_user_error(ValueError("shapes differ\nmore lines"), LOG)
    assert isinstance(error, W2vError) and error.exit_code == 1
    assert str(error) == "The pipeline stopped: ValueError: shapes differ (the log: run.log)"


def test_an_ingest_runs_what_looks_at_the_corpus_alone(tmp_path):
    config = load_config("demo", root=tmp_path)
    dag = create_pipeline(config, provenance_of(config), root=str(tmp_path), beam_args=[])
    assert nodes_up_to(LAST_OF_INGEST, dag) == {
        "SpeechExampleGen",
        "StatisticsGen",
        "ImportSchemaGen",
        "LastPassed",
        "SpeechValidator",
    }


def test_a_run_that_fails_is_told_to_the_webhook_with_the_sentence_and_the_log(
    tmp_path, monkeypatch
):
    settings = ["model.checkpoint=/no/such/checkpoint", "alerts.webhook=env:W2V_WEBHOOK"]
    config = load_config("demo", root=tmp_path, overrides=settings)
    log = tmp_path / "run.log"
    with serving(Webhook()) as webhook:
        monkeypatch.setenv("W2V_WEBHOOK", webhook.address)
        with pytest.raises(BadInputError) as failed:
            run_supervised(config, tmp_path, "local", log)
    (message,) = webhook.messages
    assert message["text"] == f"demo failed: {failed.value} (The run: {log})"
