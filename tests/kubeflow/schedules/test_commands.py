"""What a person types, and what it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from google.protobuf import json_format

from components.speech_example_gen.config import DataConfig, TranscriptRules
from components.speech_example_gen.properties import custom_config
from kubeflow.commands import schedule, trigger
from kubeflow.schedules import backfill
from kubeflow.schedules.connect import target_of
from kubeflow.schedules.service import End
from models.errors import BadInputError, W2vError
from pipeline.cluster_config import ClusterConfig, KfpConfig
from tests.kubeflow.schedules.conftest import write_kfp
from tests.kubeflow.schedules.test_trigger import DATED, NUMBERED, add

SCHEDULE = {"cron": "0 3 * * 1", "max_concurrent": 2}


@pytest.fixture
def compiled(tmp_path) -> Path:
    return write_kfp(tmp_path, root=str(tmp_path / "root" / "digits"))


@pytest.fixture
def config(tmp_path, kfp_server) -> Path:
    settings = {
        "name": "digits",
        "data": {"corpus": str(tmp_path / "corpus"), **NUMBERED},
        "model": {"checkpoint": "checkpoint"},
        "cluster": {"schedule": SCHEDULE, "kfp": {"host": kfp_server.host}},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def dated(config) -> None:
    """The corpus has a span for each day."""
    settings = yaml.safe_load(config.read_text())
    settings["data"] |= DATED
    config.write_text(yaml.safe_dump(settings))


@pytest.fixture
def w2v(config):
    """A command's output with this config, or the error that the front door would tell."""

    def run(command, *arguments) -> str:
        told = [*map(str, arguments), "--config", str(config)]
        result = CliRunner().invoke(command, told, env={"COLUMNS": "120"})
        if result.exception:
            raise result.exception
        return result.output

    return run


@pytest.mark.usefixtures("dated")
def test_applying_says_what_it_did_and_when_the_next_run_is(w2v, compiled):
    said = w2v(schedule.command, "apply", compiled)
    assert re.fullmatch(
        r"Created: schedule 'digits' on Kubeflow Pipelines at http://\S+\.\n"
        r"Next run: Mon \d{4}-\d\d-\d\d 03:00 UTC\n",
        said,
    )
    assert w2v(schedule.command, "apply", compiled).startswith("Unchanged: ")
    daily = w2v(schedule.command, "apply", compiled, "--cron", "30 4 * * *")
    assert daily.startswith("Recreated: ")
    assert " 04:30 UTC" in daily


def test_a_paused_schedule_is_said_to_be_so(w2v, compiled, kfp_server):
    w2v(schedule.command, "apply", compiled)
    assert w2v(schedule.command, "pause", "digits").startswith("Paused: schedule 'digits'")
    assert kfp_server.states("digits") == ["paused"]
    assert "It is paused: w2v schedule resume" in w2v(schedule.command, "apply", compiled)
    resumed = w2v(schedule.command, "resume", "digits")
    assert resumed.startswith("Resumed: ")
    assert "Next run: Mon" in resumed
    assert kfp_server.states("digits") == ["active"]


def test_the_list_is_a_table_or_json(w2v, compiled):
    assert "has no schedules of ours yet" in w2v(schedule.command, "list")
    w2v(schedule.command, "apply", compiled)
    heading, row = w2v(schedule.command, "list").splitlines()
    assert heading.split() == ["Schedule", "State", "Cron", "At", "once", "Next", "run"]
    assert re.match(r"digits +active +0 3 \* \* 1 +2 +Mon \d{4}-\d\d-\d\d 03:00 UTC", row)
    (told,) = json.loads(w2v(schedule.command, "list", "--json"))
    assert (told["name"], told["state"], told["max_concurrent"]) == ("digits", "active", 2)


def test_deleting_leaves_nothing(w2v, compiled, kfp_server):
    w2v(schedule.command, "apply", compiled)
    assert w2v(schedule.command, "delete", "digits").startswith("Deleted: ")
    assert kfp_server.recurring == {}
    assert w2v(schedule.command, "delete", "digits").startswith("Nothing to delete: ")


class StoppedError(Exception):
    """The person pressed Ctrl-C."""


@pytest.fixture
def meanwhile(kfp_server, monkeypatch) -> dict[str, tuple[End, str]]:
    """How the runs of some dates end while the command waits; the others succeed."""
    ends: dict[str, tuple[End, str]] = {}

    def sleep(_seconds: float) -> None:
        for run in kfp_server.running():
            kfp_server.end(run, *ends.get(kfp_server.data_date(run), ("succeeded", "")))

    monkeypatch.setattr(backfill.time, "sleep", sleep)
    return ends


