"""What the Model artifacts of a run say of themselves, as custom properties."""

from __future__ import annotations

# Of the importer's model: the checkpoint that it is, and the digest of that folder.
CHECKPOINT = "checkpoint"
CHECKPOINT_SHA256 = "checkpoint_sha256"
# Of the exporter's model: the trained model that it was exported from, in Hugging Face layout, and
# the digest of `model.checkpoint` then, with which that line of models began.
TRAINED_MODEL = "trained_model"
FIRST_CHECKPOINT_SHA256 = "first_checkpoint_sha256"
