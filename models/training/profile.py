"""Where the time of a few steps goes, for the profile page of TensorBoard."""

from __future__ import annotations

import logging

import tensorflow as tf

log = logging.getLogger(__name__)


class Profile:
    """Records the steps from the first up to, not with, the last; told before each of them.

    What fails here is told and ends no training.
    """

    def __init__(self, folder: str, steps: tuple[int, int] | None) -> None:
        self._folder = folder
        self._wanted = range(*steps) if steps else range(0)
        self._recording = False
        self._step: tf.profiler.experimental.Trace | None = None

    def at(self, step: int) -> None:
        """Step `step`, the first of all being 1, comes next."""
        if step not in self._wanted:
            self.close()
            return
        try:
            self._begin(step)
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        """End the recording, if there is one, and write it."""
        if not self._recording:
            return
        self._recording = False
        self._end_step()
        try:
            tf.profiler.experimental.stop()
        except Exception as error:
            self._give_up(error)
        else:
            log.info("wrote a profile of training to %s", self._folder)

    def _begin(self, step: int) -> None:
        if not self._recording:
            tf.profiler.experimental.start(self._folder)
            self._recording = True
        self._end_step()
        # By these names and numbers the page tells one step from the next.
        self._step = tf.profiler.experimental.Trace("training step", step_num=step, _r=1)
        self._step.__enter__()

    def _end_step(self) -> None:
        if self._step:
            self._step.__exit__(None, None, None)
            self._step = None

    def _give_up(self, error: Exception) -> None:
        self._wanted = range(0)
        log.warning("No profile of training in %s: %s", self._folder, _first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
