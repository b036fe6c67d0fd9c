"""The fitted Transform graph, as the trainer and the exporter use it."""

import numpy as np
import pytest
import tensorflow as tf

from models import audio, data
from models.normalisation import normalise_text
from models.processor import Processor
from models.transform_graph import TransformGraph
from models.vocabulary import SPECIAL_TOKENS, Vocabulary
from schemas import speech_example as names
from tests.conftest import TRANSCRIPTS, fit_transform_graph, speech_example


@pytest.fixture(scope="module")
def graph(transform_graph_folder) -> TransformGraph:
    return TransformGraph(str(transform_graph_folder))


@pytest.fixture(scope="module")
def serialized(speech_records) -> tf.Tensor:
    records = tf.data.TFRecordDataset(str(speech_records), compression_type="GZIP")
    return tf.constant([record.numpy() for record in records])


@pytest.fixture(scope="module")
def transformed(graph, serialized) -> dict[str, tf.Tensor]:
    return graph(serialized)


@pytest.fixture(scope="module")
def fitted_folder(speech_records, tmp_path_factory) -> str:
    """A graph that learned its alphabet, for a checkpoint that brings none."""
    checkpoint = tmp_path_factory.mktemp("pretrained-only")
    folder = tmp_path_factory.mktemp("fitted")
    return str(fit_transform_graph(speech_records, checkpoint, folder, vocabulary="fit"))


@pytest.fixture(scope="module")
def fitted(fitted_folder) -> TransformGraph:
    return TransformGraph(fitted_folder)


def parsed(serialized: tf.Tensor) -> list[tf.train.Example]:
    return [tf.train.Example.FromString(example) for example in serialized.numpy()]


def pcm_of(example: tf.train.Example) -> bytes:
    return example.features.feature[names.AUDIO].bytes_list.value[0]


def test_labels_are_the_checkpoints_ids_of_the_normalised_transcript(transformed, tiny_checkpoint):
    vocabulary = Vocabulary.from_folder(tiny_checkpoint)
    expected = [vocabulary.encode(normalise_text(text, "librispeech")) for text in TRANSCRIPTS]
    assert transformed[data.LABELS].to_list() == expected
    assert vocabulary.spell(expected[2]) == "TWENTY ONE"


def test_waveforms_are_the_decoded_audio_normalised_each_on_its_own(transformed, serialized):
    for waveform, example in zip(transformed[data.WAVEFORM], parsed(serialized), strict=True):
        expected = audio.normalise(audio.pcm16_to_float(pcm_of(example)))
        np.testing.assert_allclose(waveform.numpy(), expected, atol=1e-5)


def test_buckets_hold_their_utterances_and_grow_with_them(transformed):
    pad_to = transformed[data.PAD_TO].numpy()
    lengths = transformed[data.WAVEFORM].row_lengths().numpy()
    in_order = np.argsort(lengths)
    assert (pad_to >= lengths).all()
    assert (np.diff(pad_to[in_order]) >= 0).all()
    assert len(set(pad_to)) == 2
    assert pad_to.max() == lengths.max()


def test_an_utterance_longer_than_any_in_training_gets_a_multiple_of_the_longest_bucket(
    graph, transformed
):
    longest = transformed[data.PAD_TO].numpy().max()
    longer = graph(tf.constant([speech_example(0, "A", seconds=3)]))
    assert longer[data.PAD_TO].numpy() == 3 * longest
    assert longer[data.WAVEFORM].row_lengths().numpy() == 48_000


def test_the_bucket_is_known_without_the_audio(graph, transformed, serialized):
    without_audio = []
    for example in parsed(serialized):
        del example.features.feature[names.AUDIO]
        without_audio.append(example.SerializeToString())
    pad_to = graph.pad_to(tf.constant(without_audio))
    np.testing.assert_array_equal(pad_to, transformed[data.PAD_TO])


def test_one_width_holds_the_labels_of_any_training_transcript(transformed):
    widths = transformed[data.LABELS].row_lengths().numpy()
    assert (transformed[data.PAD_LABELS_TO].numpy() == widths.max()).all()


def test_audio_alone_gives_the_very_waveform_that_trained(graph, transformed, serialized):
    audio_only = []
    for example in parsed(serialized):
        for name in set(example.features.feature) - {names.AUDIO}:
            del example.features.feature[name]
        audio_only.append(example.SerializeToString())
    waveforms = graph.of_features(tf.constant(audio_only), (names.AUDIO,))[data.WAVEFORM]
    assert waveforms.row_lengths().numpy().tolist() == [8000 + 1600 * n for n in range(8)]
    np.testing.assert_array_equal(waveforms.values, transformed[data.WAVEFORM].values)


def test_a_graph_for_the_checkpoints_alphabet_hands_its_processor_on(graph, tiny_checkpoint):
    assert not graph.learned_alphabet
    assert graph.processor(tiny_checkpoint) == Processor.from_pretrained(tiny_checkpoint)


def test_a_fitted_alphabet_is_every_character_of_the_transcripts(fitted, tmp_path):
    assert fitted.learned_alphabet
    vocabulary = fitted.processor(tmp_path).vocabulary
    written = "".join(normalise_text(text, "librispeech") for text in TRANSCRIPTS)
    assert vocabulary.tokens[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
    assert sorted(vocabulary.tokens[len(SPECIAL_TOKENS) :]) == sorted(
        set(written.replace(" ", "|"))
    )


def test_fitted_labels_spell_the_transcripts_again(fitted, serialized, tmp_path):
    vocabulary = fitted.processor(tmp_path).vocabulary
    labels = fitted(serialized)[data.LABELS].to_list()
    assert [vocabulary.spell(row) for row in labels] == [
        normalise_text(text, "librispeech") for text in TRANSCRIPTS
    ]


def test_a_character_never_seen_in_training_becomes_the_unknown_token(fitted, tmp_path):
    vocabulary = fitted.processor(tmp_path).vocabulary
    labels = fitted(tf.constant([speech_example(0, "A Z", seconds=0.5)]))[data.LABELS]
    assert labels.to_list() == [vocabulary.encode("A Z")]
    assert labels.to_list()[0][-1] == vocabulary.unknown


def test_a_carried_alphabet_keeps_its_ids_and_takes_up_new_letters(
    fitted_folder, serialized, tmp_path
):
    # Given an earlier alphabet in another order, with letters that this data lacks
    earlier = Vocabulary((*SPECIAL_TOKENS, "|", "T", "A", "Z", "Ö"))
    graph = TransformGraph(fitted_folder, carried_on=earlier)
    # When this run's data brings more letters
    vocabulary = graph.processor(tmp_path).vocabulary
    # Then those that were there stay where they were, and the labels say so
    texts = [normalise_text(text, "librispeech") for text in TRANSCRIPTS]
    assert vocabulary.tokens[: len(earlier.tokens)] == earlier.tokens
    assert set(vocabulary.tokens[len(earlier.tokens) :]) == set("".join(texts)) - set("TA ")
    labels = graph(serialized)[data.LABELS].to_list()
    assert labels == [vocabulary.encode(text) for text in texts]
