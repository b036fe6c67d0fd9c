"""Where a browser finds what an alert is about.

>>> file_page("gs://bucket/w2v/report/7/report.html")
'https://storage.cloud.google.com/bucket/w2v/report/7/report.html'
>>> folder_page("gs://bucket/w2v")
'https://console.cloud.google.com/storage/browser/bucket/w2v'
>>> job_page("projects/p/locations/europe-west4/pipelineJobs/demo-1")
'https://console.cloud.google.com/vertex-ai/pipelines/locations/europe-west4/runs/demo-1?project=p'
"""

from __future__ import annotations

import re
from urllib.parse import quote

BUCKET = "gs://"
VERTEX_JOB = re.compile(r"projects/([^/]+)/locations/([^/]+)/pipelineJobs/([^/]+)")
CONSOLE = "https://console.cloud.google.com"


def file_page(place: str) -> str:
    """A file of a bucket for whoever is signed in and may read it; elsewhere its place.

    This address gives the file itself, where the console would show a page about it.
    """
    return _in_bucket(place, "https://storage.cloud.google.com")


def folder_page(place: str) -> str:
    """The console's list of a folder in a bucket; elsewhere its place."""
    return _in_bucket(place, f"{CONSOLE}/storage/browser")


def job_page(job: str) -> str:
    """The page of a run on Vertex AI by its full name; empty for a run of another service."""
    found = VERTEX_JOB.fullmatch(job)
    if not found:
        return ""
    project, region, run = found.groups()
    return f"{CONSOLE}/vertex-ai/pipelines/locations/{region}/runs/{run}?project={project}"


def _in_bucket(place: str, address: str) -> str:
    if not place.startswith(BUCKET):
        return place
    return f"{address}/{quote(place.removeprefix(BUCKET).rstrip('/'))}"
