"""Alerts to a webhook: what reaches it, what is tried again, and what nobody ever reads."""

import logging
import time

import pytest

from components.run_reporter import webhook as product
from components.run_reporter.alert import failure, success
from components.run_reporter.config import AlertsConfig
from components.run_reporter.webhook import tell
from tests.components.run_reporter.webhook_server import SECRET

ALERTS = AlertsConfig(webhook="env:W2V_WEBHOOK")
FAILURE = failure("demo", "The corpus is empty; add files.", "https://example.org/run/1")


@pytest.fixture(autouse=True)
def everything_logged(caplog):
    caplog.set_level(logging.DEBUG)


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_failure_reaches_the_webhook_with_its_sentence_and_its_link(webhook):
    tell(ALERTS, FAILURE)
    (message,) = webhook.messages
    assert message["text"].startswith("demo failed: The corpus is empty; add files.")
    told = [block["text"]["text"] for block in message["blocks"]]
    assert told == [
        "*demo failed*",
        "The corpus is empty; add files.",
        "<https://example.org/run/1|The run>",
    ]


def test_the_log_has_a_line_with_or_without_a_webhook(webhook, caplog):
    tell(AlertsConfig(), FAILURE)
    assert webhook.messages == []
    assert FAILURE.text in caplog.text


def test_an_occasion_that_nobody_asked_for_is_logged_alone(webhook, caplog):
    released = success("demo", 3, {"saved_model/unpadded": 0.0166}, "/runs/report.html")
    tell(ALERTS, released)
    assert webhook.messages == []
    assert "demo 3 is released: WER saved_model/unpadded 1.66 %" in caplog.text
    tell(AlertsConfig(webhook="env:W2V_WEBHOOK", on=("success",)), released)
    assert len(webhook.messages) == 1


@pytest.mark.parametrize("statuses", [(503,), (500, 502, 429)])
def test_a_passing_failure_is_tried_again(webhook, caplog, statuses):
    webhook.refuse_with(*statuses)
    tell(ALERTS, FAILURE)
    assert len(webhook.messages) == 1
    assert warnings(caplog) == []


def test_a_webhook_that_asks_for_patience_gets_it(webhook):
    webhook.refuse_with(429, Retry_After="1")
    started = time.monotonic()
    tell(ALERTS, FAILURE)
    assert len(webhook.messages) == 1
    assert time.monotonic() - started >= 1


def test_a_webhook_that_asks_for_an_hour_is_not_waited_for(webhook, caplog):
    webhook.refuse_with(429, Retry_After="3600")
    tell(ALERTS, FAILURE)
    assert webhook.messages == []
    assert warnings(caplog) == [
        "the alert did not reach the webhook of env:W2V_WEBHOOK: it answered 429"
    ]


@pytest.mark.parametrize(
    ("statuses", "asked"), [((404,), 1), ((403,), 1), ((302,), 1), ((503,) * 9, 4)]
)
def test_what_will_not_pass_or_does_not_is_a_warning_and_no_error(webhook, caplog, statuses, asked):
    webhook.refuse_with(*statuses, Location="/elsewhere")
    tell(ALERTS, FAILURE)
    assert len(webhook.asked) == asked
    assert warnings(caplog) == [
        f"the alert did not reach the webhook of env:W2V_WEBHOOK: it answered {statuses[0]}"
    ]


@pytest.mark.parametrize(
    "address",
    [
        f"http://127.0.0.1:9/{SECRET}",  # nobody listens there
        f"http://no-such-host.invalid/{SECRET}",
        f"http://[{SECRET}",
        f"http://{'a' * 64}..example/{SECRET}",
        f"ftp://example.org/{SECRET}",
        SECRET,
        "",
    ],
)
def test_no_log_ever_says_any_of_the_address(webhook, monkeypatch, caplog, address):
    monkeypatch.setenv("W2V_WEBHOOK", address)
    tell(ALERTS, FAILURE)
    (warning,) = warnings(caplog)
    assert "did not reach the webhook of env:W2V_WEBHOOK" in warning
    assert not any(part in caplog.text for part in SECRET.split("/"))


def test_not_even_the_clients_own_log_says_it(webhook, caplog):
    webhook.refuse_with(503, 404)
    tell(ALERTS, FAILURE)
    assert [method for method, _ in webhook.asked] == ["POST", "POST"]
    assert not any(part in caplog.text for part in (*SECRET.split("/"), "127.0.0.1"))


def test_the_clients_log_is_as_it_was_afterwards(webhook):
    tell(ALERTS, FAILURE)
    assert not logging.getLogger("urllib3.connectionpool").disabled


def test_the_address_may_lie_in_a_file(webhook, tmp_path):
    (tmp_path / "address").write_text(f"{webhook.address}\n")
    tell(AlertsConfig(webhook=f"file:{tmp_path}/address"), FAILURE)
    assert len(webhook.messages) == 1


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (
            "env:NOT_SET",
            "env:NOT_SET, but there is no such variable, or it is empty; set it",
        ),
        ("file:/no/such/file", "/no/such/file, which cannot be read (FileNotFoundError); write"),
    ],
)
def test_an_address_that_is_not_there_is_a_warning_with_the_cure(caplog, place, sentence):
    tell(AlertsConfig(webhook=place), FAILURE)
    assert sentence in warnings(caplog)[0]


def test_the_address_may_lie_in_secret_manager(webhook, monkeypatch):
    """Over gRPC to a server of ours that speaks Secret Manager's own messages."""
    from tests.components.run_reporter.secret_manager import serving_secrets

    name = "projects/p/secrets/webhook/versions/3"
    with serving_secrets({name: webhook.address}, monkeypatch):
        tell(AlertsConfig(webhook=f"secret:{name}"), FAILURE)
    assert len(webhook.messages) == 1


def test_a_secret_that_may_not_be_read_is_a_warning_with_the_cure(monkeypatch, caplog):
    from tests.components.run_reporter.secret_manager import serving_secrets

    with serving_secrets({}, monkeypatch):
        tell(AlertsConfig(webhook="secret:projects/p/secrets/other/versions/1"), FAILURE)
    assert "which Secret Manager does not give (PermissionDenied)" in warnings(caplog)[0]
    assert "roles/secretmanager.secretAccessor" in warnings(caplog)[0]


def test_waits_add_up_to_less_than_a_minute():
    assert sum(product.RETRY_WAITS_SECONDS) < 60
