"""A look at the corpus whenever its bucket says that something was put there, by Pub/Sub."""

from __future__ import annotations

from collections.abc import Callable

from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.cloud.pubsub_v1 import SubscriberClient

from kubeflow.schedules.asking import PATIENT, Asker, Backoff
from kubeflow.schedules.google_client import LOGIN_CURE, NO_CREDENTIALS, answer_of
from models.errors import BadInputError

# A span comes as thousands of files, each with its message: one look is for all that wait.
MOST_AT_ONCE = 1000
# Before that Pub/Sub would send a message again; the longest that it allows.
SECONDS_TO_LOOK = 600
SECONDS_TO_LISTEN = 60.0


class Notifications:
    """A subscription to what a bucket tells, `projects/P/subscriptions/S`."""

    def __init__(
        self,
        subscription: str,
        backoff: Backoff = PATIENT,
        seconds_to_listen: float = SECONDS_TO_LISTEN,
    ) -> None:
        parts = subscription.split("/")
        if len(parts) != 4 or parts[::2] != ["projects", "subscriptions"]:
            raise BadInputError(
                f"--subscription {subscription!r} must be as projects/P/subscriptions/S."
            )
        self._subscription = subscription
        self._subscriber = _connect()
        self._seconds = seconds_to_listen
        self._asker = Asker(
            place="Pub/Sub",
            account="the account of this machine's credentials",
            permission_cure="give that account the role roles/pubsub.subscriber",
            login_cure=LOGIN_CURE,
            answer_of=answer_of,
            backoff=backoff,
        )

    def after_next(self, look: Callable[[], bool]) -> bool:
        """Wait a while for messages; if some come, look. Gives back whether some came.

        They are taken as read once the look went well. Until then Pub/Sub has them, and sends them
        again.
        """
        ids = self._pull()
        if not ids:
            return False
        self._asker.ask(
            f"leave time for the messages of {self._subscription}",
            lambda: self._subscriber.modify_ack_deadline(
                subscription=self._subscription,
                ack_ids=ids,
                ack_deadline_seconds=SECONDS_TO_LOOK,
            ),
        )
        if look():
            self._acknowledge(ids)
        return True

    def _acknowledge(self, ids: list[str]) -> None:
        self._asker.ask(
            f"take the messages of {self._subscription} as read",
            lambda: self._subscriber.acknowledge(subscription=self._subscription, ack_ids=ids),
        )

    def _pull(self) -> list[str]:
        def pull() -> list[str]:
            try:
                response = self._subscriber.pull(
                    subscription=self._subscription,
                    max_messages=MOST_AT_ONCE,
                    timeout=self._seconds,
                    retry=None,
                )
            except exceptions.DeadlineExceeded:
                return []  # nobody said anything
            return [message.ack_id for message in response.received_messages]

        return self._asker.ask(f"read {self._subscription}", pull)


def _connect() -> SubscriberClient:
    try:
        return SubscriberClient()
    except auth_exceptions.DefaultCredentialsError as error:
        raise BadInputError(NO_CREDENTIALS) from error
