"""Whatever happens to a training or to its disk, it goes on from a checkpoint that is whole."""

import json
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from models import filesystem
from models.errors import BadInputError
from models.training import checkpoints as module
from models.training.checkpoints import Checkpoints, DamagedCheckpointError

ARRAYS = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.int64(7)}
NOTES = {"best": {"wer": 0.25}, "spoken": "Grüße, мир 🎤"}
KILLS = 10
ROOT = Path(__file__).parents[3]
DTYPES = ("float64 float32 float16 bfloat16 bool " + "int8 int16 int32 int64 ").split() + [
    f"uint{bits}" for bits in (8, 16, 32, 64)
]

SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def any_array(draw) -> np.ndarray:
    """An array of any type and shape, and of any bytes that its type may hold."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(SHAPES)
    size = int(np.prod(shape)) * dtype.itemsize
    content = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    return (content & 1 if dtype.name == "bool" else content).view(dtype).reshape(shape)


@pytest.fixture(params=["", "file://", "ram://"], ids=["local", "remote", "bucket"])
def folder(request, tmp_path) -> str:
    """The same folder by Python's own files, and by TensorFlow's filesystems."""
    return f"{request.param}{tmp_path}/checkpoints"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A folder with one whole checkpoint, of step 1."""
    folder = tmp_path_factory.mktemp("saved")
    assert Checkpoints(str(folder)).save(1, ARRAYS, NOTES)
    return folder


@pytest.fixture(scope="module")
def whole(saved) -> bytes:
    """The file of a whole checkpoint."""
    return path_of(saved, 1).read_bytes()


