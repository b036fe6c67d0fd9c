"""What a person sees of a rehearsal: a line for each task as it ends, then the verdict."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kubeflow.rehearsal.causes import last_lines
from kubeflow.rehearsal.outcome import Rehearsal, TaskOutcome
from pipeline.terminal import short

COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "NOT_TRIGGERED": "dim"}
MARKS = {"SUCCEEDED": "✓", "FAILED": "✗", "NOT_TRIGGERED": "–"}


class Screen:
    """Draws the tasks while they run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("Preparing the image")

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def starts(self, name: str) -> None:
        """A task has been started."""
        self._status.update(f"[bold]{escape(name)}")

    def ended(self, task: TaskOutcome) -> None:
        """A task has ended."""
        mark = f"[{COLOURS[task.state]}]{MARKS[task.state]}[/]"
        line = f"  {mark} {escape(task.name):<38} {_how_it_went(task)}"
        self._console.print(line, soft_wrap=True)
        for note in task.notes:
            self._console.print(f"      [dim]{escape(note)}[/]", soft_wrap=True)


def print_outcome(rehearsal: Rehearsal, console: Console) -> None:
    """Print what every task made, and the verdict."""
    console.print()
    console.print(_task_table(rehearsal))
    console.print()
    for note in rehearsal.notes:
        console.print(f"[yellow]Note[/]    {escape(note)}", soft_wrap=True)
    failed = rehearsal.failed
    if failed:
        if failed.log:
            for line in last_lines(failed.log):
                console.print(f"  [dim]{escape(line)}[/]", soft_wrap=True)
            console.print()
        console.print(
            f"[bold red]Would fail[/]  {failed.name}: {escape(failed.cause)}", soft_wrap=True
        )
    elif rehearsal.refused:
        console.print("[bold yellow]Ran through[/]  every task; the gate refused the model.")
    else:
        console.print(f"[bold green]Ran through[/]  {_counted(rehearsal)}")
    console.print(f"Logs    {short(rehearsal.folder)}", soft_wrap=True)


def _counted(rehearsal: Rehearsal) -> str:
    seconds = sum(task.seconds for task in rehearsal.tasks)
    ran = [task for task in rehearsal.tasks if task.state == "SUCCEEDED"]
    return f"{len(ran)} of {len(rehearsal.tasks)} tasks in {seconds:,.0f} s"


def _task_table(rehearsal: Rehearsal) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Task", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Seconds", justify="right", no_wrap=True)
    table.add_column("Outputs")
    for task in rehearsal.tasks:
        table.add_row(
            escape(task.name),
            f"[{COLOURS[task.state]}]{task.state.lower().replace('_', ' ')}[/]",
            f"{task.seconds:.1f}" if task.how == "container" and task.seconds else "",
            ", ".join(sorted(task.made.artifacts))
            or ("nothing yet" if task.how == "resolver" else ""),
        )
    return table


def _how_it_went(task: TaskOutcome) -> str:
    if task.state == "NOT_TRIGGERED":
        return f"[dim]not started: {escape(task.cause)}[/]"
    if task.state == "FAILED":
        return f"{task.seconds:5.1f} s  [red]exit code {task.exit_code}[/]"
    if task.how == "resolver":
        found = sum(len(artifacts) for artifacts in task.made.artifacts.values())
        return "[dim]found[/]" if found else "[dim]nothing there yet[/]"
    return f"{task.seconds:5.1f} s" if task.how == "container" else f"[dim]{task.how}[/]"
