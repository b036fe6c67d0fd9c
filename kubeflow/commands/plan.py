"""`w2v plan CONFIG`: what a run will take in hours and money."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from kubeflow.cost.plan import Plan, Span


@click.command()
@click.argument("config")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option(
    "--on",
    "devices",
    default="v3-8,v5e-8,a100",
    show_default=True,
    metavar="DEVICE,…",
    help="Devices of the price file.",
)
@click.option(
    "--prices",
    "prices_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A price file of yours instead of kubeflow/cost/prices.yaml.",
)
@click.option(
    "--hours", default=960.0, show_default=True, metavar="HOURS", help="Audio in the corpus."
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(
    config: str,
    overrides: tuple[str, ...],
    devices: str,
    prices_file: Path | None,
    hours: float,
    as_json: bool,
) -> None:
    """Estimate hours and money of CONFIG's run, from its own recipe.

    What is trained is counted in operations from the model's layers; how much of its peak a
    device reaches is measured or, where it says so, assumed.

    \b
    Examples:
      w2v plan librispeech-960h
      w2v plan librispeech-100h --hours 100 --on a100 --set training.precision=mixed_bfloat16
    """
    from kubeflow.cost.plan import make_plan
    from kubeflow.cost.prices import PRICES, read_prices
    from pipeline.config import load_config

    prices = read_prices(prices_file or PRICES)
    names = [name.strip() for name in devices.split(",") if name.strip()]
    plan = make_plan(load_config(config, overrides=overrides), prices, names, hours)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(plan), indent=1))
    else:
        _print_plan(plan)


def _print_plan(plan: Plan) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(
        f"[bold]{plan.name}[/] hears {_figure(plan.audio_hours)} h of audio in training, its "
        f"corpus {plan.epochs:,.1f} times."
    )
    for table in (_stages(plan), _devices(plan), _beside(plan)):
        console.print()
        console.print(table)
    console.print("\nAssumed")
    for sentence in plan.assumptions:
        console.print(f"  · {sentence}", soft_wrap=True)


def _stages(plan: Plan) -> Table:
    table = _table("Training", "Steps", "Audio", "10¹⁵ operations")
    for stage in plan.stages:
        steps = f"{stage.steps:,}" if stage.steps else ""
        table.add_row(
            stage.name, steps, f"{_figure(stage.audio_hours)} h", _figure(stage.flops / 1e15)
        )
    return table


def _devices(plan: Plan) -> Table:
    has_spot = any(one.spot_money for one in plan.devices)
    spot_heading = [f"Spot, {plan.currency}"] if has_spot else []
    table = _table(
        "Device", "Hours", "from – to", plan.currency, "from – to", *spot_heading, "All", ""
    )
    for one in plan.devices:
        spot = [_figure(one.spot_money.expected) if one.spot_money else ""] if has_spot else []
        table.add_row(
            one.device,
            _figure(one.hours.expected),
            _range(one.hours),
            _figure(one.money.expected),
            _range(one.money),
            *spot,
            _figure(one.total),
            "measured" if one.utilisation.measured else "[yellow]assumed[/]",
        )
    return table


def _beside(plan: Plan) -> Table:
    table = _table("Beside it", "Hours", plan.currency, "")
    for one in plan.beside:
        basis = "measured" if one.measured else "[yellow]assumed[/]"
        table.add_row(one.what, _figure(one.hours), _figure(one.money), f"{basis}: {one.told}")
    return table


def _table(*headings: str) -> Table:
    """Names to the left, figures to the right, what is told of them to the left again."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        left = place == 0 or not heading
        table.add_column(heading, justify="left" if left else "right", no_wrap=bool(heading))
    return table


def _range(span: Span) -> str:
    return f"{_figure(span.low)} – {_figure(span.high)}"


def _figure(number: float) -> str:
    """As many digits as such an estimate deserves.

    >>> _figure(0.001), _figure(0.123), _figure(3.21), _figure(1234.5)
    ('< 0.01', '0.12', '3.2', '1,234')
    """
    if 0 < number < 0.01:
        return "< 0.01"
    if number < 1:
        return f"{number:.2f}"
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}"
