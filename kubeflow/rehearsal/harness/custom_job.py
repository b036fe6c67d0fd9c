"""`python -m custom_job MODULE …`: run the module, this machine in the place of Vertex AI's jobs.

The executor that would start a custom job is the real one, and so is the job that it makes; only
the service that would run the job is not there. The job's own command runs here instead.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from google.cloud.aiplatform import gapic
from google.cloud.aiplatform_v1.types.custom_job import CustomJob
from google.cloud.aiplatform_v1.types.job_state import JobState


class JobsHere:
    """The calls of Vertex AI's client that the stock extension makes."""

    def __init__(self, **options: Any) -> None:
        self._jobs: dict[str, CustomJob] = {}

    def create_custom_job(
        self, parent: str, custom_job: CustomJob | Mapping[str, Any], **options: Any
    ) -> CustomJob:
        """Run the job; it has ended when this comes back."""
        # As a message: what the service does not know is an error, as it is there.
        job = CustomJob(custom_job)
        first = job.job_spec.worker_pool_specs[0]
        told = {one.name: one.value for one in first.container_spec.env}
        command = [*first.container_spec.command, *first.container_spec.args]
        print(f"custom job {job.display_name}: {command[:3]}", flush=True)
        ended = subprocess.run(command, env=os.environ | told)
        job.name = f"{parent}/customJobs/1"
        job.state = JobState(
            JobState.JOB_STATE_FAILED if ended.returncode else JobState.JOB_STATE_SUCCEEDED
        )
        self._jobs[job.name] = job
        return job

    def get_custom_job(self, name: str, **options: Any) -> CustomJob:
        """What became of the job."""
        return self._jobs[name]


def main() -> None:
    gapic.JobServiceClient = JobsHere  # type: ignore[misc, assignment]
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
