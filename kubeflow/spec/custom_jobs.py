"""Nodes that train run as custom jobs of Vertex AI, where the config names a machine for them."""

from __future__ import annotations

import json
from typing import Any

from tfx.extensions.google_cloud_ai_platform.constants import VERTEX_REGION_KEY
from tfx.extensions.google_cloud_ai_platform.trainer.executor import TRAINING_ARGS_KEY
from tfx.utils import name_utils

from kubeflow.container import custom_job
from kubeflow.spec.layout import Spec, executor_of, tasks_of
from kubeflow.spec.needs import TIME_LIMIT
from pipeline.cluster_config import ClusterConfig, TrainingJob

LEARNERS = ("Trainer", "Tuner")
SECONDS_OF_AN_HOUR = 3600


def train_in_custom_jobs(
    spec: Spec, cluster: ClusterConfig, job: TrainingJob, pipeline: str, image: str
) -> None:
    """Let the containers of these nodes launch and watch a job, instead of doing the work."""
    for name in LEARNERS:
        task = tasks_of(spec).get(name)
        if task is None:
            continue
        container = executor_of(spec, task)["container"]
        container.get("resources", {}).pop("accelerator", None)  # who watches needs none
        args = container["args"]
        place = args.index("--executor_class_path") + 1
        work, args[place] = args[place], name_utils.get_full_name(custom_job.Executor)
        _take_limit_away(args)
        constant = task["inputs"]["parameters"]["custom_config"]["runtimeValue"]
        told = json.loads(constant["constant"]) | {
            TRAINING_ARGS_KEY: custom_job_of(cluster, job, f"{pipeline}-{name.lower()}", image),
            VERTEX_REGION_KEY: cluster.region,
            custom_job.EXECUTOR_KEY: work,
        }
        constant["constant"] = json.dumps(told, sort_keys=True)


def custom_job_of(cluster: ClusterConfig, job: TrainingJob, name: str, image: str) -> Spec:
    """The CustomJob as TFX's extension takes it, its project beside it."""
    job_spec: dict[str, Any] = {
        "worker_pool_specs": _pools(job, job.image or image),
        "scheduling": {
            "timeout": f"{round(job.hours * SECONDS_OF_AN_HOUR)}s",
            # Vertex AI starts a worker again that ended with any code but 0, unless it knows the
            # error for a lasting one: at most five times, then the whole job at most three times.
            # So a machine that is taken away (exit code 143, its work saved) needs nothing more;
            # disable_retries would end its job. Workers wait for each other: one that came back
            # alone would wait for ever.
            "restart_job_on_worker_restart": True,
            **({"strategy": "SPOT"} if job.spot else {}),
        },
    }
    if cluster.service_account:
        job_spec["service_account"] = cluster.service_account
    if cluster.network:
        job_spec["network"] = cluster.network
    job_args = {
        "project": cluster.project,
        "display_name": name,
        "labels": dict(cluster.labels),
        "job_spec": job_spec,
    }
    if cluster.encryption_key:
        job_args["encryption_spec"] = {"kms_key_name": cluster.encryption_key}
    return job_args


def _take_limit_away(args: list[str]) -> None:
    """The job has a limit of its own; who watches it must not leave it running alone."""
    if TIME_LIMIT in args:
        place = args.index(TIME_LIMIT)
        del args[place : place + 2]


def _pools(job: TrainingJob, image: str) -> list[Spec]:
    """A chief of its own, then the other workers: so Vertex AI tells TF_CONFIG's roles apart."""
    machine: dict[str, Any] = {"machine_type": job.machine}
    if job.accelerator:
        machine |= {"accelerator_type": job.accelerator, "accelerator_count": job.accelerators}
    if job.tpu_topology:
        machine["tpu_topology"] = job.tpu_topology
    counts = [1, job.workers - 1] if job.workers > 1 else [1]
    return [
        {"machine_spec": machine, "replica_count": count, "container_spec": {"image_uri": image}}
        for count in counts
    ]
