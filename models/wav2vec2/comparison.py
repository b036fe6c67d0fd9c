"""Where two implementations part: every intermediate beside that of the PyTorch reference.

>>> comparison = compare_layers(model, reference, waveforms)  # doctest: +SKIP
>>> print(comparison)  # doctest: +SKIP

From the shell, for a folder that both can read: `python -m models.wav2vec2.comparison FOLDER`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

# Float32 leaves this much in a full-size model; a mistake leaves far more.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class LayerDifference:
    """How far the outputs of one layer are apart, and how large they are."""

    name: str
    shape: tuple[int, ...]
    largest: float
    scale: float

    @property
    def relative(self) -> float:
        return self.largest / max(self.scale, 1e-12)


@dataclass(frozen=True)
class LayerComparison:
    """All layers in the order in which they run; relative differences up to `tolerance` agree."""

    layers: tuple[LayerDifference, ...]
    tolerance: float = TOLERANCE

    @property
    def first_that_differs(self) -> LayerDifference | None:
        # A layer that gives NaN differs as well: the comparison must not ask for "greater".
        return next((one for one in self.layers if not one.relative <= self.tolerance), None)

    def __str__(self) -> str:
        first = self.first_that_differs
        rows = [f"{'max |Δ|':>10}  {'max |x|':>10}  layer"]
        rows += [
            f"{one.largest:10.2e}  {one.scale:10.2e}  {one.name} {list(one.shape)}"
            + ("  ← the first that differs" if one is first else "")
            for one in self.layers
        ]
        return "\n".join(rows)


def compare_layers(
    model: Any,
    reference: Any,
    waveforms: np.ndarray,
    lengths: Any = None,
    tolerance: float = TOLERANCE,
) -> LayerComparison:
    """Run both, in float32 and eagerly, and compare what each layer gives at real frames.

    `reference` is a model of `transformers` of the same class; both may have a CTC head.
    """
    ours = outputs_of_ours(model, waveforms, lengths)
    theirs = outputs_of_reference(reference, waveforms, lengths)
    frames = _real_frames(model.config, lengths)
    return LayerComparison(
        tuple(
            _difference(name, ours[name], theirs[name], frames.get(name, frames.get("")))
            for name in ours
        ),
        tolerance,
    )


def outputs_of_ours(model: Any, waveforms: np.ndarray, lengths: Any = None) -> dict[str, Any]:
    """What each layer of our model gives, by the reference's name of the layer."""
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        for name, layer in _our_layers(model):
            stack.enter_context(_recorded(layer, name, found))
        model(waveforms, lengths=lengths)
    return found


def outputs_of_reference(
    reference: Any, waveforms: np.ndarray, lengths: Any = None
) -> dict[str, Any]:
    """What each module of the reference gives, frames before channels, by its name."""
    import torch

    found: dict[str, Any] = {}
    trunk = getattr(reference, "wav2vec2", reference)
    head = {"lm_head": reference.lm_head} if hasattr(reference, "lm_head") else {}
    hooks = [
        module.register_forward_hook(_keeper(found, name))
        for name, module in {**dict(trunk.named_modules()), **head}.items()
    ]
    mask = None
    if lengths is not None:
        mask = torch.arange(waveforms.shape[1])[None] < torch.tensor(lengths)[:, None]
    try:
        with torch.no_grad():
            reference(torch.tensor(waveforms), attention_mask=mask)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _our_layers(model: Any) -> Iterator[tuple[str, Any]]:
    trunk = getattr(model, "wav2vec2", model)
    for index, layer in enumerate(trunk.feature_encoder.conv_layers):
        yield f"feature_extractor.conv_layers.{index}", layer
    yield "feature_projection", trunk.feature_projection
    yield "encoder.pos_conv_embed", trunk.encoder.pos_conv_embed
    for index, layer in enumerate(trunk.encoder.layers):
        for part in ("attention", "feed_forward"):
            yield f"encoder.layers.{index}.{part}", getattr(layer, part)
        yield f"encoder.layers.{index}", layer
    yield "encoder", trunk.encoder
    if trunk.adapter is not None:
        yield "adapter", trunk.adapter
    if hasattr(model, "lm_head"):
        yield "lm_head", model.lm_head


@contextmanager
def _recorded(layer: Any, name: str, found: dict[str, Any]) -> Iterator[None]:
    """Keep what the layer gives. Keras has no hooks, so its `call` is wrapped for the while."""
    call = layer.call

    def keeping(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        found[name] = np.asarray(_first(output))
        return output

    layer.call = keeping
    try:
        yield
    finally:
        del layer.call


def _keeper(found: dict[str, Any], name: str) -> Any:
    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        output = _first(output)
        if not hasattr(output, "numpy"):
            return
        values = output.numpy()
        # Convolutions of the reference put channels before frames.
        found[name] = values.swapaxes(1, 2) if name.startswith("feature_extractor") else values

    return keep


def _first(output: Any) -> Any:
    """The hidden states among what a layer gives."""
    if isinstance(output, Mapping):
        return next(iter(output.values()))
    return output[0] if isinstance(output, tuple | list) else output


def _real_frames(config: Any, lengths: Any) -> dict[str, Any]:
    """By layer, how many frames of each utterance are real; under "" for all other layers."""
    if lengths is None:
        return {"": None}
    counts: dict[str, Any] = {}
    frames = np.asarray(lengths)
    for index, (kernel, stride) in enumerate(
        zip(config.conv_kernel, config.conv_stride, strict=True)
    ):
        frames = np.maximum((frames - kernel) // stride + 1, 0)
        counts[f"feature_extractor.conv_layers.{index}"] = frames
    after_adapter = config.frame_lengths(np.asarray(lengths))
    return {**counts, "": frames, "adapter": after_adapter, "lm_head": after_adapter}


def _difference(name: str, ours: np.ndarray, theirs: np.ndarray, frames: Any) -> LayerDifference:
    if ours.shape != theirs.shape:
        return LayerDifference(f"{name} (theirs {list(theirs.shape)})", ours.shape, np.nan, 1.0)
    if frames is not None:
        is_real = np.arange(ours.shape[1]) < frames[:, None]
        ours, theirs = ours[is_real], theirs[is_real]
    largest = float(np.max(np.abs(ours - theirs), initial=0.0))
    return LayerDifference(name, ours.shape, largest, float(np.max(np.abs(theirs), initial=0.0)))


def main(folder: str) -> LayerComparison:
    """Compare a recogniser's folder on two seconds of noise."""
    import transformers

    from models.wav2vec2.model import Wav2Vec2ForCTC

    waveforms = np.random.default_rng(0).normal(size=(1, 32_000)).astype(np.float32)
    reference = transformers.Wav2Vec2ForCTC.from_pretrained(folder).eval()
    return compare_layers(Wav2Vec2ForCTC.from_pretrained(folder), reference, waveforms)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
