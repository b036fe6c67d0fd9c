"""The fitted Transform graph, as the trainer and the exporter use it."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft

from models.data import LABELS, PAD_TO
from models.processor import Processor
from models.vocabulary import SPECIAL_TOKENS, Vocabulary

# The asset that holds the alphabet where the run learns one from its transcripts.
FITTED_ALPHABET = "characters"
# The raw feature that says how long an utterance is.
NUM_SAMPLES = "num_samples"
SERIALIZED = tf.TensorSpec([None], tf.string)


class TransformGraph:
    """Reads serialized speech examples into the features that `models.data` names.

    A learned alphabet counts its letters in the order of this run's data; where an earlier run's is
    `carried_on`, its letters keep their ids and the labels say them.
    """

    def __init__(self, folder: str, carried_on: Vocabulary | None = None) -> None:
        self._output = tft.TFTransformOutput(folder)
        self._spec = self._output.raw_feature_spec()
        self.layer = self._output.transform_features_layer()
        self._fitted = self._fitted_alphabet()
        self._carried_on = carried_on

    @tf.function(input_signature=[SERIALIZED])
    def __call__(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Every transformed feature of a batch of serialized examples."""
        features = self.layer(tf.io.parse_example(serialized, self._spec))
        if self._fitted and self._carried_on:
            features[LABELS] = tf.gather(self._carried_ids(), features[LABELS])
        return features

    def of_features(self, serialized: tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
        """The transformed features that can be computed from the raw features of these names."""
        spec = {name: self._spec[name] for name in names}
        return self.layer(tf.io.parse_example(serialized, spec))

    @tf.function(input_signature=[SERIALIZED])
    def pad_to(self, serialized: tf.Tensor) -> tf.Tensor:
        """What each utterance's bucket is padded to, without a look at its audio. [batch]"""
        return self.of_features(serialized, [NUM_SAMPLES])[PAD_TO]

    @property
    def learned_alphabet(self) -> bool:
        """Whether this run's alphabet comes from its data, so that the head must start afresh."""
        return self._fitted is not None

    def processor(self, checkpoint: str) -> Processor:
        """The checkpoint's processor, with the alphabet that this run learned or added to."""
        return Processor.from_pretrained(checkpoint, vocabulary=self._learned())

    def _learned(self) -> Vocabulary | None:
        if self._fitted and self._carried_on:
            return self._carried_on.extended(self._fitted.tokens)
        return self._fitted

    def _carried_ids(self) -> tf.Tensor:
        """The id to which each token of the fitted alphabet comes. [tokens]"""
        learned, fitted = self._learned(), self._fitted
        assert learned and fitted
        return tf.constant([learned.tokens.index(token) for token in fitted.tokens], tf.int64)

    def _fitted_alphabet(self) -> Vocabulary | None:
        if not self._output.vocabulary_file_by_name(FITTED_ALPHABET):
            return None
        characters = self._output.vocabulary_by_name(FITTED_ALPHABET)
        letters = tuple(character.decode("utf-8") for character in characters)
        return Vocabulary((*SPECIAL_TOKENS, *letters))
