"""`w2v schedule`: the compiled pipeline by the clock, on Vertex AI or Kubeflow Pipelines."""

from __future__ import annotations

import dataclasses
import json
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from kubeflow.commands.options import (
    compiled_argument,
    config_options,
    param_option,
    pipeline_root_option,
    read_both,
    target_option,
)
from kubeflow.commands.schedule_run import run_command
from models.errors import BadInputError

if TYPE_CHECKING:
    from kubeflow.compiled_file import Target
    from kubeflow.schedules.service import Schedule, ScheduleService, WantedSchedule
    from pipeline.cluster_config import ScheduleConfig
    from pipeline.config import RunConfig


@click.group()
def command() -> None:
    """Run the compiled pipeline by the clock, on Vertex AI or Kubeflow Pipelines.

    The settings are the config's: cluster.schedule (cron, timezone, max_concurrent, catch_up,
    start, end), and where the service is: cluster.project and cluster.region, or cluster.kfp. A
    schedule bears its pipeline's name.

    \b
    Examples:
      w2v schedule apply pipeline.json --config my.yaml
      w2v schedule apply pipeline.json --config my.yaml --cron "0 3 * * 1" --timezone Europe/Berlin
      w2v schedule list --config my.yaml
      w2v schedule pause librispeech-960h --config my.yaml
      w2v schedule run pipeline.json --config my.yaml --param steps_1=500
      w2v schedule run pipeline.json --config my.yaml --for-date 2026-01-31
    """


@command.command("apply", short_help="Create, change or replace the schedule of COMPILED.")
@compiled_argument
@config_options
@click.option("--cron", help="Minute, hour, day, month, weekday, instead of the config's.")
@click.option("--timezone", help="Such as Europe/Berlin, instead of the config's.")
@param_option
@pipeline_root_option
def apply_command(
    compiled: Path,
    config: str,
    overrides: tuple[str, ...],
    cron: str | None,
    timezone: str | None,
    params: tuple[str, ...],
    pipeline_root: str | None,
) -> None:
    """Make the schedule what COMPILED and the config say; twice is as once.

    What the service cannot change in place is replaced by a new schedule, which is paused if the
    old one was: a paused schedule stays so until it is resumed. Each run takes the time that it is
    scheduled for as its data date.

    Where the spans of the corpus are numbered, or there are none, each run reads the newest data:
    `w2v trigger` starts one only for what is new.

    Kubeflow Pipelines reads cron expressions in UTC, and fills in the data date from its version
    2.17 on.
    """
    from kubeflow.names import DATA_DATE, SPAN
    from kubeflow.schedules.apply import apply_schedule, wanted_schedule
    from kubeflow.schedules.undated import what_each_run_reads

    pipeline, run_config = read_both(compiled, config, overrides)
    values = pipeline.values_of(params)
    if DATA_DATE in values:
        raise BadInputError(
            f"--param {DATA_DATE} is what the schedule tells each run; leave it out."
        )
    data = run_config.data
    if data.has_dates and values.get(SPAN):
        raise BadInputError(
            f"--param {SPAN} and the schedule's dates both choose the data, and every run would "
            f"read span {values[SPAN]}; leave it out, or take w2v schedule run for that span."
        )
    if pipeline_root:
        pipeline = pipeline.with_root(pipeline_root)
    wanted = wanted_schedule(pipeline.with_defaults(values), _timing(run_config, cron, timezone))
    note = _note_on_zones(wanted) if data.has_dates else what_each_run_reads(pipeline, data, values)
    service = _connect(pipeline.target, run_config)
    applied = apply_schedule(service, wanted)
    click.echo(f"{applied.change.capitalize()}: schedule {wanted.name!r} on {service.place}.")
    click.echo(_next_run_line(applied.schedule, wanted.cron.timezone))
    if note:
        click.echo(f"Note: {note}")


@command.command("list", short_help="List schedules with their state and next run.")
@config_options
@target_option
@click.option("--json", "as_json", is_flag=True, help="Print the schedules as JSON.")
def list_command(
    config: str, overrides: tuple[str, ...], target: str | None, as_json: bool
) -> None:
    """List the schedules that `w2v schedule apply` made, with their state and next run."""
    service = _service_of(config, overrides, target)
    schedules = service.find()
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in schedules], indent=1))
    elif schedules:
        _print_table(schedules)
    else:
        click.echo(f"{service.place} has no schedules of ours yet.")


@command.command("pause")
@click.argument("name")
@config_options
@target_option
def pause_command(name: str, config: str, overrides: tuple[str, ...], target: str | None) -> None:
    """Let the schedule NAME start no more runs until it is resumed."""
    from kubeflow.schedules.apply import named_schedule

    service = _service_of(config, overrides, target)
    schedule = named_schedule(service, name)
    if schedule.state == "active":
        service.pause(schedule)
    click.echo(f"Paused: schedule {name!r} on {service.place}.")


