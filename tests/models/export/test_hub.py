"""What is exported for TensorFlow Hub is reused and fine-tuned by its own client."""

from __future__ import annotations

import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras

from models.audio import normalise, normalise_batch, pad_batch
from models.errors import BadInputError
from models.export.hub import encoder_of, export_hub, export_hub_encoder
from models.export.saved_model import ServingModule
from models.processor import Processor
from models.recognisers import open_recogniser
from models.recognisers.keras_model import KerasRecogniser
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining, Wav2Vec2Model

KINDS = ("recogniser", "encoder")
QUIET = {
    name: 0.0
    for name in (
        "feat_proj_dropout",
        "hidden_dropout",
        "activation_dropout",
        "attention_dropout",
        "final_dropout",
        "layerdrop",
        "mask_time_prob",
        "mask_feature_prob",
    )
}


@pytest.fixture(scope="module")
def config(tiny_checkpoint) -> Wav2Vec2Config:
    """The tiny one, but so wide in one place that its weights outweigh its graph."""
    return Wav2Vec2Config.from_json(tiny_checkpoint).replace(
        initializer_range=0.1,
        num_hidden_layers=1,
        intermediate_size=131_072,
        mask_time_prob=0.3,
        mask_time_length=2,
        layerdrop=0.3,
    )


@pytest.fixture(scope="module")
def processor(tiny_checkpoint) -> Processor:
    return Processor.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def model(config) -> Wav2Vec2ForCTC:
    return Wav2Vec2ForCTC(config, seed=1)


@pytest.fixture(scope="module")
def folders(model, processor, tmp_path_factory) -> dict[str, str]:
    return export_hub(model, processor, KINDS, str(tmp_path_factory.mktemp("hub")))


@pytest.fixture(scope="module")
def loaded(folders) -> dict:
    return {kind: hub.load(folder) for kind, folder in folders.items()}


@pytest.fixture(scope="module")
def batch() -> dict:
    """Two utterances that are neither quiet nor centred, so that normalisation shows."""
    generator = np.random.default_rng(0)
    return pad_batch(
        [generator.normal(0.3, 2.0, size).astype(np.float32) for size in (8_000, 5_000)]
    )


def expected_of(kind: str, model: Wav2Vec2ForCTC, batch: dict) -> np.ndarray:
    """What the Keras model makes of normalised audio."""
    network = model if kind == "recogniser" else model.wav2vec2
    taken = normalise_batch(tf.constant(batch["waveforms"]), tf.constant(batch["lengths"]))
    return network(taken, lengths=batch["lengths"], training=False).numpy()


def assert_close_in_frames(found, expected, frame_lengths) -> None:
    for one, other, frames in zip(found, expected, frame_lengths, strict=True):
        np.testing.assert_allclose(one[:frames], other[:frames], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_raw_audio_with_lengths_gives_what_the_keras_model_gives(kind, dtype, loaded, model, batch):
    inputs = batch | {"lengths": batch["lengths"].astype(dtype)}
    found = loaded[kind](inputs)
    frames = loaded[kind].frame_lengths(inputs["lengths"])
    assert frames.numpy().tolist() == [24, 15]
    assert found.dtype == tf.float32
    assert_close_in_frames(found.numpy(), expected_of(kind, model, batch), frames)


@pytest.mark.parametrize("kind", KINDS)
def test_waveforms_alone_are_taken_for_audio_to_their_end(kind, loaded, model, batch):
    whole = batch | {"lengths": np.array([8_000, 8_000], np.int32)}
    found = loaded[kind](batch["waveforms"])
    np.testing.assert_allclose(found, expected_of(kind, model, whole), atol=1e-4)
    assert found.shape == (2, 24, 32)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_the_padding_changes_nothing(kind, loaded, batch):
    noisy = batch["waveforms"].copy()
    noisy[1, 5_000:] = 7.0
    clean, disturbed = (
        loaded[kind](batch | {"waveforms": one}) for one in (batch["waveforms"], noisy)
    )
    assert_close_in_frames(disturbed.numpy(), clean.numpy(), (24, 15))


def test_audio_that_was_normalised_before_comes_out_the_same(loaded, batch):
    waveform = batch["waveforms"][:1]
    raw, normalised = (loaded["recogniser"](one) for one in (waveform, normalise(waveform)))
    np.testing.assert_allclose(raw, normalised, atol=1e-4)


def test_lengths_that_do_not_fit_their_waveforms_are_refused(loaded, batch):
    with pytest.raises(tf.errors.InvalidArgumentError, match="one number of samples for each row"):
        loaded["encoder"]({"waveforms": batch["waveforms"], "lengths": np.array([8_000])})


@pytest.mark.parametrize("kind", KINDS)
def test_every_variable_is_there_once_by_its_place_in_the_network(kind, loaded, folders, model):
    network = model if kind == "recogniser" else model.wav2vec2
    names = [f"{one.path}:0" for one in network.trainable_variables]
    assert [one.name for one in loaded[kind].trainable_variables] == names
    everything = {id(one) for one in loaded[kind].variables}
    assert {id(one) for one in loaded[kind].trainable_variables} < everything
    assert len(everything) == len(network.variables)
    assert list(loaded[kind].regularization_losses) == []
    saved = tf.train.list_variables(f"{folders[kind]}/variables/variables")
    assert len([name for name, _ in saved if name.startswith("variables/")]) == len(everything)
    assert len(saved) == len(everything) + 2  # and what TensorFlow itself counts and describes


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_is_little_larger_than_the_weights(kind, folders, model):
    network = model if kind == "recogniser" else model.wav2vec2
    weights = sum(4 * one.value.shape.num_elements() for one in network.variables)
    files = [path for path in Path(folders[kind]).rglob("*") if path.is_file()]
    assert weights < sum(path.stat().st_size for path in files) < 1.1 * weights


@pytest.mark.parametrize("kind", KINDS)
def test_the_processor_travels_with_it(kind, folders, processor):
    assert Processor.from_pretrained(Path(folders[kind]) / "assets") == processor


def test_a_hub_recogniser_reads_text_by_its_signature(folders, model, processor, batch):
    found = open_recogniser(folders["recogniser"]).recognise(**batch)
    expected = KerasRecogniser(ServingModule(model, processor)).recognise(**batch)
    assert [one.text for one in found] == [one.text for one in expected] != ["", ""]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-4)


