"""One utterance on its way through the network: what each stage of the demo's model makes of it."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage

from docs.figures import demo_run, drawing
from models.audio import SAMPLE_RATE, normalise
from models.wav2vec2 import Wav2Vec2ForCTC
from models.word_times import Word, words_as_heard

UTTERANCE = "301-30100-0001"  # of the test split
# Deviations from a channel's mean; what lies beyond is drawn as this much.
DRAWN_DEVIATIONS = 2.5
# Of more frames than these not every one is drawn: a page is no wider.
DRAWN_FRAMES = 500


def main() -> None:
    run = demo_run.from_arguments(__doc__)
    spoken = next(one for one in run.spoken("test") if one.id == UTTERANCE)
    model = Wav2Vec2ForCTC.from_pretrained(run.trained_checkpoint)
    waveform = normalise(spoken.waveform)
    stages = activations(model, waveform)
    log_probs = stages.pop("CTC head")
    vocabulary = run.processor.vocabulary
    heard = list(words_as_heard([log_probs], vocabulary))
    letters = sorted(set(log_probs.argmax(axis=-1)) - {vocabulary.blank})
    names = {token: vocabulary.tokens[token] for token in [*letters, vocabulary.blank]}

    def draw(theme: drawing.Theme) -> Figure:
        return drawn(theme, waveform, stages, log_probs, names, heard)

    drawing.keep(__file__, f"{run.description}, utterance {UTTERANCE}", draw)


def activations(model: Wav2Vec2ForCTC, waveform: np.ndarray) -> dict[str, np.ndarray]:
    """What each stage gives, [frames, channels]; the last one holds log-probabilities."""
    import tensorflow as tf

    trunk, stages = model.wav2vec2, {}
    hidden = tf.constant(waveform)[None, :, None]
    for number, layer in enumerate(trunk.feature_encoder.conv_layers, 1):
        hidden = layer(hidden)
        stages[f"Convolution {number}"] = hidden
    hidden, _ = trunk.feature_projection(hidden)
    stages["Projection"] = hidden
    stages["Position"] = trunk.encoder.pos_conv_embed(hidden)
    hidden = trunk.encoder.embed(hidden)
    for number, layer in enumerate(trunk.encoder.layers, 1):
        hidden = layer(hidden)
        stages[f"Transformer layer {number}"] = hidden
    logits = model.lm_head(trunk.encoder.finish(hidden))
    # Stage by stage it must be what the model says at once.
    np.testing.assert_allclose(logits, model(waveform[None]), atol=1e-4)
    stages["CTC head"] = tf.nn.log_softmax(logits)
    return {name: values.numpy()[0] for name, values in stages.items()}


def drawn(
    theme: drawing.Theme,
    waveform: np.ndarray,
    stages: dict[str, np.ndarray],
    log_probs: np.ndarray,
    names: dict[int, str],
    heard: list[Word],
) -> Figure:
    shown = ["Convolution 1", "Convolution 4", "Convolution 7", "Projection", "Position"]
    shown += ["Transformer layer 1", list(stages)[-1]]
    figure, axes = pyplot.subplots(
        len(shown) + 2,
        figsize=(drawing.WIDTH, 7.6),
        sharex=True,
        height_ratios=[1.0] + [0.9] * len(shown) + [1.5],
    )
    seconds = len(waveform) / SAMPLE_RATE
    draw_waveform(axes[0], theme, waveform, seconds)
    for place, name in zip(axes[1:-1], shown, strict=True):
        draw_stage(place, theme, name, stages[name], seconds)
    draw_letters(axes[-1], theme, log_probs, names, seconds)
    for place in axes:
        for word in heard:
            place.axvspan(word.start, word.end, color=theme.faint, alpha=0.13, linewidth=0)
    for word in heard:
        middle = (word.start + word.end) / 2
        axes[0].annotate(
            word.word, (middle, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom"
        )
    axes[-1].set_xlabel("seconds")
    return figure


def draw_waveform(place: Axes, theme: drawing.Theme, waveform: np.ndarray, seconds: float) -> None:
    times = np.arange(len(waveform)) / SAMPLE_RATE
    place.plot(times, waveform, color=theme.ink, linewidth=0.35, rasterized=True)
    place.set_xlim(0, seconds)
    label(place, "Waveform", f"{len(waveform):,} samples")


def draw_stage(
    place: Axes, theme: drawing.Theme, name: str, values: np.ndarray, seconds: float
) -> None:
    deviations = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)
    every = -(-len(values) // DRAWN_FRAMES)
    place.imshow(
        deviations[::every, alike_side_by_side(deviations)].T,
        aspect="auto",
        extent=(0, seconds, 0, 1),
        cmap=theme.balance,
        vmin=-DRAWN_DEVIATIONS,
        vmax=DRAWN_DEVIATIONS,
        interpolation="none",
    )
    frames, channels = values.shape
    label(place, name, f"{frames:,} × {channels}")


def alike_side_by_side(values: np.ndarray) -> np.ndarray:
    """An order of the channels in which those that rise and fall together are neighbours."""
    return leaves_list(linkage(values.T, "average", optimal_ordering=True))


def draw_letters(
    place: Axes,
    theme: drawing.Theme,
    log_probs: np.ndarray,
    names: dict[int, str],
    seconds: float,
) -> None:
    probabilities = np.exp(log_probs[:, list(names)])
    place.imshow(
        probabilities.T,
        aspect="auto",
        extent=(0, seconds, len(names), 0),
        cmap=theme.heat,
        vmin=0,
        vmax=1,
        interpolation="none",
    )
    label(place, "CTC head", f"{len(log_probs)} × {log_probs.shape[1]}")
    written = ["blank" if name == "<pad>" else name for name in names.values()]
    place.yaxis.tick_right()
    place.set_yticks(np.arange(len(names)) + 0.5, written, fontsize=6)
    place.tick_params(axis="y", length=0)


def label(place: Axes, name: str, size: str) -> None:
    place.set_ylabel(f"{name}\n{size}", rotation=0, ha="right", va="center")
    place.set_yticks([])
    for side in place.spines.values():
        side.set_visible(False)
    place.tick_params(axis="x", length=0)


if __name__ == "__main__":
    main()
