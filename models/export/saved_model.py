"""The SavedModel for serving: raw audio in, text out, nothing for the client to repeat.

Signatures
  serving_default  waveforms [batch, samples] float32, lengths [batch] int32
  unmasked         the same, but the network takes padding for audio
  unmasked_norm    the same, but the statistics of the group norm take in the padding
  examples         serialized speech examples [batch], through the Transform graph
All give `text`, `token_ids` (-1 where a frame adds nothing), `log_probs` and `frame_lengths`; the
two unmasked ones are for comparison only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from models import data
from models.audio import normalise_batch
from models.decoding import greedy_path, path_to_text
from models.padding_mask import Mask
from models.processor import Processor
from models.recognisers.saved_model_signatures import SIGNATURES
from models.transform_graph import TransformGraph
from models.wav2vec2 import Wav2Vec2ForCTC

WAVEFORMS = tf.TensorSpec([None, None], tf.float32, name="waveforms")
LENGTHS = tf.TensorSpec([None], tf.int32, name="lengths")
EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
Outputs = dict[str, tf.Tensor]
Serve = Callable[[tf.Tensor, tf.Tensor], Outputs]


class ServingModule(tf.Module):
    """The recogniser with everything serving must repeat inside its graph."""

    def __init__(
        self,
        model: Wav2Vec2ForCTC,
        processor: Processor,
        graph: TransformGraph | None = None,
        audio_features: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.processor = processor
        self.transform_layer = graph.layer if graph else None  # tracked, so that it is saved
        self._graph = graph
        self._audio_features = audio_features
        self.by_mask: dict[Mask, Serve] = {
            "full": self.serve,
            "not_in_norm": self.unmasked_norm,
            "none": self.unmasked,
        }
        # Made here, not by a decorator: saving traces whatever functions a module has.
        self.serve_examples = tf.function(self._serve_examples, [EXAMPLES]) if graph else None

    @tf.function(input_signature=[WAVEFORMS, LENGTHS])
    def serve(self, waveforms: tf.Tensor, lengths: tf.Tensor) -> Outputs:
        """Padding-invariant recognition."""
        return self._recognise(self._normalised(waveforms, lengths), lengths)

    @tf.function(input_signature=[WAVEFORMS, LENGTHS])
    def unmasked(self, waveforms: tf.Tensor, lengths: tf.Tensor) -> Outputs:
        """The forerunner's protocol: normalised over the true length, padding taken for audio."""
        normalised = self._normalised(waveforms, lengths)
        logits = self.model(normalised, training=False)
        frames = tf.fill(tf.shape(lengths), tf.shape(logits)[1])
        return self._outputs(logits, frames)

    @tf.function(input_signature=[WAVEFORMS, LENGTHS])
    def unmasked_norm(self, waveforms: tf.Tensor, lengths: tf.Tensor) -> Outputs:
        """Only the group norm takes padding for audio: one cause of that protocol's loss alone."""
        normalised = self._normalised(waveforms, lengths)
        logits = self.model(normalised, lengths=lengths, norm_over_padding=True, training=False)
        return self._outputs(logits, self.model.config.frame_lengths(lengths))

    def _serve_examples(self, examples: tf.Tensor) -> Outputs:
        """Recognition of serialized speech examples, through the very graph that trained."""
        assert self._graph is not None
        waveforms = self._graph.of_features(examples, self._audio_features)[data.WAVEFORM]
        lengths = tf.cast(waveforms.row_lengths(), tf.int32)
        return self._recognise(waveforms.to_tensor(), lengths)

    def _normalised(self, waveforms: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        return normalise_batch(waveforms, lengths) if self.processor.normalises else waveforms

    def _recognise(self, normalised: tf.Tensor, lengths: tf.Tensor) -> Outputs:
        logits = self.model(normalised, lengths=lengths, training=False)
        return self._outputs(logits, self.model.config.frame_lengths(lengths))

    def _outputs(self, logits: tf.Tensor, frame_lengths: tf.Tensor) -> Outputs:
        vocabulary = self.processor.vocabulary
        path = greedy_path(logits, frame_lengths, vocabulary.blank)
        return {
            "text": path_to_text(path, vocabulary),  # [batch]
            "token_ids": path,  # [batch, frames]
            "log_probs": tf.nn.log_softmax(tf.cast(logits, tf.float32)),  # [batch, frames, vocab]
            "frame_lengths": frame_lengths,  # [batch]
        }


def export_saved_model(module: ServingModule, folder: str) -> None:
    """Write the SavedModel with all its signatures, the processor's files among its assets."""
    signatures = {SIGNATURES[mask]: serve for mask, serve in module.by_mask.items()}
    if module.serve_examples is not None:
        signatures["examples"] = module.serve_examples
    with tempfile.TemporaryDirectory() as beside:
        module.processor.save_pretrained(beside)
        module.processor_files = [
            tf.saved_model.Asset(str(path)) for path in sorted(Path(beside).iterdir())
        ]
        tf.saved_model.save(module, folder, signatures=signatures)
