"""How often the interval holds the truth, on made-up evaluations whose truth is known.

The evaluations are those of `python -m benchmarks gate`: speakers differ, and utterances of one
speaker err alike. It needs no run of the demo, only a checkout.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure

from benchmarks.gate import SPEAKERS_OF_SIZE, simulate_release
from components.wer_evaluator.interval import CONFIDENCE, wer_interval
from docs.figures import drawing

EVALUATIONS = 1_000  # of each size
COUNTS = ["errors_baseline", "words"]


def main() -> None:
    covered = {size: coverage(size) for size in SPEAKERS_OF_SIZE}
    for size, by_unit in covered.items():
        print(size, {unit: f"{100 * part:.1f} %" for unit, part in by_unit.items()})

    def draw(theme: drawing.Theme) -> Figure:
        figure, place = pyplot.subplots(figsize=(drawing.WIDTH, 2.6))
        sizes = range(len(covered))
        colours = {"utterances": theme.blue, "speakers": theme.orange}
        for unit, colour in colours.items():
            parts = [100 * by_unit[unit] for by_unit in covered.values()]
            place.plot(parts, sizes, "o", color=colour, markersize=8, label=f"{unit} drawn")
            for row, part in zip(sizes, parts, strict=True):
                place.annotate(f"{part:.1f} %   ", (part, row), ha="right", va="center")
        place.axvline(100 * CONFIDENCE, color=theme.faint, linewidth=1, linestyle="--")
        place.set_yticks(
            sizes,
            [f"{size} utterances,\n{SPEAKERS_OF_SIZE[size]} speakers" for size in covered],
        )
        place.set_ylim(len(covered) - 0.5, -0.7)
        place.set_xlim(30, 100)
        place.set_title("Intervals that hold the true WER, %")
        place.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return figure

    what = f"{EVALUATIONS} simulated evaluations of each size (benchmarks.gate)"
    drawing.keep(__file__, what, draw)


def coverage(utterances: int) -> dict[str, float]:
    """By what is drawn, in how large a part of the evaluations the interval holds the truth."""
    generator = np.random.default_rng(utterances)
    evaluations = [simulate_release(generator, utterances, 0.0) for _ in range(EVALUATIONS)]
    truth = sum(one.errors_baseline.sum() for one in evaluations) / sum(
        one.words.sum() for one in evaluations
    )
    inside: dict[str, list[bool]] = {"utterances": [], "speakers": []}
    for one in evaluations:
        for unit, table in (
            ("utterances", one),
            ("speakers", one.groupby("speaker")[COUNTS].sum()),
        ):
            low, high = interval(table)
            inside[unit].append(low <= truth <= high)
    print(f"{utterances} utterances: the truth is {100 * truth:.2f} %")
    return {unit: float(np.mean(hits)) for unit, hits in inside.items()}


def interval(units: pd.DataFrame) -> tuple[float, float]:
    """The evaluator's interval with each row as one unit that is drawn."""
    return wer_interval(*(units[[name]].to_numpy(float) for name in COUNTS))


if __name__ == "__main__":
    main()
