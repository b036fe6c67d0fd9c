"""Variables that hold secrets: which node's container is given which, by the place where it lies.

On Kubernetes the cluster itself puts its own secrets there; what lies elsewhere a container reads
when it starts. The compiled file names places alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from kubeflow.names import SECRET_FLAG
from kubeflow.spec.layout import Spec, containers
from pipeline.cluster_config import KUBERNETES
from pipeline.config import RunConfig

ALERTING = ("ReleaseGate", "ReleasePusher", "RunReporter")
# By what a destination's client lets itself in: any of these sets will do.
TOKENS: Mapping[str, tuple[frozenset[str], ...]] = {
    "hugging_face": (frozenset({"HF_TOKEN"}),),
    "kaggle": (frozenset({"KAGGLE_API_TOKEN"}), frozenset({"KAGGLE_USERNAME", "KAGGLE_KEY"})),
}


def secrets_of(config: RunConfig, node: str) -> dict[str, str]:
    """The places of a node's variables.

    A webhook is known to the nodes that alert, a catalogue's token to the pusher; what is neither,
    such as the keys of a corpus on S3, every node is given.
    """
    takers = defaultdict(set, {name: {"ReleasePusher"} for name in _tokens()})
    kind, _, webhook = config.alerts.webhook.partition(":")
    if kind == "env":
        takers[webhook] |= {*ALERTING}
    given = sorted(config.cluster.secrets.items())
    return {name: place for name, place in given if name not in takers or node in takers[name]}


def read_secrets_at_start(spec: Spec, config: RunConfig) -> None:
    """Tell the containers what lies outside Kubernetes."""
    for node, _, container in containers(spec):
        for name, place in secrets_of(config, node).items():
            if not place.startswith(KUBERNETES):
                container["args"] += [SECRET_FLAG, f"{name}={place}"]


def secrets_of_kubernetes(config: RunConfig, node: str) -> list[dict[str, Any]]:
    """What Kubernetes puts into the container's environment, as KFP's platform spec says it."""
    keys: dict[str, list[dict[str, str]]] = defaultdict(list)
    for name, place in secrets_of(config, node).items():
        if place.startswith(KUBERNETES):
            secret, _, key = place.removeprefix(KUBERNETES).partition("/")
            keys[secret].append({"secretKey": key, "envVar": name})
    return [
        {
            # By its first name, which older backends know, and by its present one.
            "secretName": secret,
            "secretNameParameter": {"runtimeValue": {"constant": secret}},
            "keyToEnv": variables,
        }
        for secret, variables in keys.items()
    ]


def _tokens() -> set[str]:
    return {name for ways in TOKENS.values() for way in ways for name in way}