@pytest.fixture
def typed(config):
    """What a command gives, its errors included."""

    def run(*arguments):
        told = [*map(str, arguments), "--config", str(config)]
        return CliRunner().invoke(schedule.command, told)

    return run


@pytest.mark.usefixtures("dated")
def test_one_date_is_submitted_and_not_waited_for(w2v, compiled, kfp_server):
    said = w2v(schedule.command, "run", compiled, "--for-date", "2026-01-31")
    assert re.fullmatch(r"Submitted for 2026-01-31: http://\S+\n", said)
    (run,) = kfp_server.running()
    assert kfp_server.data_date(run) == "2026-01-31"


@pytest.mark.usefixtures("dated", "meanwhile")
def test_a_range_of_dates_is_a_run_each_and_waited_for(typed, compiled):
    done = typed("run", compiled, "--for-date", "2026-01-31", "--to-date", "2026-02-01")
    assert done.exit_code == 0
    assert [line.split(": ")[0] for line in done.output.splitlines()] == [
        "Submitted for 2026-01-31",
        "Submitted for 2026-02-01",
        "Succeeded for 2026-01-31.",
        "Succeeded for 2026-02-01.",
        "All 2 runs succeeded.",
    ]


@pytest.mark.usefixtures("dated")
def test_dates_that_failed_are_told_with_reason_link_and_how_to_run_them_again(
    typed, compiled, config, meanwhile, kfp_server
):
    for day in ("2026-01-30", "2026-01-31", "2026-02-02"):
        meanwhile[day] = ("failed", "The pod was evicted.")
    dates = ("--for-date", "2026-01-29", "--to-date", "2026-02-02")
    done = typed("run", compiled, *dates, "--set", "name=digits")
    error = done.exception
    assert isinstance(error, W2vError)
    assert error.exit_code == 1
    assert str(error) == ("3 of 5 runs did not succeed: 2026-01-30, 2026-01-31, 2026-02-02.")
    link = rf"{kfp_server.host}/#/runs/details/\S+"
    assert re.search(rf"Failed for 2026-01-30: The pod was evicted\. \({link}\)\n", done.output)
    assert "Succeeded for 2026-02-01." in done.output  # in spite of those before it
    command = f"  w2v schedule run {compiled} --config {config} --set name=digits --for-date"
    assert done.output.splitlines()[-3:] == [
        "To run only the dates that failed:",
        f"{command} 2026-01-30 --to-date 2026-01-31",
        f"{command} 2026-02-02 --to-date 2026-02-02",
    ]


@pytest.mark.usefixtures("dated")
def test_a_range_that_is_stopped_says_what_still_runs_and_what_is_left(
    typed, compiled, monkeypatch
):
    def stopped(_seconds: float) -> None:
        raise StoppedError

    monkeypatch.setattr(backfill.time, "sleep", stopped)
    done = typed("run", compiled, "--for-date", "2026-01-28", "--to-date", "2026-01-31")
    assert isinstance(done.exception, StoppedError)
    *_, running, heading, command = done.output.splitlines()
    assert running == "No longer waited for, but running: 2026-01-28, 2026-01-29."
    assert heading == "To run only the dates not submitted yet:"
    assert command.endswith("--for-date 2026-01-30 --to-date 2026-01-31")


def test_without_dates_in_the_corpus_no_date_can_be_chosen(w2v, compiled, kfp_server):
    for date in (("--for-date", "2026-01-31"), ("--param", "data_date=2026-01-31")):
        with pytest.raises(BadInputError, match=r"hold no \{YYYY\}.* would read the newest span"):
            w2v(schedule.command, "run", compiled, *date)
    assert kfp_server.runs == {}


def test_applying_says_what_runs_on_a_corpus_without_dates_read_and_what_to_take_instead(
    w2v, compiled
):
    *_, note = w2v(schedule.command, "apply", compiled).splitlines()
    assert note.startswith("Note: the patterns of data hold no {YYYY}, {MM} and {DD}, so that each")
    assert note.endswith("`w2v trigger` starts a run only for new data.")


def test_a_schedule_that_would_train_on_the_last_span_again_is_not_made(w2v, compiled, kfp_server):
    document = yaml.safe_load(compiled.read_text())
    document["root"]["dag"]["tasks"]["ModelExporter"] = {"cachingOptions": {}}
    compiled.write_text(yaml.safe_dump(document))
    with pytest.raises(BadInputError, match="spans of data are numbered"):
        w2v(schedule.command, "apply", compiled)
    assert kfp_server.recurring == {}


