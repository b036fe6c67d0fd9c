"""`w2v run CONFIG`: the whole pipeline, from a corpus to a gated release."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipeline.config import RunnerName


@click.command()
@click.argument("config")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting, such as training.batch_size=8. Repeatable.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("w2v-runs"),
    show_default=True,
    help="Folder for artifacts, metadata, logs and releases.",
)
@click.option(
    "--runner",
    type=click.Choice(["local", "beam"]),
    default="local",
    show_default=True,
    help="TFX runner that executes the nodes on this machine.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on stdout.")
def command(
    config: str, overrides: tuple[str, ...], root: Path, runner: RunnerName, as_json: bool
) -> None:
    """Run the pipeline of CONFIG: a ready config's name or a YAML file.

    \b
    Exit codes: 0 published (or already published), 3 refused by the gate,
    2 bad input, 1 anything else.

    \b
    Examples:
      w2v run demo
      w2v run demo --set gate.max_wer.unpadded=0.02
      w2v run my-corpus.yaml --root /data/runs
    """
    from pipeline.config import load_config
    from pipeline.preflight import check_before_run

    root = root.expanduser().absolute()
    run_config = load_config(config, root=root, overrides=overrides)
    check_before_run(run_config, root)
    log_path = root / "logs" / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"

    from pipeline.supervise import run_supervised

    outcome = run_supervised(run_config, root, runner, log_path)
    if as_json:
        click.echo(json.dumps(outcome.as_json(), indent=1))
    else:
        from rich.console import Console

        from pipeline.summary import print_summary

        print_summary(outcome, run_config.gate.max_wer, root, log_path, Console(highlight=False))
    sys.exit(outcome.exit_code)
