"""Tells an alert: always a line in the log, and to the webhook what the config asks for.

The webhook's address lets anybody write, so it is read where it lies when it is needed, and no
log and no error says any of it: the errors of the HTTP client do, and stay here.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from http import HTTPStatus

import requests

from components.run_reporter.alert import Alert, as_message
from components.run_reporter.config import AlertsConfig
from models.errors import BadInputError
from models.secrets import read_secret

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
RETRY_WAITS_SECONDS = (1.0, 5.0, 20.0)
# A service that asks for more patience than this is not waited for: a run is waiting for us.
LONGEST_WAIT_SECONDS = 60.0
LEVELS = {"failure": logging.ERROR, "refusal": logging.WARNING, "success": logging.INFO}


def tell(alerts: AlertsConfig, alert: Alert) -> None:
    """Say it; whatever goes wrong about that is a warning and never the run's failure."""
    log.log(LEVELS[alert.occasion], "%s", alert.text)
    if not alerts.webhook or alert.occasion not in alerts.on:
        return
    try:
        trouble = _post(_address_at(alerts.webhook), alert)
    except BadInputError as error:
        trouble = str(error)
    except Exception as error:  # its text may hold the address
        trouble = f"{type(error).__name__} in the client"
    if trouble:
        log.warning("the alert did not reach the webhook of %s: %s", alerts.webhook, trouble)


def _address_at(place: str) -> str:
    address = read_secret(place, setting="alerts.webhook", what="the webhook's address")
    if not address.startswith(("https://", "http://")):
        raise BadInputError("what lies there is no web address; put the webhook's address there")
    return address


def _post(address: str, alert: Alert) -> str:
    """Post it, again where that may help; what went wrong in the end, or nothing."""
    message = as_message(alert)
    trouble = ""
    for wait in (*RETRY_WAITS_SECONDS, None):
        asked_to_wait = 0.0
        try:
            with _hushed_client():
                answer = requests.post(
                    address, json=message, timeout=TIMEOUT_SECONDS, allow_redirects=False
                )
        except requests.RequestException as error:
            trouble = f"it could not be reached ({type(error).__name__})"
        else:
            if answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
                return ""
            trouble = f"it answered {answer.status_code}"
            if not _may_pass(answer.status_code):
                return trouble
            asked_to_wait = _asked_to_wait(answer)
        if wait is None or asked_to_wait > LONGEST_WAIT_SECONDS:
            break
        time.sleep(max(wait, asked_to_wait))
    return trouble


def _may_pass(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _asked_to_wait(answer: requests.Response) -> float:
    """The seconds of Retry-After; a date, which no webhook is known to send, is no wait."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


@contextlib.contextmanager
def _hushed_client() -> Iterator[None]:
    """The client's log tells each path that it asks for, and here the path is the secret."""
    client = logging.getLogger("urllib3.connectionpool")
    before, client.disabled = client.disabled, True
    try:
        yield
    finally:
        client.disabled = before
