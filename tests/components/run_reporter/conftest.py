"""A webhook on this machine, and no patience beside it."""

import pytest

from components.run_reporter import webhook as product
from tests.components.release_pusher.destinations.loopback import serving
from tests.components.run_reporter.webhook_server import Webhook


@pytest.fixture
def webhook(monkeypatch):
    """The place env:W2V_WEBHOOK holds its address; waits between two tries are short."""
    monkeypatch.setattr(product, "RETRY_WAITS_SECONDS", (0.0, 0.0, 0.0))
    with serving(Webhook()) as server:
        monkeypatch.setenv("W2V_WEBHOOK", f"{server.address}\n")
        yield server
