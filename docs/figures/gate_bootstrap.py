"""How far a word error rate would move on other voices: the bootstrap over a real evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.wer_evaluator.interval import BOOTSTRAP_SAMPLES, wer_interval
from docs.figures import demo_run, drawing
from models.audio import pad_batch
from models.recognisers.keras_model import KerasRecogniser
from models.word_errors import count_word_errors


def main() -> None:
    run = demo_run.from_arguments(__doc__)
    heard = heard_by(run)
    by_speaker = heard.groupby("speaker")[["errors", "words"]].sum()
    draws = {"utterances": drawn_rates(heard), "speakers": drawn_rates(by_speaker)}
    for unit, rates in draws.items():
        low, high = np.quantile(rates, [0.025, 0.975])
        print(f"{unit}: {100 * low:.2f} to {100 * high:.2f} %")

    def draw(theme: drawing.Theme) -> Figure:
        figure, (left, right) = pyplot.subplots(
            1, 2, figsize=(drawing.WIDTH, 3.0), width_ratios=[1, 2]
        )
        draw_speakers(left, theme, by_speaker)
        draw_draws(right, theme, draws)
        return figure

    what = f"{len(heard)} utterances of its dev and test splits"
    drawing.keep(__file__, f"{run.description}, {what}", draw)


def heard_by(run: demo_run.DemoRun) -> pd.DataFrame:
    """Speaker, words and word errors of each utterance that the model did not learn from."""
    recogniser = KerasRecogniser.from_checkpoint(run.trained_checkpoint)
    rows = []
    for spoken in [*run.spoken("dev"), *run.spoken("test")]:
        (recognition,) = recogniser.recognise(**pad_batch([spoken.waveform]))
        counts = count_word_errors(spoken.reference, recognition.text)
        rows.append({"speaker": spoken.speaker, "errors": counts.errors, "words": counts.length})
    return pd.DataFrame(rows)


def drawn_rates(units: pd.DataFrame) -> np.ndarray:
    """The word error rate of each draw of as many units as there are, with replacement."""
    count = len(units)
    drawn = np.random.default_rng(0).multinomial(
        count, np.full(count, 1 / count), size=BOOTSTRAP_SAMPLES
    )
    errors, words = (drawn @ units[name].to_numpy() for name in ("errors", "words"))
    # The evaluator keeps the interval alone: it must be that of these draws.
    interval = wer_interval(*(units[[name]].to_numpy(float) for name in ("errors", "words")))
    np.testing.assert_allclose(np.quantile(errors / words, [0.025, 0.975]), interval)
    return errors / words


def draw_speakers(place: Axes, theme: drawing.Theme, by_speaker: pd.DataFrame) -> None:
    rates = 100 * by_speaker.errors / by_speaker.words
    place.barh(range(len(rates)), rates, color=theme.green, height=0.62)
    for row, rate in enumerate(rates):
        place.annotate(f" {rate:.1f}", (rate, row), va="center")
    place.set_yticks(range(len(rates)), [f"voice {name}" for name in rates.index])
    place.invert_yaxis()
    place.tick_params(axis="y", length=0)
    place.set_xlim(0, 1.2 * rates.max())
    place.set_title("WER of each voice, %")


def draw_draws(place: Axes, theme: drawing.Theme, draws: dict[str, np.ndarray]) -> None:
    edges = np.linspace(0, 100 * max(rates.max() for rates in draws.values()), 50)
    colours = (theme.blue, theme.orange)
    for row, (colour, (unit, rates)) in enumerate(zip(colours, draws.items(), strict=True)):
        place.hist(100 * rates, edges, color=colour, alpha=0.55, label=f"{unit} drawn")
        low, high = 100 * np.quantile(rates, [0.025, 0.975])
        place.plot([low, high], [-8 - 9 * row] * 2, color=colour, linewidth=3)
    place.set_title(f"WER of {BOOTSTRAP_SAMPLES:,} draws, %, with the middle 95 %")
    place.spines.left.set_visible(False)
    place.set_yticks([])
    place.legend()


if __name__ == "__main__":
    main()
