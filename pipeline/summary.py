"""The last screen of a run: what it scored, what was decided and why, and what to type next."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.release_gate.rules import full_name
from components.wer_evaluator.scores import Score, percent, whole
from pipeline.outcome import Outcome


def print_summary(
    outcome: Outcome, bounds: dict[str, float], root: Path, log_path: Path, console: Console
) -> None:
    """Print the outcome for a person."""
    console.print()
    console.print(_score_table(outcome, bounds))
    console.print()
    console.print(
        f"Fine-tuning took the dev split's WER from [bold]{percent(outcome.dev_wer_before)}[/] "
        f"(the imported checkpoint) to [bold]{percent(outcome.dev_wer_after)}[/]."
    )
    console.print()
    for line in _verdict_lines(outcome):
        console.print(line, soft_wrap=True)
    console.print()
    for what, where in (("Report", outcome.report), ("Log", log_path)):
        console.print(f"{what:<8}{short(where)}", soft_wrap=True, highlight=False)
    console.print(f"{'Next':<8}[bold]{_next_command(outcome, root)}[/]", soft_wrap=True)


def short(path: str | Path) -> str:
    """The path as it is typed from here, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) and "://" not in str(path) else str(path)


def _score_table(outcome: Outcome, bounds: dict[str, float]) -> Table:
    bound_of = {full_name(name): bound for name, bound in bounds.items()}
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Artifact", no_wrap=True)
    table.add_column("Padding", no_wrap=True)
    for heading in ("WER", "Bound", "Heard", "Speed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for score in whole(outcome.verdict.scores):
        table.add_row(*_score_row(score, bound_of.get(score.trial)))
    return table


def _score_row(score: Score, bound: float | None) -> list[str]:
    wer = percent(score.wer)
    if bound is not None:
        wer = f"[{'green' if score.wer <= bound else 'red'}]{wer}[/]"
    return [
        score.artifact,
        score.variant,
        wer,
        "" if bound is None else percent(bound),
        f"{score.utterances}/{score.utterances + score.excluded}",
        f"{score.times_real_time:.0f} ×",
    ]


def _verdict_lines(outcome: Outcome) -> list[str]:
    if outcome.verdict.blessed:
        how = "is already published as" if outcome.already_published else "was published as"
        headline = (
            f"[bold green]Released[/]  {outcome.verdict.model} {how} version {outcome.version}: "
            f"{short(outcome.release or '')}"
        )
    else:
        headline = f"[bold red]Refused[/]   {outcome.verdict.model}: nothing was published."
    marks = {True: "[green]✓[/]", False: "[red]✗[/]"}
    return [headline] + [
        f"  {marks[finding.passed]} {finding.rule}: {finding.reason}"
        for finding in outcome.verdict.findings
    ]


def _next_command(outcome: Outcome, root: Path) -> str:
    if outcome.release is None:
        return f"open {short(outcome.report)}"
    heard = next((root / "corpus").glob("test-*/*/*/*.flac"), Path("your-recording.wav"))
    return f"{_w2v()} transcribe {short(outcome.release)} {short(heard)}"


def _w2v() -> str:
    """How the command is called from here: `make` does not put it on the path."""
    beside_python = Path(sys.executable).parent / "w2v"
    return "w2v" if shutil.which("w2v") or not beside_python.exists() else short(beside_python)
