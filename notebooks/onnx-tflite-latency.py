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
# # ONNX and TFLite: size and latency
#
# At the end you have your model as ONNX and TFLite files, whole and with eight-bit weights, and
# know of each how large it is, how fast, and how far it stands from the model that you trained. It
# takes about half a minute on two cores.

# %%
import json
import os
import tempfile
from pathlib import Path

from support import figures
from support.workspace import is_demo, read_utterances, w2v, workspace

run = workspace()
CHECKPOINT = os.environ.get("W2V_CHECKPOINT", run.checkpoint)  # Hugging Face layout
TEST = run.corpus / os.environ.get("W2V_SUBSET", "test-clean")
SECONDS = os.environ.get("W2V_SECONDS", "4")  # a TFLite file takes these lengths: 4,8,16

# %% [markdown]
# ## Export
#
# Every file is run in its own runtime, in a process of its own, and compared with the checkpoint
# before it is left in the folder. A file that drifts is refused.

# %%
folder = Path(tempfile.mkdtemp()) / "exported"
options = ["--format", "saved_model,tflite,onnx", "--seconds", SECONDS, "--calibrate", TEST]
exported = json.loads(w2v("export", CHECKPOINT, "--to", folder, "--json", *options))
[one["path"] for one in exported]

# %% [markdown]
# ## Size and latency
#
# Latency is that of the median utterance, heard alone, on this machine's CPU: not the first time,
# which pays for setting up. A TFLite file has static shapes, so a short utterance costs as much as
# a long one of the same signature. Memory is what opening and running added to the runtime's own.

# %%
import pandas as pd

costs = pd.DataFrame(
    {
        "size, MB": one["bytes"] / 1e6,
        "latency, ms": 1000 * one["latency_seconds"],
        "times real time": 1 / one["real_time_factor"],
        "to load, ms": 1000 * one["load_seconds"],
        "memory, MB": one["peak_bytes"] / 1e6,
        "threads": one["threads"],
    }
    for one in exported
).set_index(pd.Index([one["name"] for one in exported]))
costs.round(1)

# %%
import matplotlib.pyplot as plt

figures.use_style()
_, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(8, 2.4))
sizes = left.barh(costs.index, costs["size, MB"], color=figures.BLUE)
times = right.barh(costs.index, costs["latency, ms"], color=figures.ORANGE)
left.bar_label(sizes, fmt="%.1f", padding=3, color=figures.GREY)
right.bar_label(times, fmt="%.0f", padding=3, color=figures.GREY)
left.set(xlabel="size, MB")
right.set(xlabel="latency of one utterance, ms")
left.invert_yaxis()
plt.show()

# %% [markdown]
# ## What comes out
#
# The same utterances through each runtime, beside the Keras model. A float file is exact down to
# rounding. Eight-bit weights move the log-probabilities; what counts is whether they change a
# word.

# %%
import numpy as np

from models.audio import pad_batch
from models.recognisers import open_recogniser
from models.word_errors import word_error_rate

longest = round(16_000 * max(map(float, SECONDS.split(","))))
utterances = [one for one in read_utterances(TEST, 24) if len(one.waveform) <= longest]


def hear(path):
    recogniser = open_recogniser(path)
    return [recogniser.recognise(**pad_batch([one.waveform]))[0] for one in utterances]


trained = hear(CHECKPOINT)
heard = {one["name"]: hear(folder / one["path"]) for one in exported}

# %%
said = [one.text for one in utterances]


def compare(recognitions):
    pairs = list(zip(recognitions, trained))
    changed = [one.log_probs.argmax(-1) != other.log_probs.argmax(-1) for one, other in pairs]
    return {
        "largest difference": max(
            abs(one.log_probs - other.log_probs).max() for one, other in pairs
        ),
        "changed frames, %": 100 * np.concatenate(changed).mean(),
        "same text, %": 100 * np.mean([one.text == other.text for one, other in pairs]),
        "WER, %": 100 * word_error_rate(said, [one.text for one in recognitions]),
    }


comparison = pd.DataFrame(map(compare, heard.values()), index=list(heard))
comparison.apply(lambda column: column.map("{:.3g}".format))

# %% [markdown]
# ## Without this project
#
# The files run without any of this code. `tflite/transcribe.py` and `tflite/Transcriber.kt` in the
# export show it for TFLite. An ONNX file is as short to use:

# %%
import onnxruntime

session = onnxruntime.InferenceSession(folder / "onnx" / "model-int8.onnx")
batch = pad_batch([utterances[0].waveform])
log_probs, frames = session.run(["log_probs", "frame_lengths"], batch)
vocabulary = json.loads(session.get_modelmeta().custom_metadata_map["vocabulary"])
best = log_probs[0, : frames[0]].argmax(axis=-1)
kept = [token for token, before in zip(best, [-1, *best]) if token != before]
letters = [vocabulary["tokens"][token] for token in kept if token != vocabulary["blank"]]
print("".join(letters).replace("|", " ").strip())

# %%
exact = [one["name"] for one in exported if not one["lossy"]]
assert (comparison.loc[exact, "largest difference"] < 1e-3).all(), "float files are exact"
assert (comparison.loc[exact, "same text, %"] == 100).all()
assert "".join(letters).replace("|", " ").strip() == heard["onnx_int8"][0].text
if is_demo():
    size = costs["size, MB"]
    assert size["tflite_int8"] < 0.5 * size["tflite_float32"], "eight bits are much smaller"
    assert size["onnx_int8"] < 0.6 * size["onnx_float32"]
    added = comparison["WER, %"] - comparison.loc["saved_model", "WER, %"]
    assert (added < 5).all(), "eight bits cost little"
