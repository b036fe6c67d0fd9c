"""Every container starts by our own entry point, `python -m kubeflow.container.node`."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tfx.dsl.components.base.base_node import BaseNode

from kubeflow.spec.layout import Spec, containers

COMMAND = ("python", "-m", "kubeflow.container.node")


def invocation(executor: str | None, component: Spec) -> list[str]:
    """The flags by which TFX's own containers are told their work."""
    return [
        *(("--executor_class_path", executor) if executor else ()),
        "--json_serialized_invocation_args",
        "{{$}}",
        "--json_serialized_inputs_spec_args",
        json.dumps(component["inputDefinitions"], sort_keys=True),
    ]


def add_code_digests(spec: Spec, nodes: Iterable[BaseNode]) -> None:
    """Let the cluster's cache see the code of every node, as `bind_to_code` lets TFX's.

    TFX hands on the flags of Beam's nodes alone.
    """
    flags = {node.id: getattr(node.executor_spec, "extra_flags", None) or [] for node in nodes}
    for name, _, container in containers(spec):
        container["args"] += [one for one in flags.get(name, []) if one not in container["args"]]
