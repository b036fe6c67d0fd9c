"""The screen shows nodes and progress; everything else goes to the log."""

import io
import logging
import os
import pty
import subprocess
import sys
import textwrap

import pytest
from rich.console import Console

from models.progress import LOGGER_NAME, Progress, report
from pipeline.terminal import Screen

NOISE = textwrap.dedent("""
    import logging, os, subprocess, sys
    from pathlib import Path
    from models.progress import report
    from pipeline.terminal import quiet_run

    print("before")
    absl = logging.getLogger("absl")
    try:
        with quiet_run(Path(sys.argv[1])) as screen:
            screen.expect_nodes(2)
            print("python noise")
            print("python complaint", file=sys.stderr)
            os.write(1, b"noise from C\\n")
            os.write(2, b"complaint from C\\n")
            subprocess.run(["echo", "noise of a child"])
            absl.setLevel(logging.INFO)
            absl.info("Component %s is running.", "CheckpointImporter")
            absl.info("Component %s is finished.", "CheckpointImporter")
            absl.info("node %s is running.", "Trainer")
            absl.info("A cached execution %d is used.", 7)
            absl.info("node %s is finished.", "Trainer")
            absl.info("Something else of %s.", "TFX")
            if "fail" in sys.argv:
                raise RuntimeError("halfway")
    finally:
        print("after")
        print("after", file=sys.stderr)
""")


def run_noisy(log_path, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", NOISE, str(log_path), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def drawn():
    """A screen on a text, and what is drawn there."""
    text = io.StringIO()
    with Screen(Console(file=text, width=80)) as screen:
        screen.expect_nodes(3)
        logging.getLogger("absl").setLevel(logging.INFO)
        yield screen, text


def test_noise_goes_to_the_log_and_node_lines_to_the_screen(tmp_path):
    log_path = tmp_path / "logs" / "run.log"
    done = run_noisy(log_path)
    assert done.returncode == 0
    assert done.stdout.split() == ["before", "after"]
    shown = done.stderr.splitlines()
    assert [line.split()[:2] for line in shown[:2]] == [
        ["✓", "CheckpointImporter"],
        ["✓", "Trainer"],
    ]
    assert shown[0].endswith(" s") and shown[1].endswith("from cache")
    assert shown[2:] == ["after"]
    logged = log_path.read_text()
    for noise in (
        "python noise",
        "python complaint",
        "noise from C",
        "complaint from C",
        "noise of a child",
    ):
        assert logged.count(noise) == 1
        assert noise not in done.stderr


def test_after_an_error_stdout_and_stderr_are_the_real_ones_again(tmp_path):
    done = run_noisy(tmp_path / "run.log", "fail")
    assert done.returncode == 1
    assert done.stdout.split() == ["before", "after"]
    assert "after\n" in done.stderr
    assert done.stderr.rstrip().endswith("RuntimeError: halfway")


def test_a_second_run_is_added_to_the_same_log(tmp_path):
    log_path = tmp_path / "run.log"
    log_path.write_text("an earlier line\n")
    run_noisy(log_path)
    assert log_path.read_text().startswith("an earlier line\n")
    assert "python noise" in log_path.read_text()


def test_every_finished_node_is_one_line(drawn):
    _, text = drawn
    absl = logging.getLogger("absl")
    for node in ("Transform", "Trainer"):
        absl.info("Component %s is running.", node)
        absl.info("Component %s is finished.", node)
    lines = text.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["Transform", "Trainer"]


def test_a_node_is_drawn_as_one_of_those_that_are_expected(drawn):
    screen, _ = drawn
    absl = logging.getLogger("absl")
    absl.info("Component %s is running.", "Transform")
    absl.info("Component %s is finished.", "Transform")
    absl.info("Component %s is running.", "Trainer")
    bar = screen._bars.tasks[0]
    assert (bar.completed, bar.total, bar.fields["note"]) == (1, 3, "node 2 of 3")


def test_a_cache_hit_counts_for_its_own_node_only(drawn):
    _, text = drawn
    absl = logging.getLogger("absl")
    for node, cached in (("Transform", True), ("Trainer", False)):
        absl.info("Component %s is running.", node)
        if cached:
            absl.info("A cached execution %d is used.", 3)
        absl.info("Component %s is finished.", node)
    first, second = text.getvalue().splitlines()
    assert "from cache" in first
    assert "from cache" not in second


def test_progress_moves_the_bar_of_its_step(drawn):
    screen, _ = drawn
    report("Fine-tuning", 30, 120, "loss 1.5")
    bar = screen._bars.tasks[-1]
    assert (bar.completed, bar.total, bar.visible) == (30, 120, True)
    assert bar.description.strip() == "Fine-tuning"
    assert bar.fields["note"] == "loss 1.5"


def test_the_clock_of_a_step_starts_with_it(drawn):
    screen, _ = drawn
    bar = screen._bars.tasks[-1]
    report("Reading", 30, 120)
    started = bar.start_time
    report("Reading", 40, 120)
    assert bar.start_time == started
    report("Fine-tuning", 5, 100)
    assert bar.start_time > started and bar.completed == 5


@pytest.mark.parametrize("width", [80, 120])
def test_a_note_that_is_too_long_is_cut_at_its_end(width):
    note = "2 h 30 min left · " + "loss 0.412 · " * 10
    with Screen(Console(file=io.StringIO(), width=width, force_terminal=True)) as screen:
        report("Fine-tuning", 30, 120, note)
        seen = Console(file=io.StringIO(), width=width, record=True)
        seen.print(screen._bars.get_renderable())
    line = seen.export_text().splitlines()[-1]
    assert "Fine-tuning" in line and "25 %" in line and "0:00:00 2 h 30 min left · loss" in line
    assert line.endswith("…") and len(line) == width


def test_a_screen_that_is_closed_listens_no_more():
    text = io.StringIO()
    with Screen(Console(file=text)):
        pass
    loggers = [logging.getLogger(name) for name in ("absl", LOGGER_NAME)]
    assert not any(isinstance(one, Screen) for logger in loggers for one in logger.handlers)
    logging.getLogger("absl").info("Component %s is finished.", "Trainer")
    assert text.getvalue() == ""


def test_a_record_of_other_packages_draws_nothing(drawn):
    screen, text = drawn
    for message in ("Component is running.", object(), Progress("a", 1, 2)):
        screen.emit(logging.LogRecord("absl", logging.INFO, "", 0, message, (), None))
    assert text.getvalue() == ""


ON_A_TERMINAL = """
import logging, sys
from pathlib import Path
from pipeline.terminal import quiet_run

with quiet_run(Path(sys.argv[1])) as screen:
    screen.expect_nodes(1)
    logging.basicConfig(level=logging.INFO)
    logging.warning("noise by logging")
    print("noise by print")
    logging.getLogger("absl").info("Component %s is running.", "Trainer")
    logging.getLogger("absl").info("Component %s is finished.", "Trainer")
"""


def test_on_a_real_terminal_the_noise_stays_in_the_log_too(tmp_path):
    screen, terminal = pty.openpty()
    log = tmp_path / "run.log"
    subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL, str(log)],
        stdout=terminal,
        stderr=terminal,
        check=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(terminal)
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert "✓" in shown and "Trainer" in shown
    assert "noise" not in shown
    assert "noise by logging" in log.read_text() and "noise by print" in log.read_text()
