"""`w2v runs`: every run below a root, how it went and what it cost."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.options import (
    place_of_metadata,
    read_server_config,
    root_option,
    server_options,
)

if TYPE_CHECKING:
    from pipeline.run_record import RunRecord

COLOURS = {
    "released": "green",
    "refused": "red",
    "failed": "red",
    "running": "cyan",
    "stopped?": "yellow",
}


@click.command()
@root_option("The folder of the runs.")
@server_options
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="So many, at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON.")
def command(
    root: Path, config: str | None, overrides: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """List the runs that ML Metadata remembers, newest last.

    Those of `w2v run` are below --root. Those of Vertex AI and Kubeflow are on the server that
    runner.metadata named when they were compiled: --config says which.

    "stopped?" is a run without an end of which nothing was heard for an hour, or that another
    followed: it was most likely killed. Training that came from the cache cost nothing and has
    no figures.

    \b
    Examples:
      w2v runs --root /data/runs
      w2v runs --config mine.yaml --set runner.metadata_password=env:PASSWORD
    """
    from pipeline.run_record import read_records

    server = read_server_config(config, overrides)
    records = read_records(root, limit, server)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(record) for record in records], indent=1))
    elif records:
        _print_table(records)
    else:
        click.echo(f"Nothing has been run {place_of_metadata(root, server)} yet.")


def _print_table(records: list[RunRecord]) -> None:
    from rich.console import Console
    from rich.table import Table

    several = len({record.pipeline for record in records}) > 1
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Run", *(["Pipeline"] if several else []), "State"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Took", "Trained", "Audio", "Steps", "WER"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for record in records:
        name = [record.run, record.pipeline] if several else [record.run]
        table.add_row(*name, *_figures(record), _note(record))
    Console(highlight=False).print(table)


def _figures(record: RunRecord) -> list[str]:
    from components.wer_evaluator.scores import percent

    colour = COLOURS.get(record.state)
    return [
        f"[{colour}]{record.state}[/]" if colour else record.state,
        _time(record.seconds),
        "" if record.training_seconds is None else _time(record.training_seconds),
        "" if record.audio_hours_trained is None else f"{record.audio_hours_trained:,.1f} h",
        "" if record.training_steps is None else f"{record.training_steps:,}",
        "" if record.wer is None else percent(record.wer),
    ]


def _note(record: RunRecord) -> str:
    if record.failed_at:
        return record.failed_at
    if record.version:
        return f"version {record.version}" + (", out before" if record.already_published else "")
    if not record.nodes_run and record.nodes_from_cache:
        return "all from the cache"
    return ""


def _time(seconds: float) -> str:
    """
    >>> _time(7.4), _time(200), _time(19_500)
    ('0:07', '3:20', '5:25:00')
    """
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
