"""What a network is told of padding."""

from __future__ import annotations

from typing import Literal

# All of it, all but for the statistics of the group norm, or nothing. The last two are for
# comparison with the forerunner's protocol.
Mask = Literal["full", "not_in_norm", "none"]