def test_without_a_date_one_run_is_submitted_now(w2v, compiled, kfp_server):
    said = w2v(schedule.command, "run", compiled, "--param", "span=17")
    (run,) = kfp_server.runs.values()
    assert said == f"Submitted: {kfp_server.host}/#/runs/details/{run['run_id']}\n"
    # To the microsecond, so that another asked for at once is another run.
    assert re.fullmatch(r"digits-now-\d{20}", run["display_name"])
    assert run["runtime_config"]["parameters"] == {"span": "17"}


@pytest.mark.parametrize("subcommand", ["run", "apply"])
def test_artifacts_go_below_another_root_where_one_is_told(w2v, compiled, kfp_server, subcommand):
    w2v(schedule.command, subcommand, compiled, "--pipeline-root", "gs://scratch/w2v")
    (kept,) = (kfp_server.runs or kfp_server.recurring).values()
    given = kept["pipeline_spec"]
    assert given.get("pipeline_spec", given)["defaultPipelineRoot"] == "gs://scratch/w2v/digits"


@pytest.mark.usefixtures("dated")
@pytest.mark.parametrize(
    ("dates", "which"), [((), ""), (("--for-date", "2026-01-31"), " for 2026-01-31")]
)
def test_a_run_that_was_there_already_is_said_to_be_so(
    w2v, compiled, kfp_server, monkeypatch, dates, which
):
    monkeypatch.setattr(backfill, "_stamp", lambda: "20260201000000000000")
    w2v(schedule.command, "run", compiled, *dates)
    said = w2v(schedule.command, "run", compiled, *dates)
    assert said.startswith(f"Submitted before{which}: http://")
    assert len(kfp_server.runs) == 1


@pytest.mark.usefixtures("dated")
def test_the_data_of_a_run_is_chosen_once(w2v, compiled, kfp_server):
    with pytest.raises(BadInputError, match="--for-date and --param span both choose the data"):
        w2v(schedule.command, "run", compiled, "--for-date", "2026-01-31", "--param", "span=1")
    with pytest.raises(BadInputError, match="begins with --for-date; give both"):
        w2v(schedule.command, "run", compiled, "--to-date", "2026-01-31")
    with pytest.raises(BadInputError, match="data_date is what the schedule tells each run"):
        w2v(schedule.command, "apply", compiled, "--param", "data_date=2026-01-31")
    with pytest.raises(BadInputError, match="span and the schedule's dates both choose the data"):
        w2v(schedule.command, "apply", compiled, "--param", "span=2026-01-31")
    assert kfp_server.runs == kfp_server.recurring == {}


