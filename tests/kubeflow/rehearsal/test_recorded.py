"""A rehearsal leaves the record that a cluster's run would leave on its server, below its root."""

import pytest

from kubeflow.container.recording import Recording
from kubeflow.image.contents import PACKAGE_IN_IMAGE
from kubeflow.names import METADATA_FLAG
from kubeflow.rehearsal.rehearse import rehearse
from kubeflow.rehearsal.spec import read_compiled
from kubeflow.spec.entry_point import COMMAND, invocation
from pipeline.local import METADATA_FILE
from pipeline.metadata import open_store
from pipeline.runs import all_runs
from schemas.properties import to_json
from tests.kubeflow.rehearsal.tiny_pipeline import ROOT, Task, write_job

EXECUTOR = "tfx.components.schema_gen.import_schema_gen.executor.Executor"
TYPE = "tfx.components.schema_gen.import_schema_gen.component.ImportSchemaGen"
DECLARED = {"parameters": {"schema_file": {"parameterType": "STRING"}}}


@pytest.mark.slow
def test_a_rehearsed_node_is_recorded_though_its_server_is_nowhere(tmp_path):
    # Given a node that is to be recorded on a server that this machine does not reach
    of = Recording("mysql://w2v@metadata.internal/w2v", "env:PASSWORD", "tiny", "Schema", TYPE)
    told = [*invocation(EXECUTOR, {"inputDefinitions": DECLARED}), METADATA_FLAG, to_json(of)]
    node = Task(
        makes={"schema": "tfx.Schema"},
        constants={"schema_file": f"{PACKAGE_IN_IMAGE}/schemas/speech_example.pbtxt"},
        container={"command": [*COMMAND], "args": told},
    )
    # When it is rehearsed
    compiled = write_job(tmp_path / "compiled.json", {"Schema": node})
    rehearsal = rehearse(read_compiled(compiled), tmp_path / "root")
    assert rehearsal.exit_code == 0, rehearsal.tasks[0].cause
    # Then it is known by the rehearsal's own name, with what it was told and made
    (run,) = all_runs(open_store(tmp_path / "root" / METADATA_FILE))
    assert (run.pipeline, run.name) == ("tiny", rehearsal.folder.name)
    assert run.told("Schema", "schema_file").endswith("schemas/speech_example.pbtxt")
    (address,) = rehearsal.tasks[0].addresses()["schema"]
    buckets = str(tmp_path / "root" / "buckets" / "gs")
    assert run.output("Schema", "schema").uri == address.replace("gs:/", buckets)
    assert address.startswith(ROOT)
