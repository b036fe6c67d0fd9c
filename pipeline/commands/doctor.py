"""`w2v doctor`: what this machine can do, and what is missing."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Say what this machine can do and what is missing, with the cure."""
    import dataclasses

    from pipeline.doctor import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
    else:
        from rich.console import Console
        from rich.markup import escape

        console = Console()
        marks = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "missing": "[red]✗[/]"}
        for finding in findings:
            cure = f"  → {finding.cure}" if finding.cure else ""
            console.print(
                f"{marks[finding.state]} {finding.what:<27}{escape(finding.found + cure)}",
                soft_wrap=True,
                highlight=False,
            )
    sys.exit(1 if any(finding.state == "missing" for finding in findings) else 0)
