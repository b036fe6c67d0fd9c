"""A bucket's messages lead to a look, and are taken as read only when it went well."""

from __future__ import annotations

import grpc
import pytest

from kubeflow.commands.trigger import watch
from kubeflow.schedules.notifications import SECONDS_TO_LOOK, Notifications
from models.errors import BadInputError
from tests.kubeflow.schedules.conftest import SHORT
from tests.kubeflow.schedules.pubsub_server import SUBSCRIPTION, Subscription, serving


@pytest.fixture
def subscription() -> Subscription:
    return Subscription()


@pytest.fixture
def notifications(subscription, monkeypatch):
    with serving(subscription) as address:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        yield Notifications(SUBSCRIPTION, backoff=SHORT, seconds_to_listen=0.2)


def test_one_look_is_for_all_messages_that_wait(notifications, subscription):
    subscription.put("a.flac", "b.flac")
    looks = []

    def look() -> bool:
        looks.append(list(subscription.acknowledged))
        return True

    assert notifications.after_next(look)
    assert looks == [[]]  # nothing was taken as read before
    assert subscription.acknowledged == ["a.flac", "b.flac"]
    assert subscription.deadlines == [SECONDS_TO_LOOK]


def test_a_look_that_fails_leaves_the_messages(notifications, subscription):
    subscription.put("a.flac")
    assert notifications.after_next(lambda: False)
    assert list(subscription.waiting) == ["a.flac"]
    assert notifications.after_next(lambda: True)
    assert subscription.acknowledged == ["a.flac"]


def test_while_nobody_says_anything_there_is_no_look(notifications):
    def look() -> bool:
        raise AssertionError("there was nothing to look for")

    assert not notifications.after_next(look)


def test_a_moment_of_unavailability_is_waited_out(notifications, subscription):
    subscription.put("a.flac")
    subscription.refusals = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert notifications.after_next(lambda: True)


def test_watching_outlives_an_outage_and_tells_of_it(notifications, subscription, capsys):
    subscription.put("a.flac")
    subscription.refusals = [grpc.StatusCode.UNAVAILABLE] * 1000
    waits = []

    def wait() -> None:
        waits.append(capsys.readouterr().err)
        subscription.refusals.clear()

    def look() -> None:
        if len(subscription.deadlines) == 1:
            raise OSError("the disk is out")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(notifications, look, wait)
    (told,) = waits
    assert told.startswith("w2v: Pub/Sub failed to read projects/my-project/subscriptions/corpus")
    assert capsys.readouterr().err == "w2v: OSError: the disk is out\n"
    assert subscription.acknowledged == []


def test_a_missing_permission_is_one_sentence(notifications, subscription):
    subscription.refusals = [grpc.StatusCode.PERMISSION_DENIED]
    with pytest.raises(BadInputError, match=r"^Pub/Sub does not allow .*roles/pubsub\.subscriber"):
        notifications.after_next(lambda: True)


def test_a_subscription_is_named_in_full():
    with pytest.raises(BadInputError, match="must be as projects/P/subscriptions/S"):
        Notifications("corpus")
