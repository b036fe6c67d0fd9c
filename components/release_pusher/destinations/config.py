"""Which catalogues a release goes to; who may write there is never said here."""

from __future__ import annotations

import re
from dataclasses import dataclass

REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
HANDLE = re.compile(r"[\w-]+/[\w-]+/\w+/[\w.-]+")
PROJECT = re.compile(r"[a-z][a-z0-9:.-]+")
REGION = re.compile(r"[a-z]+-[a-z]+\d+")
MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
# The newest TensorFlow that Vertex AI serves without a container of one's own.
PREBUILT_SERVING_IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"


@dataclass(frozen=True)
class HuggingFaceConfig:
    """A repository on the Hugging Face Hub; the token is HF_TOKEN or `hf auth login`'s."""

    repo: str  # organisation/name; made where it is missing
    private: bool = False  # when it is made; a repository that is there stays as it is
    # The report has transcripts, and the recordings of the worst utterances.
    with_report: bool = True

    def __post_init__(self) -> None:
        if not REPO.fullmatch(self.repo):
            raise ValueError(
                f"release.destinations.hugging_face.repo: {self.repo!r} must be organisation/name"
            )


@dataclass(frozen=True)
class KaggleConfig:
    """A variation on Kaggle Models; credentials are KAGGLE_API_TOKEN, KAGGLE_KEY or kaggle.json."""

    handle: str  # owner/model/framework/variation
    license: str = ""  # as Kaggle names it, such as "Apache 2.0"; empty: set on the site

    def __post_init__(self) -> None:
        if not HANDLE.fullmatch(self.handle):
            raise ValueError(
                f"release.destinations.kaggle.handle: {self.handle!r} must be "
                "owner/model/framework/variation, such as me/phone-commands/tensorFlow2/base"
            )


@dataclass(frozen=True)
class VertexConfig:
    """A model in the Vertex AI Model Registry; credentials are Google's application defaults."""

    project: str  # the Google Cloud project
    location: str = "us-central1"  # the registry's region
    model_id: str = ""  # empty: the release's name
    display_name: str = ""  # empty: the release's name
    # The container that Vertex AI starts to serve the SavedModel.
    serving_image: str = PREBUILT_SERVING_IMAGE

    def __post_init__(self) -> None:
        place = "release.destinations.vertex"
        if not PROJECT.fullmatch(self.project):
            raise ValueError(f"{place}.project: {self.project!r} must be a Google Cloud project")
        if not REGION.fullmatch(self.location):
            raise ValueError(f"{place}.location: {self.location!r} must be like us-central1")
        if self.model_id and not MODEL_ID.fullmatch(self.model_id):
            raise ValueError(
                f"{place}.model_id: {self.model_id!r} must be lower-case letters, digits, "
                "hyphens and underscores, at most 63, a letter first"
            )
        if not self.serving_image.strip():
            raise ValueError(f"{place}.serving_image: name a container image that serves it")


@dataclass(frozen=True)
class DestinationsConfig:
    """None of them, or any."""

    hugging_face: HuggingFaceConfig | None = None  # the Hugging Face Hub
    kaggle: KaggleConfig | None = None  # Kaggle Models
    vertex: VertexConfig | None = None  # the Vertex AI Model Registry
