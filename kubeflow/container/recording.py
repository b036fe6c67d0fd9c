"""What a node of a cluster did, written into the ML Metadata of `runner.metadata`.

In the shape that TFX's own runner at home gives it, so that `w2v runs` and `w2v lineage` read both
alike. Nothing that goes wrong here is the node's failure: its work is worth more than its record.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput, ExecutorOutput
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.components.evaluator import constants
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils
from tfx.orchestration.metadata import Metadata
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import execution_result_pb2, pipeline_pb2
from tfx.types import Artifact

from components.run_reporter.final_status import FinalStatus, read_final_status
from kubeflow.container.latest import MODEL_KEY
from models import filesystem
from models.errors import BadInputError
from pipeline.metadata import server_at
from pipeline.runs import NODE_CONTEXT, ON_CLUSTER, PIPELINE_CONTEXT, RUN_CONTEXT
from pipeline.supervise import as_user_error
from schemas.properties import from_json

log = logging.getLogger(__name__)

Artifacts = dict[str, list[Artifact]]
RUN_ID, FINAL_STATUS = "run_id", "final_status"  # what the last node of a run is told
# Which node each input comes from. TFX keeps what begins so for itself too.
MAKERS = "__makers__"
# Two nodes that begin at once may both register what the other does, and one of them fails.
SECONDS_BETWEEN_TRIES = (1.0, 5.0)
CANCELLED = "CANCEL"  # as both services begin it: they spell its end differently
WITHOUT_A_WORD = (
    "The node did not come to its end: its time was over, it was told to stop, or it was killed, "
    "as for want of memory; its log says which."
)
NOTHING_KNOWN = "ML Metadata's server knows nothing of what %s %s in this run"
RUNNING, COMPLETE, FAILED = pb.Execution.RUNNING, pb.Execution.COMPLETE, pb.Execution.FAILED
INPUT, OUTPUT = pb.Event.INPUT, pb.Event.OUTPUT


@dataclass(frozen=True)
class Recording:
    """What a container is told of its node and of the server, as the JSON of its flag."""

    address: str
    password: str  # where it lies
    pipeline: str
    node: str
    type: str  # the node's class, as TFX names it
    base_type: int = 0
    # Which node each input comes from, unless a resolver looked it up.
    makers: Mapping[str, str] = field(default_factory=dict)
    # Of the last node, which ends the record: the nodes before it, each after those it takes from.
    nodes: tuple[str, ...] = ()


@contextlib.contextmanager
def recorded(flag: str, told: ExecutorInput, spec: ComponentInputsSpec) -> Iterator[None]:
    """Record a node around its executor; without the flag nothing is recorded."""
    if not flag:
        yield
        return
    record = _Record(from_json(Recording, flag), told, spec)
    record.write(RUNNING)
    try:
        yield
    except Exception as error:
        record.write(FAILED, trouble=str(as_user_error(error, "above")))
        raise
    record.write(COMPLETE)


def run_of(told: ExecutorInput, node: str) -> str:
    """The run's id, which both services make a folder of: it holds the folders of the tasks.

    >>> told = ExecutorInput()
    >>> told.outputs.output_file = "gs://b/w2v/demo/123/demo-2026/Trainer_-7/executor_output.json"
    >>> run_of(told, "Trainer")
    'demo-2026'
    """
    given = told.inputs.parameter_values
    if RUN_ID in given:
        return given[RUN_ID].string_value
    uris = [one.uri for each in told.outputs.artifacts.values() for one in each.artifacts]
    for place in (*uris, told.outputs.output_file):
        folders = itertools.pairwise(place.split("/"))
        for above, name in reversed(list(folders)):  # a bucket may have a folder of that name
            if name == node or name.startswith(f"{node}_"):
                return above
    return ""


class _Record:
    """One node's record, which every step reads and writes again: no connection lasts for days."""

    def __init__(self, of: Recording, told: ExecutorInput, spec: ComponentInputsSpec) -> None:
        self.of = of
        self.run = run_of(told, of.node)
        self.told = told
        given = kubeflow_v2_entrypoint_utils.parse_execution_properties(
            told.inputs.parameter_values, {}, spec
        )
        self.properties = {name: _plain(value) for name, value in given.items()}
        self.properties[MAKERS] = json.dumps(dict(of.makers), sort_keys=True)

    def write(self, state: pb.Execution.State, trouble: str = "") -> None:
        """Write down how far the node is; a warning if that cannot be done."""
        if not self.run:
            log.warning("the run's id is not in what the service told: nothing is recorded")
            return

        def step(handle: Metadata) -> None:
            run = _Run(handle, self.of.pipeline, self.run)
            self._put(run, state, trouble)
            if state == COMPLETE and self.of.nodes:
                run.end(self.of.nodes, read_final_status(self.properties[FINAL_STATUS]))

        _try(self.of, step)

    def _put(self, run: _Run, state: pb.Execution.State, trouble: str) -> None:
        inputs = _artifacts(self.told.inputs.artifacts)
        outputs = self._made() if state == COMPLETE else {}
        for artifact in _all(inputs, outputs):
            run.recognise(artifact)
        _name_model(inputs, outputs)
        for key, maker in self.of.makers.items():
            for artifact in inputs.get(key, ()):
                run.add_cached(maker, artifact.id)
        kind = pb.ExecutionType(name=self.of.type, base_type=self.of.base_type or None)
        name = run.name_of(self.of.node)
        execution = execution_lib.prepare_execution(
            run.handle, kind, state, self.properties, execution_name=name
        )
        there = run.store.get_execution_by_type_and_name(self.of.type, name)
        if there:  # written by an earlier step, or by an earlier try of the task
            execution.id = there.id
        if trouble:
            _say_why(execution, trouble)
        seen = run.events_of(execution.id) if there else set()
        execution_lib.put_execution(
            run.handle,
            execution,
            run.contexts(self.of.node),
            _unseen(inputs, INPUT, seen),
            _unseen(outputs, OUTPUT, seen),
        )

    def _made(self) -> Artifacts:
        """The outputs as the executor says they became."""
        made = ExecutorOutput()
        json_format.Parse(filesystem.read_text(self.told.outputs.output_file), made)
        told = ExecutorInput.Outputs()
        told.CopyFrom(self.told.outputs)
        for key, artifacts in made.artifacts.items():
            pairs = zip(told.artifacts[key].artifacts, artifacts.artifacts, strict=True)
            for artifact, said in pairs:
                artifact.uri = said.uri or artifact.uri
                artifact.metadata.MergeFrom(said.metadata)
        return _artifacts(told.artifacts)


