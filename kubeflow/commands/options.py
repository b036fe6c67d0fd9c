"""What `w2v schedule` and `w2v trigger` both take."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.errors import BadInputError

if TYPE_CHECKING:
    from kubeflow.schedules.compiled import CompiledPipeline
    from pipeline.config import RunConfig


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


def pipeline_root_option(command: Callable) -> Callable:
    """For a run whose artifacts are to lie elsewhere."""
    return click.option(
        "--pipeline-root",
        metavar="BUCKET",
        help="Bucket for this run's artifacts. Releases and records stay where they were compiled "
        "to be.",
    )(command)


compiled_argument = click.argument(
    "compiled", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)


def read_both(
    compiled: Path, config: str, overrides: tuple[str, ...]
) -> tuple[CompiledPipeline, RunConfig]:
    """The compiled file and the config that it was made from; raises where they differ in data."""
    from kubeflow.schedules.compiled import read_compiled
    from pipeline.config import load_config

    pipeline = read_compiled(compiled)
    run_config = load_config(config, root=posixpath.dirname(pipeline.root), overrides=overrides)
    if pipeline.name != run_config.name:
        raise BadInputError(
            f"{compiled} is the pipeline {pipeline.name!r}, but {config} is of "
            f"{run_config.name!r}; compile it from this config, or give its own."
        )
    pipeline.check_reads(run_config.data)
    return pipeline, run_config
