"""What the writer and the reader of a SavedModel share: its signatures and where its files lie."""

from __future__ import annotations

from models.padding_mask import Mask

SIGNATURES: dict[Mask, str] = {
    "full": "serving_default",
    "not_in_norm": "unmasked_norm",
    "none": "unmasked",
}
# The folder of the processor's files.
ASSETS = "assets"
