"""Secrets by the place where they lie: a config never holds one, only where it is read.

>>> import os
>>> os.environ["W2V_EXAMPLE"] = "s3cret"
>>> read_secret("env:W2V_EXAMPLE", setting="alerts.webhook", what="the webhook's address")
's3cret'
"""

from __future__ import annotations

import os
from pathlib import Path

from models import filesystem
from models.errors import BadInputError

SECONDS_TO_ANSWER = 10.0


def read_secret(place: str, setting: str, what: str) -> str:
    """What lies at env:NAME, file:PATH, or secret:NAME of Google Secret Manager.

    An error names the setting, the place and the cure, and nothing of what lies there.
    """
    kind, _, name = place.partition(":")
    read = {"env": _from_environment, "file": _from_file, "secret": _from_secret_manager}
    try:
        return read[kind](name).strip()
    except _UnreadableError as error:
        raise BadInputError(f"{setting} says {place}, {error} {what}.") from error


class _UnreadableError(Exception):
    """The middle of a sentence: what is wrong with the place, and what to do there."""


def _from_environment(name: str) -> str:
    if not os.environ.get(name, "").strip():
        raise _UnreadableError("but there is no such variable, or it is empty; set it to")
    return os.environ[name]


def _from_file(path: str) -> str:
    where = path if filesystem.is_remote(path) else Path(path).expanduser()
    unreadable: tuple[type[Exception], ...] = (*filesystem.errors_of(path), UnicodeDecodeError)
    try:
        return filesystem.read_text(where)
    except unreadable as error:
        raise _UnreadableError(
            f"which cannot be read ({type(error).__name__}); write there"
        ) from error


def _from_secret_manager(name: str) -> str:
    # Seconds of imports, for whoever keeps a secret there.
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import secretmanager

    try:
        client = secretmanager.SecretManagerServiceClient()
        answer = client.access_secret_version(name=name, timeout=SECONDS_TO_ANSWER)
        return answer.payload.data.decode("utf-8")
    except (GoogleAPIError, GoogleAuthError, UnicodeDecodeError) as error:
        raise _UnreadableError(
            f"which Secret Manager does not give ({type(error).__name__}); let the account of this "
            "run access it (roles/secretmanager.secretAccessor), and let it hold"
        ) from error
