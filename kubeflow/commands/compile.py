"""`w2v compile CONFIG`: the pipeline as a spec that the cluster runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("config")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option("--root", required=True, help="Bucket for artifacts, such as gs://my-bucket/w2v.")
@click.option(
    "--target", type=click.Choice(["vertex"]), default="vertex", show_default=True, help="Cluster."
)
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write."
)
def command(config: str, overrides: tuple[str, ...], root: str, target: str, to: Path) -> None:
    """Compile the pipeline of CONFIG into the JSON that Vertex AI runs.

    \b
    Example:
      w2v compile librispeech-960h --root gs://my-bucket/w2v --to pipeline.json \\
          --set data.corpus=gs://my-bucket/LibriSpeech
    """
    from pipeline.config import load_config

    run_config = load_config(config, root=root, overrides=overrides)
    from kubeflow.compile import compile_for_vertex

    spec = compile_for_vertex(run_config, root, to)
    nodes = spec["pipelineSpec"]["root"]["dag"]["tasks"]
    click.echo(f"Wrote {to} for {target}: pipeline {run_config.name!r}, {len(nodes)} tasks.")
