"""Options that several commands have alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click


def root_option(help: str) -> Callable[[Callable], Callable]:
    """The folder below which runs keep everything."""
    return click.option(
        "--root",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("w2v-runs"),
        show_default=True,
        help=help,
    )
