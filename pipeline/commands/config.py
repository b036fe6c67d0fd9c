"""`w2v config`: print a ready config to start from, or check one."""

from __future__ import annotations

import click


@click.command()
@click.argument("config", required=False)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option("--check", is_flag=True, help="Only check it; print nothing but the verdict.")
def command(config: str | None, overrides: tuple[str, ...], check: bool) -> None:
    """Print the ready config CONFIG, or check a YAML file of yours.

    Without CONFIG, list the ready ones.
    """
    from pipeline.config import find_config, load_config, ready_configs

    if config is None:
        for name in ready_configs():
            click.echo(name)
        return
    loaded = load_config(config, overrides=overrides)
    if check:
        click.echo(f"{config} is valid (config {loaded.sha256[:12]}).")
    else:
        click.echo(find_config(config).read_text(encoding="utf-8"), nl=False)
