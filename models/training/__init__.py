"""Fine-tuning with CTC; `run_fn` is what the stock TFX Trainer calls."""

from __future__ import annotations

from typing import Any


def run_fn(fn_args: Any) -> None:
    """Entry point of the Trainer node (`run_fn='models.training.run_fn'`)."""
    from models.training.node import train_node  # TensorFlow only when training starts

    train_node(fn_args)
