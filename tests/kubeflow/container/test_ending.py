"""How a container ends, each in a process of its own, as a service would see it."""

import os
import signal
import subprocess
import sys

import pytest

from kubeflow.container.ending import run_to_the_end
from models.errors import BadInputError

PROGRAM = """
import os, signal, sys, time
from kubeflow.container.ending import run_to_the_end

def work():
    {work}

def end():
    print("ended elsewhere", flush=True)
    {end}

sys.exit(run_to_the_end(work, {hours}, end))
"""


def started(work: str, end: str, hours: str = "None") -> subprocess.Popen:
    program = PROGRAM.format(work=work, end=end, hours=hours)
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_container_that_is_told_to_stop_ends_what_runs_elsewhere_and_goes_in_any_case():
    # Given one whose network is gone, with a child by forking
    child = "os.fork() or (print(os.getpid(), flush=True), time.sleep(60), os._exit(1))"
    waits = "print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True); time.sleep(60)"
    container = started(f"{child}; {waits}", end="raise OSError('no network')")
    # When the child is told, it ends without a word, and nothing elsewhere with it
    os.kill(int(container.stdout.readline()), signal.SIGTERM)
    assert container.stdout.readline() == "143\n"
    # When the container itself is told
    container.send_signal(signal.SIGTERM)
    out, said = container.communicate(timeout=60)
    # Then
    assert (container.returncode, out) == (143, "ended elsewhere\n")
    assert "OSError: no network" in said
    stopped = "w2v: The container was told to stop before its work was done."
    assert said.splitlines()[-1] == stopped
    assert said.count(stopped) == 1


def test_a_time_that_is_over_ends_what_runs_elsewhere_as_well():
    # Given work that fails because what it waits for elsewhere was ended
    work = "time.sleep(0.5); raise RuntimeError('it was cancelled')"
    container = started(work, end="time.sleep(1)", hours="1e-7")
    out, said = container.communicate(timeout=60)
    # Then the limit is told, and not its consequence
    assert (container.returncode, out) == (1, "ended elsewhere\n")
    (only,) = [line for line in said.splitlines() if line.startswith("w2v: ")]
    assert only.startswith("w2v: The node was not done after 1e-07 hours, its limit; give it")


def test_after_the_work_a_signal_is_anybodys_again():
    before = signal.getsignal(signal.SIGTERM)
    assert run_to_the_end(lambda: None, hours=1) == 0
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (BadInputError("There is no lamp; buy one."), 2, "There is no lamp; buy one."),
        (OSError("no lamp"), 1, "The pipeline stopped: OSError: no lamp (the log: above)"),
    ],
)
def test_an_error_is_one_sentence_after_what_runs_elsewhere_is_ended(error, code, sentence, capsys):
    def fail() -> None:
        raise error

    told = run_to_the_end(fail, end_elsewhere=lambda: print("ended", file=sys.stderr))
    assert told == code
    assert capsys.readouterr().err.splitlines()[-2:] == ["ended", f"w2v: {sentence}"]
