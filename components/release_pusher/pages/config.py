"""What a page says that no run can know."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

PUBLISHER = re.compile(r"[a-z\d-]*")
LANGUAGE = re.compile(r"[a-z]{2,3}")
LICENSE = re.compile(r"[A-Za-z0-9.+-]*")
DATASET = re.compile(r"[\w./+-]+")


@dataclass(frozen=True)
class PageConfig:
    """What is left empty is left out of the pages."""

    publisher: str = ""  # of the TF Hub page; empty: the release's name
    license: str = ""  # of the model, as an SPDX-like id: apache-2.0
    language: str = ""  # ISO 639: en
    datasets: tuple[str, ...] = ()  # what it was trained on, by their catalogue names
    # Of the grid that the training ran on, such as 380; what its electricity emitted follows.
    grams_of_co2_per_kwh: float | None = None

    def __post_init__(self) -> None:
        if not PUBLISHER.fullmatch(self.publisher):
            raise ValueError(
                f"release.page.publisher: {self.publisher!r} must be lower-case letters, digits "
                "and hyphens"
            )
        if self.language and not LANGUAGE.fullmatch(self.language):
            raise ValueError(
                f"release.page.language: {self.language!r} must be an ISO 639 code such as en"
            )
        if not LICENSE.fullmatch(self.license):
            raise ValueError(
                f"release.page.license: {self.license!r} must be an identifier such as apache-2.0"
            )
        grams = self.grams_of_co2_per_kwh
        if grams is not None and not 0 <= grams < math.inf:
            raise ValueError(
                f"release.page.grams_of_co2_per_kwh: {grams!r} must be a number from 0 on"
            )
        for dataset in self.datasets:
            if not DATASET.fullmatch(dataset):
                raise ValueError(
                    f"release.page.datasets: {dataset!r} must be a catalogue's name such as "
                    "librispeech"
                )
