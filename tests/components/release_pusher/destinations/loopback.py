"""An HTTP server on this machine that records what it is asked."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(content, status: int = 200, **headers: str) -> Answer:
    known = {"Content-Type": "application/json"}
    return Answer(status, json.dumps(content).encode(), known | headers)


class Service(ABC):
    """What a server does with a request; a failure that was ordered comes first."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self._failures: list[tuple[str, int]] = []

    def fail(self, part_of_path: str, *statuses: int) -> None:
        """Answer the next requests whose path holds this with these statuses instead."""
        self._failures += [(part_of_path, status) for status in statuses]

    def answer(self, request: Request) -> Answer:
        self.asked.append((request.method, request.path))
        for failure in self._failures:
            part, status = failure
            if part in request.path:
                self._failures.remove(failure)
                return json_answer({"error": "as ordered", "message": "as ordered"}, status)
        return self.respond(request)

    @abstractmethod
    def respond(self, request: Request) -> Answer:
        """What the real service would answer."""


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Serve on a free port of this machine until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # A proxy is asked for whole addresses.
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            answer = service.answer(Request(self.command, path, dict(self.headers), body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815

        def log_message(self, *_) -> None:
            pass

    with listening(Handler) as port:
        service.url = f"http://127.0.0.1:{port}"
        yield service


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server on a free port of this machine, which is given."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
