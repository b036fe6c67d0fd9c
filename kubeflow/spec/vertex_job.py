"""The PipelineJob around the spec: what Vertex AI is told of the run itself."""

from __future__ import annotations

from typing import Any

from pipeline.cluster_config import ClusterConfig


def job_settings(cluster: ClusterConfig) -> dict[str, Any]:
    """Account, network and key, where the config names them; else the project's own."""
    settings: dict[str, Any] = {}
    if cluster.service_account:
        settings["serviceAccount"] = cluster.service_account
    if cluster.network:
        settings["network"] = cluster.network
    if cluster.encryption_key:
        settings["encryptionSpec"] = {"kmsKeyName": cluster.encryption_key}
    return settings
