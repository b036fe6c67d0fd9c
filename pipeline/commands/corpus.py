"""`w2v corpus`: a synthetic corpus in LibriSpeech layout."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click


@click.command()
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the corpus; it is made if it is not there.",
)
@click.option("--utterances", type=click.IntRange(min=10), default=700, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, other words.")
@click.option(
    "--grammar",
    default="phone",
    show_default=True,
    help="What is said: phone (assistant commands), digits, household (many words).",
)
@click.option(
    "--speakers",
    default="demo",
    show_default=True,
    help="Who speaks: demo or pretraining; the two share no voice.",
)
@click.option(
    "--vocabulary",
    type=click.File(encoding="utf-8"),
    help="A file of words, one a line: random sentences of these instead of a grammar.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes. [default: all cores]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(to: Path, vocabulary, as_json: bool, **options) -> None:
    """Speak a synthetic corpus in LibriSpeech layout: FLAC, transcripts, speaker tables.

    No speaker stands in two subsets. The same options again find the corpus there and change
    nothing.

    \b
    Example:
      w2v corpus --to corpus --utterances 700 --seed 1
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from pipeline.synthetic import make_corpus

    words = vocabulary.read().split() if vocabulary else None
    console = Console(stderr=True)
    with Progress(
        TextColumn("Speaking the corpus"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("")
        summary = make_corpus(
            to,
            vocabulary=words,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
            **options,
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(summary), indent=1))
        return
    subsets = ", ".join(f"{name} {count}" for name, count in summary.subsets.items())
    click.echo(
        f"Corpus in {to}: {summary.utterances} utterances, {summary.seconds / 60:.1f} minutes, "
        f"{summary.speakers} speakers ({subsets})."
    )
