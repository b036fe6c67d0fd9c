"""`w2v compile CONFIG`: the pipeline as a spec that the cluster runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("config")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option(
    "--root",
    required=True,
    help="Bucket for artifacts, records and releases, such as gs://my-bucket/w2v.",
)
@click.option(
    "--target",
    type=click.Choice(["vertex", "kfp"]),
    default="vertex",
    show_default=True,
    help="Vertex AI, or Kubeflow Pipelines of one's own.",
)
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write."
)
def command(config: str, overrides: tuple[str, ...], root: str, target: str, to: Path) -> None:
    """Compile the pipeline of CONFIG into what a cluster runs: JSON for Vertex AI, YAML for KFP.

    \b
    Example:
      w2v compile librispeech-960h --root gs://my-bucket/w2v --to pipeline.json \\
          --set data.corpus=gs://my-bucket/LibriSpeech
    """
    from pipeline.config import load_config

    run_config = load_config(config, root=root.rstrip("/"), overrides=overrides)
    from kubeflow.compile import compile_pipeline
    from kubeflow.container.parameters import runtime_parameters

    spec = compile_pipeline(run_config, root, "kfp" if target == "kfp" else "vertex", to)
    executors = spec.get("pipelineSpec", spec)["deploymentSpec"]["executors"]
    click.echo(f"Wrote {to} for {target}: pipeline {run_config.name!r}, {len(executors)} tasks.")
    click.echo("A run may be told, without compiling again:")
    rows = [
        (parameter.name, _shown(parameter.default), parameter.about)
        for parameter in runtime_parameters(run_config)
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, default, about in rows:
        click.echo(f"  {name:<{widths[0]}}  {default:>{widths[1]}}  {about}")


def _shown(default: str | float) -> str:
    return "-" if default == "" else f"{default:g}" if isinstance(default, float) else str(default)
