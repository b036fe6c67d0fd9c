# ---
# checked: 2026-11-22
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Padding to 246 000 samples
#
# At the end you have seen what padding every utterance to one length did to earlier TensorFlow
# ports of Wav2Vec2, which part of the network it hurts and by how much, and that it no longer
# does. It takes about half a minute on two cores.
#
# A static shape is convenient: one graph, any device. The forerunner of this project padded
# everything to 246 000 samples (15.4 s) and told the network nothing of that.

# %%
import os

from support import figures
from support.workspace import is_demo, read_utterances, workspace

run = workspace()
CHECKPOINT = os.environ.get("W2V_CHECKPOINT", run.checkpoint)  # Hugging Face layout
TEST = run.corpus / os.environ.get("W2V_SUBSET", "test-clean")
UTTERANCES = int(os.environ.get("W2V_UTTERANCES", "16"))
PADDED_TO = 246_000

# %% [markdown]
# ## The same utterances, four ways
#
# `lengths` tells the model what is audio. `mask` says who is told: all of the network (`full`),
# all but the group norm (`not_in_norm`), or nobody (`none`), which is the forerunner's protocol.

# %%
from models.audio import pad_batch
from models.recognisers import open_recogniser

utterances = [one for one in read_utterances(TEST, UTTERANCES) if len(one.waveform) <= PADDED_TO]
said = [one.text for one in utterances]
recogniser = open_recogniser(CHECKPOINT)


def hear(one, samples=None, mask="full"):
    return recogniser.recognise(**pad_batch([one.waveform], samples), mask=mask)[0].text


heard = {
    "unpadded": [hear(one) for one in utterances],
    "padded, masked": [hear(one, PADDED_TO) for one in utterances],
    "+ group norm over the padding": [hear(one, PADDED_TO, "not_in_norm") for one in utterances],
    "+ no mask at all": [hear(one, PADDED_TO, "none") for one in utterances],
}

# %%
import pandas as pd

from models.word_errors import word_error_rate

wer = {name: word_error_rate(said, texts) for name, texts in heard.items()}
pd.DataFrame(
    {
        "WER %": [f"{100 * rate:.1f}" for rate in wer.values()],
        "same words as unpadded": [
            f"{sum(map(str.__eq__, texts, heard['unpadded']))} of {len(texts)}"
            for texts in heard.values()
        ],
        f"“{said[0]}” is heard as": [texts[0] for texts in heard.values()],
    },
    index=list(wer),
)

# %% [markdown]
# Each row adds a cause to the one above. `w2v evaluate … --explain-padding` prints the same split
# for a whole test set, with the forerunner's cut audio, cut labels and dropped transcripts as
# well.

# %%
import matplotlib.pyplot as plt

figures.use_style()
_, axes = plt.subplots(figsize=(8, 2.2))
colours = [figures.BLUE, figures.BLUE, figures.ORANGE, figures.ORANGE]
bars = axes.barh(list(wer), [100 * rate for rate in wer.values()], color=colours)
axes.bar_label(bars, fmt="%.1f %%", padding=4, color=figures.GREY)
axes.invert_yaxis()
axes.set(xlabel="word error rate, %")
plt.show()

# %% [markdown]
# ## Why: statistics over time
#
# After the first convolution wav2vec2-base has a group norm with one group for each channel: it
# takes mean and variance **over all frames** of an utterance. Zeros make frames of nothing, and
# they count.
#
# Say a share r of the frames is real, with mean μ and variance σ² in some channel. With the rest
# at zero, the statistics become
#
#     μ′ = r μ
#     σ′² = r σ² + r (1 − r) μ²
#
# With μ near zero the variance shrinks by r, so what is real comes out 1/√r times as loud as in
# training. The shorter the utterance, the worse. Here is the first convolution's output, measured:

# %%
import numpy as np
import tensorflow as tf

from models.audio import normalise
from models.wav2vec2 import Wav2Vec2ForCTC

model = Wav2Vec2ForCTC.from_pretrained(CHECKPOINT)
first = model.wav2vec2.feature_encoder.conv_layers[0]
assert first.norms_over_time, "take a checkpoint like wav2vec2-base: others have no group norm"

waveform = normalise(utterances[0].waveform)
lengths = np.array([len(waveform)], np.int32)


