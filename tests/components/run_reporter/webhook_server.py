"""A webhook on this machine, whose address is a secret as a real one's is."""

from __future__ import annotations

from tests.components.release_pusher.destinations.loopback import (
    Answer,
    Request,
    Service,
    json_answer,
)

SECRET = "T0SECRET/B0SECRET"


class Webhook(Service):
    """Keeps the messages that it takes; `refuse_with` orders its next answers."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict] = []
        self._refusals: list[tuple[int, dict[str, str]]] = []

    @property
    def address(self) -> str:
        return f"{self.url}/services/{SECRET}"

    def refuse_with(self, *statuses: int, **headers: str) -> None:
        self._refusals += [(status, headers) for status in statuses]

    def respond(self, request: Request) -> Answer:
        if self._refusals:
            status, headers = self._refusals.pop(0)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return json_answer({"error": f"no {request.path}"}, status, **named)
        self.messages.append(request.json)
        return Answer(200, b"ok")