def path_of(folder: str | Path, step: int) -> Path:
    return Path(folder) / f"step-{step:09d}.safetensors"


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def warnings_of(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@contextmanager
def full_disk(free_bytes: int):
    """The system refuses this process to write more into any file."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text().filter(lambda name: name not in (module.METADATA, module.DIGEST)),
        any_array(),
        max_size=4,
    ),
    st.dictionaries(st.text(), JSON, max_size=3),
    st.integers(0, 10**12),
)
def test_what_is_saved_is_loaded_to_the_bit(arrays, notes, step):
    with tempfile.TemporaryDirectory() as place:
        assert Checkpoints(place).save(step, arrays, notes)
        newest = Checkpoints(place).newest()
    assert_same(newest.arrays, arrays)
    assert (newest.step, newest.notes) == (step, notes)


def test_arrays_larger_than_one_piece_or_strangely_laid_out_are_saved(tmp_path):
    large = np.random.default_rng(0).normal(size=(3, module.PIECE_BYTES // 8 + 5))
    arrays = {"large": large, "turned": large.T[::-3], "half": large.astype(ml_dtypes.bfloat16)}
    checkpoints = Checkpoints(str(tmp_path))
    assert checkpoints.save(1, arrays | {"big endian": large.astype(">f8")}, {})
    assert_same(checkpoints.newest().arrays, arrays | {"big endian": large})


def test_any_reader_of_safetensors_opens_a_checkpoint(tmp_path):
    Checkpoints(str(tmp_path)).save(1, ARRAYS, NOTES)
    found = safetensors.numpy.load_file(path_of(tmp_path, 1))
    del found[module.DIGEST]
    assert_same(found, ARRAYS)
    with safetensors.safe_open(path_of(tmp_path, 1), "np") as file:
        assert json.loads(file.metadata()["notes"]) == NOTES


def test_a_training_saves_goes_on_and_cleans_up_on_any_filesystem(folder):
    checkpoints = Checkpoints(folder, keep=2)
    assert checkpoints.newest() is None and checkpoints.steps() == []
    for step in (5, 20, 100):
        assert checkpoints.save(step, ARRAYS, NOTES | {"step": step})
    assert checkpoints.steps() == [20, 100]
    newest = Checkpoints(folder).newest()
    assert_same(newest.arrays, ARRAYS)
    assert (newest.step, newest.notes) == (100, NOTES | {"step": 100})
    checkpoints.remove()
    assert filesystem.list_folder(folder) == [] and checkpoints.newest() is None
    checkpoints.remove()  # what is not there is no error


def test_best_checkpoints_are_all_kept_and_loaded_until_told_otherwise(folder):
    best = Checkpoints(folder, keep=None)
    for step in range(1, 6):
        best.save(step, {"weight": np.float32(step)}, {})
    assert best.steps() == [1, 2, 3, 4, 5]
    best.keep_only({2, 4, 77})
    assert best.steps() == [2, 4]
    assert best.load(2).arrays["weight"] == 2


def test_saving_a_step_again_replaces_its_checkpoint(tmp_path):
    checkpoints = Checkpoints(str(tmp_path))
    for text in ("once", "again"):
        checkpoints.save(3, ARRAYS, {"text": text})
    assert checkpoints.steps() == [3] and checkpoints.newest().notes == {"text": "again"}


def test_what_else_lies_in_the_folder_is_neither_a_checkpoint_nor_removed(tmp_path):
    others = {"step-1.safetensors", "model.safetensors", "notes.part", "step-000000009.part"}
    for name in others:
        (tmp_path / name).touch()
    checkpoints = Checkpoints(str(tmp_path), keep=1)
    assert checkpoints.newest() is None
    for step in (1, 2):
        assert checkpoints.save(step, ARRAYS, {})
    assert set(os.listdir(tmp_path)) == others | {path_of(tmp_path, 2).name}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_checkpoint_cut_in_two_is_passed_over_and_named(saved, whole, data):
    assert_passed_over(saved, whole[: data.draw(st.integers(0, len(whole) - 1))])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
@example(7, 64)  # a header that would fill more than any memory
def test_a_checkpoint_with_one_other_byte_is_passed_over_and_named(saved, whole, place, bits):
    damaged = bytearray(whole)
    damaged[place % len(whole)] ^= bits
    assert_passed_over(saved, damaged)


def test_a_checkpoint_with_bytes_behind_its_end_is_passed_over(saved, whole):
    assert_passed_over(saved, whole + b"\0", f"it has {len(whole) + 1} bytes, not {len(whole)}")


def assert_passed_over(folder: Path, damaged: bytes, reason: str = ""):
    checkpoints = Checkpoints(str(folder))
    path_of(folder, 2).write_bytes(damaged)
    with listening() as messages:
        newest = checkpoints.newest()
    assert (newest.step, newest.notes) == (1, NOTES)
    (message,) = messages
    assert f"{path_of(folder, 2)} is damaged ({reason}" in message
    with pytest.raises(DamagedCheckpointError, match=r"000002.safetensors is damaged \(.+\)"):
        checkpoints.load(2)


@contextmanager
def listening():
    """What is logged meanwhile, by itself for each example of a property."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    module.log.addHandler(handler)
    try:
        yield messages
    finally:
        module.log.removeHandler(handler)


def test_a_checkpoint_of_another_format_is_passed_over(whole, tmp_path, caplog):
    path_of(tmp_path, 2).write_bytes(whole.replace(b'format":"1"', b'format":"7"'))
    assert Checkpoints(str(tmp_path)).newest() is None
    (message,) = warnings_of(caplog)
    assert "its format is 7, but 1 is what can be read here" in message


def test_damaged_checkpoints_do_not_push_out_what_training_goes_on_from(tmp_path):
    checkpoints = Checkpoints(str(tmp_path), keep=2)
    for damaged in (8, 9):
        path_of(tmp_path, damaged).write_bytes(b"")
    for step in (3, 4, 5):
        assert checkpoints.save(step, ARRAYS, {})
    assert checkpoints.steps() == [4, 5, 8, 9]
    assert checkpoints.newest().step == 5
    for step in (8, 9):  # where training comes by again, the damaged ones are replaced
        assert checkpoints.save(step, ARRAYS, {})
    assert checkpoints.steps() == [8, 9] and checkpoints.newest().step == 9


def test_a_checkpoint_out_of_reach_ends_training_rather_than_throw_days_of_it_away(tmp_path):
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.save(1, ARRAYS, {})
    path_of(tmp_path, 2).mkdir()  # no file can be read here
    with pytest.raises(BadInputError, match=r"cannot be read \(.*make them readable"):
        checkpoints.newest()


def test_a_folder_that_cannot_be_listed_is_told_in_one_sentence(tmp_path, monkeypatch):
    def list_folder(folder):
        raise OSError(5, "Input/output error")  # a disk that fails

    monkeypatch.setattr(filesystem, "list_folder", list_folder)
    with pytest.raises(BadInputError, match=r"cannot be read \(.*Input/output error.*make them"):
        Checkpoints(str(tmp_path)).steps()


SAVE_FOR_EVER = """
import sys
from itertools import count
import numpy as np
from models.training.checkpoints import Checkpoints

checkpoints = Checkpoints(sys.argv[1])
for step in count(int(sys.argv[2])):
    checkpoints.save(step, {"a": np.full(30_000, step), "b": np.full(30_000, step)}, {"step": step})
    print(step, flush=True)
"""


def test_a_training_killed_at_any_moment_goes_on_from_its_last_whole_checkpoint(tmp_path, caplog):
    moments = random.Random(0)
    checkpoints = Checkpoints(str(tmp_path))
    started, unfinished = 1, 0
    for _ in range(KILLS):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(tmp_path), str(started)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as training:
            assert training.stdout.readline() == f"{started}\n"
            time.sleep(moments.uniform(0, 0.03))
            training.send_signal(signal.SIGKILL)
            told = [started, *map(int, training.stdout.read().split())]
        unfinished += any(name.endswith(module.UNFINISHED) for name in os.listdir(tmp_path))
        newest = checkpoints.newest()
        # The last step told is on the disk; the next may be, untold.
        assert newest.step in (told[-1], told[-1] + 1)
        assert newest.notes == {"step": newest.step}
        assert all((newest.arrays[name] == newest.step).all() for name in ("a", "b"))
        started = newest.step + 1
    assert unfinished, "no kill came in the middle of a save"
    assert warnings_of(caplog) == []
    (tmp_path / f"{path_of('', started).name}{module.UNFINISHED}").touch()
    assert checkpoints.save(started + 1, ARRAYS, {})
    assert all(map(module.FILE_NAME.fullmatch, os.listdir(tmp_path)))


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_full_disk_costs_a_checkpoint_but_neither_training_nor_the_last_one(
    scheme, tmp_path, caplog
):
    checkpoints = Checkpoints(f"{scheme}{tmp_path}")
    assert checkpoints.save(1, ARRAYS, NOTES)
    large = {"large": np.zeros(3_500_000, np.uint8)}
    with full_disk(free_bytes=1_000_000):
        assert not checkpoints.save(2, large, NOTES)
    (message,) = warnings_of(caplog)
    assert f"checkpoint of step 2 could not be written to {scheme}{tmp_path} (" in message
    assert "see that 4 MB are free there" in message
    assert "training goes on, and the newest there is of step 1." in message
    assert os.listdir(tmp_path) == [path_of(tmp_path, 1).name]  # the half one takes no room
    assert checkpoints.newest().notes == NOTES
    assert checkpoints.save(3, large, NOTES) and checkpoints.newest().step == 3


def test_a_folder_that_cannot_be_written_costs_no_training(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert not Checkpoints(f"{tmp_path}/file/below").save(1, ARRAYS, {})
    assert not Checkpoints("nowhere://bucket").save(1, ARRAYS, {})
    for message, place in zip(warnings_of(caplog), (tmp_path, "nowhere://bucket"), strict=True):
        assert f"step 1 could not be written to {place}" in message
        assert "training goes on, and none is there yet" in message


def test_what_cannot_be_removed_is_told_and_costs_no_training(tmp_path, caplog):
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "checkpoints"
    folder.symlink_to("elsewhere")
    checkpoints = Checkpoints(str(folder), keep=1)
    path_of(folder, 1).symlink_to("..")  # no folder is removed through a link to it
    assert checkpoints.save(2, ARRAYS, NOTES)
    checkpoints.keep_only([2])
    checkpoints.remove()
    told = warnings_of(caplog)
    assert len(told) == 3
    for message in told:
        assert f"in {folder} that are no longer needed could not be removed (" in message
        assert message.endswith("remove them by hand.")
    assert checkpoints.newest().notes == NOTES


def test_the_new_one_is_on_the_disk_before_the_old_one_goes(tmp_path, monkeypatch):
    done = []

    def watch(name):
        call = getattr(filesystem, name)

        def watched(path, *rest):
            done.append((name, os.path.basename(path)))
            call(path, *rest)

        monkeypatch.setattr(filesystem, name, watched)

    checkpoints = Checkpoints(str(tmp_path / "state"), keep=1)
    checkpoints.save(1, ARRAYS, {})
    for name in ("flush_to_disk", "rename_file", "remove"):
        watch(name)
    checkpoints.save(2, ARRAYS, {})
    one, two = (path_of("", step).name for step in (1, 2))
    assert done == [
        ("flush_to_disk", two + module.UNFINISHED),
        ("rename_file", two + module.UNFINISHED),
        ("flush_to_disk", "state"),
        ("remove", one),
    ]


@pytest.mark.parametrize(
    ("arrays", "notes", "reason"),
    [
        ({module.DIGEST: np.zeros(1)}, {}, "can be named"),
        ({module.METADATA: np.zeros(1)}, {}, "can be named"),
        ({"phase": np.zeros(1, np.complex64)}, {}, "phase has the type complex64"),
        ({}, {"model": object()}, "not JSON serializable"),
    ],
)
def test_what_no_checkpoint_can_hold_is_an_error_before_anything_is_written(
    arrays, notes, reason, tmp_path
):
    with pytest.raises((ValueError, TypeError), match=reason):
        Checkpoints(f"{tmp_path}/checkpoints").save(1, arrays, notes)
    assert os.listdir(tmp_path) == []


def test_at_least_one_checkpoint_is_kept():
    with pytest.raises(ValueError, match="keep must be at least 1, or None to keep all, not 0"):
        Checkpoints("folder", keep=0)