def first_convolution(samples):
    padded = np.zeros((1, samples, 1), np.float32)
    padded[0, : len(waveform), 0] = waveform
    return first.conv(padded)  # [1, frames, channels]


paddings = np.geomspace(len(waveform), PADDED_TO, 9).astype(int)
moments = [tf.nn.moments(first_convolution(samples), axes=[0, 1]) for samples in paddings]
deviations = np.sqrt([variance for _, variance in moments])  # [paddings, channels]
real_share = len(waveform) / paddings
mean, variance = (moment.numpy() for moment in moments[0])
shares = real_share[:, np.newaxis]
expected = np.sqrt(shares * variance + shares * (1 - shares) * mean**2)

# %%
_, axes = plt.subplots()
loud = np.argsort(deviations[0])[-12:]  # the channels that carry most
for channel in loud:
    ratio = deviations[:, channel] / deviations[0, channel]
    label = "measured, a line a channel" if channel == loud[0] else None
    axes.plot(paddings / 16_000, ratio, color=figures.BLUE, alpha=0.5, linewidth=1, label=label)
axes.plot(
    paddings / 16_000,
    np.sqrt(real_share),
    "o",
    color=figures.ORANGE,
    label="√r, from theory",
)
axes.set(xlabel="padded to, seconds", ylabel="deviation, beside unpadded", ylim=(0, 1.05))
axes.legend(labelcolor=figures.GREY)
plt.show()

# %% [markdown]
# ## What comes out of the norm
#
# One channel of one utterance. Told the length, the norm gives the frames of the unpadded run.
# Without it, the same frames are stretched.

# %%
kernel, stride = model.config.conv_kernel[0], model.config.conv_stride[0]
frame_lengths = (lengths - kernel) // stride + 1
real = int(frame_lengths[0])
padded = first_convolution(PADDED_TO)
unpadded = first.norm(first_convolution(len(waveform)))[0].numpy()
masked = first.norm(padded, frame_lengths)[0, :real].numpy()
unmasked = first.norm(padded)[0, :real].numpy()
seconds = np.arange(real) * stride / 16_000

# %%
channel = loud[-1]
_, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(8, 4.4))
shown = slice(None, None, max(1, real // 1500))  # enough points for a screen
above.plot(seconds[shown], unmasked[shown, channel], color=figures.ORANGE, linewidth=0.8)
above.plot(seconds[shown], unpadded[shown, channel], color=figures.BLUE, linewidth=0.8)
above.set(title="orange: padded and unmasked; blue: unpadded", ylabel="activation")
for rows, colour, name in (
    (unmasked, figures.ORANGE, "padded, unmasked"),
    (masked, figures.GREEN, "padded, masked"),
):
    difference = np.abs(rows - unpadded).max(axis=1)[shown]
    below.semilogy(seconds[shown], difference + 1e-8, color=colour, linewidth=0.8, label=name)
below.set(xlabel="seconds", ylabel="largest difference", ylim=(1e-8, None))
below.legend(labelcolor=figures.GREY)
plt.show()

# %% [markdown]
# What is left with the mask is rounding of float32.
#
# ## The rest of the network
#
# Attention and the positional convolution see the padding too. Told the lengths, they leave it
# out: the logits of a real frame are the same whatever stands behind it, down to rounding.

# %%
alone = model(waveform[np.newaxis], lengths=lengths)[0].numpy()
behind = np.full((1, PADDED_TO), 7.0, np.float32)  # not even zeros
behind[0, : len(waveform)] = waveform
beside = model(behind, lengths=lengths)[0, : len(alone)].numpy()
largest = np.abs(alone - beside).max()
print(f"largest difference of any logit: {largest:.1e}")

# %%
assert heard["padded, masked"] == heard["unpadded"], "padding must change no word"
assert np.allclose(deviations[-1], expected[-1], rtol=0.02), "the formula says what is measured"
assert np.abs(masked - unpadded).max() < 1e-3 < np.abs(unmasked - unpadded).max()
assert largest < 1e-3
if is_demo():
    norm_over_padding, no_mask = wer["+ group norm over the padding"], wer["+ no mask at all"]
    assert norm_over_padding > wer["unpadded"] + 0.1, "the norm alone does harm"
    assert no_mask > wer["unpadded"] + 0.3, "the forerunner's protocol loses most words"
