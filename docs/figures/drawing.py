"""How the documentation's figures look, on light pages and on dark ones, and how they are kept.

A figure is drawn twice: `<name>.svg` for light pages, `<name>-dark.svg` for dark ones, both on the
page's own background. Each file says which script made it and of which run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

FIGURES = Path(__file__).parent.parent / "pages" / "figures"
WIDTH = 7.2  # inches; a page's column
SHADES = 17  # of a heat map: few, so that its file is small


@dataclass(frozen=True)
class Theme:
    """The colours of one kind of page."""

    suffix: str
    ink: str
    faint: str
    blue: str
    orange: str
    green: str

    @property
    def heat(self) -> LinearSegmentedColormap:
        """From nothing to much: from the page's background to blue."""
        return _fading("heat", [(self.blue, 0.0), (self.blue, 1.0)])

    @property
    def balance(self) -> LinearSegmentedColormap:
        """From below the mean, orange, over the page's background to above it, blue."""
        return _fading("balance", [(self.orange, 1.0), (self.orange, 0.0), (self.blue, 1.0)])


LIGHT = Theme("", "#24292f", "#8b929b", "#0a66b7", "#c2550a", "#1a7f4b")
DARK = Theme("-dark", "#d5dae1", "#7d8692", "#6cb6f5", "#f0984b", "#57c98c")


def keep(script: str, run: str, draw: Callable[[Theme], Figure]) -> None:
    """Draw for both kinds of page and keep the files, named as the script is."""
    name = Path(script).stem.replace("_", "-")
    FIGURES.mkdir(exist_ok=True)
    for theme in (LIGHT, DARK):
        with pyplot.rc_context(_style(theme)):
            figure = draw(theme)
            figure.savefig(
                FIGURES / f"{name}{theme.suffix}.svg",
                transparent=True,
                metadata={
                    "Date": None,
                    "Creator": None,
                    "Source": f"docs/figures/{Path(script).name}",
                    "Description": run,
                },
            )
            pyplot.close(figure)
    print(f"{FIGURES / name}.svg of {run}")


def _style(theme: Theme) -> dict[str, object]:
    return {
        "svg.hashsalt": "figures",  # the same bytes each time
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": theme.faint,
        "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink,
        "text.color": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }


def _fading(name: str, colours: list[tuple[str, float]]) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list(
        name, [(*to_rgb(colour), opacity) for colour, opacity in colours], SHADES
    )
