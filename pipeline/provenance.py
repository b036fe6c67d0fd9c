"""What a run was made from, as digests: cache keys now, the release's provenance later."""

from __future__ import annotations

from dataclasses import dataclass

from models import filesystem
from models.code_version import code_version
from models.errors import BadInputError
from pipeline.config import RunConfig


@dataclass(frozen=True)
class Provenance:
    checkpoint: str
    checkpoint_sha256: str
    config_sha256: str
    code_version: str


def provenance_of(config: RunConfig) -> Provenance:
    """Digest the checkpoint and the config."""
    checkpoint = config.model.checkpoint
    if not filesystem.exists(checkpoint):
        raise BadInputError(
            f"There is no checkpoint at {checkpoint}; set model.checkpoint to a folder in "
            "Hugging Face layout (config.json, model.safetensors, vocab.json)."
        )
    return Provenance(
        checkpoint=checkpoint,
        checkpoint_sha256=filesystem.sha256_of_folder(checkpoint),
        config_sha256=config.sha256,
        code_version=code_version(),
    )
