"""What a cluster says of a run that has ended: the JSON of PipelineTaskFinalStatus.

>>> status = read_final_status('{"state": "FAILED", "error": {"message": "Trainer failed."}}')
>>> status.succeeded, status.sentence
(False, 'Trainer failed.')
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# As Vertex AI calls it, and Kubeflow Pipelines, which takes the word of ML Metadata.
SUCCEEDED = frozenset({"SUCCEEDED", "COMPLETE", "CACHED"})


@dataclass(frozen=True)
class FinalStatus:
    state: str
    error: str  # what the cluster says went wrong; empty where it does not say
    job: str  # the run's full name, such as projects/1/locations/us-central1/pipelineJobs/2

    @property
    def succeeded(self) -> bool:
        return self.state in SUCCEEDED

    @property
    def sentence(self) -> str:
        """What happened, in a line."""
        return self.error or f"The run ended as {self.state.lower()}; the cluster says no more."


def read_final_status(given: str | Mapping[str, Any]) -> FinalStatus:
    """The status, from text or from what a cluster has read already.

    What cannot be read counts as no success: an alert too many costs less than one too few.
    """
    try:
        content = json.loads(given) if isinstance(given, str) else dict(given)
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    error = content.get("error") or {}
    message = str(dict(error).get("message") or "") if isinstance(error, Mapping) else str(error)
    return FinalStatus(
        state=str(content.get("state") or "UNKNOWN").upper(),
        error=" ".join(message.split()),
        job=str(content.get("pipelineJobResourceName") or ""),
    )
