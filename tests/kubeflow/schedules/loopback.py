"""What both loopback services share: JSON over HTTP, and failures that a test orders."""

from __future__ import annotations

import datetime
import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kubeflow.schedules.service import End


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Failure:
    """What is answered instead of what was asked for."""

    method: str
    part_of_path: str
    status: int
    message: str
    carried_out: bool  # the answer fails, not the deed
    seconds: float


class RefusedError(Exception):
    """An error as the service itself would answer it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class LoopbackService(ABC):
    def __init__(self) -> None:
        self.port = 0
        self.asked: list[Asked] = []
        self.started = datetime.datetime.now(datetime.UTC)
        self._failures: list[Failure] = []

    def fail(
        self,
        method: str,
        part_of_path: str,
        status: int = 503,
        message: str = "as ordered",
        times: int = 1,
        carried_out: bool = False,
        seconds: float = 0.0,
    ) -> None:
        """Answer the next such requests so; `seconds` after they came."""
        failure = Failure(method, part_of_path, status, message, carried_out, seconds)
        self._failures += [failure] * times

    def mend(self) -> None:
        """Fail no more."""
        self._failures.clear()

    def answer(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        for failure in self._failures:
            if failure.method == asked.method and failure.part_of_path in asked.path:
                self._failures.remove(failure)
                if failure.carried_out:
                    self.respond(asked)
                time.sleep(failure.seconds)
                return failure.status, self.error(failure.status, failure.message)
        try:
            return 200, self.respond(asked)
        except RefusedError as refused:
            return refused.status, self.error(refused.status, str(refused))

    def requests(self, method: str, part_of_path: str) -> list[Asked]:
        return [a for a in self.asked if a.method == method and part_of_path in a.path]

    @abstractmethod
    def respond(self, asked: Asked) -> Any:
        """What the real service would answer."""

    @abstractmethod
    def error(self, status: int, message: str) -> Any:
        """An error in the service's own form."""

    @abstractmethod
    def submitted(self) -> list[dict[str, Any]]:
        """Every run, the oldest first."""

    @abstractmethod
    def data_date(self, run: dict[str, Any]) -> str:
        """The data date that a run was told."""

    @abstractmethod
    def end(self, run: dict[str, Any], how: End, message: str = "") -> None:
        """A run ends; the message is the service's own about why it did not succeed."""

    def running(self) -> list[dict[str, Any]]:
        return [run for run in self.submitted() if "RUNNING" in run["state"]]

    @abstractmethod
    def states(self, name: str) -> list[str]:
        """The state of each schedule of a name, the oldest first."""


@contextmanager
def serving(service: LoopbackService) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in two packets would be waited for

        def handle_any(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            is_json = "json" in self.headers.get("Content-Type", "")
            body = json.loads(text) if text and is_json else {}
            path = unquote(parts.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content = service.answer(Asked(self.command, path, query, body, headers))
            answer = json.dumps(content).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:
                self.close_connection = True  # nobody waits any more

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    service.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
