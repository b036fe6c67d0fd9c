"""Figures that can be read on a light page and on a dark one."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib_inline.backend_inline import set_matplotlib_formats

# Each stands out from white and from near black alike.
BLUE, ORANGE, GREEN, PURPLE = "#3d8bd4", "#e0792b", "#2fa374", "#a06cd5"
GREY = "#808993"

STYLE: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.facecolor": "none",
    "legend.frameon": False,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.titlecolor": GREY,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE]),
    "axes.titlesize": 11,
    "font.size": 10,
    "figure.figsize": (8, 3.2),
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "w2v",  # the same figure is the same file
}


def use_style() -> None:
    """Transparent SVG in colours that suit both kinds of page."""
    set_matplotlib_formats("svg", metadata={"Date": None})
    plt.rcParams.update(STYLE)
