"""What padding does to the group norm of the demo's model, and to what it says afterwards."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.wer_evaluator.predict import Spoken
from docs.figures import demo_run, drawing
from models.audio import normalise, pad_batch
from models.padding_mask import Mask
from models.recognisers.keras_model import KerasRecogniser
from models.wav2vec2 import Wav2Vec2ForCTC

PADDED = 246_000  # samples, 15.4 s: the forerunner's length
UTTERANCES = 24  # of the test split: enough for a picture
MASKS: dict[Mask, str] = {
    "full": "all masked",
    "not_in_norm": "all masked but the\nnorm’s statistics",
    "none": "nothing masked",
}
# Floating-point dust, and above it what changes words; the axis starts where nothing differs.
LEAST_DRAWN = 1e-7


def main() -> None:
    run = demo_run.from_arguments(__doc__)
    utterances = run.spoken("test")[:: len(run.spoken("test")) // UTTERANCES][:UTTERANCES]
    model = Wav2Vec2ForCTC.from_pretrained(run.trained_checkpoint)
    recogniser = KerasRecogniser.from_checkpoint(run.trained_checkpoint)
    deviations = [channel_deviations(model, one) for one in utterances]
    changes = {mask: [change_of(recogniser, one, mask) for one in utterances] for mask in MASKS}
    for mask, values in changes.items():
        print(f"{mask}: median {np.median(values):.2g}, largest {max(values):.2g}")
    narrowing = [float(np.median(padded / true)) for true, padded in deviations]
    print(f"deviation, padded over true: median {np.median(narrowing):.2f}")

    def draw(theme: drawing.Theme) -> Figure:
        figure, (left, right) = pyplot.subplots(
            1, 2, figsize=(drawing.WIDTH, 3.3), width_ratios=[1, 1.1]
        )
        draw_deviations(left, theme, deviations)
        draw_changes(right, theme, changes)
        return figure

    what = f"{run.description}, {UTTERANCES} utterances of its test split"
    drawing.keep(__file__, what, draw)


def channel_deviations(model: Wav2Vec2ForCTC, spoken: Spoken) -> tuple[np.ndarray, np.ndarray]:
    """What the group norm divides each channel by: over the speech, and over the padding too."""
    first = model.wav2vec2.feature_encoder.conv_layers[0]
    speech = normalise(spoken.waveform)
    padded = np.pad(speech, (0, PADDED - len(speech)))
    true, with_padding = (
        first.conv(samples[np.newaxis, :, np.newaxis]).numpy()[0].std(axis=0)
        for samples in (speech, padded)
    )
    return true, with_padding


def change_of(recogniser: KerasRecogniser, spoken: Spoken, mask: Mask) -> float:
    """The largest difference of any token's probability from the unpadded run's."""
    (alone,) = recogniser.recognise(**pad_batch([spoken.waveform]))
    (padded,) = recogniser.recognise(**pad_batch([spoken.waveform], PADDED), mask=mask)
    frames = len(alone.log_probs)
    difference = np.exp(padded.log_probs[:frames]) - np.exp(alone.log_probs)
    return float(np.abs(difference).max())


def draw_deviations(
    place: Axes, theme: drawing.Theme, deviations: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    true, padded = (np.concatenate(side) for side in zip(*deviations, strict=True))
    ends = [min(true.min(), padded.min()), true.max()]
    place.plot(ends, ends, color=theme.faint, linewidth=1)
    place.plot(true, padded, ".", color=theme.orange, markersize=2, rasterized=True)
    place.set_xscale("log")
    place.set_yscale("log")
    place.set_aspect("equal")
    place.set_title("What the norm divides a channel by")
    place.set_xlabel("over the speech alone")
    place.set_ylabel(f"over {PADDED:,} samples")
    place.annotate("equal", (ends[1], ends[1]), ha="right", va="bottom", color=theme.faint)


def draw_changes(place: Axes, theme: drawing.Theme, changes: dict[Mask, list[float]]) -> None:
    generator = np.random.default_rng(0)
    for row, values in enumerate(changes.values()):
        heights = row + generator.uniform(-0.18, 0.18, len(values))
        colour = theme.blue if row == 0 else theme.orange
        place.plot(np.maximum(values, LEAST_DRAWN), heights, ".", color=colour, markersize=5)
    place.set_xscale("log")
    place.set_xlim(LEAST_DRAWN / 2, 2)
    place.set_ylim(len(changes) - 0.5, -0.5)
    place.set_yticks(range(len(changes)), MASKS.values())
    place.tick_params(axis="y", length=0)
    place.set_title(f"Padded to {PADDED:,} beside unpadded")
    place.set_xlabel("largest change of a probability")


if __name__ == "__main__":
    main()
