"""What a cluster cannot run is refused when it is compiled, not when it has been paid for."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable

from tfx.components import InfraValidator
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import RESOLVER_STRATEGY_CLASS, Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)

from kubeflow.compiled_file import Target
from kubeflow.container.parameters import RuntimeParameter
from kubeflow.image.contents import is_in_image
from kubeflow.spec.secrets import TOKENS
from models import filesystem
from models.errors import BadInputError
from pipeline.cluster_config import EVERY_NODE, KUBERNETES
from pipeline.config import RunConfig
from pipeline.engines import ENGINES

RESOLVED = (LatestArtifactStrategy, LatestBlessedModelStrategy)
# Kubernetes' limit for a name, less what KFP puts behind it.
LONGEST_KFP_NAME = 57
# A place in Google Secret Manager.
SECRET_MANAGER = "secret:projects/P/secrets/S/versions/V"
HERE = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0")


def refuse_config(config: RunConfig, root: str, target: Target) -> None:
    """Raise one sentence about what the cluster could not reach or would not take."""
    _refuse_places(config, root)
    _refuse_secrets(config, target)
    _refuse_engine(config)
    _refuse_needs(config, target)


def _refuse_places(config: RunConfig, root: str) -> None:
    if not filesystem.is_remote(root):
        raise BadInputError(
            f"The pipeline root {root} is a folder of this machine, which the cluster cannot see; "
            "give a bucket, such as --root gs://my-bucket/w2v."
        )
    for key, place in _places_read(config).items():
        if place and not (filesystem.is_remote(place) or is_in_image(place)):
            raise BadInputError(
                f"{key} ({place}) is a folder of this machine, which the cluster cannot see; copy "
                f"it to a bucket and add --set {key}=gs://my-bucket/…"
            )
    for key, place in _places_written(config).items():
        if place and not filesystem.is_remote(place):
            raise BadInputError(
                f"{key} ({place}) is a folder of this machine, and what a node writes to such a "
                f"one is lost with its container; add --set {key}=gs://my-bucket/…"
            )


def _refuse_secrets(config: RunConfig, target: Target) -> None:
    """Nodes' containers have no files but the image's, and no variables but `cluster.secrets`."""
    secrets = config.cluster.secrets
    for name, place in secrets.items():
        _refuse_place_of_secret(f"cluster.secrets.{name}", place, target)
    places = {
        "alerts.webhook": config.alerts.webhook,
        "runner.metadata_password": config.runner.metadata_password,
    }
    for setting, place in places.items():
        kind, _, variable = place.partition(":")
        if kind != "env":
            _refuse_place_of_secret(setting, place, target)
        elif variable not in secrets:
            raise BadInputError(
                f"{setting} ({place}): nodes' containers have no such variable; add --set "
                f"cluster.secrets.{variable}={_place_on(target)}"
            )
    for name, ways in TOKENS.items():
        if getattr(config.release.destinations, name) and not any(
            way <= secrets.keys() for way in ways
        ):
            variable = min(ways[0])
            raise BadInputError(
                f"release.destinations.{name} needs a token, which nodes' containers do not have; "
                f"add --set cluster.secrets.{variable}={_place_on(target)}, or take it away and "
                "publish the release folder from home."
            )


def _refuse_place_of_secret(setting: str, place: str, target: Target) -> None:
    kind, _, where = place.partition(":")
    if kind == "file" and not filesystem.is_remote(where):
        raise BadInputError(
            f"{setting} ({place}): nodes' containers have no such file; let it say "
            f"{SECRET_MANAGER} or file:gs://my-bucket/…"
        )
    if target == "vertex" and place.startswith(KUBERNETES):
        raise BadInputError(
            f"{setting} ({place}) is a secret of Kubernetes, of which Vertex AI has none; let it "
            f"say {SECRET_MANAGER}."
        )


def _place_on(target: Target) -> str:
    return "kubernetes:SECRET/KEY" if target == "kfp" else SECRET_MANAGER


def _refuse_engine(config: RunConfig) -> None:
    if HERE.search(config.runner.metadata):
        raise BadInputError(
            f"runner.metadata ({config.runner.metadata}): in a node's container that address is "
            "the container itself; give the address by which the cluster reaches the server."
        )
    for flag in config.runner.beam_flags:
        if HERE.search(flag.partition("=")[2]):
            raise BadInputError(
                f"{flag}: in a node's container that address is the container itself; give "
                f"{config.runner.engine} an address that the cluster reaches."
            )
    if ENGINES[config.runner.engine].remote and config.data.corpus.startswith("s3://"):
        # The variables of cluster.secrets are the containers' alone.
        raise BadInputError(
            f"data.corpus ({config.data.corpus}): the workers of {config.runner.engine} are given "
            "no keys of S3; copy it to gs://…, or set runner.engine to DirectRunner."
        )


def _refuse_needs(config: RunConfig, target: Target) -> None:
    for name, needs in config.cluster.nodes.items():
        if target == "vertex" and needs.node_selector:
            raise BadInputError(
                f"cluster.nodes.{name}.node_selector is for the nodes of a Kubernetes cluster, of "
                "which Vertex AI shows none; take it away and give accelerator, or --target kfp."
            )
    if target == "kfp" and config.cluster.training:
        raise BadInputError(
            "cluster.training is a custom job of Vertex AI, which Trainer cannot start on kfp; "
            "take it away and give cluster.nodes.Trainer an accelerator, or --target vertex."
        )
    if config.cluster.training and not config.cluster.project:
        raise BadInputError(
            "cluster.training: the Trainer's custom job needs a project to run in; add --set "
            "cluster.project=my-project."
        )
    job = config.cluster.training
    if job and (job.tpu_topology or job.accelerator.startswith("TPU")) and not job.image:
        raise BadInputError(
            "cluster.training is a TPU, which the pipeline's own image cannot use; build the "
            "image with --build-arg VARIANT=tpu and add --set cluster.training.image=…"
        )
    if target == "kfp" and len(config.name) > LONGEST_KFP_NAME:
        raise BadInputError(
            f"name: {config.name} is too long for kfp, whose runs are named after it; "
            f"shorten it to {LONGEST_KFP_NAME} letters, as by --set name=…"
        )


def refuse_nodes(nodes: Iterable[BaseNode], config: RunConfig) -> None:
    """Raise one sentence about a node that no cluster runs, or one that is not there."""
    names = []
    for node in nodes:
        names.append(node.id)
        if isinstance(node, InfraValidator):
            raise BadInputError(
                f"{node.id}: an InfraValidator cannot be compiled for a cluster; take it away: "
                "ModelExporter loads and runs each artifact it writes."
            )
        if isinstance(node, Resolver):
            _refuse_strategy(node)
    for name in config.cluster.nodes:
        if name not in (EVERY_NODE, *names):
            nearest = difflib.get_close_matches(name, [*names, EVERY_NODE], n=1, cutoff=0)
            raise BadInputError(
                f"cluster.nodes: there is no node {name}; did you mean {nearest[0]}?"
            )


def refuse_ambiguous(parameters: Iterable[RuntimeParameter]) -> None:
    """Raise if two runtime parameters have one name."""
    counted = Counter(parameter.name for parameter in parameters)
    for name, count in counted.items():
        if count > 1:
            raise BadInputError(
                f"ReleaseGate: {count} bounds of gate.max_wer would be one runtime parameter "
                f"{name}; take one away: services tell names apart by letters and digits alone."
            )


def _refuse_strategy(node: Resolver) -> None:
    strategy = node.exec_properties.get(RESOLVER_STRATEGY_CLASS)
    if strategy not in RESOLVED:
        name = getattr(strategy, "__name__", "an inline function")
        known = " or ".join(one.__name__ for one in RESOLVED)
        raise BadInputError(
            f"{node.id}: a cluster resolves no {name}; use {known}, or let a node find its input."
        )


def _places_read(config: RunConfig) -> dict[str, str]:
    teacher = config.model.teacher
    checkpoint = "model.teacher.checkpoint" if teacher else "model.checkpoint"
    return {"data.corpus": config.data.corpus, checkpoint: config.model.checkpoint}


def _places_written(config: RunConfig) -> dict[str, str]:
    """Where nodes write by path; empty is below the root."""
    return {
        "release.folder": config.release.folder,
        "release.hub_folder": config.release.hub_folder,
        "runner.artifacts": config.runner.artifacts,
    }
