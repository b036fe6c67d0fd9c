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
# # Your own voice
#
# At the end you have transcribed a recording of yours on this machine: words with their times, a
# long recording as subtitles, and a beam search that knows your names. Nothing leaves the machine.
# It takes about fifteen seconds.

# %%
import os
import textwrap

from support import figures
from support.workspace import is_demo, workspace

run = workspace()
RELEASE = os.environ.get("W2V_RELEASE", run.release)
VOICE = os.environ.get("W2V_VOICE")  # your file: WAV, FLAC, MP3 or OGG, of any length
RECORD_SECONDS = float(os.environ.get("W2V_RECORD_SECONDS", "0"))  # above 0: by the microphone
SAID = "SET A TIMER FOR FIVE MINUTES"

# %% [markdown]
# ## A recording
#
# Your file, your microphone, or, where there is neither, the voice of espeak-ng. The demo's
# recogniser knows phone commands in English, and nothing else: say one of those.

# %%
import soxr
from IPython.display import Audio

from models.audio import SAMPLE_RATE, read_audio
from models.microphone import open_microphone
from pipeline.synthetic.espeak import Voice, engine


def record(seconds):
    blocks, samples = [], 0
    with open_microphone() as heard:
        for block in heard:
            blocks.append(block)
            samples += len(block)
            if samples >= seconds * SAMPLE_RATE:
                return np.concatenate(blocks)


def speak(text, voice=Voice("en-us", "f3", rate=160, pitch=54)):
    speech = soxr.resample(engine().speak(text.lower(), voice), engine().sample_rate, SAMPLE_RATE)
    return np.pad(0.7 * speech / np.abs(speech).max(), 3_000).astype(np.float32)


# %%
import numpy as np

if VOICE:
    waveform = read_audio(VOICE)
elif RECORD_SECONDS:
    waveform = record(RECORD_SECONDS)
else:
    waveform = speak(SAID)
Audio(waveform, rate=SAMPLE_RATE)

# %% [markdown]
# ## Transcribe
#
# A release holds the same recogniser for several runtimes. The TFLite file is run by LiteRT, as on
# a phone, without TensorFlow.

# %%
from models.recognisers import open_recogniser
from models.recognisers.published import choose_artifact
from models.transcript import transcribe

recogniser = open_recogniser(choose_artifact(RELEASE, "tflite_float32"))
transcript = transcribe(recogniser, waveform)
print(transcript.text)

# %% [markdown]
# ## When each word was said
#
# A letter counts from the frame in which the model is sure of it, so a word may begin a little
# late. The confidence is the mean probability of a word's letters.

# %%
import pandas as pd

pd.DataFrame(transcript.words)

# %%
import matplotlib.pyplot as plt

figures.use_style()
_, axes = plt.subplots(figsize=(8, 2.4))
edges = waveform[: len(waveform) // 80 * 80].reshape(-1, 80)  # the least and the most of each 5 ms
seconds = np.arange(len(edges)) * 80 / SAMPLE_RATE
axes.fill_between(seconds, edges.min(axis=1), edges.max(axis=1), color=figures.BLUE, linewidth=0)
for number, word in enumerate(transcript.words):
    axes.axvspan(word.start, word.end, color=figures.ORANGE, alpha=0.25, linewidth=0)
    middle, height = (word.start + word.end) / 2, 1.05 + 0.25 * (number % 2)
    axes.text(middle, height, word.word, ha="center", color=figures.GREY)
axes.set(xlabel="seconds", yticks=[], ylim=(-1, 1.5))
axes.spines["left"].set_visible(False)
plt.show()

# %% [markdown]
# ## A long recording
#
# A TFLite file takes a few seconds at once. What is longer is heard in windows that overlap, and
# each gives the part in which it knows both sides.

# %%
COMMANDS = [
    SAID,
    "CALL MY MOTHER",
    "TURN OFF THE RADIO",
    "SEND A MESSAGE TO PETER",
    "CALL THE DOCTOR",
    "WAKE ME IN TWO HOURS",
    "PLAY SEVEN NINE",
]
pause = np.zeros(SAMPLE_RATE, np.float32)
talk = np.concatenate([part for text in 2 * COMMANDS for part in (speak(text), pause)])
long_transcript = transcribe(recogniser, talk)
longest = max(recogniser.static_lengths) / SAMPLE_RATE
print(f"{long_transcript.duration:.0f} seconds, heard {longest:.0f} at a time:\n")
print(textwrap.fill(long_transcript.text, 90))

# %% [markdown]
# The demo learned from single commands, so it knows no space for the pause between two of them.
# `listen` cuts a stream at its pauses, and gives each utterance as soon as it ends: it is what
# `w2v transcribe RELEASE --microphone` runs.

# %%
from models.listening import listen
from models.subtitles import as_srt

utterances = [heard for heard in listen(recogniser, [talk]) if heard.final]
print("".join(as_srt(word for heard in utterances[:4] for word in heard.words)))

# %% [markdown]
# ## In noise: a language model and hotwords
#
# Greedy decoding takes the likeliest letter of each frame. A beam search keeps many texts and asks
# a language model which is likelier; a hotword is favoured wherever it could have been said. All
# three read the same log-probabilities: the model runs once.
#
# The search needs `pyctcdecode` and `kenlm`, which install on Python 3.11 only.

# %%
from models.beam_search import BeamDecoder, BeamSearchConfig, greedy
from models.recognisers.windows import log_probs_in_parts
from models.word_errors import word_error_rate

NOISE = 0.008  # of full scale
generator = np.random.default_rng(0)
said, in_noise = 3 * COMMANDS, []
for text in said:
    speech = speak(text)
    noisy = speech + generator.normal(0, NOISE, len(speech)).astype(np.float32)
    in_noise.append(np.concatenate(list(log_probs_in_parts(recogniser, noisy))))

vocabulary, model = recogniser.vocabulary, run.language_model
hotwords = BeamSearchConfig(hotwords=("PETER", "MOTHER", "DOCTOR"))
decoders = {
    "greedy": lambda log_probs: greedy(log_probs, vocabulary),
    "beam and hotwords": BeamDecoder(vocabulary, hotwords).decode,
    "beam and language model": BeamDecoder(vocabulary, BeamSearchConfig(), model).decode,
    "all of it": BeamDecoder(vocabulary, hotwords, model).decode,
}
decoded = {
    name: [decode(log_probs).text for log_probs in in_noise] for name, decode in decoders.items()
}
wer = {name: word_error_rate(said, texts) for name, texts in decoded.items()}
pd.DataFrame({"WER %": [f"{100 * rate:.1f}" for rate in wer.values()]}, index=list(wer))

# %%
pd.DataFrame({"said": said, **decoded}).head(len(COMMANDS))

# %%
from models.word_errors import count_character_errors

whole = " ".join(2 * COMMANDS)
wrong = count_character_errors(whole.replace(" ", ""), long_transcript.text.replace(" ", ""))
assert len(utterances) == 2 * len(COMMANDS), "every pause is found"
if is_demo():
    assert transcript.text == SAID, "a clear voice is understood"
    assert wrong < 0.1 * len(whole), "windows lose no letters and say none twice"
    assert word_error_rate([whole], [" ".join(heard.text for heard in utterances)]) < 0.1
    mended, greedy = wer["beam and language model"], wer["greedy"]
    assert mended < greedy, "the language model mends what noise broke"
