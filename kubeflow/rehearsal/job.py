"""One run of a pipeline, as the service names it and its tasks."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass, field

from kubeflow.rehearsal.spec import CompiledPipeline

# What a service would have; nothing looks them up.
PROJECT_NUMBER = "123456789012"
LOCATION = f"projects/{PROJECT_NUMBER}/locations/rehearsal"


@dataclass(frozen=True)
class Job:
    """A run and the moment it began."""

    pipeline: CompiledPipeline
    started: datetime.datetime
    number: int = field(default_factory=lambda: random.getrandbits(62))

    @property
    def id(self) -> str:
        return f"{self.pipeline.name}-{self.started:%Y%m%d%H%M%S%f}"

    @property
    def resource_name(self) -> str:
        return f"{LOCATION}/pipelineJobs/{self.id}"

    @property
    def folder(self) -> str:
        """Where the service lays the tasks' folders."""
        if self.pipeline.target == "kfp":
            return f"{self.pipeline.root.rstrip('/')}/{self.pipeline.name}/{self.id}"
        return f"{self.pipeline.root.rstrip('/')}/{PROJECT_NUMBER}/{self.id}"

    def placeholders(self) -> dict[str, str]:
        """What the service says of the job where a spec asks for it."""
        time = self.started.isoformat(timespec="seconds")
        return {
            "$.pipeline_job_name": self.id,
            # Kubeflow has one name for a run, and its folder is called so.
            "$.pipeline_job_uuid": self.id if self.pipeline.target == "kfp" else str(self.number),
            "$.pipeline_job_resource_name": self.resource_name,
            "$.pipeline_job_create_time_utc": time,
            "$.pipeline_job_schedule_time_utc": time,
            "$.pipeline_root": self.folder,
        }


@dataclass(frozen=True)
class Task:
    """One task of a job, and the folder that is its own."""

    job: Job
    name: str
    number: int = field(default_factory=lambda: random.getrandbits(62))

    @property
    def id(self) -> str:
        return f"{self.name}_{self.number}"

    @property
    def folder(self) -> str:
        return f"{self.job.folder}/{self.id}"

    @property
    def output_file(self) -> str:
        """Where the container tells what it made."""
        return f"{self.folder}/executor_output.json"

    def placeholders(self) -> dict[str, str]:
        """What the service says of the task and its job."""
        own = {"$.pipeline_task_name": self.name, "$.pipeline_task_uuid": str(self.number)}
        return self.job.placeholders() | own
