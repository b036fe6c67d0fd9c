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
# # A new language
#
# At the end a checkpoint that never heard your language recognises it: with an alphabet learned
# from your transcripts, a new head for that alphabet, and a word error rate on speakers it has not
# heard. It takes about a minute on two cores.
#
# The language here is Greek, spoken by espeak-ng, and the checkpoint is a small English one. For
# the real thing take XLSR-53 or XLS-R, which heard a hundred languages, and Common Voice.

# %%
import os
import random
import tempfile
from pathlib import Path

from support import figures
from support.workspace import PRETRAINED, is_demo

CHECKPOINT = os.environ.get("W2V_CHECKPOINT", PRETRAINED)  # such as wav2vec2-large-xlsr-53
CORPUS = os.environ.get("W2V_TSV_CORPUS")  # a folder with train.tsv, dev.tsv, test.tsv and clips/
STEPS = int(os.environ.get("W2V_STEPS", "150"))

# %% [markdown]
# ## A corpus
#
# Common Voice's layout: a table for each split, with a column for the file, the sentence and the
# speaker. No voice speaks in two splits.

# %%
import numpy as np
import soundfile
import soxr

from models.audio import SAMPLE_RATE
from pipeline.synthetic.espeak import Voice, engine

COMMANDS = [
    "κάλεσε {who}",
    "στείλε μήνυμα {whom}",
    "άναψε {what}",
    "σβήσε {what}",
    "παίξε {number} {number}",
]
WORDS = {
    "who": ["την άννα", "τον πέτρο", "τη μητέρα μου", "τον γιατρό"],
    "whom": ["στην άννα", "στον πέτρο", "στη μητέρα μου", "στον γιατρό"],
    "what": ["το φως", "το ραδιόφωνο", "τη μουσική"],
    "number": ["ένα", "δύο", "τρία", "τέσσερα", "πέντε", "έξι", "επτά", "οκτώ", "εννέα"],
}
VOICES = {"train": ["f1", "m1", "f2", "m3", "f4", "m4"], "dev": ["m5"], "test": ["f3", "m2"]}
SENTENCES = {"train": 240, "dev": 24, "test": 48}


def sentence(source):
    drawn = COMMANDS[source.randrange(len(COMMANDS))]
    for name, words in WORDS.items():
        while f"{{{name}}}" in drawn:
            drawn = drawn.replace(f"{{{name}}}", source.choice(words), 1)
    return drawn


