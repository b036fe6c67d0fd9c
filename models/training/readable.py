"""The batches that can be read, one after the other; those that cannot are counted."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from models.data import Batch
from models.errors import BadInputError, W2vError
from models.training.devices import UNREADABLE
from models.training.history import History

log = logging.getLogger(__name__)

# A run whose batches cannot be read so many times in a row is given up.
MOST_IN_A_ROW = 20
# Where TensorFlow was, before what it has to say.
PLACE = re.compile(r"^(\{\{.*?\}\}\s*)+")

# The batches of a training from its n-th on.
TrainBatches = Callable[[int], Iterable[Batch]]


class Readable:
    """The batches from the n-th on. One utterance that is spoilt must not end a training of days.

    A damaged file is another matter: what is lost of it nobody could count, and so a killed
    training would not find its place again.
    """

    def __init__(self, make: TrainBatches, start: int, history: History) -> None:
        self.consumed = start
        with damage_told("train"):
            self._batches = iter(make(start))
        self._history = history

    def __next__(self) -> Batch:
        for _ in range(MOST_IN_A_ROW):
            self.consumed += 1
            try:
                return next(self._batches)
            except UNREADABLE as error:
                if isinstance(error, tf.errors.DataLossError):
                    raise _damaged("train", error) from error
                self._history.skipped_batches += 1
                reason = _reason(error)
                log.warning("batch %d cannot be read and is left out: %s", self.consumed, reason)
        raise W2vError(
            f"{MOST_IN_A_ROW} batches in a row could not be read ({reason}); are the "
            "records those that the Transform graph was fitted on?"
        )


@contextmanager
def damage_told(split: str) -> Iterator[None]:
    """Say in one sentence that this split cannot be read."""
    try:
        yield
    except UNREADABLE as error:
        raise _damaged(split, error) from error


def _damaged(split: str, error: tf.errors.OpError) -> BadInputError:
    return BadInputError(
        f"The records of the {split} split cannot be read ({_reason(error)}); restore the "
        "damaged file, or run the pipeline anew under another --root."
    )


def _reason(error: tf.errors.OpError) -> str:
    return PLACE.sub("", error.message).partition("\n")[0].strip()
