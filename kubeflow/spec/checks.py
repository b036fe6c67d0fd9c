"""What a cluster cannot run is refused when it is compiled, not when it has been paid for."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath

from tfx.components import InfraValidator
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import RESOLVER_STRATEGY_CLASS, Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)

from kubeflow.compiled_file import Target
from kubeflow.container.parameters import RuntimeParameter
from kubeflow.image.contents import CHECKOUT, image_files
from models import filesystem
from models.errors import BadInputError
from pipeline.cluster_config import EVERY_NODE
from pipeline.config import RunConfig

RESOLVED = (LatestArtifactStrategy, LatestBlessedModelStrategy)
# Kubernetes' limit for a name, less what KFP puts behind it.
LONGEST_KFP_NAME = 57
# Their clients look for it in the environment and in the home folder, and nowhere else.
NEEDING_A_TOKEN = ("hugging_face", "kaggle")
HERE = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0")


def refuse_config(config: RunConfig, root: str, target: Target) -> None:
    """Raise one sentence about what the cluster could not reach or would not take."""
    _refuse_places(config, root)
    _refuse_secrets(config)
    _refuse_engine(config)
    _refuse_needs(config, target)


def _refuse_places(config: RunConfig, root: str) -> None:
    if not filesystem.is_remote(root):
        raise BadInputError(
            f"The pipeline root {root} is a folder of this machine, which the cluster cannot see; "
            "give a bucket, such as --root gs://my-bucket/w2v."
        )
    for key, place in _places_read(config).items():
        if place and not (filesystem.is_remote(place) or _is_in_image(place)):
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


def _refuse_secrets(config: RunConfig) -> None:
    """Nodes' containers have no environment and no files but the image's."""
    kind, _, where = config.alerts.webhook.partition(":")
    if kind == "env" or (kind == "file" and not filesystem.is_remote(where)):
        raise BadInputError(
            f"alerts.webhook ({config.alerts.webhook}): nodes' containers have no such variable or "
            "file; let it say secret:projects/P/secrets/S/versions/V of Secret Manager, or "
            "file:gs://my-bucket/…"
        )
    for name in NEEDING_A_TOKEN:
        if getattr(config.release.destinations, name):
            raise BadInputError(
                f"release.destinations.{name} needs a token, which nodes' containers do not have; "
                "take it away and publish the release folder from home, or give "
                "release.destinations.vertex, for which the service account's own credentials do."
            )


def _refuse_engine(config: RunConfig) -> None:
    if config.runner.metadata:
        raise BadInputError(
            f"runner.metadata ({config.runner.metadata}) is of `w2v run` alone; take it away: "
            "Vertex AI keeps its own metadata, and Kubeflow's store is set up with Kubeflow itself."
        )
    for flag in config.runner.beam_flags:
        if HERE.search(flag.partition("=")[2]):
            raise BadInputError(
                f"{flag}: in a node's container that address is the container itself; give "
                f"{config.runner.engine} an address that the cluster reaches."
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


def _is_in_image(place: str) -> bool:
    """Whether it is a file of the checkout that is copied into the image, or a folder of such."""
    path = PurePath(os.path.normpath(place))
    if not path.is_relative_to(CHECKOUT):
        return False
    within = path.relative_to(CHECKOUT)
    return any(PurePath(file).is_relative_to(within) for file in image_files(CHECKOUT))


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
