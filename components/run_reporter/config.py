"""Who is told what became of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Occasion = Literal["failure", "refusal", "success"]
# Where a webhook's address may lie; it lets anybody write, so it is a secret.
PLACES = ("env:", "file:", "secret:")


@dataclass(frozen=True)
class AlertsConfig:
    """A webhook that takes what Slack's incoming webhooks take."""

    # env:NAME, file:PATH, or secret:projects/P/secrets/S/versions/V of Google Secret Manager.
    webhook: str = ""
    # A run broke (failure), the gate refused a model, or a release is out (success).
    on: tuple[Occasion, ...] = ("failure", "refusal")

    def __post_init__(self) -> None:
        if self.webhook and not self.webhook.startswith(PLACES):
            raise ValueError(
                "alerts.webhook must say where the address lies (env:NAME, file:PATH or "
                "secret:projects/P/secrets/S/versions/V): the address itself is a secret"
            )
