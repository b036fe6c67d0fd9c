"""Two artifacts of one run held against each other: each on its own draws, and both on the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.release_gate.comparison import matched_pairs, paired_bootstrap
from components.release_gate.judgement import errors_of
from components.release_gate.rules import pair_up
from docs.figures import demo_run, drawing

BASELINE, CANDIDATE = "saved_model/unpadded", "tflite_full_int8/static"
DRAWS = 10_000


def main() -> None:
    run = demo_run.from_arguments(__doc__)
    pairs = pair_up(*(errors_of(str(run.evaluation), trial) for trial in (CANDIDATE, BASELINE)))
    comparisons = (paired_bootstrap(pairs), matched_pairs(pairs))
    for found in comparisons:
        print(f"{found.method}: {100 * found.difference:+.2f} points, worse with ", end="")
        print(f"{100 * found.confidence_worse:.1f} % over {found.units}")
    apart, together = differences(pairs)
    for how, drawn in (("apart", apart), ("together", together)):
        low, high = np.quantile(drawn, [0.025, 0.975])
        print(f"{how}: {low:+.2f} to {high:+.2f} points")

    def draw(theme: drawing.Theme) -> Figure:
        figure, axes = pyplot.subplots(2, figsize=(drawing.WIDTH, 3.4), sharex=True, sharey=True)
        titles = ("Each drawn by itself", "Both judged on the same draw, as the gate does it")
        ends = (min(apart.min(), together.min()), max(apart.max(), together.max()))
        for place, title, drawn in zip(axes, titles, (apart, together), strict=True):
            draw_differences(place, theme, drawn, np.linspace(*ends, 60))
            place.set_title(title)
        axes[-1].set_xlabel(f"WER of {CANDIDATE} less that of {BASELINE}, points")
        return figure

    what = f"{len(pairs)} utterances of its test split, {CANDIDATE} beside {BASELINE}"
    drawing.keep(__file__, f"{run.description}, {what}", draw)


def differences(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The difference in points on draws of utterances: two draws, and one for both."""
    generator, count = np.random.default_rng(0), len(pairs)
    ours, theirs, words = (
        pairs[name].to_numpy() for name in ("errors", "errors_baseline", "words")
    )
    first, second = (generator.integers(count, size=(DRAWS, count)) for _ in range(2))

    def rate(errors: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        return 100 * errors[drawn].sum(axis=1) / words[drawn].sum(axis=1)

    return rate(ours, first) - rate(theirs, second), rate(ours, first) - rate(theirs, first)


def draw_differences(
    place: Axes, theme: drawing.Theme, drawn: np.ndarray, edges: np.ndarray
) -> None:
    _, _, bars = place.hist(drawn, edges)
    for bar, left in zip(bars, edges, strict=False):
        bar.set_facecolor(theme.orange if left >= 0 else theme.blue)
        bar.set_alpha(0.7)
    place.axvline(0, color=theme.ink, linewidth=0.8)
    worse = np.mean(drawn > 0) + np.mean(drawn == 0) / 2
    place.annotate(
        f"worse in {100 * worse:.1f} %",
        (0.99, 0.9),
        xycoords="axes fraction",
        ha="right",
        va="top",
    )
    place.set_yticks([])
    place.spines.left.set_visible(False)


if __name__ == "__main__":
    main()
