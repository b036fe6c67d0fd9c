"""A compiled pipeline as it is handed to a service: read once, its service known by its form."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubeflow.compiled_file import Target, read_documents
from kubeflow.names import DATA_DATE, SCHEDULED_TIME, TIMEZONE_FLAG
from models.errors import BadInputError


@dataclass(frozen=True)
class CompiledPipeline:
    """What `w2v compile` wrote."""

    path: str
    target: Target
    document: Mapping[str, Any]  # Vertex AI's PipelineJob, or the bare PipelineSpec
    platform: Mapping[str, Any]  # what only Kubernetes is told; empty for Vertex AI

    @property
    def spec(self) -> Mapping[str, Any]:
        """The PipelineSpec itself."""
        return self.document["pipelineSpec"] if self.target == "vertex" else self.document

    @property
    def name(self) -> str:
        """The pipeline's name, which is also its schedule's."""
        return self.spec["pipelineInfo"]["name"]

    @property
    def root(self) -> str:
        """Where its artifacts go."""
        runtime = self.document.get("runtimeConfig", {})
        return runtime.get("gcsOutputDirectory") or self.spec.get("defaultPipelineRoot", "")

    @property
    def timezone(self) -> str:
        """The zone in which the containers take a time's date."""
        for executor in self.spec.get("deploymentSpec", {}).get("executors", {}).values():
            args = executor.get("container", {}).get("args", [])
            if TIMEZONE_FLAG in args[:-1]:
                return args[args.index(TIMEZONE_FLAG) + 1]
        return "UTC"

    def at_scheduled_time(self) -> CompiledPipeline:
        """The same, but the data date is the time that each run of a schedule is due."""
        document = copy.deepcopy(dict(self.document))
        spec = document["pipelineSpec"] if self.target == "vertex" else document
        _set_constant(spec, spec["root"], DATA_DATE, SCHEDULED_TIME)
        return replace(self, document=document)

    def check_takes(self, *parameters: str) -> None:
        """Raise if the pipeline declares no such runtime parameter: it would be lost unseen."""
        declared = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        missing = [name for name in parameters if name not in declared]
        if missing:
            raise BadInputError(
                f"{self.path} takes no runtime parameter {' nor '.join(missing)}; compile it "
                "again with this version of w2v."
            )


def _set_constant(spec: dict[str, Any], component: dict[str, Any], name: str, text: str) -> None:
    """Give the text to every task that takes this input of the component, however deep."""
    for task in component["dag"]["tasks"].values():
        inner = spec["components"][task["componentRef"]["name"]]
        inputs = task.get("inputs", {}).get("parameters", {})
        for taken_as, source in inputs.items():
            if source.get("componentInputParameter") != name:
                continue
            if "dag" in inner:
                _set_constant(spec, inner, taken_as, text)
            else:
                inputs[taken_as] = {"runtimeValue": {"constant": text}}


def read_compiled(path: Path) -> CompiledPipeline:
    """The file of `w2v compile`, whichever service it is for."""
    target, (first, *more) = read_documents(path)
    return CompiledPipeline(str(path), target, first, more[0] if more else {})
