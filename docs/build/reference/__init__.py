"""The parts of the reference that are written from the code.

A page holds `<!-- generated: NAME -->` where one of them goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from docs.build.reference.commands import commands, exit_codes
from docs.build.reference.configs import config_keys, ready_configs
from docs.build.reference.records import (
    features_of_speech,
    keys_of_manifest,
    keys_of_report,
)

GENERATORS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "exit codes": exit_codes,
    "config keys": config_keys,
    "ready configs": ready_configs,
    "manifest": keys_of_manifest,
    "report": keys_of_report,
    "speech example": features_of_speech,
}
MARK = re.compile(r"<!-- generated: ([\w ]+) -->")


def fill_in(markdown: str) -> str:
    """The page with every generated part in its place."""
    return MARK.sub(lambda found: GENERATORS[found[1]](), markdown)
