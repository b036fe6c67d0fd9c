"""`w2v schedule run`: a run by hand, of the newest data or of past dates."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeflow.commands.options import (
    compiled_argument,
    config_options,
    param_option,
    pipeline_root_option,
    read_both,
)
from models.errors import BadInputError, W2vError

if TYPE_CHECKING:
    from kubeflow.schedules.asking import ServiceError
    from kubeflow.schedules.backfill import DatedRun
    from kubeflow.schedules.compiled import Value
    from kubeflow.schedules.service import SubmittedRun
    from pipeline.config import RunConfig

DAY = click.DateTime(["%Y-%m-%d"])


@click.command("run", short_help="Submit COMPILED now, or for past dates.")
@compiled_argument
@config_options
@click.option("--for-date", type=DAY, metavar="DATE", help="The data date: 2026-01-31.")
@click.option(
    "--to-date",
    type=DAY,
    metavar="DATE",
    help="One run a day from --for-date to this day, waited for.",
)
@param_option
@pipeline_root_option
def run_command(
    compiled: Path,
    config: str,
    overrides: tuple[str, ...],
    for_date: datetime.datetime | None,
    to_date: datetime.datetime | None,
    params: tuple[str, ...],
    pipeline_root: str | None,
) -> None:
    """Submit COMPILED once now, once for a past date, or once for each day of a range, in order.

    Without --for-date the run reads the newest data.

    Of a range, no more than cluster.schedule.max_concurrent runs go on at once (1 without a
    schedule), and the command waits until all have ended. It goes on past those that fail, and
    says how to run only these again. To the service, a run whose model the gate refused succeeded.

    \b
    Exit codes: 0 submitted, and of a range all succeeded; 1 one failed, or the service did; 2 bad
    input.
    """
    from kubeflow.schedules import backfill
    from kubeflow.schedules.connect import connect

    if to_date and not for_date:
        raise BadInputError("--to-date ends a range that begins with --for-date; give both.")
    last = to_date or for_date
    days = backfill.days_between(for_date.date(), last.date()) if for_date and last else []
    pipeline, run_config = read_both(compiled, config, overrides)
    values = pipeline.values_of(params)
    _check_dates(run_config, bool(days), values)
    if pipeline_root:
        pipeline = pipeline.with_root(pipeline_root)
    service = connect(pipeline.target, run_config.cluster)
    if not to_date:
        run = (
            backfill.submit_for_date(service, pipeline, days[0], values)
            if days
            else backfill.submit_now(service, pipeline, values)
        )
        click.echo(_submitted(run, days[0] if days else None))
        return
    timing = run_config.cluster.schedule
    at_once = timing.max_concurrent if timing else 1
    runs = backfill.run_for_dates(service, pipeline, days, at_once, _tell_outage, values)
    _follow(runs, days, _typed(compiled, config, overrides, params, pipeline_root))


def _follow(runs: Iterable[DatedRun], days: Sequence[datetime.date], typed: Sequence[str]) -> None:
    """Tell what becomes of each run; what is left to do is told even if this is stopped."""
    known: dict[datetime.date, DatedRun] = {}
    try:
        for one in runs:
            known[one.day] = one
            click.echo(_line(one))
    finally:
        if known:
            _tell_what_is_left(known, days, typed)
    failed = _failed(known)
    if failed:
        named = ", ".join(map(str, failed))
        raise W2vError(f"{len(failed)} of {len(days)} runs did not succeed: {named}.")
    click.echo(f"All {len(days)} runs succeeded.")


def _tell_what_is_left(
    known: Mapping[datetime.date, DatedRun], days: Sequence[datetime.date], typed: Sequence[str]
) -> None:
    from kubeflow.schedules.backfill import stretches

    going_on = [str(day) for day, one in known.items() if one.outcome is None]
    if going_on:
        click.echo(f"No longer waited for, but running: {', '.join(going_on)}.", err=True)
    failed, missing = _failed(known), [day for day in days if day not in known]
    for what, these in (("that failed", failed), ("not submitted yet", missing)):
        if these:
            click.echo(f"To run only the dates {what}:", err=True)
        for first, last in stretches(these):
            command = [*typed, "--for-date", str(first), "--to-date", str(last)]
            click.echo(f"  {shlex.join(command)}", err=True)


def _failed(known: Mapping[datetime.date, DatedRun]) -> list[datetime.date]:
    return sorted(day for day, one in known.items() if one.outcome and not one.outcome.succeeded)


def _line(one: DatedRun) -> str:
    if one.outcome is None:
        return _submitted(one.run, one.day)
    if one.outcome.succeeded:
        return f"Succeeded for {one.day}."
    return f"{one.outcome.end.capitalize()} for {one.day}: {one.outcome.reason} ({one.run.address})"


def _submitted(run: SubmittedRun, day: datetime.date | None) -> str:
    before = " before" if run.found else ""
    return f"Submitted{before}{f' for {day}' if day else ''}: {run.address}"


def _typed(
    compiled: Path,
    config: str,
    overrides: Sequence[str],
    params: Sequence[str],
    pipeline_root: str | None,
) -> list[str]:
    """This command as it was typed, but for its dates."""
    options = [("--set", one) for one in overrides] + [("--param", one) for one in params]
    root = [("--pipeline-root", pipeline_root)] if pipeline_root else []
    pairs = [("--config", config), *options, *root]
    return ["w2v", "schedule", "run", str(compiled), *(word for pair in pairs for word in pair)]


def _tell_outage(error: ServiceError) -> None:
    click.echo(f"w2v: {error} It is asked again in a minute.", err=True)


def _check_dates(run_config: RunConfig, for_dates: bool, values: Mapping[str, Value]) -> None:
    """Raise where a run would not read the data of the date that it is submitted for."""
    from kubeflow.names import DATA_DATE, SPAN
    from kubeflow.schedules.undated import NO_DATES

    chosen = sorted({SPAN, DATA_DATE} & values.keys())
    if for_dates and chosen:
        raise BadInputError(f"--for-date and --param {chosen[0]} both choose the data; take one.")
    if (for_dates or DATA_DATE in values) and not run_config.data.has_dates:
        raise BadInputError(
            f"No date can be chosen: {NO_DATES}, and the run would read the newest span; leave the "
            f"date out, or name a span with --param {SPAN}=NUMBER."
        )