@command.command("resume")
@click.argument("name")
@config_options
@target_option
def resume_command(name: str, config: str, overrides: tuple[str, ...], target: str | None) -> None:
    """Let the schedule NAME start runs again.

    Runs that were missed are made up for only if cluster.schedule.catch_up says so.
    """
    from kubeflow.schedules.apply import named_schedule

    run_config = _load(config, overrides)
    service = _service_for(run_config, target)
    timing = run_config.cluster.schedule
    schedule = named_schedule(service, name)
    if schedule.state == "paused":
        service.resume(schedule, catch_up=bool(timing and timing.catch_up))
        schedule = named_schedule(service, name)
    click.echo(f"Resumed: schedule {name!r} on {service.place}.")
    click.echo(_next_run_line(schedule, schedule.timezone))


@command.command("delete")
@click.argument("name")
@config_options
@target_option
def delete_command(name: str, config: str, overrides: tuple[str, ...], target: str | None) -> None:
    """Delete the schedule NAME; the runs that it started stay."""
    service = _service_of(config, overrides, target)
    schedules = service.find(name)
    for schedule in schedules:
        service.delete(schedule)
    what = "Deleted" if schedules else "Nothing to delete"
    click.echo(f"{what}: schedule {name!r} on {service.place}.")


command.add_command(run_command)


def _load(config: str, overrides: tuple[str, ...]) -> RunConfig:
    from pipeline.config import load_config

    return load_config(config, overrides=overrides)


def _service_of(config: str, overrides: tuple[str, ...], target: str | None) -> ScheduleService:
    return _service_for(_load(config, overrides), target)


def _service_for(run_config: RunConfig, target: str | None) -> ScheduleService:
    from kubeflow.schedules.connect import target_of

    named = cast("Target", target) if target else target_of(run_config.cluster)
    return _connect(named, run_config)


def _connect(target: Target, run_config: RunConfig) -> ScheduleService:
    from kubeflow.schedules.connect import connect

    return connect(target, run_config.cluster)


def _timing(run_config: RunConfig, cron: str | None, timezone: str | None) -> ScheduleConfig:
    from pipeline.cluster_config import ScheduleConfig

    timing = run_config.cluster.schedule
    try:
        if timing is not None:
            return dataclasses.replace(
                timing, cron=cron or timing.cron, timezone=timezone or timing.timezone
            )
        if cron:
            return ScheduleConfig(cron, timezone or "UTC")
    except ValueError as error:
        raise BadInputError(f"{error}.") from error
    raise BadInputError(
        'cluster.schedule is missing: say when to run, by cluster.schedule.cron or --cron "0 3 * * '
        '1" for Mondays at three.'
    )


def _note_on_zones(wanted: WantedSchedule) -> str:
    """Where the containers see another date than the schedule; empty where they never do."""
    from kubeflow.schedules.apply import first_run_dated_otherwise

    otherwise = first_run_dated_otherwise(wanted)
    if otherwise is None:
        return ""
    pipeline, zone = wanted.pipeline, wanted.pipeline.timezone
    return (
        f"{pipeline.path} takes dates in {zone}, so that the run of {otherwise:%a %Y-%m-%d %H:%M} "
        f"has the data date {otherwise.astimezone(zoneinfo.ZoneInfo(zone)):%Y-%m-%d}; compile it "
        f"with cluster.schedule.timezone={wanted.cron.timezone} to have its own."
    )


def _next_run_line(schedule: Schedule, timezone: str) -> str:
    if schedule.state == "paused":
        return "It is paused: w2v schedule resume lets it run."
    return f"Next run: {_when(schedule, timezone) or 'none'}"


def _when(schedule: Schedule, timezone: str) -> str:
    if schedule.next_run is None:
        return ""
    return (
        f"{schedule.next_run.astimezone(zoneinfo.ZoneInfo(timezone)):%a %Y-%m-%d %H:%M} {timezone}"
    )


def _as_json(schedule: Schedule) -> dict[str, object]:
    told = dataclasses.asdict(schedule)
    told["next_run"] = schedule.next_run.isoformat() if schedule.next_run else None
    return {name: told[name] for name in told if name not in ("digest", "becomes")}


def _print_table(schedules: list[Schedule]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Schedule", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Cron")
    table.add_column("At once", justify="right", no_wrap=True)
    table.add_column("Next run")
    colours = {"active": "green", "paused": "yellow", "completed": "dim"}
    for one in schedules:
        table.add_row(
            one.name,
            f"[{colours[one.state]}]{one.state}[/]",
            one.cron,
            str(one.max_concurrent),
            _when(one, one.timezone) or "–",
        )
    Console(highlight=False).print(table)
