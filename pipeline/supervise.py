"""Run the pipeline under a quiet screen, and turn what went wrong into one sentence."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from components.run_reporter.alert import failure
from components.run_reporter.webhook import tell
from models import errors
from models.errors import BadInputError, PreemptedError, W2vError
from pipeline.config import RunConfig, RunnerName
from pipeline.terminal import Screen, quiet_run

if TYPE_CHECKING:
    from pipeline.ingest import IngestOutcome
    from pipeline.outcome import Outcome

log = logging.getLogger(__name__)
Result = TypeVar("Result")

# Beam adds to a message where it was running.
BEAM_NOTE = " [while running"
# Beam carries an error of a worker as text: "models.errors.BadInputError: the sentence".
ERROR_IN_TEXT = re.compile(r"models\.errors\.(\w+): (.*?)(?:\n|$)")


def run_supervised(config: RunConfig, root: Path, runner: RunnerName, log_path: Path) -> Outcome:
    """Run every node, watch, and read what came of it."""
    return _supervised(partial(_run, config, root, runner, log_path), log_path)


def ingest_supervised(
    config: RunConfig, root: Path, runner: RunnerName, log_path: Path
) -> IngestOutcome:
    """Run the nodes that look at the corpus alone, watch, and read what they found."""
    return _supervised(partial(_ingest, config, root, runner), log_path)


def _supervised(work: Callable[[Screen], Result], log_path: Path) -> Result:
    with quiet_run(log_path) as screen:
        try:
            return work(screen)
        except Exception as error:
            log.exception("the run failed")
            raise as_user_error(error, log_path) from error


def _run(
    config: RunConfig, root: Path, runner: RunnerName, log_path: Path, screen: Screen
) -> Outcome:
    # TFX takes seconds to import: only now, and under the quiet screen.
    from pipeline.local import METADATA_FILE
    from pipeline.outcome import read_outcome
    from pipeline.runners import run_pipeline

    try:
        run_pipeline(config, root, runner, screen.expect_nodes)
    except Exception as error:
        _tell_failure(config, as_user_error(error, log_path), log_path)
        raise
    return read_outcome(root / METADATA_FILE, config.name)


def _tell_failure(config: RunConfig, error: W2vError, log_path: Path) -> None:
    if not isinstance(error, PreemptedError):  # no fault: it goes on when it is started again
        tell(config.alerts, failure(config.name, str(error), str(log_path)))


def _ingest(config: RunConfig, root: Path, runner: RunnerName, screen: Screen) -> IngestOutcome:
    from pipeline.ingest import read_ingest
    from pipeline.local import LAST_OF_INGEST, METADATA_FILE
    from pipeline.runners import run_pipeline

    run_pipeline(config, root, runner, screen.expect_nodes, LAST_OF_INGEST)
    return read_ingest(root / METADATA_FILE, config.name)


def as_user_error(error: BaseException, log_path: Path | str) -> W2vError:
    """The error of ours inside whatever TFX and Beam wrapped around it."""
    for cause in _causes(error):
        if isinstance(cause, W2vError):
            return type(cause)(str(cause).partition(BEAM_NOTE)[0])
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return _disk_full(cause)
        carried = ERROR_IN_TEXT.search(str(cause))
        if carried and hasattr(errors, carried[1]):
            return getattr(errors, carried[1])(carried[2].partition(BEAM_NOTE)[0])
        if "No space left on device" in str(cause):
            return _disk_full(cause)
    return W2vError(
        f"The pipeline stopped: {type(error).__name__}: {_first_line(error)} (the log: {log_path})"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _disk_full(error: BaseException) -> BadInputError:
    where = getattr(error, "filename", None) or "the run's folder"
    return BadInputError(
        f"The disk is full ({where}); make room or choose another --root, then run again: finished "
        "nodes come from the cache, and no release was touched."
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
