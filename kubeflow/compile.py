"""The same DAG as a Vertex AI pipeline: compiled by TFX, written as deterministic JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)

from models import filesystem
from models.errors import BadInputError
from pipeline.config import RunConfig
from pipeline.dag import create_pipeline
from pipeline.local import beam_args
from pipeline.provenance import provenance_of

# Where the image keeps this package; the compiled spec must not name folders of the machine that
# compiled it.
PACKAGE_IN_IMAGE = "/opt/wav2vec2-tfx"
PACKAGE_HERE = str(Path(__file__).parent.parent)


def compile_for_vertex(config: RunConfig, root: str, to: Path) -> dict[str, Any]:
    """Write the Vertex PipelineJob JSON of a config; gives it back as a dict."""
    if not filesystem.is_remote(root):
        raise BadInputError(
            f"The pipeline root {root} is a folder of this machine, which the cluster cannot see; "
            "give a bucket, such as --root gs://my-bucket/w2v."
        )
    dag = create_pipeline(
        config,
        provenance_of(config),
        root=f"{root.rstrip('/')}/{config.name}",
        beam_args=beam_args(config.runner.beam_workers),
    )
    with tempfile.TemporaryDirectory() as workspace:
        KubeflowV2DagRunner(
            config=KubeflowV2DagRunnerConfig(default_image=config.runner.image),
            output_dir=workspace,
            output_filename="pipeline.json",
        ).run(dag)
        text = Path(workspace, "pipeline.json").read_text(encoding="utf-8")
    spec = json.loads(text.replace(PACKAGE_HERE, PACKAGE_IN_IMAGE))
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(spec, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return spec
