"""How a container's process ends: its work done, an error told, its time over, or told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from models.errors import PreemptedError, W2vError
from pipeline.supervise import as_user_error

log = logging.getLogger(__name__)

Leave = Callable[[W2vError], NoReturn]
THE_LOG = "above"
SECONDS_OF_AN_HOUR = 3600


def nothing_elsewhere() -> None:
    """The work leaves nothing running on other machines."""


def run_to_the_end(
    work: Callable[[], None],
    hours: float | None = None,
    end_elsewhere: Callable[[], None] = nothing_elsewhere,
) -> int:
    """Do the work; 0, or the exit code of what went wrong, told in one sentence.

    Whatever ends it early also ends what it left running elsewhere.

    >>> run_to_the_end(lambda: None)
    0
    """
    # Who ends it first says why: what another thread of it finds then is the consequence.
    turn = threading.RLock()

    def leave(error: W2vError) -> NoReturn:
        with turn:
            _end(end_elsewhere)
            os._exit(_tell(error))

    with _on_sigterm(leave), _within(hours, leave):
        try:
            work()
        except Exception as error:
            with turn:
                log.exception("the work failed")
                _end(end_elsewhere)
                return _tell(as_user_error(error, THE_LOG))
    return 0


@contextlib.contextmanager
def _on_sigterm(leave: Leave) -> Iterator[None]:
    """A container's first process ignores the signal unless it says what to do with it.

    Who has work to save, as the Trainer has, listens for itself meanwhile.
    """
    ours = os.getpid()

    def stop(*_: object) -> None:
        if os.getpid() != ours:  # a child that was made by forking, told by whoever made it
            os._exit(PreemptedError.exit_code)
        leave(PreemptedError("The container was told to stop before its work was done."))

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _within(hours: float | None, leave: Leave) -> Iterator[None]:
    """End the process when the time is over, wherever it is by then."""
    if hours is None:
        yield
        return
    late = W2vError(
        f"The node was not done after {hours:g} hours, its limit; give it more time or a larger "
        "machine in cluster.nodes."
    )
    watch = threading.Timer(hours * SECONDS_OF_AN_HOUR, leave, [late])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _end(elsewhere: Callable[[], None]) -> None:
    try:
        elsewhere()
    except Exception:
        log.exception("what runs elsewhere for this container could not be ended")


def _tell(error: W2vError) -> int:
    print(f"w2v: {error}", file=sys.stderr, flush=True)
    return error.exit_code
