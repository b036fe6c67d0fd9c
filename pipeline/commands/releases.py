"""`w2v releases`: what has been published, how good it was, and what became of it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from schemas.release_manifest import ReleaseManifest

SAVED_MODEL = "saved_model"


@click.command()
@click.option(
    "--folder", default="w2v-runs/releases", show_default=True, help="The release folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifests as JSON.")
def command(folder: str, as_json: bool) -> None:
    """List the published releases, newest last: artifacts, sizes, word error rates, rollbacks.

    The folder may lie on any filesystem that TensorFlow knows, such as gs://my-bucket/releases.
    """
    from components.release_pusher.releases import list_releases

    releases = list_releases(folder)
    if as_json:
        states = state_of_each(releases)
        rows = [
            dataclasses.asdict(release) | {"state": state}
            for release, state in zip(releases, states, strict=True)
        ]
        click.echo(json.dumps(rows, indent=1))
    elif releases:
        _print_table(releases)
    else:
        click.echo(f"Nothing has been published in {folder} yet.")


def state_of_each(releases: list[ReleaseManifest]) -> list[str]:
    """What readers take (`current`), what was withdrawn (`rolled back`), and the rest (`old`)."""
    from components.release_pusher.releases import rejected_contents

    rejected = rejected_contents(releases)
    states = [
        "rolled back" if release.content_sha256 in rejected else "old" for release in releases
    ]
    return [*states[:-1], "current"] if states else []


def artifacts_of(release: ReleaseManifest) -> dict[str, tuple[int, float]]:
    """Each artifact's bytes and word error rate, in the order of the files."""
    from components.release_pusher.layout import is_file_artifact, is_of_saved_model
    from models.recognisers.published import FILE_PREFIX

    sizes = {SAVED_MODEL: 0}
    for file in release.files:
        path = PurePosixPath(file.path)
        if is_file_artifact(file.path):
            sizes[f"{path.parts[0]}_{path.stem.removeprefix(FILE_PREFIX)}"] = file.bytes
        elif is_of_saved_model(file.path):
            sizes[SAVED_MODEL] += file.bytes
    return {name: (size, _main_wer(release, name)) for name, size in sizes.items()}


def _main_wer(release: ReleaseManifest, artifact: str) -> float:
    """As the main trial pads and decodes, where that was scored; else what was scored first."""
    from components.wer_evaluator.predictions import split_trial, trial_name
    from components.wer_evaluator.scores import MAIN_TRIAL

    _, variant, decoder = split_trial(MAIN_TRIAL)
    rates = {trial: wer for trial, wer in release.wer.items() if split_trial(trial)[0] == artifact}
    return rates.get(trial_name(artifact, variant, decoder), next(iter(rates.values()), math.nan))


def _print_table(releases: list[ReleaseManifest]) -> None:
    from rich.console import Console
    from rich.table import Table

    from components.wer_evaluator.scores import percent

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Version", justify="right")
    for heading in ("Published (UTC)", "Artifact"):
        table.add_column(heading, no_wrap=True)
    for heading in ("WER", "Size"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for release, state in zip(releases, state_of_each(releases), strict=True):
        head = [str(release.version), release.created[:16].replace("T", " ")]
        note = _note(release, state)
        for artifact, (size, wer) in artifacts_of(release).items():
            table.add_row(*head, artifact, percent(wer), f"{size / 1024**2:.1f} MiB", note)
            head, note = ["", ""], ""
    Console(highlight=False).print(table)


def _note(release: ReleaseManifest, state: str) -> str:
    told = {"current": "[bold green]current[/]", "rolled back": "[red]rolled back[/]"}
    parts = [told.get(state, "")]
    if release.restores is not None:
        parts.append(f"restores {release.restores}")
    if values := release.provenance.runtime_parameters_text:
        parts.append(f"told {values}")
    return ", ".join(filter(None, parts))
