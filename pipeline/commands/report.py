"""`w2v report`: the WER report of any run, built again from what its evaluation left."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from models.errors import GateRefusedError
from pipeline.commands.options import root_option


@click.command()
@root_option("The folder of the runs.")
@click.option("--pipeline", "name", help="Name of the pipeline, where the root holds several.")
@click.option("--run", "run", help="Id of the run; the latest one otherwise.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for report.html, report.md and report.json.",
)
@click.option(
    "--max-wer", "bounds", multiple=True, metavar="NAME=RATE", help="Judge by this bound."
)
def command(
    root: Path, name: str | None, run: str | None, to: Path, bounds: tuple[str, ...]
) -> None:
    """Build the report of a run again, without running a model.

    With --max-wer it is judged anew: the exit code is 3 where that refuses it.

    \b
    Examples:
      w2v report --to report
      w2v report --run 2026-11-21T09:30:00 --to report --max-wer unpadded=0.02
    """
    from rich.console import Console

    from components.release_gate.report import HTML_FILE
    from pipeline.local import METADATA_FILE
    from pipeline.rebuild import rebuild_report
    from pipeline.summary import print_findings

    verdict = rebuild_report(root / METADATA_FILE, name, run, to, bounds)
    if bounds:
        print_findings(verdict, Console(highlight=False))
    click.echo(to / HTML_FILE)
    sys.exit(GateRefusedError.exit_code if bounds and not verdict.blessed else 0)
