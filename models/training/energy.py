"""The electricity that a training takes, as CodeCarbon counts or estimates it.

Of this machine alone, which for several workers is the chief's; a TPU has no meter that it knows.
A processor's own meter counts whatever else runs on it too.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codecarbon import OfflineEmissionsTracker
    from codecarbon.output import EmissionsData

log = logging.getLogger(__name__)

# CodeCarbon's figure for emissions needs a country; nobody reads it, as its electricity is what
# is wanted: what that emits is for whoever knows the grid.
ANY_COUNTRY = "DEU"
BY_METER, BY_LOAD = "by their own meters", "estimated"


@dataclass(frozen=True)
class Energy:
    """Electricity, on what it was spent, and how each part of it was found."""

    kilowatt_hours: float = 0.0
    hardware: str = ""
    method: str = ""


class EnergyMeter:
    """Begins to count when it is made. What fails here is told and ends no training."""

    def __init__(self) -> None:
        self._tracker: OfflineEmissionsTracker | None = None
        # To look at the hardware takes seconds, in which the model can be loaded.
        self._beginning = threading.Thread(target=self._begin, daemon=True)
        self._beginning.start()

    def take(self) -> Energy:
        """What was spent since it was taken last."""
        self._beginning.join()
        if self._tracker is None:
            return Energy()
        try:
            spent = self._tracker.stop_task()
            self._tracker.start_task()
            return _read(spent)
        except Exception as error:
            self._give_up(error)
            return Energy()

    def close(self) -> None:
        """Count no longer."""
        self._beginning.join()
        if self._tracker is not None:
            with contextlib.suppress(Exception):
                self._tracker.stop_task()
            self._tracker = None

    def _begin(self) -> None:
        try:
            from codecarbon import OfflineEmissionsTracker

            # Its `log_level` comes too late for what it says while it is made.
            logging.getLogger("codecarbon").setLevel(logging.ERROR)
            tracker = OfflineEmissionsTracker(
                country_iso_code=ANY_COUNTRY,
                save_to_file=False,
                allow_multiple_runs=True,
                tracking_mode="process",
                log_level="error",
            )
            tracker.start_task()
            self._tracker = tracker
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.warning("the electricity of this training is not counted: %s", error)
        self._tracker = None


def _read(spent: EmissionsData) -> Energy:
    from codecarbon.core.cpu import is_rapl_available

    hardware = f"{spent.cpu_count} threads of {spent.cpu_model}"
    method = f"processors {BY_METER if is_rapl_available() else BY_LOAD}, memory {BY_LOAD}"
    if spent.gpu_count:
        hardware, method = f"{spent.gpu_model} and {hardware}", f"GPUs {BY_METER}, {method}"
    return Energy(spent.energy_consumed, hardware, method)
