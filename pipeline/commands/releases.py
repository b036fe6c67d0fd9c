"""`w2v releases`: what has been published, and how good it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("w2v-runs/releases"),
    show_default=True,
    help="The release folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifests as JSON.")
def command(folder: Path, as_json: bool) -> None:
    """List the published releases, newest last, with their word error rates."""
    from rich.console import Console
    from rich.table import Table

    from components.release_pusher.releases import list_releases

    releases = list_releases(folder)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(release) for release in releases], indent=1))
        return
    if not releases:
        click.echo(f"Nothing has been published in {folder} yet.")
        return
    table = Table("Version", "Published", "WER", "Files", "Size", box=None, header_style="bold")
    for release in releases:
        size = sum(file.bytes for file in release.files) / 1024**2
        wer = release.wer.get("saved_model/unpadded", float("nan"))
        table.add_row(
            str(release.version),
            release.created,
            f"{100 * wer:.2f} %",
            str(len(release.files)),
            f"{size:.1f} MiB",
        )
    Console().print(table)
