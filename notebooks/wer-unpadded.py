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
# # Word error rate, unpadded
#
# At the end you know the word error rate of a recogniser on a test split, how sure that figure is,
# who it holds for, and which utterances went wrong, word against word. It takes about half a
# minute on two cores.
#
# Unpadded means that every utterance is heard alone, at its own length. That is the figure to
# compare with others: no batching and no padding have a part in it.

# %%
import os
import tempfile
from pathlib import Path

from support import figures
from support.workspace import is_demo, w2v, workspace

run = workspace()
MODEL = Path(os.environ.get("W2V_CHECKPOINT", run.release))  # a release, a file or a checkpoint
DATA = run.corpus / os.environ.get("W2V_SUBSET", "test-clean")  # in LibriSpeech layout

# %% [markdown]
# ## Evaluate
#
# The command reads the corpus with all the checks of the pipeline, runs the model in its own
# runtime, and writes predictions, scores and a report into the folder. In a shell it is `w2v
# evaluate MODEL DATA --to FOLDER`.

# %%
folder = Path(tempfile.mkdtemp())
slices = "evaluation.slices=[[speaker], [gender]]"
print(w2v("evaluate", MODEL, DATA, "--to", folder, "--variants", "unpadded", "--set", slices))

# %% [markdown]
# ## The figure and its interval
#
# The interval is a bootstrap: draw speakers again and again, and see how far the rate moves.
# Utterances of one speaker err alike, so drawing single utterances would promise too much. With
# fewer than six speakers their spread says nothing, and blocks of utterances are drawn.

# %%
import pandas as pd

from components.wer_evaluator.scores import read_scores

scores = read_scores(str(folder))
table = pd.DataFrame(
    {
        "slice": score.slice or "all",
        "speakers": score.speakers,
        "utterances": score.utterances,
        "words": score.words,
        "errors": score.word_errors.errors,
        "WER %": 100 * score.wer,
        "low %": 100 * score.wer_low,
        "high %": 100 * score.wer_high,
    }
    for score in scores
)
table.round(2)

# %%
import matplotlib.pyplot as plt

figures.use_style()
_, axes = plt.subplots(figsize=(8, 0.6 + 0.36 * len(table)))
rates = table["WER %"]
whiskers = [(rates - table["low %"]).clip(lower=0), (table["high %"] - rates).clip(lower=0)]
axes.errorbar(rates, table["slice"], xerr=whiskers, fmt="o", capsize=3, linewidth=1.5)
axes.invert_yaxis()
axes.set(xlabel="word error rate, % (with 95 % interval)", xlim=(0, None))
axes.grid(axis="x", color=figures.GREY, alpha=0.25)
plt.show()

# %% [markdown]
# ## The worst utterances
#
# An alignment has a letter a word: `C` correct, `S` another word, `D` left out, `I` heard but not
# said.

# %%
from components.wer_evaluator.predictions import read_predictions, with_counts
from components.wer_evaluator.scores import main_trial

predictions = with_counts(read_predictions(str(folder), main_trial(scores)))
worst = predictions.sort_values(["errors", "utterance"], ascending=[False, True]).head(3)


def side_by_side(reference, hypothesis, alignment):
    said, heard = iter(reference.split()), iter(hypothesis.split())
    columns = [
        ("" if step == "I" else next(said), "" if step == "D" else next(heard), step)
        for step in alignment
    ]
    widths = [max(map(len, column)) for column in columns]
    rows = ("said ", "heard", "     ")
    return "\n".join(
        f"{name}  {' '.join(map(str.ljust, row, widths))}".rstrip()
        for name, row in zip(rows, zip(*columns))
    )


for one in worst.itertuples():
    print(f"{one.utterance}, errors: {one.errors}")
    print(side_by_side(one.reference, one.hypothesis, one.alignment), end="\n\n")

# %% [markdown]
# The evaluation keeps recordings of what went wrong; this is the worst:

# %%
from IPython.display import Audio

from components.wer_evaluator.evaluation import read_clips

clips = read_clips(str(folder))
Audio(data=clips[worst.iloc[0].utterance]) if clips else "nothing went wrong"

# %% [markdown]
# ## Beside jiwer
#
# `jiwer` takes the plain edit distance. Here words are aligned as NIST's `sclite` aligns them,
# which is what reports of the field are made with. On good hypotheses the two agree; on bad ones
# `sclite` finds a few errors more.

# %%
import jiwer

references, hypotheses = predictions.reference.tolist(), predictions.hypothesis.tolist()
ours = predictions.errors.sum() / predictions.words.sum()
theirs = jiwer.wer(references, hypotheses)
print(f"ours  {100 * ours:.2f} %\njiwer {100 * theirs:.2f} %")

# %% [markdown]
# Here is a pair on which they differ: `sclite` takes a substitution for dearer than an insertion
# or a deletion, and so keeps a word more in place.

# %%
from models.word_errors import align_words, count_word_errors

pair = "MY MOTHER IN FIVE MINUTES", "IN MINUTES MY FIVE"
print(side_by_side(*pair, align_words(*pair)))
print(f"\nsclite {count_word_errors(*pair).errors} errors, jiwer {jiwer.wer(*pair) * 5:.0f}")

# %%
whole = next(score for score in scores if not score.slice)
assert ours == whole.wer, "the table of predictions gives the score again"
assert theirs <= ours, "sclite's alignment never has fewer errors than the distance"
assert count_word_errors(*pair).rate > jiwer.wer(*pair)
assert whole.wer_low <= whole.wer <= whole.wer_high
if is_demo():
    assert whole.excluded == 0, "every utterance was scored"
    assert whole.wer < 0.1, "the release passed a gate of 5 %"
    assert ours <= theirs + 0.01, "on good hypotheses the two agree"
