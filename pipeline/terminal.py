"""What a person sees while the pipeline runs: one line a node, bars on long steps, no noise.

TensorFlow, Beam and absl write to the process's stdout and stderr, some from C++. During a run
both go to the log file, and the screen keeps its own copies of the real ones.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import absl.logging
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from models.progress import LOGGER_NAME

# What TFX's runners log around each node (their message templates, not the rendered text).
NODE_STARTS = ("Component %s is running.", "node %s is running.")
NODE_ENDS = ("Component %s is finished.", "node %s is finished.")
CACHE_HIT = "A cached execution %d is used."
# Columns of a terminal on which a long bar leaves room for a note.
WIDE = 100


@contextlib.contextmanager
def quiet_run(log_path: Path, first: str = "Loading TFX") -> Iterator[Screen]:
    """Send everything that prints to `log_path`; draw nodes and progress on the real screen.

    Until something reports, the screen says `first`.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    real_out, real_err = os.dup(1), os.dup(2)
    with (
        open(log_path, "ab", buffering=0) as log_file,
        os.fdopen(real_err, "w", encoding="utf-8") as screen_file,
    ):
        os.dup2(log_file.fileno(), 1)
        os.dup2(log_file.fileno(), 2)
        console = Console(file=screen_file, highlight=False)
        try:
            with Screen(console, first) as screen:
                yield screen
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(real_out, 1)
            os.dup2(screen_file.fileno(), 2)
            os.close(real_out)


class Screen(logging.Handler):
    """Draws log records: TFX's node messages as lines, our progress records as bars."""

    def __init__(self, console: Console, first: str = "Loading TFX") -> None:
        super().__init__(logging.INFO)
        self.console = console
        self._total_nodes: int | None = None
        self._nodes_done = 0
        self._node = ""
        self._node_started = 0.0
        self._from_cache = False
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28 if console.width >= WIDE else 12),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            # The note takes what the others leave, and is cut off there.
            TextColumn("[dim]{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True)),
            console=console,
            expand=True,
            transient=True,
            disable=not console.is_terminal,
            # What anybody prints belongs to the log file, not above the bars.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._node_bar = self._bars.add_task(first, total=None, note="")
        self._step_bar = self._bars.add_task("", total=None, note="", visible=False)

    def __enter__(self) -> Screen:
        self._loggers = [logging.getLogger(name) for name in ("absl", LOGGER_NAME)]
        for logger in self._loggers:
            logger.addHandler(self)
        # Whatever anybody says reaches the log file as plain lines, progress too.
        logging.getLogger().setLevel(logging.INFO)
        # Through absl itself: TensorFlow turns its verbosity down now and then, and up again to
        # what absl remembers.
        absl.logging.set_verbosity(absl.logging.INFO)
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
        for logger in self._loggers:
            logger.removeHandler(self)

    def expect_nodes(self, count: int) -> None:
        """Say how many nodes will run: the DAG is made only when TFX is loaded."""
        self._total_nodes = count

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "progress"):
            self._show_step(record.progress)
        elif record.msg in NODE_STARTS and isinstance(record.args, tuple):
            self._start_node(str(record.args[0]))
        elif record.msg == CACHE_HIT:
            self._from_cache = True
        elif record.msg in NODE_ENDS:
            self._end_node()

    def _start_node(self, node: str) -> None:
        self._node, self._node_started, self._from_cache = node, time.monotonic(), False
        self._bars.update(
            self._node_bar,
            description=f"[bold]{node}",
            total=self._total_nodes,
            completed=self._nodes_done,
            note=f"node {self._nodes_done + 1} of {self._total_nodes}",
        )

    def _end_node(self) -> None:
        self._nodes_done += 1
        seconds = time.monotonic() - self._node_started
        how = "[dim]from cache[/]" if self._from_cache else f"{seconds:5.1f} s"
        self.console.print(f"  [green]✓[/] {self._node:<20} {how}")
        self._bars.update(self._node_bar, completed=self._nodes_done)
        self._bars.update(self._step_bar, visible=False)

    def _show_step(self, progress) -> None:
        description = f"  {progress.step}"
        # The clock of a step starts with it.
        if self._bars.tasks[self._step_bar].description != description:
            self._bars.reset(self._step_bar)
        self._bars.update(
            self._step_bar,
            description=description,
            completed=progress.done,
            total=progress.total,
            note=progress.note,
            visible=True,
        )


def short(path: str | Path) -> str:
    """The path as it is typed from here, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) and "://" not in str(path) else str(path)
