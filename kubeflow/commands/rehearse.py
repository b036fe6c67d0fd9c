"""`w2v rehearse FILE`: a compiled pipeline, run on this machine as the cluster would run it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command()
@click.argument("compiled", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("w2v-rehearsal"),
    show_default=True,
    help="Folder that stands for the buckets, and keeps logs and what earlier rehearsals made.",
)
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    metavar="gs://…=DIR",
    help="Let a folder of yours stand for a place in a bucket. Repeatable.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give a runtime parameter."
)
@click.option(
    "--image",
    "code",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the image's code, if not as this checkout would build it.",
)
@click.option("--retries", is_flag=True, help="Try a failed task again, as often as the file says.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def command(
    compiled: Path,
    root: Path,
    mounts: tuple[str, ...],
    settings: tuple[str, ...],
    code: Path | None,
    retries: bool,
    as_json: bool,
) -> None:
    """Run COMPILED task by task on this machine, as Vertex AI or Kubeflow would.

    Each task is its own process with what the image holds and nothing else: it finds what compiles
    but would die in the cluster. Buckets are folders below --root; nothing leaves this machine.

    \b
    Exit codes: 0 every task ran, 3 refused by the gate, 2 bad input, 1 a task failed.

    \b
    Example:
      w2v rehearse pipeline.json --mount gs://my-bucket/LibriSpeech=/data/LibriSpeech
    """
    from rich.console import Console

    from kubeflow.rehearsal.rehearse import rehearse
    from kubeflow.rehearsal.screen import Screen, print_outcome
    from kubeflow.rehearsal.spec import read_compiled

    pipeline = read_compiled(compiled)
    with Screen(Console(stderr=True, highlight=False)) as screen:
        rehearsal = rehearse(
            pipeline,
            root.expanduser(),
            mounts,
            settings,
            code,
            with_retries=retries,
            starts=screen.starts,
            ended=screen.ended,
        )
    if as_json:
        click.echo(json.dumps(rehearsal.as_json(), indent=1))
    else:
        print_outcome(rehearsal, Console(highlight=False))
    sys.exit(rehearsal.exit_code)
