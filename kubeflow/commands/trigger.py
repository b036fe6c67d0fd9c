"""`w2v trigger COMPILED`: a run when there is new data."""

from __future__ import annotations

import datetime
import time
import zoneinfo
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from kubeflow.commands.options import compiled_argument, config_options, read_both
from models.errors import BadInputError, W2vError

if TYPE_CHECKING:
    from kubeflow.schedules.compiled import CompiledPipeline
    from kubeflow.schedules.notifications import Notifications
    from pipeline.config import RunConfig

TODAY = "today"
SECONDS_AFTER_OUTAGE = 60.0


@click.command()
@compiled_argument
@config_options
@click.option(
    "--expect",
    metavar="SPAN",
    help="The span that must be there: its number, its date, or today (in the schedule's zone).",
)
@click.option(
    "--every", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES", help="Go on looking."
)
@click.option(
    "--subscription",
    metavar="NAME",
    help="Look when a bucket's notifications come: projects/P/subscriptions/S of Pub/Sub.",
)
def command(
    compiled: Path,
    config: str,
    overrides: tuple[str, ...],
    expect: str | None,
    every: float | None,
    subscription: str | None,
) -> None:
    """Look at the corpus, and submit COMPILED if its newest span is not the one submitted last.

    A span is new by its number, its version or its content. The last one is remembered in a small
    file at the pipeline's root, last-triggered.json: without it the next look submits a run again,
    also where the last one failed. With --expect, a span that is not there is an error, and nothing
    runs on the last one again. A span counts as soon as a file of each split is there: put a large
    one up under another name, and rename it when it is whole.

    With --subscription it looks whenever the corpus's bucket tells Pub/Sub of a new file. Set that
    up once:

    \b
      gcloud storage buckets notifications create gs://BUCKET \\
          --topic=T --event-types=OBJECT_FINALIZE
      gcloud pubsub subscriptions create S --topic=T

    \b
    Exit codes: 0 submitted, or nothing new; 2 bad input, or the expected span is missing; 1
    anything else. With --every or --subscription an error of a look is told, and it goes on; so it
    does after an outage of Pub/Sub.

    \b
    Examples:
      w2v trigger pipeline.json --config my.yaml
      w2v trigger pipeline.json --config my.yaml --expect today
      w2v trigger pipeline.json --config my.yaml --every 30
    """
    if every and subscription:
        raise BadInputError("--every and --subscription are two ways to go on looking; take one.")
    pipeline, run_config = read_both(compiled, config, overrides)
    look = partial(_look, pipeline, run_config, expect)
    if every:
        while True:
            _went_well(look)
            time.sleep(60 * every)
    if subscription:
        from kubeflow.schedules.notifications import Notifications

        notifications = Notifications(subscription)
        _went_well(look)  # at what came before anybody listened
        watch(notifications, look)
    look()


def watch(
    notifications: Notifications,
    look: Callable[[], None],
    wait: Callable[[], None] = lambda: time.sleep(SECONDS_AFTER_OUTAGE),
) -> NoReturn:
    """Look whenever messages come; what is out for a while does not end it."""
    from kubeflow.schedules.asking import ServiceError

    while True:
        try:
            notifications.after_next(partial(_went_well, look))
        except ServiceError as error:
            _tell(error)
            wait()


def expected_span(text: str, timezone: str) -> datetime.date | int:
    """What `--expect` names.

    >>> expected_span("2026-01-31", "UTC")
    datetime.date(2026, 1, 31)
    >>> expected_span("17", "UTC")
    17
    """
    if text == TODAY:
        return datetime.datetime.now(zoneinfo.ZoneInfo(timezone)).date()
    if text.isdecimal():
        return int(text)
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(
            f"--expect {text!r} must be a span's number, a date such as 2026-01-31, or today."
        ) from error


def _look(pipeline: CompiledPipeline, run_config: RunConfig, expect: str | None) -> None:
    from kubeflow.schedules.connect import connect
    from kubeflow.schedules.trigger import trigger

    timing = run_config.cluster.schedule
    expected = expected_span(expect, timing.timezone if timing else "UTC") if expect else None
    came = trigger(
        partial(connect, pipeline.target, run_config.cluster), pipeline, run_config.data, expected
    )
    if came.run is None:
        click.echo(f"Nothing new: {came.span} was submitted last.")
    elif came.run.found:
        click.echo(
            f"Submitted for {came.span} by an earlier look that did not come to an end: "
            f"{came.run.address}"
        )
    else:
        click.echo(f"Submitted for {came.span}: {came.run.address}")


def _went_well(look: Callable[[], None]) -> bool:
    """Whether the look came to an end; if not, its error is told."""
    try:
        look()
    except Exception as error:  # of whichever filesystem the corpus and the root are on
        _tell(error)
        return False
    return True


def _tell(error: Exception) -> None:
    kind = "" if isinstance(error, W2vError) else f"{type(error).__name__}: "
    click.echo(f"w2v: {kind}{error}", err=True)