class _Run:
    """A run in ML Metadata, while one connection to it is open."""

    def __init__(self, handle: Metadata, pipeline: str, name: str) -> None:
        self.handle, self.store = handle, handle.store
        self._pipeline, self._name = pipeline, name

    def contexts(self, node: str) -> list[pb.Context]:
        """The contexts of a node's execution."""
        wanted = pipeline_pb2.NodeContexts()
        for kind, name in (
            (PIPELINE_CONTEXT, self._pipeline),
            (RUN_CONTEXT, self._name),
            (NODE_CONTEXT, f"{self._pipeline}.{node}"),
        ):
            context = wanted.contexts.add()
            context.type.name = kind
            context.name.field_value.string_value = name
            if kind == RUN_CONTEXT:
                context.properties[ON_CLUSTER].field_value.int_value = 1
        return context_lib.prepare_contexts(self.handle, wanted)

    def name_of(self, node: str) -> str:
        """One execution a node and run, however often the service tries it."""
        return f"{self._name}.{node}"

    def recognise(self, artifact: Artifact) -> None:
        """Take the artifact as it is known; its place is its name, which no two share."""
        known = [
            one
            for one in self.store.get_artifacts_by_uri(artifact.uri)
            if one.type == artifact.type_name
        ]
        if known:
            artifact.set_mlmd_artifact(known[-1])

    def events_of(self, execution: int) -> set[tuple[int, int]]:
        events = self.store.get_events_by_execution_ids([execution])
        return {(event.type, event.artifact_id) for event in events}

    def add_cached(self, node: str, artifact: int | None) -> None:
        """A node that the service served from its cache ran no container to say so.

        Who takes its artifact says it in its place, and the same of all that it took itself.
        """
        if artifact is None or node in self._executions():
            return
        events = self.store.get_events_by_artifact_ids([artifact])
        makers = [event.execution_id for event in events if event.type == OUTPUT]
        if makers:  # else the server was away when it was made
            (made_by,) = self.store.get_executions_by_id(makers[:1])
            self._reuse(node, made_by)

    def _reuse(self, node: str, earlier: pb.Execution) -> None:
        events = self.store.get_events_by_execution_ids([earlier.id])
        for key, maker in _makers_of(earlier).items():
            for event in events:
                if event.type == INPUT and event.path.steps[0].key == key:
                    self.add_cached(maker, event.artifact_id)
        execution = pb.Execution(
            type_id=earlier.type_id,
            name=self.name_of(node),
            last_known_state=pb.Execution.CACHED,
            properties=earlier.properties,
            custom_properties=earlier.custom_properties,
        )
        artifacts = {
            one.id: one
            for one in self.store.get_artifacts_by_id([event.artifact_id for event in events])
        }
        pairs = [
            (artifacts[event.artifact_id], pb.Event(type=event.type, path=event.path))
            for event in events
        ]
        self.store.put_execution(
            execution, pairs, self.contexts(node), reuse_context_if_already_exist=True
        )

    def end(self, nodes: Iterable[str], status: FinalStatus) -> None:
        """End what nobody ended, and add what came from the cache and nobody took."""
        for node in nodes:
            execution = self._executions().get(node)
            if execution:
                self._end(node, execution, status)
            elif status.succeeded and not self._add_the_only_one(node):
                log.warning(NOTHING_KNOWN, node, "did")

    def _end(self, node: str, execution: pb.Execution, status: FinalStatus) -> None:
        state = execution.last_known_state
        if status.succeeded and state in (RUNNING, FAILED):  # its end, or a better try, was missed
            log.warning(NOTHING_KNOWN, node, "made")
            execution.last_known_state = pb.Execution.UNKNOWN
        elif state == RUNNING:
            cancelled = status.state.startswith(CANCELLED)
            execution.last_known_state = pb.Execution.CANCELED if cancelled else FAILED
            _say_why(execution, WITHOUT_A_WORD)
        else:
            return
        self.store.put_executions([execution])

    def _add_the_only_one(self, node: str) -> bool:
        """The execution of the node that took what this run's nodes gave.

        Of several nobody here knows which one the service took from its cache.
        """
        name = f"{self._pipeline}.{node}"
        context = self.store.get_context_by_type_and_name(NODE_CONTEXT, name)
        known = self.store.get_executions_by_context(context.id) if context else []
        fitting = [
            one
            for one in known
            if one.last_known_state == COMPLETE and self._took_what_is_here(one)
        ]
        if len(fitting) != 1:
            return False
        self._reuse(node, fitting[0])
        return True

    def _took_what_is_here(self, earlier: pb.Execution) -> bool:
        here, taken = self._executions(), self.store.get_events_by_execution_ids([earlier.id])
        return all(
            maker in here and (OUTPUT, event.artifact_id) in self.events_of(here[maker].id)
            for key, maker in _makers_of(earlier).items()
            for event in taken
            if event.type == INPUT and event.path.steps[0].key == key
        )

    def _executions(self) -> dict[str, pb.Execution]:
        """The run's executions by node."""
        context = self.store.get_context_by_type_and_name(RUN_CONTEXT, self._name)
        found = self.store.get_executions_by_context(context.id) if context else []
        return {one.name.rpartition(".")[2]: one for one in found}


