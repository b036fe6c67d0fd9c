"""Kubeflow Pipelines' v2beta1 API: recurring runs, runs and experiments."""

from __future__ import annotations

import datetime
import json
from typing import Any

from kubeflow.schedules.service import End
from tests.kubeflow.schedules.loopback import Asked, LoopbackService, RefusedError

API = "/apis/v2beta1/"


class KfpServer(LoopbackService):
    def __init__(self, token: str = "") -> None:
        super().__init__()
        self.token = token
        self.recurring: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.page = 100
        self._made = 0

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def states(self, name: str) -> list[str]:
        words = {"ENABLED": "active", "DISABLED": "paused"}
        return [
            words[one["status"]] for one in self.recurring.values() if one["display_name"] == name
        ]

    def submitted(self) -> list[dict[str, Any]]:
        return list(self.runs.values())

    def data_date(self, run: dict[str, Any]) -> str:
        return run["runtime_config"]["parameters"]["data_date"]

    def end(self, run: dict[str, Any], how: End, message: str = "") -> None:
        run["state"] = "CANCELED" if how == "cancelled" else how.upper()
        if message:
            run["error"] = {"code": 9, "message": message}

    def error(self, status: int, message: str) -> Any:
        return {"error": message, "code": status, "message": message, "details": []}

    def respond(self, asked: Asked) -> Any:
        if self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "The token is missing or wrong.")
        kind, _, rest = asked.path.removeprefix(API).partition("/")
        if kind == "healthz":
            return {"multi_user": False}
        kept = {"recurringruns": self.recurring, "runs": self.runs, "experiments": self.experiments}
        resources = kept[kind]
        if not rest:
            make = {
                "recurringruns": self._make_recurring,
                "runs": self._make_run,
                "experiments": self._make_experiment,
            }
            if asked.method == "POST":
                return make[kind](asked.body)
            return self._list(resources, asked.query)
        id, _, verb = rest.partition(":")
        if id not in resources:
            raise RefusedError(404, f"{kind} {id} not found.")
        if asked.method == "DELETE":
            del resources[id]
            return {}
        if verb:
            resources[id]["status"] = {"enable": "ENABLED", "disable": "DISABLED"}[verb]
            return {}
        return resources[id]

    def _make_recurring(self, body: dict[str, Any]) -> dict[str, Any]:
        cron = body["trigger"]["cron_schedule"]["cron"]
        if len(cron.split()) not in (5, 6) or "TZ" in cron:
            raise RefusedError(400, f"Schedule cron is not a supported format: {cron}")
        if not 1 <= int(body["max_concurrency"]) <= 10:
            raise RefusedError(400, "Max concurrency must be at least 1 and at most 10.")
        if body["experiment_id"] not in self.experiments:
            raise RefusedError(400, "There is no such experiment.")
        status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[body["mode"]]
        fields = {**body, "status": status}
        return self._keep(self.recurring, "recurring_run_id", fields)

    def _make_run(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._keep(self.runs, "run_id", {**body, "state": "RUNNING"})

    def _make_experiment(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._keep(self.experiments, "experiment_id", body)

    def _keep(self, resources: dict[str, Any], key: str, fields: dict[str, Any]) -> dict[str, Any]:
        self._made += 1
        created = self.started + datetime.timedelta(seconds=self._made)
        id = f"{key}-{self._made}"
        resources[id] = {**fields, key: id, "created_at": created.isoformat()}
        return resources[id]

    def _list(self, resources: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        kind = {id(self.recurring): "recurringRuns", id(self.runs): "runs"}
        found = list(resources.values())
        if "filter" in query:
            (wanted,) = json.loads(query["filter"])["predicates"]
            assert (wanted["operation"], wanted["key"]) == ("EQUALS", "display_name")
            found = [one for one in found if one["display_name"] == wanted["stringValue"]]
        start = int(query.get("page_token") or 0)
        page = found[start : start + self.page]
        more = start + self.page < len(found)
        return {kind.get(id(resources), "experiments"): page} | (
            {"next_page_token": str(start + self.page)} if more else {}
        )
