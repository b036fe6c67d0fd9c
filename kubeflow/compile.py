"""The same DAG as a spec of Vertex AI or of open-source KFP, in deterministic bytes.

TFX compiles it; what it drops or leaves to its own entry point is put right step by step.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import yaml
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)
from tfx.orchestration.pipeline import Pipeline

from components.run_reporter.component import RunReporter
from kubeflow.compiled_file import Target
from kubeflow.container.parameters import runtime_parameters
from kubeflow.image.contents import CHECKOUT, PACKAGE_IN_IMAGE
from kubeflow.spec.checks import refuse_ambiguous, refuse_config, refuse_nodes
from kubeflow.spec.custom_jobs import train_in_custom_jobs
from kubeflow.spec.entry_point import COMMAND, add_code_digests
from kubeflow.spec.kubernetes import platform_spec
from kubeflow.spec.layout import Spec, containers
from kubeflow.spec.needs import give_needs
from kubeflow.spec.recording import record_nodes
from kubeflow.spec.resolvers import allow_absent_inputs, replace_resolvers
from kubeflow.spec.runtime_parameters import add_runtime_parameters, hand_down_to_inner_dag
from kubeflow.spec.secrets import read_secrets_at_start
from kubeflow.spec.spans import resolve_spans_before_the_cache, resolve_spans_in_a_task
from kubeflow.spec.vertex_job import job_settings
from models import filesystem
from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig
from pipeline.config import RunConfig, RunnerConfig
from pipeline.dag import create_pipeline
from pipeline.engines import ENGINES, engine_args, refuse_missing_flags
from pipeline.provenance import provenance_of

# The compiled spec must not name folders of the machine that compiled it.
PACKAGE_HERE = str(CHECKOUT)
# A bucket may hold a folder of the same name: a path of this machine begins with it.
PATH_HERE = re.compile(rf"(?<![\w.\-/]){re.escape(PACKAGE_HERE)}(?![\w.\-])")
# Below the pipeline's root: what later runs ask for, where the service does not remember it.
RECORDS_FOLDER = "latest"


def compile_pipeline(config: RunConfig, root: str, target: Target, to: Path) -> dict[str, Any]:
    """Write what the cluster runs; gives it back as a dict.

    For `vertex` it is the PipelineJob as JSON, for `kfp` the bare PipelineSpec as YAML.
    """
    folder = filesystem.join(root.rstrip("/"), config.name)
    refuse_config(config, root, target)
    dag = _dag(config, folder)
    # Without a webhook it still says in the log what became of the run.
    reporter = RunReporter(config.name, config.alerts, folder)
    refuse_nodes([*dag.components, reporter], config)
    job = _compiled_by_tfx(dag, reporter, config.runner.image)
    add_code_digests(job["pipelineSpec"], dag.components)
    allow_absent_inputs(job["pipelineSpec"], dag.components)
    _put_right(job["pipelineSpec"], config, target, folder)
    record_nodes(job["pipelineSpec"], dag.components, reporter, config, target)
    if target == "vertex":
        job["labels"] |= config.cluster.labels
        return _write_json(job | job_settings(config.cluster), to)
    return _write_yaml(job["pipelineSpec"] | {"defaultPipelineRoot": folder}, config, to)


def _put_right(spec: Spec, config: RunConfig, target: Target, folder: str) -> None:
    """All that the config says and TFX drops, in the target's own way."""
    cluster, image = config.cluster, config.runner.image
    parameters = runtime_parameters(config)
    refuse_ambiguous(parameters)
    add_runtime_parameters(spec, parameters)
    timezone = cluster.schedule.timezone if cluster.schedule else "UTC"
    if target == "vertex":
        resolve_spans_before_the_cache(spec, timezone)
    else:
        resolve_spans_in_a_task(spec, timezone)
        replace_resolvers(spec, filesystem.join(folder, RECORDS_FOLDER), image)
    for name, task, container in containers(spec):
        give_needs(task, container, cluster.needs_of(name))
    read_secrets_at_start(spec, config)
    if cluster.training:
        train_in_custom_jobs(spec, cluster, cluster.training, config.name, image)
    hand_down_to_inner_dag(spec)


def in_its_image(runner: RunnerConfig, cluster: ClusterConfig, folder: str) -> RunnerConfig:
    """The same, its engine's workers in the image of the nodes unless the flags say otherwise."""
    if not ENGINES[runner.engine].remote:
        return runner
    flags = {
        "sdk_container_image": runner.image,
        "temp_location": filesystem.join(folder, ".dataflow", "temp"),
        "staging_location": filesystem.join(folder, ".dataflow", "staging"),
        "project": cluster.project,
        "region": cluster.region,
        "service_account_email": cluster.service_account,
        "network": cluster.network.rpartition("/")[2],
        "dataflow_kms_key": cluster.encryption_key,
    }
    ours = [f"--{name}={value}" for name, value in flags.items() if value]
    labels = [f"--labels={name}={value}" for name, value in sorted(cluster.labels.items())]
    return dataclasses.replace(runner, beam_flags=(*ours, *labels, *runner.beam_flags))


def _dag(config: RunConfig, folder: str) -> Pipeline:
    """The pipeline; its checkpoint is read here, for its digest and its alphabet."""
    runner = in_its_image(config.runner, config.cluster, folder)
    refuse_missing_flags(runner)
    beam_args, checkpoint = engine_args(runner), config.model.checkpoint
    try:
        return create_pipeline(config, provenance_of(config), root=folder, beam_args=beam_args)
    except filesystem.errors_of(checkpoint) as error:
        raise BadInputError(
            f"model.checkpoint ({checkpoint}) cannot be read from here, but its digest and its "
            f"alphabet are part of the spec: {str(error).splitlines()[0]}"
        ) from error


def _compiled_by_tfx(dag: Pipeline, reporter: RunReporter, image: str) -> Spec:
    runner = KubeflowV2DagRunner(
        config=KubeflowV2DagRunnerConfig(
            default_image=image, default_commands=list(COMMAND), use_pipeline_spec_2_1=True
        )
    )
    runner.set_exit_handler(reporter)
    text = json.dumps(runner.run(dag, write_out=False))
    return json.loads(PATH_HERE.sub(PACKAGE_IN_IMAGE, text))


def _write_json(job: Spec, to: Path) -> Spec:
    _write(to, json.dumps(job, indent=1, sort_keys=True) + "\n")
    return job


def _write_yaml(spec: Spec, config: RunConfig, to: Path) -> Spec:
    platforms = platform_spec(spec, config)
    documents = [spec, platforms] if platforms else [spec]
    _write(to, yaml.safe_dump_all(documents, sort_keys=True, allow_unicode=True))
    return spec


def _write(to: Path, text: str) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(text, encoding="utf-8")
