"""The part of Dataflow that takes, lists and cancels jobs, as a REST server for Beam's client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.components.release_pusher.destinations.loopback import listening

JOBS = "/v1b3/projects/my-project/locations/us-central1/jobs"
PAGE = 2


class Dataflow:
    """Jobs by their number; each runs until it is cancelled."""

    def __init__(self) -> None:
        self.url = ""
        self.jobs: list[dict] = []
        self.asked = threading.Event()  # how one job of them fares
        self.denied = False

    def flags(self, *more: str) -> list[str]:
        """By which Beam finds this service."""
        return [
            "--runner=DataflowRunner",
            "--project=my-project",
            "--region=us-central1",
            f"--dataflow_endpoint={self.url}",
            "--no_auth",
            *more,
        ]

    def send(self, name: str) -> dict:
        job = {"id": str(len(self.jobs)), "name": name, "currentState": "JOB_STATE_RUNNING"}
        self.jobs.append(job)
        return job

    def states(self) -> list[str]:
        return [job["currentState"].removeprefix("JOB_STATE_") for job in self.jobs]

    def respond(self, method: str, path: str, query: dict, body: dict) -> dict:
        rest = path.removeprefix(JOBS).strip("/")
        if method == "POST":
            return self.send(body["name"]) | {"labels": body.get("labels", {})}
        if not rest:
            return self._listed(query)
        if method == "PUT":
            self.jobs[int(rest)]["currentState"] = body["requestedState"]
        self.asked.set()
        number, _, detail = rest.partition("/")
        return {} if detail else self.jobs[int(number)]

    def _listed(self, query: dict) -> dict:
        """A page of what runs, the newest last."""
        assert query["filter"] == ["ACTIVE"]
        active = [job for job in self.jobs if job["currentState"] == "JOB_STATE_RUNNING"]
        first = int(query.get("pageToken", ["0"])[0])
        page = {"jobs": active[first : first + PAGE]}
        more = first + PAGE < len(active)
        return page | ({"nextPageToken": str(first + PAGE)} if more else {})


@contextmanager
def serving_dataflow() -> Iterator[Dataflow]:
    dataflow = Dataflow()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            told = json.loads(text) if text else {}
            content = dataflow.respond(self.command, parts.path, parse_qs(parts.query), told)
            denied = dataflow.denied and self.command == "PUT"
            self.send_response(403 if denied else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815

        def log_message(self, *_) -> None:
            pass

    with listening(Handler) as port:
        # By this name Beam knows a service of one's own.
        dataflow.url = f"http://localhost:{port}"
        yield dataflow
