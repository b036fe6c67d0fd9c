"""The last screen of a run: what it scored, what was decided and why, and what to type next."""

from __future__ import annotations

import math
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.release_gate.report import HTML_FILE
from components.release_gate.rules import full_name
from components.release_gate.verdict import Verdict
from components.wer_evaluator.evaluation import PaddingCause, read_padding_causes
from components.wer_evaluator.explain import ENDINGS_TO_EXPLAIN
from components.wer_evaluator.scores import Score, percent, whole
from pipeline.local import QUARANTINED_FILE
from pipeline.terminal import short

if TYPE_CHECKING:
    from pipeline.evaluation_settings import EvaluationSettings
    from pipeline.ingest import IngestOutcome
    from pipeline.outcome import Outcome


def print_summary(
    outcome: Outcome, bounds: dict[str, float], root: Path, log_path: Path, console: Console
) -> None:
    """Print the outcome for a person."""
    console.print()
    console.print(score_table(outcome.verdict, bounds))
    print_unscored(outcome.verdict, console)
    console.print()
    console.print(
        f"Fine-tuning took the dev split's WER from [bold]{percent(outcome.dev_wer_before)}[/] "
        f"(before it) to [bold]{percent(outcome.dev_wer_after)}[/]."
    )
    console.print()
    console.print(_headline(outcome), soft_wrap=True)
    print_findings(outcome.verdict, console)
    console.print()
    print_corpus(outcome.corpus, console)
    for what, where in (("Report", outcome.report), ("Log", log_path)):
        console.print(f"{what:<8}{short(where)}", soft_wrap=True, highlight=False)
    for name, url in outcome.delivered.items():
        console.print(f"{'Also at':<8}{name}: {url}", soft_wrap=True, highlight=False)
    console.print(f"{'Next':<8}[bold]{_next_command(outcome, root)}[/]", soft_wrap=True)


def print_corpus(corpus: IngestOutcome, console: Console) -> None:
    """What was read, and, where that is not all, why and where the rest is listed."""
    splits = [split.found for split in corpus.splits]
    utterances = " + ".join(f"{split.utterances:,}" for split in splits)
    names = ", ".join(split.name for split in splits)
    hours = sum(split.hours for split in splits)
    console.print(f"{'Corpus':<8}{utterances} utterances ({names}), {hours:,.2f} h", soft_wrap=True)
    reasons = sum((Counter(split.reasons) for split in splits), Counter[str]())
    if reasons:
        told = ", ".join(f"{reason} ({number:,})" for reason, number in reasons.most_common())
        where = escape(short(corpus.findings))
        console.print(
            f"{'':<8}[yellow]{reasons.total():,} set aside[/]: {told}; listed in {where}",
            soft_wrap=True,
        )


def print_evaluation(verdict: Verdict, settings: EvaluationSettings, to: Path) -> None:
    """Print what `w2v evaluate` found."""
    console = Console(highlight=False)
    console.print(score_table(verdict, settings.gate.max_wer if settings.gate else {}))
    print_unscored(verdict, console)
    causes = read_padding_causes(str(to))
    if causes:
        console.print()
        console.print(padding_table(causes))
    console.print()
    if verdict.findings:
        console.print("[bold green]Passed[/]" if verdict.blessed else "[bold red]Refused[/]")
        print_findings(verdict, console)
        console.print()
    unread = to / QUARANTINED_FILE
    if unread.exists():
        count = len(unread.read_text(encoding="utf-8").splitlines())
        console.print(f"Unread  {count} utterances, listed in {short(unread)}", soft_wrap=True)
    console.print(f"Report  {short(to / HTML_FILE)}", soft_wrap=True)


def padding_table(causes: list[PaddingCause]) -> Table:
    """What the forerunner's protocol loses, each cause on top of those above it."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("What the forerunner's padding costs", no_wrap=True)
    for heading in ("WER", "Added", "Utterances", "Words"):
        table.add_column(heading, justify="right", no_wrap=True)
    for before, cause in zip([None, *causes], causes, strict=False):
        added = f"{100 * (cause.wer - before.wer):+.2f}" if before else ""
        table.add_row(
            cause.cause, percent(cause.wer), added, str(cause.utterances), str(cause.words)
        )
    return table


def score_table(verdict: Verdict, bounds: dict[str, float]) -> Table:
    """What each artifact scored under each padding, beside its bound."""
    bound_of = {full_name(name): bound for name, bound in bounds.items()}
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Artifact", no_wrap=True)
    table.add_column("Padding", no_wrap=True)
    for heading in ("WER", "95 %", "Bound", "Speed"):
        table.add_column(heading, justify="right", no_wrap=True)
    artifact = ""
    for score in whole(verdict.scores):
        if score.variant.endswith(ENDINGS_TO_EXPLAIN):
            continue  # told by the table of what padding costs
        row = _score_row(score, bound_of.get(score.trial))
        table.add_row("" if score.artifact == artifact else score.artifact, *row)
        artifact = score.artifact
    return table


def print_unscored(verdict: Verdict, console: Console) -> None:
    """A line for each trial that left utterances out."""
    for score in whole(verdict.scores):
        if score.excluded:
            total = score.utterances + score.excluded
            console.print(f"{score.trial}: {score.excluded} of {total} utterances were not scored")


def interval(score: Score) -> str:
    """Where the WER lies with 95 % confidence, in percent."""
    if math.isnan(score.wer_low):
        return ""
    return f"{100 * score.wer_low:.2f}–{100 * score.wer_high:.2f}"


def _score_row(score: Score, bound: float | None) -> list[str]:
    wer = percent(score.wer)
    if bound is not None:
        wer = f"[{'green' if score.wer <= bound else 'red'}]{wer}[/]"
    return [
        score.trial.partition("/")[2],
        wer,
        interval(score),
        "" if bound is None else percent(bound),
        f"{score.times_real_time:.0f} ×",
    ]


def print_findings(verdict: Verdict, console: Console) -> None:
    """One line for each of the gate's rules."""
    marks = {True: "[green]✓[/]", False: "[red]✗[/]"}
    for finding in verdict.findings:
        told = escape(f"{finding.rule}: {finding.reason}")
        line = f"  {marks[finding.passed]} {told}"
        console.print(line, soft_wrap=True)


def _headline(outcome: Outcome) -> str:
    model = outcome.verdict.model
    if not outcome.verdict.blessed:
        return f"[bold red]Refused[/]   {model}: nothing was published."
    how = "is already published as" if outcome.already_published else "was published as"
    where = short(outcome.release or "")
    return f"[bold green]Released[/]  {model} {how} version {outcome.version}: {where}"


def _next_command(outcome: Outcome, root: Path) -> str:
    if outcome.release is None:
        return f"open {short(outcome.report)}"
    heard = next((root / "corpus").glob("test-*/*/*/*.flac"), Path("your-recording.wav"))
    return f"{_w2v()} transcribe {short(outcome.release)} {short(heard)}"


def _w2v() -> str:
    """How the command is called from here: `make` does not put it on the path."""
    beside_python = Path(sys.executable).parent / "w2v"
    return "w2v" if shutil.which("w2v") or not beside_python.exists() else short(beside_python)
