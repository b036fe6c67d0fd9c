"""The service that a compiled file is for, or that a config names."""

from __future__ import annotations

from kubeflow.compiled_file import Target
from kubeflow.schedules.service import ScheduleService
from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig


def connect(target: Target, cluster: ClusterConfig) -> ScheduleService:
    """A connection to the service; its client is imported only here, for it takes seconds."""
    if target == "vertex":
        from kubeflow.schedules.vertex import connect_to_vertex

        return connect_to_vertex(cluster)
    from kubeflow.schedules.pipelines import connect_to_kfp

    return connect_to_kfp(cluster)


def target_of(cluster: ClusterConfig) -> Target:
    """The one service that the config knows the place of."""
    named: list[Target] = []
    if cluster.project:
        named.append("vertex")
    if cluster.kfp.host:
        named.append("kfp")
    if len(named) == 1:
        return named[0]
    both = "both cluster.project and cluster.kfp.host" if named else "neither cluster.project"
    rest = "" if named else " nor cluster.kfp.host"
    raise BadInputError(
        f"The config names {both}{rest}; say which service is meant by --target vertex or "
        "--target kfp, or set one of them."
    )
