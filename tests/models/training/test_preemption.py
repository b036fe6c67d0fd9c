"""SIGTERM is noticed while training runs, and never swallowed."""

import signal
import subprocess
import sys
import threading

import pytest

from models.training.preemption import sigterm_noticed


@pytest.fixture
def heard():
    """What a process does on SIGTERM otherwise."""
    signals = []
    before = signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    yield signals
    signal.signal(signal.SIGTERM, before)


def test_sigterm_answers_the_question_instead_of_ending_the_process(heard):
    with pytest.raises(InterruptedError), sigterm_noticed() as must_stop:
        assert not must_stop()
        signal.raise_signal(signal.SIGTERM)
        assert must_stop()
        assert heard == []
        raise InterruptedError  # as training does on a yes
    assert heard == []


def test_afterwards_sigterm_does_what_it_did_before(heard):
    with sigterm_noticed():
        pass
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_a_sigterm_that_nobody_asked_about_in_time_is_handed_on(heard):
    with sigterm_noticed():
        signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_one_that_comes_too_late_ends_the_process_as_ever():
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            "import signal\n"
            "from models.training.preemption import sigterm_noticed\n"
            "with sigterm_noticed():\n"
            "    signal.raise_signal(signal.SIGTERM)\n"
            "print('lives on')",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout) == (-signal.SIGTERM, "")


def test_outside_the_main_thread_nothing_is_noticed_and_nothing_breaks(heard):
    answers = []

    def work():
        with sigterm_noticed() as must_stop:
            answers.append(must_stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
