"""The release manifest: what a published version is, where it came from, how good it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MANIFEST_FILE = "manifest.json"
RuntimeValue = int | float | str


@dataclass(frozen=True)
class PublishedFile:
    """One file of the release, relative to its folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class SplitFigures:
    """What was read for one split, and how many utterances were kept out."""

    utterances: int
    hours: float
    speakers: int
    quarantined: int


@dataclass(frozen=True)
class TrainingFigures:
    """What the fine-tuning took and gave, over all its processes."""

    steps: int
    audio_hours: float
    seconds: float
    dev_wer_before: float
    dev_wer_after: float
    # Of the chief's machine alone where workers were several.
    kilowatt_hours: float
    hardware: str
    electricity_method: str  # by which meters or estimates


def runtime_values_text(values: Mapping[str, RuntimeValue]) -> str:
    """Runtime parameters for a reader.

    >>> runtime_values_text({"steps_1": 4000, "max_wer_unpadded": 0.2})
    'max_wer_unpadded = 0.2, steps_1 = 4000'
    """
    return ", ".join(f"{name} = {value}" for name, value in sorted(values.items()))


@dataclass(frozen=True)
class Provenance:
    """What made the release. Digests, so that equal inputs are seen to be equal.

    The config is the one that was compiled: where a run on a cluster was told values of its own,
    `runtime_parameters` has them. Manifests from before something was written down load without it.
    """

    checkpoint: str
    checkpoint_sha256: str
    config_sha256: str
    data_fingerprint: str
    data_span: int
    code_version: str
    # By name, those that differ from the config's.
    runtime_parameters: dict[str, RuntimeValue] = field(default_factory=dict)
    splits: dict[str, SplitFigures] = field(default_factory=dict)
    training: TrainingFigures | None = None  # None where the trained model says nothing of it

    @property
    def runtime_parameters_text(self) -> str:
        """What the run was told; empty where it was told nothing."""
        return runtime_values_text(self.runtime_parameters)


@dataclass(frozen=True)
class ReleaseManifest:
    """`manifest.json` of one version; `content_sha256` covers the model's files.

    A rollback publishes an older version's files again, and says so in the fields from `restores`
    on; manifests from before there were rollbacks load as ordinary releases.
    """

    name: str
    version: int
    created: str  # ISO 8601, UTC
    content_sha256: str
    files: tuple[PublishedFile, ...]
    wer: dict[str, float]  # "artifact/variant" to word error rate
    provenance: Provenance
    format: int = 1
    restores: int | None = None  # the version in which these files were first published
    rolled_back_from: int | None = None  # the version that was the newest until then
    # The content that was withdrawn by going back: a retried push of it is refused.
    rejected_sha256: str = ""

    @property
    def origin(self) -> int:
        """The version in which these files were first published."""
        return self.version if self.restores is None else self.restores
