"""One utterance before fine-tuning and after it, and what CTC's loss asks in between."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.figures import demo_run, drawing
from models.beam_search import greedy
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.ctc import ctc_loss
from models.word_times import words_as_heard

UTTERANCE = "301-30100-0001"  # of the test split
FRAME_SECONDS = 0.02
LEAST_DRAWN = -6.0  # a log-probability: 0.25 %


def main() -> None:
    run = demo_run.from_arguments(__doc__)
    spoken = next(one for one in run.spoken("test") if one.id == UTTERANCE)
    vocabulary = run.processor.vocabulary
    before, after = (
        run.log_probs(Wav2Vec2ForCTC.from_pretrained(checkpoint), spoken.waveform)
        for checkpoint in (run.imported_checkpoint, run.trained_checkpoint)
    )
    transcript = vocabulary.encode(spoken.reference)
    asked = np.log(np.maximum(occupancy(before, transcript, vocabulary.blank), 1e-30))
    panels = {
        f"Before fine-tuning: “{greedy(before, vocabulary).text}”": before,
        f"What the loss asks: all alignments of “{spoken.reference}”, by what they weigh": asked,
        f"After 400 steps: “{greedy(after, vocabulary).text}”": after,
    }
    tokens = sorted({*before.argmax(axis=-1), *transcript} - {vocabulary.blank})
    tokens.append(vocabulary.blank)
    names = ["blank" if token == vocabulary.blank else vocabulary.tokens[token] for token in tokens]
    words = list(words_as_heard([after], vocabulary))

    def draw(theme: drawing.Theme) -> Figure:
        figure, axes = pyplot.subplots(3, figsize=(drawing.WIDTH, 7.4), sharex=True)
        for place, (title, log_probs) in zip(axes, panels.items(), strict=True):
            image = draw_panel(place, theme, log_probs[:, tokens], names)
            place.set_title(title)
        for word in words:
            axes[-1].axvspan(word.start, word.end, color=theme.faint, alpha=0.13, linewidth=0)
            middle = (word.start + word.end) / 2
            axes[-1].annotate(word.word, (middle, 0.5), ha="center", va="center")
        axes[-1].set_xlabel("seconds")
        bar = figure.colorbar(image, ax=axes, shrink=0.3, pad=0.02, extend="min")
        bar.set_ticks(np.log([0.0025, 0.01, 0.1, 1.0]), labels=["0.25 %", "1 %", "10 %", "100 %"])
        bar.outline.set_visible(False)
        return figure

    drawing.keep(__file__, f"{run.description}, utterance {UTTERANCE}", draw)


def occupancy(log_probs: np.ndarray, transcript: list[int], blank: int) -> np.ndarray:
    """The probability of each token at each frame, given the transcript: [frames, vocab].

    It is what the gradient of the loss pulls the model's own probabilities towards.
    """
    import tensorflow as tf

    logits = tf.constant(log_probs[np.newaxis])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = ctc_loss(logits, [len(log_probs)], [transcript], [len(transcript)], blank)
    gradient = tape.gradient(loss, logits).numpy()[0]
    return np.exp(log_probs) - gradient


def draw_panel(place: Axes, theme: drawing.Theme, log_probs: np.ndarray, names: list[str]):
    image = place.imshow(
        log_probs.T,
        aspect="auto",
        extent=(0, len(log_probs) * FRAME_SECONDS, len(names), 0),
        cmap=theme.heat,
        vmin=LEAST_DRAWN,
        vmax=0,
        interpolation="none",
    )
    place.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=7)
    place.tick_params(length=0)
    place.spines[:].set_visible(False)
    return image


if __name__ == "__main__":
    main()
