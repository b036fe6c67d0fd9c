"""The price file: what devices can do and cost, and what is assumed where nothing was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadInputError
from pipeline.config import parse_settings, read_yaml

PRICES = Path(__file__).parent / "prices.yaml"


@dataclass(frozen=True)
class Utilisation:
    """Parts of a device's peak."""

    low: float
    expected: float
    high: float
    measured: bool
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.expected <= self.high <= 1:
            raise ValueError(
                "utilisation: low, expected and high must rise from above 0 to at most 1, not "
                f"{self.low:g}, {self.expected:g}, {self.high:g}"
            )


@dataclass(frozen=True)
class Device:
    """A machine that trains."""

    about: str
    peak_tflops: Mapping[str, float]  # by training.precision
    per_hour: float
    cores: int = 1  # that share a batch
    spot_per_hour: float | None = None
    utilisation: Utilisation | None = None  # its own, where it was measured

    def __post_init__(self) -> None:
        _refuse_below_zero("devices", self)
        if not self.peak_tflops or min(self.peak_tflops.values()) <= 0:
            raise ValueError("devices: peak_tflops must name a figure above 0 for a precision")
        if self.cores < 1:
            raise ValueError(f"devices: cores must be at least 1, not {self.cores}")


@dataclass(frozen=True)
class Corpus:
    """What is not known of a corpus before it was read."""

    mean_seconds: float
    padding: float
    read_a_second: float
    test_hours: float
    test_mean_seconds: float

    def __post_init__(self) -> None:
        _refuse_below_zero("corpus", self)
        if not self.padding < 1:
            raise ValueError(f"corpus: padding must be a part below 1, not {self.padding:g}")
        for name in ("mean_seconds", "test_mean_seconds", "read_a_second"):
            if not getattr(self, name):
                raise ValueError(f"corpus: {name} must be above 0")


@dataclass(frozen=True)
class Ingest:
    """Reading a corpus on Dataflow."""

    cpu_seconds_per_audio_hour: float
    megabytes_per_audio_hour: float
    workers: int
    start_minutes: float
    memory_gb_per_cpu: float
    cpu_hour: float
    memory_gb_hour: float
    shuffled_gb: float
    stored_gb_month: float

    def __post_init__(self) -> None:
        _refuse_below_zero("ingest", self)


@dataclass(frozen=True)
class Container:
    """A node in a container of its own."""

    cpu_hour: float
    tflops_per_cpu: float
    cpus: float
    other_hours: float
    run: float

    def __post_init__(self) -> None:
        _refuse_below_zero("container", self)
        if not (self.tflops_per_cpu and self.cpus):
            raise ValueError("container: tflops_per_cpu and cpus must be above 0")


@dataclass(frozen=True)
class Prices:
    """All of the file."""

    date: str
    currency: str
    region: str
    source: str
    utilisation: Utilisation
    devices: Mapping[str, Device]
    corpus: Corpus
    ingest: Ingest
    container: Container

    def device(self, name: str) -> Device:
        """The device of that name, or one sentence with those that are there."""
        if name not in self.devices:
            raise BadInputError(
                f"The price file has no device {name!r}: choose of {', '.join(self.devices)}, or "
                "add it there."
            )
        return self.devices[name]


def read_prices(path: Path = PRICES) -> Prices:
    """A price file, every mistake named."""
    if not path.is_file():
        raise BadInputError(f"There is no price file {path}; copy {PRICES} and edit it.")
    return parse_settings(Prices, read_yaml(path), str(path))


def _refuse_below_zero(section: str, values: object) -> None:
    for name, value in vars(values).items():
        if isinstance(value, float | int) and not 0 <= value < math.inf:
            raise ValueError(f"{section}: {name} must be 0 or more and finite, not {value:g}")
