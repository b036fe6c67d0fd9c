"""Where releases go, and how many stay."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.release_pusher.destinations.config import DestinationsConfig
from components.release_pusher.pages.config import PageConfig

# The node's property: what a run on a cluster was told in place of the config's values, as JSON.
RUNTIME_PARAMETERS = "runtime_parameters"


@dataclass(frozen=True)
class ReleaseConfig:
    """A folder of numbered versions: what TF Serving polls and what readers list."""

    folder: str = ""  # empty: `releases` below the run's root
    # How many versions stay; older ones are removed once a new one is out. 0 keeps all.
    keep_last: int = 0
    # Where a web server finds the TensorFlow Hub models (`export.hub`); empty: nowhere.
    hub_folder: str = ""
    # The address under which that web server gives out `hub_folder`; the pages name it. Empty: a
    # bucket's own, or an example.
    hub_url: str = ""
    # What the page beside each release says.
    page: PageConfig = field(default_factory=PageConfig)
    # Catalogues that get each release too.
    destinations: DestinationsConfig = field(default_factory=DestinationsConfig)

    def __post_init__(self) -> None:
        if self.keep_last < 0:
            raise ValueError(
                f"release.keep_last must be 0 (keep all) or more, not {self.keep_last}"
            )
        folder, hub_folder = self.folder.rstrip("/"), self.hub_folder.rstrip("/")
        if hub_folder and f"{hub_folder}/".startswith(f"{folder}/") and folder:
            raise ValueError(
                f"release.hub_folder ({self.hub_folder}) must not lie in release.folder: "
                "TF Serving reads that one; name a folder beside it"
            )
