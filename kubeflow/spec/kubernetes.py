"""What KFP hands on to Kubernetes for each node's pod: labels, place, secrets, a last limit."""

from __future__ import annotations

from collections.abc import Mapping

from kubeflow.spec.layout import Spec, component_of, containers
from kubeflow.spec.secrets import secrets_of_kubernetes
from pipeline.cluster_config import NodeNeeds
from pipeline.config import RunConfig

SECONDS_OF_AN_HOUR = 3600
# The node itself knows its limit and says so; Kubernetes ends what cannot even do that.
GRACE_SECONDS = 300


def platform_spec(spec: Spec, config: RunConfig) -> Spec | None:
    """The second document of KFP's file; None where there is nothing to say."""
    executors = {}
    for name, task, _ in containers(spec):
        settings = _settings(config.cluster.labels, config.cluster.needs_of(name))
        secrets = secrets_of_kubernetes(config, name)
        if secrets:
            settings["secretAsEnv"] = secrets
        if settings:
            executors[component_of(spec, task)["executorLabel"]] = settings
    if not executors:
        return None
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _settings(labels: Mapping[str, str], needs: NodeNeeds) -> Spec:
    settings: Spec = {"podMetadata": {"labels": dict(labels)}} if labels else {}
    if needs.node_selector:
        settings["nodeSelector"] = {"labels": dict(needs.node_selector)}
    if needs.hours is not None:
        seconds = round(needs.hours * SECONDS_OF_AN_HOUR) + GRACE_SECONDS
        settings["activeDeadlineSeconds"] = str(seconds)
    return settings
