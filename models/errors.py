"""Errors that a user can act on: one sentence that names the thing and the cure."""

from __future__ import annotations


class W2vError(Exception):
    """What the user can mend; raised where the cause is known, caught once at the front door."""

    exit_code = 1


class BadInputError(W2vError):
    """A file, folder, key or value that was given to us is missing or wrong."""

    exit_code = 2


class GateRefusedError(W2vError):
    """The release gate said no; nothing was published."""

    exit_code = 3


class PreemptedError(W2vError):
    """The machine is being taken away; the work is saved, and to be started again."""

    # What a process that SIGTERM ended gives: to an orchestrator no fault, but a reason to retry.
    exit_code = 143
