"""Options that several commands have alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipeline.config import RunConfig


def root_option(help: str) -> Callable[[Callable], Callable]:
    """The folder below which runs keep everything."""
    return click.option(
        "--root",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("w2v-runs"),
        show_default=True,
        help=help,
    )


def server_options(command: Callable) -> Callable:
    """Whose ML Metadata is read, where it is a server's."""
    options = (
        click.option("--config", help="Read the server that this config's runner.metadata names."),
        click.option(
            "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting of it."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_server_config(config: str | None, overrides: tuple[str, ...]) -> RunConfig | None:
    """The config of `server_options`; None where the metadata is below a root."""
    if config is None:
        return None
    from pipeline.config import load_config

    return load_config(config, overrides=overrides)


def place_of_metadata(root: Path, server: RunConfig | None) -> str:
    """Where it was read, for a person."""
    return f"on {server.runner.metadata}" if server else f"below {root}"
