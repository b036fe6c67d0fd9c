"""The word errors that each cause adds on the way to the forerunner's padding, from a report."""

from __future__ import annotations

from matplotlib import pyplot
from matplotlib.figure import Figure

from components.wer_evaluator.evaluation import read_padding_causes
from docs.figures import demo_run, drawing


def main() -> None:
    run = demo_run.from_arguments(__doc__)
    causes = read_padding_causes(str(run.evaluation))

    def draw(theme: drawing.Theme) -> Figure:
        figure, place = pyplot.subplots(figsize=(drawing.WIDTH, 2.7))
        rows = range(len(causes))
        before = [0.0, *(100 * cause.wer for cause in causes[:-1])]
        for row, cause, start in zip(rows, causes, before, strict=True):
            end = 100 * cause.wer
            place.barh(row, start, color=theme.faint, alpha=0.35, height=0.62)
            place.barh(row, end - start, left=start, color=theme.orange, height=0.62)
            added = f"   {end - start:+.2f}" if row else ""
            place.annotate(f" {end:.2f} %{added}", (max(start, end), row), va="center")
        place.set_yticks(rows, [cause.cause for cause in causes])
        place.invert_yaxis()
        place.tick_params(axis="y", length=0)
        place.set_xlim(0, 100)
        place.set_xlabel("word error rate, %")
        return figure

    words = f"{causes[0].utterances} test utterances, {causes[0].words} words"
    drawing.keep(__file__, f"{run.description}, {words}", draw)


if __name__ == "__main__":
    main()
