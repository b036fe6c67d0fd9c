"""TFLite as a phone runs it: builtin operators, static lengths, shared weights."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from models.audio import pad_batch
from models.errors import BadInputError
from models.recognisers import open_recogniser
from models.recognisers.keras_model import KerasRecogniser

# How far each kind may stand from the Keras model on average, in log-probability.
BOUNDS = {"float32": 1e-5, "float16": 1e-2, "int8": 0.2}


@pytest.fixture(scope="module", params=BOUNDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def file(exported, kind):
    return exported / "tflite" / f"model-{kind}.tflite"


@pytest.fixture(scope="module")
def contents(file) -> schema.ModelT:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read_bytes(), 0))


@pytest.fixture(scope="module")
def on_phone(file):
    return open_recogniser(file)


def weights(contents: schema.ModelT, subgraph: schema.SubGraphT) -> set[int]:
    """The buffers of a subgraph that hold matrices and convolutions."""
    return {
        tensor.buffer
        for tensor in subgraph.tensors
        if contents.buffers[tensor.buffer].data is not None
        and len(tensor.shape) >= 2
        and tensor.shape[0] > 1
    }


def test_it_hears_what_the_keras_model_hears(on_phone, module, waveforms, kind):
    expected = KerasRecogniser(module).recognise(**pad_batch(waveforms))
    found = on_phone.recognise(**pad_batch(waveforms))
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.log_probs - other.log_probs).mean() < BOUNDS[kind]
        if kind == "float32":
            assert one.text == other.text


def test_the_shortest_signature_that_holds_an_utterance_is_enough(on_phone, module, waveforms):
    assert on_phone.static_lengths == (8_000, 16_000)
    reference = KerasRecogniser(module)
    for samples in (400, 8_000, 8_001, 16_000):
        batch = pad_batch([waveforms[0][:samples]])
        found, expected = (one.recognise(**batch)[0] for one in (on_phone, reference))
        assert found.log_probs.shape == expected.log_probs.shape
        assert len(found.log_probs) > 0


def test_garbage_in_the_padding_is_not_heard(on_phone, waveforms):
    batch = pad_batch(waveforms)
    clean = on_phone.recognise(**batch)
    batch["waveforms"][1, batch["lengths"][1] :] = 1e6
    for one, other in zip(on_phone.recognise(**batch), clean, strict=True):
        np.testing.assert_array_equal(one.log_probs, other.log_probs)


def test_an_utterance_too_long_for_every_signature_is_refused_with_both_lengths(on_phone):
    with pytest.raises(
        BadInputError, match=r"16001 samples is longer than .* \(16000\); cut it, or export with"
    ):
        on_phone.recognise(**pad_batch([np.zeros(16_001, np.float32)]))


def test_there_is_no_unmasked_variant(on_phone, waveforms):
    with pytest.raises(BadInputError, match="no unmasked variant"):
        on_phone.recognise(**pad_batch(waveforms), mask="none")


def test_only_builtin_operators_are_needed(contents):
    assert contents.operatorCodes
    assert not [code.customCode for code in contents.operatorCodes if code.customCode]
    assert schema.BuiltinOperator.CUSTOM not in {
        code.builtinCode for code in contents.operatorCodes
    }


def test_all_signatures_share_the_same_weights(contents):
    named = {signature.signatureKey for signature in contents.signatureDefs}
    assert named == {b"samples_8000", b"samples_16000"}
    shorter, longer = (weights(contents, subgraph) for subgraph in contents.subgraphs[:2])
    assert shorter == longer
    assert len(shorter) > 15


def test_smaller_kinds_are_smaller(exported):
    sizes = {kind: (exported / "tflite" / f"model-{kind}.tflite").stat().st_size for kind in BOUNDS}
    assert sizes["float16"] < 0.9 * sizes["float32"]
    assert sizes["int8"] < sizes["float32"]
