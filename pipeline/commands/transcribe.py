"""`w2v transcribe MODEL FILE…`: what a model hears in audio files."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(model: Path, files: tuple[Path, ...], as_json: bool) -> None:
    """Transcribe audio FILES with MODEL: a release, a .tflite or .onnx file, or a checkpoint.

    Recordings of any length: what a model cannot hear at once it hears in overlapping windows.

    \b
    Example:
      w2v transcribe w2v-runs/releases/1 hello.wav
    """
    from models.audio import read_audio
    from models.recognisers import open_recogniser
    from models.recognisers.windows import recognise_any_length

    recogniser = open_recogniser(model)
    for file in files:
        text = recognise_any_length(recogniser, read_audio(file)).text
        if as_json:
            click.echo(json.dumps({"file": str(file), "text": text}, ensure_ascii=False))
        else:
            click.echo(f"{file}\t{text}" if len(files) > 1 else text)