def test_each_run_of_a_schedule_takes_its_parameters(w2v, compiled, kfp_server):
    w2v(schedule.command, "apply", compiled)
    said = w2v(schedule.command, "apply", compiled, "--param", "span=17")
    assert said.startswith("Recreated: ")
    (kept,) = kfp_server.recurring.values()
    declared = kept["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    assert declared["span"]["defaultValue"] == "17"


def test_a_config_of_another_pipeline_is_refused(w2v, compiled):
    with pytest.raises(BadInputError, match=r"is the pipeline 'digits', but .* 'letters'"):
        w2v(schedule.command, "apply", compiled, "--set", "name=letters")


def test_without_a_cron_expression_the_setting_is_named(w2v, compiled):
    with pytest.raises(BadInputError, match=r"cluster\.schedule is missing: .* --cron"):
        w2v(schedule.command, "apply", compiled, "--set", "cluster.schedule=")
    assert w2v(
        schedule.command,
        *("apply", compiled, "--set", "cluster.schedule=", "--cron", "0 3 * * 1"),
    ).startswith("Created: ")
    with pytest.raises(BadInputError, match="must be a name such as Europe/Berlin"):
        w2v(schedule.command, "apply", compiled, "--timezone", "Berlin")


def test_the_config_says_which_service_or_is_asked_to():
    kfp = KfpConfig(host="http://localhost")
    assert target_of(ClusterConfig(project="p")) == "vertex"
    assert target_of(ClusterConfig(kfp=kfp)) == "kfp"
    for cluster in (ClusterConfig(), ClusterConfig(project="p", kfp=kfp)):
        with pytest.raises(BadInputError, match="--target vertex or --target kfp"):
            target_of(cluster)


def test_a_trigger_says_what_it_ran_for_or_that_nothing_is_new(w2v, compiled, tmp_path, kfp_server):
    add(tmp_path / "corpus", "span-1")
    said = w2v(trigger.command, compiled)
    assert re.fullmatch(r"Submitted for span 1: http://\S+/#/runs/details/\S+\n", said)
    assert w2v(trigger.command, compiled) == "Nothing new: span 1 was submitted last.\n"
    (run,) = kfp_server.runs.values()
    assert run["runtime_config"]["parameters"] == {"span": "1"}


def test_a_trigger_says_that_an_earlier_look_has_submitted_the_run(
    w2v, compiled, tmp_path, kfp_server
):
    add(tmp_path / "corpus", "span-1")
    w2v(trigger.command, compiled)
    memory = tmp_path / "root" / "digits" / "last-triggered.json"
    before = memory.read_text()
    add(tmp_path / "corpus", "span-2")
    w2v(trigger.command, compiled)
    memory.write_text(before)  # as if that look had ended before it remembered
    assert w2v(trigger.command, compiled).startswith(
        "Submitted for span 2 by an earlier look that did not come to an end: http://"
    )
    assert len(kfp_server.runs) == 2


def compiled_for(compiled: Path, data: DataConfig) -> None:
    """The file as it is compiled from a config of these data."""
    document = yaml.safe_load(compiled.read_text())
    settings = json_format.MessageToJson(
        custom_config(data, TranscriptRules()), preserving_proto_field_name=True
    )
    told = {"custom_config": {"runtimeValue": {"constant": settings}}}
    reader = {"componentRef": {"name": "Gen"}, "inputs": {"parameters": told}}
    document["components"]["inner"] = {"dag": {"tasks": {"SpeechExampleGen": reader}}}
    compiled.write_text(yaml.safe_dump(document))


def test_a_look_at_another_corpus_than_the_compiled_one_is_refused(w2v, compiled, tmp_path):
    compiled_for(compiled, DataConfig(corpus="gs://bucket/corpus", **NUMBERED))
    add(tmp_path / "corpus", "span-1")
    for going_on in ((), ("--every", "1")):
        with pytest.raises(BadInputError, match=r"data\.corpus 'gs://bucket/corpus', but the conf"):
            w2v(trigger.command, compiled, *going_on)
    compiled_for(compiled, DataConfig(corpus=f"{tmp_path}/corpus/", **NUMBERED))
    assert w2v(trigger.command, compiled).startswith("Submitted for span 1")


@pytest.mark.parametrize(
    "typed", [("apply",), ("run",), ("run", "--for-date", "2026-01-31")], ids=" ".join
)
@pytest.mark.usefixtures("dated")
def test_no_run_is_asked_for_whose_patterns_are_not_those_that_were_compiled(
    w2v, compiled, tmp_path, kfp_server, typed
):
    compiled_for(compiled, DataConfig(corpus=f"{tmp_path}/corpus", **NUMBERED))
    name, *dates = typed
    with pytest.raises(
        BadInputError, match=r"with data\.train 'span-\{SPAN\}/train', but the config says '\{YYYY"
    ):
        w2v(schedule.command, name, compiled, *dates)
    assert kfp_server.runs == kfp_server.recurring == {}


def test_a_missing_span_that_is_expected_is_bad_input(w2v, compiled, tmp_path):
    add(tmp_path / "corpus", "span-1")
    with pytest.raises(BadInputError, match="There is no span 2") as error:
        w2v(trigger.command, compiled, "--expect", "2")
    assert error.value.exit_code == 2
    with pytest.raises(BadInputError, match="--expect 'soon' must be"):
        w2v(trigger.command, compiled, "--expect", "soon")


def test_going_on_looking_outlives_an_error(w2v, compiled, tmp_path, kfp_server, monkeypatch):
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        add(tmp_path / "corpus", f"span-{len(waits)}")
        if len(waits) == 3:
            raise StoppedError

    monkeypatch.setattr(trigger.time, "sleep", sleep)
    with pytest.raises(StoppedError):
        w2v(trigger.command, compiled, "--every", "0.5")
    assert waits == [30, 30, 30]
    spans = [run["runtime_config"]["parameters"]["span"] for run in kfp_server.runs.values()]
    assert spans == ["1", "2"]


def test_going_on_looking_outlives_a_filesystem_that_fails(w2v, compiled, tmp_path, monkeypatch):
    add(tmp_path / "corpus", "span-1")
    memory = tmp_path / "root" / "digits" / "last-triggered.json"
    memory.mkdir(parents=True)  # what cannot be read as a file
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise StoppedError
        memory.rmdir()

    monkeypatch.setattr(trigger.time, "sleep", sleep)
    with pytest.raises(StoppedError):
        w2v(trigger.command, compiled, "--every", "0.5")
    assert memory.is_file()