def test_a_hub_recogniser_has_no_signature_that_takes_padding_for_audio(folders, batch):
    recogniser = open_recogniser(folders["recogniser"])
    with pytest.raises(BadInputError, match="has no signature unmasked, which this comparison"):
        recogniser.recognise(**batch, mask="none")


def test_a_hub_encoder_gives_hidden_states_by_its_signature_and_is_no_recogniser(
    folders, loaded, batch
):
    signature = loaded["encoder"].signatures["serving_default"]
    found = signature(**{name: tf.constant(value) for name, value in batch.items()})
    np.testing.assert_array_equal(found["hidden_states"], loaded["encoder"](batch))
    assert found["frame_lengths"].numpy().tolist() == [24, 15]
    with pytest.raises(BadInputError, match=r"another kind \(it gives frame_lengths, hidden_stat"):
        open_recogniser(folders["encoder"])


@pytest.mark.parametrize("kind", KINDS)
def test_in_training_every_call_is_another_draw(kind, loaded, batch):
    draws = {loaded[kind](batch, training=True).numpy().tobytes() for _ in range(4)}
    calm = {loaded[kind](batch, training=False).numpy().tobytes() for _ in range(2)}
    assert (len(draws), len(calm)) == (4, 1)


@pytest.mark.parametrize(
    "source",
    ["feat_proj_dropout", "hidden_dropout", "layerdrop", "mask_time_prob", "mask_feature_prob"],
)
def test_each_source_of_randomness_follows_the_config_anew_at_each_call(config, batch, source):
    changes = QUIET | {source: 0.5, "intermediate_size": 32, "mask_feature_length": 2}
    encoder = encoder_of(Wav2Vec2Model(config.replace(**changes), seed=1), normalises=True)
    draws = {encoder(batch["waveforms"], training=True).numpy().tobytes() for _ in range(8)}
    assert len(draws) > 1


def test_without_any_source_of_randomness_training_changes_nothing(config, batch):
    settled = config.replace(**QUIET, intermediate_size=32)
    encoder = encoder_of(Wav2Vec2Model(settled, seed=1), normalises=True)
    in_training, in_use = (encoder(batch["waveforms"], training=one) for one in (True, False))
    # In training the norm takes its sums over time in another order.
    np.testing.assert_allclose(in_training, in_use, atol=5e-5)


