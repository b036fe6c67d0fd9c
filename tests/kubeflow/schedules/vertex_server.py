"""Vertex AI's schedules and pipeline jobs, as its REST API (v1) keeps them and gives them back."""

from __future__ import annotations

import datetime
import re
from typing import Any

from kubeflow.schedules.service import End
from tests.kubeflow.schedules.loopback import Asked, LoopbackService, RefusedError

PARENT = "projects/my-project/locations/us-central1"
STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
STATUSES |= {409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
NEXT_RUN = "2030-01-07T02:00:00Z"


class VertexServer(LoopbackService):
    def __init__(self) -> None:
        super().__init__()
        self.schedules: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.page = 100
        self._made = 0

    def states(self, name: str) -> list[str]:
        return [
            one["state"].lower() for one in self.schedules.values() if one["displayName"] == name
        ]

    def submitted(self) -> list[dict[str, Any]]:
        return list(self.jobs.values())

    def data_date(self, run: dict[str, Any]) -> str:
        return run["runtimeConfig"]["parameterValues"]["data_date"]

    def end(self, run: dict[str, Any], how: End, message: str = "") -> None:
        run["state"] = f"PIPELINE_STATE_{how.upper()}"
        if message:
            run["error"] = {"code": 9, "message": message}

    def error(self, status: int, message: str) -> Any:
        return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "")}}

    def respond(self, asked: Asked) -> Any:
        path = asked.path.removeprefix(f"/v1/{PARENT}/")
        if path == "schedules":
            return self._create(asked.body) if asked.method == "POST" else self._list(asked.query)
        if path == "pipelineJobs":
            return self._submit(asked.query["pipelineJobId"], asked.body)
        name, _, verb = asked.path.removeprefix("/v1/").partition(":")
        if "/pipelineJobs/" in name:
            return self._known(self.jobs, name)
        schedule = self._known(self.schedules, name)
        if asked.method == "DELETE":
            del self.schedules[name]
            return {"name": f"{PARENT}/operations/1", "done": True}
        if asked.method == "PATCH":
            return self._update(schedule, asked)
        if verb:
            return self._turn(schedule, verb, asked.body)
        return schedule

    def _create(self, schedule: dict[str, Any]) -> dict[str, Any]:
        for field in ("displayName", "cron", "maxConcurrentRunCount", "createPipelineJobRequest"):
            if not schedule.get(field):
                raise RefusedError(400, f"{field} is required.")
        if not re.fullmatch(r"(TZ=\S+ )?(\S+ ){4}\S+", schedule["cron"]):
            raise RefusedError(400, f"Invalid cron {schedule['cron']!r}.")
        self._made += 1
        created = self.started + datetime.timedelta(seconds=self._made)
        name = f"{PARENT}/schedules/{self._made}"
        self.schedules[name] = {
            "startTime": created.isoformat(),
            **schedule,
            "name": name,
            "state": "ACTIVE",
            "createTime": created.isoformat(),
            "nextRunTime": NEXT_RUN,
            "catchUp": False,
        }
        return self.schedules[name]

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        wanted = re.fullmatch(r'display_name="(.*)"', query.get("filter", ""))
        found = [
            {field: one[field] for field in one if field != "createPipelineJobRequest"}
            for one in sorted(self.schedules.values(), key=lambda one: one["createTime"])
            if wanted is None or one["displayName"] == wanted[1]
        ]
        start = int(query.get("pageToken") or 0)
        page = {"schedules": found[start : start + self.page]}
        more = start + self.page < len(found)
        return page | ({"nextPageToken": str(start + self.page)} if more else {})

    def _update(self, schedule: dict[str, Any], asked: Asked) -> dict[str, Any]:
        for field in asked.query["updateMask"].split(","):
            if field == "createPipelineJobRequest":
                raise RefusedError(400, "The request of a schedule cannot be changed.")
            schedule[field] = asked.body[field]
        return schedule

    def _turn(self, schedule: dict[str, Any], verb: str, body: dict[str, Any]) -> dict[str, Any]:
        before, after = {"pause": ("ACTIVE", "PAUSED"), "resume": ("PAUSED", "ACTIVE")}[verb]
        if schedule["state"] != before:
            raise RefusedError(400, f"The schedule is not {before}.")
        schedule["state"] = after
        if verb == "resume":
            schedule["catchUp"] = body.get("catchUp", False)
        return {}

    def _submit(self, id: str, job: dict[str, Any]) -> dict[str, Any]:
        name = f"{PARENT}/pipelineJobs/{id}"
        if not re.fullmatch(r"[a-z][-a-z0-9]{0,127}", id):
            raise RefusedError(400, f"Invalid id {id!r}.")
        if name in self.jobs:
            raise RefusedError(409, f"The job {id} is there already.")
        self.jobs[name] = {**job, "name": name, "state": "PIPELINE_STATE_RUNNING"}
        return self.jobs[name]

    def _known(self, resources: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in resources:
            raise RefusedError(404, f"There is no {name}.")
        return resources[name]
