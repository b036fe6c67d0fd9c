"""`w2v run CONFIG`: the whole pipeline, from a corpus to a gated release."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click

from pipeline.commands.options import root_option
from pipeline.config import EngineName, RunConfig, RunnerName, load_config
from pipeline.engines import ENGINES, check_engine, choose_runner
from pipeline.local import LOGS_FOLDER

ENGINES_HELP = "\n\n".join(
    ["Engines of Beam for --runner, and what each needs from --beam:"]
    + [f"{name}: {engine.about}." for name, engine in ENGINES.items()]
)


def run_options(command: Callable) -> Callable:
    """The argument and the options of every command that runs nodes."""
    options = (
        click.argument("config"),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change one setting, such as training.batch_size=8. Repeatable.",
        ),
        root_option("Folder for artifacts, metadata, logs and releases."),
        click.option(
            "--runner",
            type=click.Choice([*get_args(RunnerName), *get_args(EngineName)]),
            default="local",
            show_default=True,
            metavar="NAME",
            help="Everything on this machine (local or beam), or the engine that reads the corpus.",
        ),
        click.option(
            "--beam",
            "beam_flags",
            multiple=True,
            metavar="FLAG",
            help="A flag for Beam, such as --beam=--job_endpoint=localhost:8099. Repeatable.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_config(
    config: str, overrides: tuple[str, ...], root: Path, runner: str, beam_flags: tuple[str, ...]
) -> tuple[RunConfig, RunnerName]:
    """The whole config of a run, its engine within reach, and TFX's orchestrator."""
    loaded = load_config(config, root=root, overrides=overrides)
    run_config, orchestrator = choose_runner(loaded, runner, beam_flags)
    check_engine(run_config)
    return run_config, orchestrator


def log_path_below(root: Path) -> Path:
    """The log file of a run that starts now."""
    return root / LOGS_FOLDER / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"


@click.command(epilog=ENGINES_HELP)
@run_options
def command(
    config: str,
    overrides: tuple[str, ...],
    root: Path,
    runner: str,
    beam_flags: tuple[str, ...],
    as_json: bool,
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
      w2v run demo --runner DaskRunner --beam=--dask_client_address=tcp://10.0.0.5:8786
    """
    from pipeline.preflight import check_before_run

    root = root.expanduser().absolute()
    run_config, orchestrator = read_config(config, overrides, root, runner, beam_flags)
    check_before_run(run_config, root)
    log_path = log_path_below(root)

    from pipeline.supervise import run_supervised

    outcome = run_supervised(run_config, root, orchestrator, log_path)
    if as_json:
        click.echo(json.dumps(outcome.as_json(), indent=1))
    else:
        from rich.console import Console

        from pipeline.summary import print_summary

        print_summary(outcome, run_config.gate.max_wer, root, log_path, Console(highlight=False))
    sys.exit(outcome.exit_code)
