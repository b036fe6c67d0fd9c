"""`w2v schedule`: the compiled pipeline by the clock, on Vertex AI or Kubeflow Pipelines."""

from __future__ import annotations

import dataclasses
import datetime
import json
import posixpath
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from models.errors import BadInputError

if TYPE_CHECKING:
    from kubeflow.compiled_file import Target
    from kubeflow.schedules.compiled import CompiledPipeline, Value
    from kubeflow.schedules.service import Schedule, ScheduleService
    from pipeline.cluster_config import ScheduleConfig
    from pipeline.config import RunConfig

DAY = click.DateTime(["%Y-%m-%d"])
NO_DATES = "the patterns of data hold no {YYYY}, {MM} and {DD}"


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


def config_options(command: Callable) -> Callable:
    """The options that say where the service is."""
    command = click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting."
    )(command)
    return click.option("--config", required=True, help="A YAML file, or a ready config's name.")(
        command
    )


def target_option(command: Callable) -> Callable:
    """For a config that knows both services."""
    return click.option(
        "--target",
        type=click.Choice(["vertex", "kfp"]),
        help="Which service, if the config names both.",
    )(command)


def param_option(command: Callable) -> Callable:
    """For what a run may be told without compiling again."""
    return click.option(
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        help="Tell a runtime parameter; w2v compile lists them.",
    )(command)


compiled_argument = click.argument(
    "compiled", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)


@command.command("apply", short_help="Create, change or replace the schedule of COMPILED.")
@compiled_argument
@config_options
@click.option("--cron", help="Minute, hour, day, month, weekday, instead of the config's.")
@click.option("--timezone", help="Such as Europe/Berlin, instead of the config's.")
@param_option
def apply_command(
    compiled: Path,
    config: str,
    overrides: tuple[str, ...],
    cron: str | None,
    timezone: str | None,
    params: tuple[str, ...],
) -> None:
    """Make the schedule what COMPILED and the config say; twice is as once.

    What the service cannot change in place is replaced by a new schedule, which is paused if the
    old one was: a paused schedule stays so until it is resumed. Each run takes the time that it is
    scheduled for as its data date.

    Kubeflow Pipelines reads cron expressions in UTC, and fills in the data date from its version
    2.17 on.
    """
    from kubeflow.names import DATA_DATE
    from kubeflow.schedules.apply import apply_schedule, first_run_dated_otherwise, wanted_schedule

    pipeline, run_config = read_both(compiled, config, overrides)
    values = pipeline.values_of(params)
    if DATA_DATE in values:
        raise BadInputError(
            f"--param {DATA_DATE} is what the schedule tells each run; leave it out."
        )
    wanted = wanted_schedule(pipeline.with_defaults(values), _timing(run_config, cron, timezone))
    service = _connect(pipeline.target, run_config)
    applied = apply_schedule(service, wanted)
    click.echo(f"{applied.change.capitalize()}: schedule {wanted.name!r} on {service.place}.")
    click.echo(_next_run_line(applied.schedule, wanted.cron.timezone))
    if not run_config.data.has_dates:
        click.echo(f"Note: {NO_DATES}, so that each run reads the newest span there is.")
    elif otherwise := first_run_dated_otherwise(wanted):
        zone = pipeline.timezone
        click.echo(
            f"Note: {compiled} takes dates in {zone}, so that the run of "
            f"{otherwise:%a %Y-%m-%d %H:%M} has the data date "
            f"{otherwise.astimezone(zoneinfo.ZoneInfo(zone)):%Y-%m-%d}; compile it with "
            f"cluster.schedule.timezone={wanted.cron.timezone} to have its own."
        )


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


@command.command("run", short_help="Submit COMPILED now, or for past dates.")
@compiled_argument
@config_options
@click.option("--for-date", type=DAY, metavar="DATE", help="The data date: 2026-01-31.")
@click.option(
    "--to-date", type=DAY, metavar="DATE", help="One run a day from --for-date to this day."
)
@param_option
def run_command(
    compiled: Path,
    config: str,
    overrides: tuple[str, ...],
    for_date: datetime.datetime | None,
    to_date: datetime.datetime | None,
    params: tuple[str, ...],
) -> None:
    """Submit COMPILED once now, once for a past date, or once for each day of a range, in order.

    Without --for-date the run reads the newest data.

    No more than cluster.schedule.max_concurrent of them run at once (1 without a schedule): the
    next is submitted when an earlier one has ended.
    """
    from kubeflow.schedules.backfill import days_between, submit_for_dates, submit_now

    if to_date and not for_date:
        raise BadInputError("--to-date ends a range that begins with --for-date; give both.")
    days = days_between(for_date.date(), (to_date or for_date).date()) if for_date else []
    pipeline, run_config = read_both(compiled, config, overrides)
    values = pipeline.values_of(params)
    _check_dates(run_config, bool(days), values)
    timing = run_config.cluster.schedule
    service = _connect(pipeline.target, run_config)
    if not days:
        click.echo(f"Submitted: {submit_now(service, pipeline, values).address}")
    at_once = timing.max_concurrent if timing else 1
    for day, run in submit_for_dates(service, pipeline, days, at_once, values):
        click.echo(f"Submitted for {day}: {run.address}")


def read_both(
    compiled: Path, config: str, overrides: tuple[str, ...]
) -> tuple[CompiledPipeline, RunConfig]:
    """The compiled file and the config that it was made from."""
    from kubeflow.schedules.compiled import read_compiled
    from pipeline.config import load_config

    pipeline = read_compiled(compiled)
    run_config = load_config(config, root=posixpath.dirname(pipeline.root), overrides=overrides)
    if pipeline.name != run_config.name:
        raise BadInputError(
            f"{compiled} is the pipeline {pipeline.name!r}, but {config} is of "
            f"{run_config.name!r}; compile it from this config, or give its own."
        )
    return pipeline, run_config


def _check_dates(run_config: RunConfig, for_dates: bool, values: Mapping[str, Value]) -> None:
    """Raise where a run would not read the data of the date that it is submitted for."""
    from kubeflow.names import DATA_DATE, SPAN

    chosen = sorted({SPAN, DATA_DATE} & values.keys())
    if for_dates and chosen:
        raise BadInputError(f"--for-date and --param {chosen[0]} both choose the data; take one.")
    if (for_dates or DATA_DATE in values) and not run_config.data.has_dates:
        raise BadInputError(
            f"No date can be chosen: {NO_DATES}, and the run would read the newest span; leave the "
            f"date out, or name a span with --param {SPAN}=NUMBER."
        )


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
