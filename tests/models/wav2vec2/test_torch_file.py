"""Files of `torch.save` are read without torch, and nothing that they ask for is run."""

from __future__ import annotations

import argparse
import importlib
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import BadInputError
from models.wav2vec2.torch_file import Record, read_torch_file

FORMATS = {"zip": True, "legacy": False}


@pytest.fixture(params=sorted(FORMATS))
def saved(request, tmp_path):
    """Writes an object as today's PyTorch does, and as those before 1.6 did."""

    def save(content) -> str:
        path = str(tmp_path / "weights.bin")
        torch.save(content, path, _use_new_zipfile_serialization=FORMATS[request.param])
        return path

    return save


def named_parameters(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return dict(module.named_parameters())


class RunsCode:
    """A pickle of it calls `function(*arguments)` in whoever unpickles it."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"],
)
def test_tensors_of_every_type_are_read_with_their_values(saved, dtype):
    tensor = torch.arange(-6, 6).reshape(3, 4).abs().to(getattr(torch, dtype))

    stored = read_torch_file(saved({"weight": tensor}))["weight"]

    assert stored.shape == (3, 4)
    np.testing.assert_array_equal(stored.read(), tensor.double().numpy())


def test_views_share_one_storage_and_keep_their_own_strides(saved):
    whole = torch.arange(24.0).reshape(4, 6)
    views = {"transposed": whole.T, "row": whole[2], "every other": whole[:, 1::2]}

    content = read_torch_file(saved({**views, "none": torch.zeros(0, 3), "one": whole.sum()}))

    for name, view in views.items():
        np.testing.assert_array_equal(content[name].read(), view.numpy())
    assert content["none"].read().shape == (0, 3)
    assert content["one"].read() == 276


@pytest.mark.parametrize("tensors_of", [torch.nn.Module.state_dict, named_parameters])
def test_what_a_module_holds_is_read(saved, tensors_of):
    layer = torch.nn.Linear(3, 2)

    content = read_torch_file(saved(tensors_of(layer)))

    assert list(content) == ["weight", "bias"]
    np.testing.assert_array_equal(content["weight"].read(), layer.weight.detach().numpy())


def test_the_bookkeeping_of_training_is_read_as_plain_records(saved):
    options = argparse.Namespace(lr=[0.5], arch="wav2vec2", path=Path("/data"))
    content = {
        "args": options,
        "best": np.float64(2.5),
        "seen": {3, 4},
        "order": OrderedDict(first=1),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "size": torch.Size([2, 3]),
    }

    read = read_torch_file(saved(content))

    assert read["args"].settings["arch"] == "wav2vec2"
    assert read["seen"] == {3, 4}
    assert read["order"] == {"first": 1}
    assert read["size"] == (2, 3)


TRAPS = {
    "system": lambda witness: RunsCode(os.system, f"touch {witness}"),
    "eval": lambda witness: RunsCode(eval, f"open({witness!r}, 'w')"),
    "exec": lambda witness: RunsCode(exec, f"open({witness!r}, 'w')"),
    "open": lambda witness: RunsCode(open, witness, "w"),
    "Popen": lambda witness: RunsCode(subprocess.Popen, ["touch", witness]),
    "getattr": lambda witness: RunsCode(getattr, witness, "upper"),
    "import_module": lambda witness: RunsCode(importlib.import_module, "antigravity"),
    "save": lambda witness: RunsCode(torch.save, [], witness),
}


@pytest.mark.parametrize("name", sorted(TRAPS))
def test_a_pickle_that_asks_to_run_code_is_refused_and_runs_nothing(saved, tmp_path, name):
    witness = tmp_path / "witness"
    path = saved({"weight": torch.zeros(2), "trap": TRAPS[name](str(witness))})

    with pytest.raises(BadInputError, match=rf"asks to run \S*{name}, .*do not trust it"):
        read_torch_file(path)

    assert not witness.exists()


def test_a_function_of_a_package_whose_records_are_let_in_is_not_run_either(saved, tmp_path):
    witness = tmp_path / "witness"
    path = saved({"trap": RunsCode(np.savetxt, str(witness), [1])})

    trap = read_torch_file(path)["trap"]

    assert isinstance(trap, Record) and trap.arguments == (str(witness), [1])
    assert not witness.exists()


def test_the_traps_of_these_tests_would_spring(tmp_path):
    witness = tmp_path / "witness"

    pickle.loads(pickle.dumps(RunsCode(os.system, f"touch {witness}")))

    assert witness.exists()


def test_a_trap_inside_an_unpickled_tensor_is_refused_too(tmp_path):
    path = tmp_path / "weights.bin"
    torch.save({"weight": torch.zeros(2)}, path)
    trap = RunsCode(os.system, f"touch {tmp_path / 'witness'}")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": [trap]}))

    with pytest.raises(BadInputError, match="system"):
        read_torch_file(str(path))

    assert not (tmp_path / "witness").exists()


def test_reading_needs_no_torch(tmp_path):
    path = str(tmp_path / "weights.bin")
    torch.save({"weight": torch.ones(2)}, path)
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from models.wav2vec2.torch_file import read_torch_file\n"
        f"print(read_torch_file({path!r})['weight'].read().sum())"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert result.stdout.strip() == "2.0", result.stderr


def cut_short(path: str) -> None:
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])


def test_a_file_cut_short_is_refused_by_name(saved):
    path = saved({"weight": torch.zeros(1000)})
    cut_short(path)

    with pytest.raises(BadInputError, match=r"weights\.bin"):
        read_torch_file(path)["weight"].read()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>not found</html>", b"\x80\x02N."])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, content):
    path = tmp_path / "weights.bin"
    path.write_bytes(content)

    with pytest.raises(BadInputError, match=r"weights\.bin"):
        read_torch_file(str(path))


def test_a_zip_of_something_else_is_refused(tmp_path):
    path = tmp_path / "weights.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")

    with pytest.raises(BadInputError, match="not one of PyTorch"):
        read_torch_file(str(path))


def rewritten(path: str, change) -> None:
    """Pass every member of a zip file through `change(name, content)`; None leaves it out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            changed = change(name, content)
            if changed is not None:
                archive.writestr(name, changed)


def test_a_tensor_whose_data_are_gone_or_too_short_is_refused(tmp_path):
    path = str(tmp_path / "weights.bin")
    for change in (
        lambda name, content: None if "/data/" in name else content,
        lambda name, content: content[:8] if "/data/" in name else content,
    ):
        torch.save({"weight": torch.zeros(100)}, path)
        rewritten(path, change)
        with pytest.raises(BadInputError, match=r"weights\.bin"):
            read_torch_file(path)["weight"].read()
