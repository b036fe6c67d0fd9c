"""A compiled pipeline as it is handed to a service: read once, its service known by its form."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.speech_example_gen.config import DataConfig
from components.speech_example_gen.properties import read_settings
from kubeflow.compiled_file import Target, read_documents
from kubeflow.names import DATA_DATE, LEARNING_RATE, SCHEDULED_TIME, STEPS, TIMEZONE_FLAG
from models import filesystem
from models.errors import BadInputError

Value = str | int | float
TUNER, EXPORTER = "Tuner", "ModelExporter"
CORPUS_READER, CORPUS_SETTINGS = "SpeechExampleGen", "custom_config"
# The settings of `data` that decide which files a run reads.
CHOOSE_DATA = ("corpus", "layout", "train", "dev", "test", "all", "last_spans", "span")


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

    @property
    def data(self) -> DataConfig | None:
        """What it was compiled to read; None where the file does not say."""
        task = dict(_tasks(self.spec)).get(CORPUS_READER, {})
        given = task.get("inputs", {}).get("parameters", {}).get(CORPUS_SETTINGS, {})
        text = given.get("runtimeValue", {}).get("constant")
        return read_settings({CORPUS_SETTINGS: text})[0] if text else None

    @property
    def model_made_anew_by(self) -> str | None:
        """The node that makes another model even of data that were read before.

        Either the cache is off for it, or what it looks up is another after each run. None where
        the service's cache gives the exported model.
        """
        tasks = dict(_tasks(self.spec))
        return _first_uncached(tasks, EXPORTER) if EXPORTER in tasks else None

    def values_of(self, texts: Sequence[str]) -> dict[str, Value]:
        """What `NAME=VALUE` texts tell a run, each value of the type that is declared."""
        values: dict[str, Value] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise BadInputError(f"--param {text!r} must be as NAME=VALUE.")
            if name not in self._declared:
                raise BadInputError(
                    f"{self.path} takes no runtime parameter {name!r}{self._why_not(name)}"
                )
            values[name] = _value(name, value, self._declared[name]["parameterType"])
        return values

    def with_defaults(self, values: Mapping[str, Value]) -> CompiledPipeline:
        """The same, but runs that are told nothing else take these values."""
        document = copy.deepcopy(dict(self.document))
        pipeline = replace(self, document=document)
        for name, value in values.items():
            pipeline._declared[name]["defaultValue"] = value
        return pipeline

    def with_root(self, root: str) -> CompiledPipeline:
        """The same, but its artifacts go below another root; all that is compiled in stays."""
        if self.target == "vertex" and not root.startswith("gs://"):
            raise BadInputError(f"--pipeline-root {root} must be a bucket as Vertex AI has: gs://…")
        folder = filesystem.join(root, self.name)
        if self.target == "kfp":
            return replace(self, document={**self.document, "defaultPipelineRoot": folder})
        runtime = {**self.document.get("runtimeConfig", {}), "gcsOutputDirectory": folder}
        return replace(self, document={**self.document, "runtimeConfig": runtime})

    def at_scheduled_time(self) -> CompiledPipeline:
        """The same, but the data date is the time that each run of a schedule is due."""
        document = copy.deepcopy(dict(self.document))
        spec = document["pipelineSpec"] if self.target == "vertex" else document
        _set_constant(spec, spec["root"], DATA_DATE, SCHEDULED_TIME)
        return replace(self, document=document)

    def check_takes(self, *parameters: str) -> None:
        """Raise if the pipeline declares no such runtime parameter: it would be lost unseen."""
        missing = [name for name in parameters if name not in self._declared]
        if missing:
            raise BadInputError(
                f"{self.path} takes no runtime parameter {' nor '.join(missing)}; compile it "
                "again with this version of w2v."
            )

    def check_reads(self, data: DataConfig) -> None:
        """Raise where its runs would read other data than a config says."""
        compiled = self.data
        for name in CHOOSE_DATA if compiled else ():
            there, here = getattr(compiled, name), getattr(data, name)
            if str(there).rstrip("/") != str(here).rstrip("/"):
                raise BadInputError(
                    f"{self.path} was compiled with data.{name} {there!r}, but the config says "
                    f"{here!r}; compile it again from this config, or give the one that it was "
                    "compiled from, with the same --set."
                )

    def _why_not(self, name: str) -> str:
        if name.startswith((LEARNING_RATE, STEPS)) and TUNER in dict(_tasks(self.spec)):
            return (
                f": its {TUNER} searches those, and what it finds would replace the value; set "
                "the recipe and the spans of tuning in the config, and compile it again."
            )
        nearest = difflib.get_close_matches(name, self._declared, n=1, cutoff=0)
        return f"; did you mean {nearest[0]}?" if nearest else "; compile it again."

    @property
    def _declared(self) -> dict[str, Any]:
        return self.spec["root"].get("inputDefinitions", {}).get("parameters", {})


def _tasks(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every task by its name, also those below an exit handler."""
    for component in (spec["root"], *spec.get("components", {}).values()):
        yield from component.get("dag", {}).get("tasks", {}).items()


def _first_uncached(tasks: Mapping[str, Mapping[str, Any]], name: str) -> str | None:
    """The task itself, or one of those whose artifacts it reads, that the cache never gives."""
    if not tasks[name].get("cachingOptions", {}).get("enableCache"):
        return name
    inputs = tasks[name].get("inputs", {}).get("artifacts", {}).values()
    producers = [one["taskOutputArtifact"]["producerTask"] for one in inputs]
    return next((found for one in producers if (found := _first_uncached(tasks, one))), None)


def _value(name: str, text: str, kind: str) -> Value:
    """
    >>> _value("steps_1", "500", "NUMBER_INTEGER")
    500
    """
    if kind == "STRING":
        return text
    whole = kind == "NUMBER_INTEGER"
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        number = "a whole number" if whole else "a number"
        raise BadInputError(f"--param {name} must be {number}, not {text!r}.")
    return value


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
