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
# # Fine-tune from a TF Hub model
#
# At the end you have a recogniser of your own: a published encoder, a CTC head on top of it,
# trained with Keras and saved as a SavedModel. You see its word error rate before and after. It
# takes about a minute on two cores.
#
# The encoder is a reusable SavedModel, so nothing of this project's model code is needed to train
# it: `tensorflow_hub` loads it, and gradients reach every weight.

# %%
import os
import tempfile

from support import figures
from support.workspace import PRETRAINED, is_demo, workspace

run = workspace()  # a corpus that a pipeline has read, in the folder W2V_DOCS_WORKSPACE
CHECKPOINT = os.environ.get("W2V_CHECKPOINT", PRETRAINED)  # the encoder comes from it
HUB = os.environ.get("W2V_HUB")  # or from here: a folder, or the address of a published .tar.gz
STEPS = int(os.environ.get("W2V_STEPS", "120"))  # a real corpus wants hundreds of times more

# %% [markdown]
# ## The encoder
#
# A pipeline with `export.hub: [encoder]` publishes one with each release. From a checkpoint alone,
# `w2v export CHECKPOINT --to DIR --format hub` makes the same, or this call.

# %%
from models.export.hub import export_hub
from models.processor import Processor
from models.wav2vec2 import Wav2Vec2ForCTC, ctc_loss

processor = Processor.from_pretrained(CHECKPOINT)
if HUB is None:
    checkpoint = Wav2Vec2ForCTC.from_pretrained(CHECKPOINT)
    HUB = export_hub(checkpoint, processor, ("encoder",), tempfile.mkdtemp())["encoder"]

# %% [markdown]
# `tensorflow_hub` speaks Keras 2, which TensorFlow has as `tf_keras`.

# %%
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras

tf_keras.utils.set_random_seed(0)
encoder = hub.KerasLayer(HUB, trainable=True)
print(f"{sum(tf.size(one).numpy() for one in encoder.trainable_variables):,} weights to train")

# %% [markdown]
# ## The head
#
# One dense layer makes letters of each frame. `frame_lengths` says how many frames of a row are
# real: what is padding teaches nothing and is not read.

# %%
vocabulary = processor.vocabulary
head = tf_keras.layers.Dense(len(vocabulary.tokens))
frame_lengths = encoder.resolved_object.frame_lengths


def logits_of(batch, training=False):
    audio = {"waveforms": batch["waveforms"], "lengths": batch["lengths"]}
    return head(encoder(audio, training=training))  # [batch, frames, vocab]


# %% [markdown]
# ## The data
#
# These are the records that the pipeline ingested, through the Transform graph that it fitted:
# audio normalised, transcripts as labels, utterances of like length together. For your own corpus,
# `w2v run mine.yaml --root runs` writes both.

# %%
from models.data import BatchPlan, evaluation_batches, training_batches
from models.transform_graph import TransformGraph

graph = TransformGraph(run.transform_graph)
train = training_batches(run.records("train"), graph, BatchPlan(batch_size=8))
test = list(evaluation_batches(run.records("test"), graph, BatchPlan(batch_size=28)))
{name: tuple(tensor.shape) for name, tensor in test[0].items()}

# %% [markdown]
# ## Before
#
# A head that has learned nothing says nothing that makes sense.

# %%
from models.decoding import greedy_text
from models.word_errors import word_error_rate


@tf.function(reduce_retracing=True)
def hear(batch):
    return greedy_text(logits_of(batch), frame_lengths(batch["lengths"]), vocabulary)


def transcribe(batches):
    said, heard = [], []
    for batch in batches:
        heard += [text.decode() for text in hear(batch).numpy()]
        rows = zip(batch["labels"].numpy(), batch["label_lengths"].numpy())
        said += [vocabulary.spell(labels[:length]) for labels, length in rows]
    return said, heard


said, heard = transcribe(test)
wer_before = word_error_rate(said, heard)
print(f"WER before: {100 * wer_before:.1f} %\n\nsaid   {said[0]}\nheard  {heard[0]}")

# %% [markdown]
# ## Train
#
# Two stages, as in the paper. First the head alone: it should not pull a good encoder about while
# it knows nothing. Then all but the convolutions, which are best left as they are.


# %%
def train_stage(variables, steps, peak):
    rate = tf_keras.optimizers.schedules.CosineDecay(
        peak / 20, steps, warmup_target=peak, warmup_steps=steps // 10
    )
    optimizer = tf_keras.optimizers.Adam(rate)

    @tf.function(reduce_retracing=True)
    def step(batch):
        with tf.GradientTape() as tape:
            losses = ctc_loss(
                logits_of(batch, training=True),
                frame_lengths(batch["lengths"]),
                batch["labels"],
                batch["label_lengths"],
                blank=vocabulary.blank,
            )
            loss = tf.reduce_mean(losses / tf.cast(batch["label_lengths"], tf.float32))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 1.0)
        optimizer.apply_gradients(zip(gradients, variables))
        return loss

    return [float(step(batch)) for batch in train.take(steps)]


# %%
transformer = [one for one in encoder.trainable_variables if "feature_encoder" not in one.name]
head_alone = train_stage(head.trainable_variables, steps=20, peak=1e-2)
losses = head_alone + train_stage(head.trainable_variables + transformer, STEPS, peak=2e-3)

# %%
import matplotlib.pyplot as plt

figures.use_style()
_, axes = plt.subplots()
axes.semilogy(losses, linewidth=1.2)
joins = len(head_alone)
axes.axvline(joins, color=figures.GREY, linestyle=":", linewidth=1)
axes.annotate("the encoder joins in", (joins, max(losses)), (6, -8), textcoords="offset points")
axes.set(xlabel="step", ylabel="CTC loss of a letter")
plt.show()

# %% [markdown]
# ## After

# %%
said, heard = transcribe(test)
wer_after = word_error_rate(said, heard)
print(f"WER after: {100 * wer_after:.1f} %\n")
for pair in list(zip(said, heard))[::20]:
    print("said   {}\nheard  {}\n".format(*pair))

# %% [markdown]
# ## Save
#
# The SavedModel takes raw audio and gives text. It needs nothing of this notebook to run.


# %%
class Recogniser(tf.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = encoder, head

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32, "waveforms"),
            tf.TensorSpec([None], tf.int32, "lengths"),
        ]
    )
    def recognise(self, waveforms, lengths):
        batch = {"waveforms": waveforms, "lengths": lengths}
        return {"text": greedy_text(logits_of(batch), frame_lengths(lengths), vocabulary)}


folder = tempfile.mkdtemp()
recogniser = Recogniser()
tf.saved_model.save(recogniser, folder, signatures=recogniser.recognise)

# %%
served = tf.saved_model.load(folder).signatures["serving_default"]
audio = {name: test[0][name] for name in ("waveforms", "lengths")}
served_text = [text.decode() for text in served(**audio)["text"].numpy()]
assert served_text == heard[: len(served_text)], "the saved model must say what was measured"
if is_demo():
    assert wer_before > 0.9, "a new head knows nothing"
    assert wer_after < 0.3, "some hundred steps teach most of the words"
