"""`w2v convert CHECKPOINT --to DIR`: a PyTorch checkpoint, every tensor accounted for."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(checkpoint: Path, to: Path, as_json: bool) -> None:
    """Convert CHECKPOINT (Hugging Face folder or fairseq .pt) into a folder that loads here.

    Refuses, by name, a tensor that is missing, left over or of the wrong shape.
    """
    from models.wav2vec2.conversion import convert

    report = convert(checkpoint, to)
    click.echo(report.to_json() if as_json else str(report))
