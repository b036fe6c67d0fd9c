"""What the errors of Google's clients mean, and who it is that asks."""

from __future__ import annotations

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.auth.credentials import Credentials

from kubeflow.schedules.asking import Answer, innermost

NO_CREDENTIALS = (
    "There are no Google credentials on this machine; run gcloud auth application-default login, "
    "or point GOOGLE_APPLICATION_CREDENTIALS at a service account's key."
)
LOGIN_CURE = "run gcloud auth application-default login again"


def answer_of(error: Exception) -> Answer | None:
    """What an error of Google's client means."""
    if isinstance(error, exceptions.GoogleAPICallError):
        return Answer(None if error.code is None else int(error.code), _message_of(error))
    if isinstance(error, requests.Timeout):
        return Answer(None, "no answer in time")
    if isinstance(error, (requests.RequestException, auth_exceptions.TransportError)):
        return Answer(None, innermost(error))
    if isinstance(error, auth_exceptions.RefreshError):
        return Answer(401, str(error.args[0]) if error.args else "they cannot be refreshed")
    return None


def account_of(credentials: Credentials) -> str:
    """Whom the credentials stand for, as far as they say."""
    for name in ("service_account_email", "account"):
        # Of a machine's own account that is "default" until it is asked.
        if (account := getattr(credentials, name, "")) and account != "default":
            return account
    return "the account of this machine's credentials"


def _message_of(error: exceptions.GoogleAPICallError) -> str:
    """The service's own words; the client puts method and address before them."""
    try:
        return error.response.json()["error"]["message"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(error.message)
