"""A machine that is about to be taken away says so by SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_noticed() -> Iterator[Callable[[], bool]]:
    """Instead of ending the process, SIGTERM answers the question whether it must stop.

    >>> with sigterm_noticed() as must_stop:
    ...     must_stop()
    False
    """
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread hears signals; whoever runs training elsewhere has to see to it.
        yield told.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield told.is_set
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
    if told.is_set():
        # It came too late for anybody to ask: now it does what it would have done.
        signal.raise_signal(signal.SIGTERM)
