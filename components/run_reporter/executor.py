"""Turns the state that the cluster reports into an alert."""

from __future__ import annotations

import logging
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact

from components.run_reporter.alert import failure
from components.run_reporter.config import AlertsConfig
from components.run_reporter.final_status import read_final_status
from components.run_reporter.links import folder_page, job_page
from components.run_reporter.webhook import tell
from schemas.properties import from_json

Artifacts = dict[str, list[Artifact]]
log = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        name = exec_properties["name"]
        status = read_final_status(exec_properties["final_status"])
        if status.succeeded:
            log.info("%s ended well: %s", name, status.state)
            return
        page = job_page(status.job) or folder_page(exec_properties["root"])
        alerts = from_json(AlertsConfig, exec_properties["alerts"])
        tell(alerts, failure(name, status.sentence, page))