@pytest.fixture(scope="module")
def web_address(folders, tmp_path_factory):
    """A server on this machine that has each model as one compressed file."""
    root = tmp_path_factory.mktemp("web")
    for kind, folder in folders.items():
        with tarfile.open(root / f"{kind}.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(folder, arcname=".")
    handler = partial(SimpleHTTPRequestHandler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["folder", "web"])
def handle(request, folders, tmp_path, monkeypatch) -> str:
    """Where the client finds the recogniser."""
    if request.param == "folder":
        return folders["recogniser"]
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    return f"{request.getfixturevalue('web_address')}/recogniser.tar.gz"


def keras_inputs() -> dict:
    return {
        "waveforms": tf_keras.Input((None,), dtype=tf.float32),
        "lengths": tf_keras.Input((), dtype=tf.int32),
    }


LABELS = tf.constant([[5, 6, 7, 6], [8, 8, 9, 0]])


def ctc_loss(logits: tf.Tensor, frame_lengths: tf.Tensor) -> tf.Tensor:
    """TensorFlow's own, as a user of the hub would write it."""
    losses = tf.nn.ctc_loss(
        LABELS, logits, tf.constant([4, 3]), frame_lengths, logits_time_major=False, blank_index=0
    )
    return tf.reduce_mean(losses)


def gradients_by_name(loss, network, batch) -> dict[str, tf.Tensor | None]:
    with tf.GradientTape() as tape:
        value = loss(network(batch, training=True))
    weights = network.trainable_variables
    return {
        one.name: gradient
        for one, gradient in zip(weights, tape.gradient(value, weights), strict=True)
    }


def assert_reaches_everything(gradients: dict[str, tf.Tensor | None]) -> None:
    for part in ("feature_encoder/conv_0/conv", "feature_encoder/conv_6", "pos_conv_embed/v"):
        assert any(part in name for name in gradients)
    for name, gradient in gradients.items():
        assert gradient is not None, name
        # A transformer layer may be the one that layer drop leaves out.
        assert "/layer_" in name or np.abs(gradient).max() > 0, name


def test_a_recogniser_is_fine_tuned_by_one_step_in_a_keras_model(handle, model, batch):
    layer = hub.KerasLayer(handle, trainable=True)
    inputs = keras_inputs()
    network = tf_keras.Model(inputs, layer(inputs))
    assert network.output_shape == (None, None, 32)
    frames = layer.resolved_object.frame_lengths(batch["lengths"])
    before = network(batch, training=False)
    assert_close_in_frames(before.numpy(), expected_of("recogniser", model, batch), frames)

    gradients = gradients_by_name(lambda logits: ctc_loss(logits, frames), network, batch)
    assert_reaches_everything(gradients)
    optimizer = tf_keras.optimizers.SGD(1e-3)
    optimizer.apply_gradients(zip(gradients.values(), network.trainable_variables, strict=True))
    after = network(batch, training=False)
    assert ctc_loss(after, frames) < ctc_loss(before, frames) - 0.1


@pytest.mark.slow
def test_an_encoder_is_fine_tuned_under_a_head_of_its_own(folders, batch):
    layer = hub.KerasLayer(folders["encoder"], trainable=True)
    inputs = keras_inputs()
    tf_keras.utils.set_random_seed(0)
    network = tf_keras.Model(inputs, tf_keras.layers.Dense(11)(layer(inputs)))
    frames = layer.resolved_object.frame_lengths(batch["lengths"])
    network.compile(tf_keras.optimizers.SGD(1e-4), lambda _, logits: ctc_loss(logits, frames))

    before = ctc_loss(network(batch, training=False), frames)
    weights = [one.numpy() for one in layer.trainable_variables]
    network.fit(batch, LABELS, batch_size=2, verbose=0)
    assert ctc_loss(network(batch, training=False), frames) < before - 0.1
    for one, weight in zip(layer.trainable_variables, weights, strict=True):
        # Layer drop may have spared the only layer.
        assert "/layer_" in one.name or np.abs(one.numpy() - weight).max() > 0, one.name


def test_a_layer_that_is_not_trainable_stays_calm_and_has_nothing_to_train(folders, batch):
    layer = hub.KerasLayer(folders["encoder"])
    assert layer.trainable_weights == []
    np.testing.assert_array_equal(layer(batch, training=True), layer(batch, training=False))


def test_a_pretrained_encoder_without_alphabet_keeps_its_own_way_of_taking_audio(
    config, batch, tmp_path
):
    checkpoint, folder = tmp_path / "checkpoint", tmp_path / "hub"
    pretrained = Wav2Vec2ForPreTraining(config.replace(intermediate_size=32), seed=2)
    pretrained.save_pretrained(checkpoint)
    (checkpoint / "preprocessor_config.json").write_text('{"do_normalize": false}')
    encoder = Wav2Vec2Model.from_pretrained(checkpoint)
    loaded = hub.load(export_hub_encoder(encoder, str(checkpoint), str(folder)))
    raw = pretrained.wav2vec2(batch["waveforms"], lengths=batch["lengths"])
    assert_close_in_frames(loaded(batch).numpy(), raw.numpy(), (24, 15))
    names = [path.name for path in (folder / "encoder" / "assets").iterdir()]
    assert names == ["preprocessor_config.json"]


def test_only_the_kinds_that_are_asked_for_are_written(model, processor, tmp_path):
    assert export_hub(model, processor, (), str(tmp_path)) == {}
    assert list(tmp_path.iterdir()) == []
