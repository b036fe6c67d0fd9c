"""`w2v lineage RELEASE`: what made a release."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.options import (
    place_of_metadata,
    read_server_config,
    root_option,
    server_options,
)

if TYPE_CHECKING:
    from rich.tree import Tree

    from pipeline.lineage import Data, Lineage, Made, Training
    from schemas.release_manifest import ReleaseManifest, RuntimeValue

# A tree is cut at the console's width, and a digest must not be: the terminal breaks long lines.
WIDEST = 1000


@click.command()
@click.argument("release")
@root_option("The folder of the runs.")
@server_options
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON, every id too.")
def command(
    release: str, root: Path, config: str | None, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Say what made RELEASE: a version's number, a release's folder, or `latest`.

    Its data, checkpoint, config and training, what it scored, what the gate said, and which
    release it replaced. --json adds the chain of executions and artifacts by their ids.

    What ran on a cluster is known to the server that runner.metadata named when it was compiled:
    --config says which.

    \b
    Examples:
      w2v lineage latest
      w2v lineage 3 --root /data/runs --json
      w2v lineage latest --config mine.yaml
    """
    from pipeline.lineage import lineage_of
    from pipeline.metadata import refuse_bucket

    server = read_server_config(config, overrides)
    if server is None:
        refuse_bucket(root)
    lineage = lineage_of(release, root.expanduser().absolute(), server)
    if as_json:
        click.echo(json.dumps(lineage.as_json(), indent=1))
        return
    from rich.console import Console

    console = Console(highlight=False, width=WIDEST)
    console.print(tree_of(lineage), soft_wrap=True)
    if lineage.made is None:
        console.print(
            f"\nML Metadata {place_of_metadata(root, server)} does not know how this release was"
            " made, as where that was elsewhere: this is what its own manifest says.",
            soft_wrap=True,
        )


def tree_of(lineage: Lineage) -> Tree:
    """The lineage as a tree for a person."""
    from rich.markup import escape
    from rich.tree import Tree

    from components.release_gate.report.wording import moment

    manifest = lineage.manifest
    published = f"published {moment(manifest.created)}" if manifest else "[yellow]removed[/]"
    place = escape(lineage.folder)
    tree = Tree(f"[bold]{escape(lineage.name)} {lineage.version}[/], {published}: {place}")
    if lineage.restores:
        tree.add(f"Restores version {lineage.restores}, of which all that follows is told")
    if lineage.made:
        _add_what_made(tree, lineage.made, manifest.wer if manifest else lineage.made.wer)
    elif manifest:
        _add_manifest(tree, manifest)
    _add_replaced(tree, lineage)
    return tree


def _add_what_made(tree: Tree, made: Made, rates: dict[str, float]) -> None:
    from rich.markup import escape

    from components.release_gate.report.wording import duration

    tree.add(f"Run {made.run.run}, which took {duration(made.run.seconds)}")
    _add_data(tree, made.data)
    parameters = f", {made.parameters:,} parameters" if made.parameters else ""
    checkpoint = tree.add(f"Checkpoint {escape(made.checkpoint)}{parameters}")
    checkpoint.add(f"sha256:{made.checkpoint_sha256}")
    _add_config(tree, made.config_sha256, made.runtime_parameters)
    tree.add(f"Code {made.code_version}")
    if made.training:
        _add_training(tree, made.training)
    _add_rates(tree, rates)
    _add_gate(tree, made)


def _add_manifest(tree: Tree, manifest: ReleaseManifest) -> None:
    from rich.markup import escape

    provenance = manifest.provenance
    tree.add(f"Data of span {provenance.data_span}").add(escape(provenance.data_fingerprint))
    checkpoint = tree.add(f"Checkpoint {escape(provenance.checkpoint)}")
    checkpoint.add(f"sha256:{provenance.checkpoint_sha256}")
    _add_config(tree, provenance.config_sha256, provenance.runtime_parameters)
    tree.add(f"Code {provenance.code_version}")
    _add_rates(tree, manifest.wer)


def _add_config(tree: Tree, sha256: str, told: Mapping[str, RuntimeValue]) -> None:
    from rich.markup import escape

    from schemas.release_manifest import runtime_values_text

    branch = tree.add(f"Config sha256:{sha256}")
    if told:
        branch.add(f"but this run was told {escape(runtime_values_text(told))}")


def _add_data(tree: Tree, data: Data) -> None:
    from rich.markup import escape

    branch = tree.add(f"Data of span {data.span} in {escape(data.corpus)}")
    branch.add(escape(data.fingerprint))
    for name, split in data.splits.items():
        aside = f", {split.quarantined:,} set aside" if split.quarantined else ""
        branch.add(
            f"{name}: {split.utterances:,} utterances, {split.hours:,.2f} h, "
            f"{split.speakers:,} speakers{aside}"
        )


def _add_training(tree: Tree, training: Training) -> None:
    from components.release_gate.report.wording import duration
    from components.wer_evaluator.scores import percent

    recipe = training.recipe
    told = f"Training in batches of {recipe.batch_size}"
    if training.steps is not None:
        told += f": {training.steps:,} steps"
    if training.audio_hours is not None and training.seconds is not None:
        told += f", {training.audio_hours:,.1f} h of audio in {duration(training.seconds)}"
    branch = tree.add(told + (", as the tuner found best" if training.tuned else ""))
    for stage in recipe.stages:
        trains = stage.trains.replace("_", " ")
        branch.add(f"{trains}: {stage.steps:,} steps at {stage.learning_rate:g}, {stage.schedule}")
    if training.dev_wer_before is not None and training.dev_wer_after is not None:
        branch.add(
            f"WER of the dev split {percent(training.dev_wer_before)} before, "
            f"{percent(training.dev_wer_after)} at step {training.best_step:,}, its best"
        )


def _add_rates(tree: Tree, rates: dict[str, float]) -> None:
    from components.wer_evaluator.scores import percent

    branch = tree.add("WER")
    for trial, rate in rates.items():
        branch.add(f"{trial} {percent(rate)}")


def _add_gate(tree: Tree, made: Made) -> None:
    from rich.markup import escape

    verdict = "[green]let it out[/]" if made.blessed else "[red]refused it[/]"
    branch = tree.add(f"Gate {verdict}: {escape(made.report)}")
    for finding in made.findings:
        mark = "[green]✓[/]" if finding.passed else "[red]✗[/]"
        branch.add(f"{mark} {escape(finding.rule)}: {escape(finding.reason)}")


def _add_replaced(tree: Tree, lineage: Lineage) -> None:
    from components.wer_evaluator.scores import percent

    replaced = lineage.replaced
    if replaced is None:
        tree.add("Replaced nothing: it is the first release known here")
        return
    rate = f", WER {percent(replaced.wer)}" if replaced.wer is not None else ""
    tree.add(f"Replaced version {replaced.version}{rate}")
