"""What compiles but would die in the cluster is found at home, and named."""

import shutil
from pathlib import Path

import pytest

from kubeflow.image.contents import stage_image
from kubeflow.rehearsal.outcome import TaskOutcome
from kubeflow.rehearsal.rehearse import rehearse
from kubeflow.rehearsal.spec import read_compiled
from models.errors import BadInputError
from tests.kubeflow.rehearsal.tiny_pipeline import Task, write_job

# A node's work on Beam, with a connection where each worker should open its own.
UNPICKLABLE = """
import sqlite3

import apache_beam as beam

from pipeline.local import beam_args


class CountWords(beam.DoFn):
    def __init__(self):
        self.seen = sqlite3.connect(":memory:")

    def process(self, line):
        yield len(line.split())


def main():
    with beam.Pipeline(argv=beam_args(1)) as pipeline:
        pipeline | beam.Create(["call anna", "stop"]) | beam.ParDo(CountWords())


if __name__ == "__main__":
    main()
"""


@pytest.fixture
def code(tmp_path) -> Path:
    """The image's files, to be spoilt."""
    return stage_image(tmp_path / "code")


def failure(folder: Path, code: Path, *words: str) -> TaskOutcome:
    """What is said of a node that runs this in the image."""
    task = Task(container={"command": ["python", *words]})
    compiled = write_job(folder / "compiled.json", {"Node": task})
    failed = rehearse(read_compiled(compiled), folder / "root", code=code).failed
    assert failed and failed.name == "Node"
    return failed


def test_a_function_that_beam_cannot_send_to_its_workers(tmp_path, code):
    (code / "components" / "counting.py").write_text(UNPICKLABLE)
    cause = failure(tmp_path, code, "-m", "components.counting").cause
    assert "Beam must send to its workers cannot be pickled" in cause
    assert "CountWords" in cause and "sqlite3.Connection" in cause


def test_a_module_that_the_image_does_not_hold(tmp_path, code):
    (code / "models" / "errors.py").unlink()
    cause = failure(tmp_path, code, "-c", "from models.errors import W2vError").cause
    assert cause == "The image does not hold the module models.errors."


def test_a_file_that_the_image_does_not_hold(tmp_path, code):
    shutil.rmtree(code / "schemas")
    reads = 'open("/opt/wav2vec2-tfx/schemas/speech_example.pbtxt")'
    cause = failure(tmp_path, code, "-c", reads).cause
    told = "The image does not hold the file /opt/wav2vec2-tfx/schemas/speech_example.pbtxt."
    assert cause == told


def test_a_runtime_parameter_that_nobody_gives(tmp_path):
    declared = {"corpus": {"parameterType": "STRING"}}
    tasks = {"Node": Task(runtime={"corpus": "corpus"})}
    compiled = write_job(tmp_path / "compiled.json", tasks, declared)
    with pytest.raises(BadInputError, match="needs the parameter corpus, which nobody gives"):
        rehearse(read_compiled(compiled), tmp_path / "root")


def test_a_parameter_that_the_spec_does_not_hand_to_its_node(tmp_path, code):
    asks = "def Do(exec_properties):\n    return exec_properties['gate']\n\n\nDo({})\n"
    (code / "components" / "asking.py").write_text(asks)
    cause = failure(tmp_path, code, "-m", "components.asking").cause
    assert (
        cause == "The code asks for the parameter gate, which the spec does not give to the task."
    )
