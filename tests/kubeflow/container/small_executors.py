"""Executors as small as can be, for processes that are told them by their path.

TFX imports that path: this folder must be on the one of Python's.
"""

import json
import time
import urllib.request
from pathlib import Path

from tfx.dsl.components.base import base_beam_executor, base_executor

from models.errors import BadInputError, PreemptedError
from models.training.preemption import sigterm_noticed

FOLDER, MODULE = Path(__file__).parent, Path(__file__).stem


class Writes(base_executor.BaseExecutor):
    """Says what it was told, where its model is to be."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        folder = Path(output_dict["model"][0].uri)
        folder.mkdir()
        (folder / "told.json").write_text(json.dumps(exec_properties))


class Fails(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        raise BadInputError("There is no lamp; buy one.")


class SavesWhenStopped(base_executor.BaseExecutor):
    """Works until it is told to stop, as the Trainer does; then it saves its work."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        folder = Path(output_dict["model"][0].uri)
        with sigterm_noticed() as must_stop:
            folder.mkdir()  # whoever waits to tell it may do so
            while not must_stop():
                time.sleep(0.01)
            (folder / "saved").touch()
            raise PreemptedError("The machine is being taken away; start again.")


class SendsAndFails(base_executor.BaseExecutor):
    """Sends a job to Dataflow by its flags, and fails while the job runs."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        flags = {flag.partition("=")[0]: flag.partition("=")[2] for flag in self._extra_flags}
        at = f"projects/{flags['--project']}/locations/{flags['--region']}/jobs"
        body = json.dumps({"name": flags["--job_name"]}).encode()
        urllib.request.urlopen(f"{flags['--dataflow_endpoint']}/v1b3/{at}", body).close()
        raise BadInputError("There is no lamp; buy one.")


class Beams(base_beam_executor.BaseBeamExecutor):
    """Lets Beam do its work, and waits."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        import apache_beam as beam

        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | beam.Create([1])
