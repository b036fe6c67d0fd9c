"""A Hugging Face folder is read in whichever format its weights come, without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.errors import BadInputError
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.checkpoint_files import open_checkpoint

OLD_NAMES = {"parametrizations.weight.original0": "weight_g"} | {
    "parametrizations.weight.original1": "weight_v"
}


@pytest.fixture(scope="module")
def reference(tiny_config, new_reference):
    return new_reference(tiny_config("stable"))


@pytest.fixture
def folder(tmp_path, reference) -> Path:
    """A checkpoint that lacks but its weights."""
    reference.config.save_pretrained(tmp_path)
    return tmp_path


def with_old_names(state):
    renamed = {}
    for key, tensor in state.items():
        for new, old in OLD_NAMES.items():
            key = key.replace(new, old)
        renamed[key] = tensor
    assert set(renamed) != set(state)
    return renamed


def as_one_safetensors(folder, state) -> None:
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def as_one_bin(folder, state) -> None:
    torch.save(state, folder / "pytorch_model.bin")


def as_an_old_bin(folder, state) -> None:
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def in_shards(state, write, index: Path, name: str) -> None:
    keys = sorted(state)
    weight_map = {key: name.format(1 + position % 3) for position, key in enumerate(keys)}
    for shard in set(weight_map.values()):
        write({key: state[key] for key in keys if weight_map[key] == shard}, index.parent / shard)
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def as_sharded_safetensors(folder, state) -> None:
    index = folder / "model.safetensors.index.json"
    in_shards(state, save_file, index, "model-{:05}-of-00003.safetensors")


def as_sharded_bins(folder, state) -> None:
    index = folder / "pytorch_model.bin.index.json"
    in_shards(state, torch.save, index, "pytorch_model-{:05}-of-00003.bin")


FORMATS = [
    as_one_safetensors,
    as_sharded_safetensors,
    as_one_bin,
    as_an_old_bin,
    as_sharded_bins,
]


def assert_holds(model, state) -> None:
    from models.wav2vec2.tensor_names import named_tensors

    named = named_tensors(model)
    assert {tensor.key for tensor in named} == set(state)
    for tensor in named:
        np.testing.assert_array_equal(
            tensor.to_checkpoint(), state[tensor.key].numpy(), err_msg=tensor.key
        )


@pytest.mark.parametrize("named", [dict, with_old_names], ids=["new names", "old names"])
@pytest.mark.parametrize("write", FORMATS)
def test_every_format_gives_every_tensor_as_it_was(folder, reference, write, named):
    state = reference.state_dict()
    write(folder, named(state))

    model = Wav2Vec2ForCTC.from_pretrained(folder)

    assert_holds(model, state)


def test_shards_as_transformers_writes_them_are_read(reference, tmp_path):
    reference.save_pretrained(tmp_path, max_shard_size="40KB")
    assert (tmp_path / "model.safetensors.index.json").exists()

    assert_holds(Wav2Vec2ForCTC.from_pretrained(tmp_path), reference.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_read_as_float32(folder, reference, dtype):
    state = {key: tensor.to(dtype) for key, tensor in reference.state_dict().items()}
    as_one_safetensors(folder, state)

    model = Wav2Vec2ForCTC.from_pretrained(folder)

    assert_holds(model, {key: tensor.float() for key, tensor in state.items()})


def test_weights_saved_from_data_parallel_training_are_read(folder, reference):
    state = reference.state_dict()
    as_one_bin(folder, {f"module.{key}": tensor for key, tensor in state.items()})

    assert_holds(Wav2Vec2ForCTC.from_pretrained(folder), state)


def test_safetensors_are_read_before_a_pickle_that_lies_beside_them(folder, reference):
    as_one_safetensors(folder, reference.state_dict())
    (folder / "pytorch_model.bin").write_bytes(b"never opened")

    assert open_checkpoint(folder).holds(("lm_head.",))


def test_a_folder_without_weights_is_refused(folder):
    with pytest.raises(BadInputError, match=r"holds none of model\.safetensors"):
        open_checkpoint(folder)


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"There is no .*nowhere"):
        open_checkpoint(tmp_path / "nowhere")


def test_the_file_of_weights_alone_is_refused_for_its_folder(folder, reference):
    as_one_safetensors(folder, reference.state_dict())

    with pytest.raises(BadInputError, match=r"name the folder of its config\.json"):
        open_checkpoint(folder / "model.safetensors")


def test_a_missing_shard_is_refused_by_name(folder, reference):
    as_sharded_safetensors(folder, reference.state_dict())
    (folder / "model-00002-of-00003.safetensors").unlink()

    with pytest.raises(BadInputError, match=r"model-00002-of-00003\.safetensors, which is not"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        "{}",
        '{"weight_map": 3}',
        '{"weight_map": {"a": 3}}',
        '{"weight_map": [1]}',
    ],
)
def test_an_index_that_makes_no_sense_is_refused_by_name(folder, content):
    (folder / "model.safetensors.index.json").write_text(content)

    with pytest.raises(BadInputError, match=r"model\.safetensors\.index\.json"):
        open_checkpoint(folder)


def test_an_index_cannot_name_files_elsewhere(folder):
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))

    with pytest.raises(BadInputError, match=r"\.\./secret\.safetensors"):
        open_checkpoint(folder)


def header(content) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>404</html>",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 4) + b"oops",
        header([1, 2]),
        header({"lm_head.weight": 3}),
        header({"lm_head.weight": {"dtype": "F32", "shape": [2]}}),
        header({"lm_head.weight": {"dtype": "F8", "shape": [2], "data_offsets": [0, 8]}}),
        header({"lm_head.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        header({"lm_head.weight": {"dtype": "F32", "shape": [-2], "data_offsets": [0, -8]}}),
        header({"lm_head.weight": {"dtype": "F32", "shape": "2", "data_offsets": [0, 8]}}),
    ],
)
def test_a_broken_safetensors_file_is_refused_by_name(folder, content):
    (folder / "model.safetensors").write_bytes(content)

    with pytest.raises(BadInputError, match=r"model\.safetensors"):
        open_checkpoint(folder)


def test_a_safetensors_file_cut_short_is_refused_by_name(folder, reference):
    as_one_safetensors(folder, reference.state_dict())
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(BadInputError, match=r"reaches beyond the end of .*model\.safetensors"):
        open_checkpoint(folder)


def test_a_bin_of_more_than_weights_is_refused_by_name(folder, reference):
    as_one_bin(folder, {"state_dict": reference.state_dict(), "epoch": 3})

    with pytest.raises(BadInputError, match=r"pytorch_model\.bin holds more than named tensors"):
        open_checkpoint(folder)