def speak_split(folder, split):
    source, rows = random.Random(split), ["client_id\tpath\tsentence"]
    for number in range(SENTENCES[split]):
        name = VOICES[split][number % len(VOICES[split])]
        text, file = sentence(source), f"{split}-{number}.wav"
        voice = Voice("el", name, rate=source.randint(145, 175), pitch=source.randint(40, 60))
        speech = soxr.resample(engine().speak(text, voice), engine().sample_rate, SAMPLE_RATE)
        noise = np.random.default_rng(number).normal(0, 3e-4, len(speech) + 3_000)
        quieter = 0.7 * speech / np.abs(speech).max()
        soundfile.write(folder / "clips" / file, noise + np.pad(quieter, 1_500), SAMPLE_RATE)
        rows.append(f"{name}\t{file}\t{text}")
    (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


# %%
corpus = Path(CORPUS or tempfile.mkdtemp())
if CORPUS is None:
    (corpus / "clips").mkdir()
    for split in SENTENCES:
        speak_split(corpus, split)
print((corpus / "train.tsv").read_text(encoding="utf-8")[:240])

# %% [markdown]
# ## The config
#
# `xlsr-template` is the ready config for a new language: a table as corpus, and an alphabet that
# is learned (`vocabulary: fit`). This checks ours as `w2v run` would, and shows what differs from
# English.

# %%
from pipeline.config import load_config

changes = [f"data.corpus={corpus}", "data.language=el", f"model.checkpoint={CHECKPOINT}"]
config = load_config("xlsr-template", overrides=changes)
config.text, config.data.layout, config.evaluation.normalisation

# %% [markdown]
# ## Vocabulary from data
#
# The letters of the train split's transcripts, normalised as the config says, are the alphabet.
# The dev and test splits must bring no others.

# %%
import csv

import pandas as pd

from models.audio import read_audio
from models.normalisation import normalise_text
from models.processor import Processor
from models.vocabulary import Vocabulary


def read_table(split):
    table = pd.read_csv(corpus / f"{split}.tsv", sep="\t", quoting=csv.QUOTE_NONE)
    table["text"] = [normalise_text(text, config.text.normalisation) for text in table.sentence]
    return table


tables = {split: read_table(split) for split in ("train", "dev", "test")}
letters = {split: set("".join(table.text)) for split, table in tables.items()}
vocabulary = Vocabulary.of_characters(letters["train"])
print(len(vocabulary.tokens), "tokens:", " ".join(vocabulary.tokens))

# %% [markdown]
# ## A new head
#
# `new_head=True` keeps every weight but those of the head, which starts afresh at the alphabet's
# size. The corpus is small, so nothing of it is masked.

# %%
from models.wav2vec2 import Wav2Vec2ForCTC

model = Wav2Vec2ForCTC.from_pretrained(
    CHECKPOINT, new_head=True, vocab_size=len(vocabulary.tokens), seed=0, mask_time_prob=0.0
)
processor = Processor.from_pretrained(CHECKPOINT, vocabulary=vocabulary)

# %% [markdown]
# ## Fine-tune
#
# Batches of utterances of like length: the loop wants waveforms and labels, and the length of
# each. In a pipeline they come from TFRecords, through the Transform graph; a corpus of minutes
# fits into memory.

# %%
import tensorflow as tf

from models.audio import normalise, pad_batch


def batches_of(table, batch_size):
    read = [normalise(read_audio(corpus / "clips" / file)) for file in table.path]
    order = np.argsort([len(waveform) for waveform in read])
    for rows in np.array_split(order, max(1, len(order) // batch_size)):
        labels = [vocabulary.encode(table.text[row]) for row in rows]
        batch = pad_batch([read[row] for row in rows])
        batch["labels"] = np.array(
            [one + [0] * (max(map(len, labels)) - len(one)) for one in labels]
        )
        batch["label_lengths"] = np.array([len(one) for one in labels])
        yield {name: tf.constant(value, value.dtype) for name, value in batch.items()}


train, dev, test = (list(batches_of(tables[split], 8)) for split in ("train", "dev", "test"))


def training_batches(start):
    """Without end, in another order each epoch; a training that was killed goes on at `start`."""
    epoch, done = divmod(start, len(train))
    while True:
        for index in np.random.default_rng(epoch).permutation(len(train))[done:]:
            yield train[index]
        epoch, done = epoch + 1, 0


# %%
from models.training.config import Stage, TrainingConfig
from models.training.loop import fine_tune

recipe = TrainingConfig(
    stages=(
        Stage("head", steps=30, learning_rate=1e-2, schedule="constant"),
        Stage("all_but_feature_encoder", steps=STEPS, learning_rate=2e-3, schedule="one_cycle"),
    ),
    batch_size=8,
    evaluate_every=50,
)
history = fine_tune(model, vocabulary, training_batches, dev, recipe)

# %%
import matplotlib.pyplot as plt

figures.use_style()
_, axes = plt.subplots()
steps, rates = zip(*((one.step, 100 * one.wer) for one in history.evaluations))
axes.plot(steps, rates, "o-")
axes.set(xlabel="step", ylabel="WER of the dev split, %", ylim=(0, None))
axes.grid(axis="y", color=figures.GREY, alpha=0.25)
plt.show()

# %% [markdown]
# ## The word error rate
#
# On the test split, whose voices the model has not heard.

# %%
from models.training.evaluation import make_recogniser, transcribe, wer_of

heard = transcribe(make_recogniser(model, vocabulary), vocabulary, test)
print(f"WER: {100 * wer_of(heard):.1f} %")
pd.DataFrame(heard).head(8)

# %% [markdown]
# ## Keep it
#
# The folder is in Hugging Face layout: `w2v export`, `w2v evaluate` and `transformers` read it.

# %%
from models.recognisers import open_recogniser
from models.transcript import transcribe as hear

folder = Path(tempfile.mkdtemp())
model.save_pretrained(folder)
processor.save_pretrained(folder)
recogniser = open_recogniser(folder)
first = tables["test"].iloc[0]
print(f"said   {first.text}")
print(f"heard  {hear(recogniser, read_audio(corpus / 'clips' / first.path)).text}")

# %% [markdown]
# The whole of it with checks of the data, a gate and a release is one command:
#
#     w2v config xlsr-template > greek.yaml      # and edit: corpus, language, checkpoint, gate
#     w2v run greek.yaml

# %%
if is_demo():
    assert letters["dev"] | letters["test"] <= letters["train"], "no letter is unknown"
    assert history.initial_wer > 0.9, "a new head knows nothing"
    assert wer_of(heard) < 0.3, "some hundred steps teach most of the words"
    assert history.impossible_transcripts == 0
