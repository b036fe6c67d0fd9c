"""Why a task died is told from what it raised; what nobody knows is quoted."""

import pytest

from kubeflow.rehearsal.causes import cause_of
from kubeflow.rehearsal.places import places_of


@pytest.fixture
def places(tmp_path):
    return places_of(tmp_path / "root", tmp_path / "image", [])


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (
            "ModuleNotFoundError: No module named 'components.gone.executor'",
            "The image does not hold the module components.gone.executor.",
        ),
        (
            "ImportError: cannot import name 'gone' from 'models.text' (/x/models/text.py)",
            "In the image, the module models.text has no gone.",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/image/schemas/s.pbtxt'",
            "The image does not hold the file /opt/wav2vec2-tfx/schemas/s.pbtxt.",
        ),
        (
            "tensorflow.python.framework.errors_impl.NotFoundError: {tmp}/root/buckets/gs/b/c.txt; "
            "No such file or directory",
            "There is nothing at gs://b/c.txt; if it lies in a bucket that only the cluster sees, "
            "let a folder stand for it by --mount gs://bucket/folder=DIR.",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/home/me/words.txt'",
            "There is no /home/me/words.txt, a path outside the image and outside every mount.",
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/root/x'",
            "The task may not write to /root/x; a container may write to its own home and /tmp.",
        ),
        (
            "RuntimeError: Unable to pickle fn <Reads object>: cannot pickle '_thread.lock' object",
            "A function or an object that Beam must send to its workers cannot be pickled: Unable "
            "to pickle fn <Reads object>: cannot pickle '_thread.lock' object",
        ),
        (
            "    gate = exec_properties[\"gate\"]\n           ~~~~~~~^^^\nKeyError: 'gate'",
            "The code asks for the parameter gate, which the spec does not give to the task.",
        ),
        ("    word = counts['x']\nKeyError: 'x'", "KeyError: 'x'"),
        (
            "models.errors.BadInputError: The corpus is empty.",
            "BadInputError: The corpus is empty.",
        ),
        (
            "models.errors.BadInputError: No corpus is at x.\nw2v: No corpus is at {tmp}/root/"
            "buckets/gs/b.",
            "No corpus is at gs://b.",
        ),
        (
            "all is well\nSegmentation fault\n\n",
            "It ended with exit code 1; its last line: Segmentation fault",
        ),
        ("", "It ended with exit code 1; its last line: it printed nothing"),
    ],
)
def test_the_cause_is_one_sentence(tmp_path, places, printed, told):
    log = tmp_path / "task.log"
    log.write_text(printed.replace("{tmp}", str(tmp_path)))
    assert cause_of(log, 1, places) == told


def test_the_first_cause_of_a_chain_that_is_known_is_told(tmp_path, places):
    log = tmp_path / "task.log"
    log.write_text(
        "ModuleNotFoundError: No module named 'gone'\n\nThe above exception was the direct cause "
        "of the following exception:\n\nRuntimeError: the worker stopped\n"
    )
    assert cause_of(log, 1, places) == "The image does not hold the module gone."


def test_a_process_that_was_killed_raised_nothing(tmp_path, places):
    (tmp_path / "task.log").write_text("step 100\n")
    assert "killed by signal 9" in cause_of(tmp_path / "task.log", -9, places)
