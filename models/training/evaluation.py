"""Greedy decoding of the dev split during training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from models.data import Batch
from models.decoding import greedy_path, path_to_text
from models.training import devices
from models.training.watching import Sample
from models.vocabulary import Vocabulary
from models.wav2vec2 import Wav2Vec2ForCTC
from models.word_errors import word_error_rate

ANY_SHAPE = (tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32))

Recogniser = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def make_recogniser(
    model: Wav2Vec2ForCTC,
    vocabulary: Vocabulary,
    strategy: tf.distribute.Strategy | None = None,
    static_shapes: bool = False,
) -> Recogniser:
    """A compiled greedy recogniser over the model's current weights: texts of a batch.

    The replicas of this process share out a batch; other workers hear the same by themselves.
    """
    strategy = strategy or tf.distribute.get_strategy()
    dynamic_alone = not static_shapes and strategy.num_replicas_in_sync == 1

    def path_of(waveforms: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        logits = model(waveforms, lengths=lengths, training=False)
        return greedy_path(logits, model.config.frame_lengths(lengths), vocabulary.blank)

    @tf.function(
        input_signature=ANY_SHAPE if dynamic_alone else None, reduce_retracing=not static_shapes
    )
    def path_on_replicas(waveforms: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        return strategy.run(path_of, args=(waveforms, lengths))

    def recognise(waveforms: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        parts = [devices.parts_of(strategy, whole) for whole in (waveforms, lengths)]
        paths = strategy.experimental_local_results(path_on_replicas(*parts))
        # Texts are for the host: no accelerator knows strings.
        return path_to_text(tf.concat(paths, axis=0)[: len(lengths)], vocabulary)

    return recognise


def transcribe(
    recognise: Recogniser, vocabulary: Vocabulary, batches: Iterable[Batch]
) -> list[Sample]:
    """Every utterance of the batches: what was said and what is heard."""
    samples: list[Sample] = []
    for batch in batches:
        texts = recognise(batch["waveforms"], batch["lengths"]).numpy()
        labels, lengths = batch["labels"].numpy(), batch["label_lengths"].numpy()
        samples += [
            Sample(vocabulary.spell(labels[row, : lengths[row]]), texts[row].decode("utf-8"))
            for row in np.flatnonzero(batch["lengths"])  # others only fill up their batch
        ]
    return samples


def wer_of(samples: Sequence[Sample]) -> float:
    """Their word error rate."""
    return word_error_rate(
        [sample.reference for sample in samples], [sample.hypothesis for sample in samples]
    )
