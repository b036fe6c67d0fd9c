"""Asking a service: again where that may help, and in the end one sentence about what it said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from google.api_core.exceptions import RetryError
from google.api_core.retry import Retry

from models.errors import BadInputError, W2vError

Result = TypeVar("Result")


class ServiceError(W2vError):
    """A service that could not do what it was asked, through no fault of the user's input."""


@dataclass(frozen=True)
class Answer:
    """What came of a request that failed."""

    status: int | None  # of HTTP; None where the service was not heard at all
    message: str

    @property
    def may_pass(self) -> bool:
        """Whether the same request may well be granted a moment later."""
        if self.status is None or self.status in (
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.TOO_MANY_REQUESTS,
        ):
            return True
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and (
            self.status != HTTPStatus.NOT_IMPLEMENTED
        )


@dataclass(frozen=True)
class Backoff:
    """How long is waited between tries, in seconds: doubling, and shaken so that many spread."""

    first: float = 1.0
    longest: float = 30.0
    altogether: float = 150.0


PATIENT = Backoff()


@dataclass(frozen=True)
class Asker:
    """Puts questions to one service."""

    place: str  # the service as a sentence names it
    account: str  # who asks, as far as that is known
    permission_cure: str
    login_cure: str
    # What an error of the service's client means; None where it is an error of ours.
    answer_of: Callable[[Exception], Answer | None]
    backoff: Backoff = PATIENT

    def ask(
        self,
        what: str,
        question: Callable[[], Result],
        found: Callable[[], Result | None] = lambda: None,
    ) -> Result:
        """The question's answer; `what` completes "asked to …".

        A request that seemed to fail may have been carried out all the same: before it is made
        again, `found` looks for what it should have made.
        """
        tries = 0

        def attempt() -> Result:
            nonlocal tries
            tries += 1
            there = found() if tries > 1 else None
            return question() if there is None else there

        retry = Retry(
            predicate=self._may_pass,
            initial=self.backoff.first,
            maximum=self.backoff.longest,
            timeout=self.backoff.altogether,
        )
        try:
            return retry(attempt)()
        except RetryError as error:
            cause = error.cause
            if not isinstance(cause, Exception):
                raise
            raise self._explained(what, cause, tries) from cause
        except Exception as error:
            raise self._explained(what, error, tries) from error

    def _may_pass(self, error: Exception) -> bool:
        answer = self.answer_of(error)
        return answer is not None and answer.may_pass

    def _explained(self, what: str, error: Exception, tries: int) -> Exception:
        answer = self.answer_of(error)
        if answer is None:
            return error
        said = answer.message.strip().rstrip(".")
        times = "once" if tries == 1 else f"{tries} times"
        if answer.status is None:
            return ServiceError(
                f"{self.place} did not answer when asked {times} to {what} ({said}); check that "
                "its address is right and that it is up, then try again."
            )
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            return ServiceError(
                f"{self.place} has no quota left to {what} (asked {times}): {said}; try again "
                "later, or ask for more quota."
            )
        if answer.may_pass:
            return ServiceError(
                f"{self.place} failed to {what} (asked {times}, error {answer.status}): {said}; "
                "try again later."
            )
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return BadInputError(
                f"{self.place} does not accept the credentials: {said}; {self.login_cure}."
            )
        if answer.status == HTTPStatus.FORBIDDEN:
            return BadInputError(
                f"{self.place} does not allow {self.account} to {what}: {said}; "
                f"{self.permission_cure}."
            )
        return BadInputError(f"{self.place} refuses to {what} (error {answer.status}): {said}.")


def innermost(error: BaseException) -> str:
    """What a stack of connection errors is about, such as `[Errno 111] Connection refused`."""
    while True:
        inside = (getattr(error, "reason", None), *error.args)
        inner = next((one for one in inside if isinstance(one, BaseException)), None)
        if inner is None:
            return str(error).rsplit(": ", 1)[-1] or type(error).__name__
        error = inner