def _try(of: Recording, step: Callable[[Metadata], None]) -> None:
    for wait in (*SECONDS_BETWEEN_TRIES, None):
        try:
            with Metadata(server_at(of.address, of.password)) as handle:
                return step(handle)
        except BadInputError as error:
            trouble = str(error)
        except Exception as error:  # its text may hold settings of the connection
            trouble = f"{type(error).__name__} of ML Metadata's server {of.address}"
        if wait is not None:
            time.sleep(wait)
    log.warning("what %s did is not recorded, so w2v lineage will lack it: %s", of.node, trouble)


def _artifacts(told: Mapping[str, Message]) -> Artifacts:
    """Artifacts as the runner at home has them: with typed properties and no ids yet."""
    found = kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict(told)
    for artifact in _all(found):
        artifact.mlmd_artifact.ClearField("id")
        artifact.mlmd_artifact.state = pb.Artifact.LIVE
        artifact.is_external = False
        for value in artifact.mlmd_artifact.custom_properties.values():
            _make_plain(value)
    return found


def _make_plain(value: pb.Value) -> None:
    """Text and numbers as such; JSON, in which they came here, knows one kind of number."""
    told = value.struct_value.fields.get("__value__")
    if told is None:
        return
    if told.HasField("string_value"):
        value.string_value = told.string_value
    elif told.HasField("number_value") and told.number_value.is_integer():
        value.int_value = int(told.number_value)
    elif told.HasField("number_value"):
        value.double_value = told.number_value


def _plain(value: Any) -> Any:
    return json.dumps(json_format.MessageToDict(value)) if isinstance(value, Message) else value


def _name_model(inputs: Artifacts, outputs: Artifacts) -> None:
    """A blessing names its model by the number that ML Metadata gave it."""
    key = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
    for artifact in _all(outputs):
        if artifact.has_custom_property(key) and MODEL_KEY in inputs:
            artifact.set_int_custom_property(key, inputs[MODEL_KEY][0].id or 0)


def _all(*several: Artifacts) -> list[Artifact]:
    return [one for artifacts in several for each in artifacts.values() for one in each]


def _unseen(artifacts: Artifacts, kind: int, seen: set[tuple[int, int]]) -> Artifacts:
    """What has no event yet: ML Metadata takes each but once."""
    return {
        key: [one for one in each if (kind, one.id) not in seen] for key, each in artifacts.items()
    }


def _makers_of(execution: pb.Execution) -> dict[str, str]:
    return json.loads(execution.custom_properties[MAKERS].string_value or "{}")


def _say_why(execution: pb.Execution, trouble: str) -> None:
    result = execution_result_pb2.ExecutionResult(code=1, result_message=trouble)
    execution_lib.set_execution_result(result, execution)
