"""Which span a run reads: several of them, by date, fingerprinted by content.

TFX's own driver can do none of that, so ours is run in its place.
"""

from __future__ import annotations

import copy

from tfx.utils import name_utils

from components.speech_example_gen.component import SpeechExampleGen
from kubeflow.container.parameters import TASK_PREFIX
from kubeflow.container.span_driver import FOUND_INPUT, FOUND_OUTPUT
from kubeflow.names import TIMEZONE_FLAG
from kubeflow.spec.entry_point import COMMAND, invocation
from kubeflow.spec.layout import Spec, component_of, executor_of, tasks_of

READER = SpeechExampleGen.__name__
DRIVER_TASK = f"{READER}-spans"


def resolve_spans_before_the_cache(spec: Spec, timezone: str) -> None:
    """Vertex AI runs a driver of its own accord before it looks into its cache."""
    container = executor_of(spec, tasks_of(spec)[READER])["container"]
    hook = container["lifecycle"]["preCacheCheck"]
    hook["command"] = list(COMMAND)
    hook["args"] += _driver_flags(timezone)
    container["args"] += [TIMEZONE_FLAG, timezone]


def resolve_spans_in_a_task(spec: Spec, timezone: str) -> None:
    """KFP runs no driver: a task before the reader finds out, so that the cache can see it."""
    task = tasks_of(spec)[READER]
    component = component_of(spec, task)
    reader = executor_of(spec, task)["container"]
    del reader["lifecycle"]
    label = f"{DRIVER_TASK}_executor"
    spec["components"][DRIVER_TASK] = {
        "executorLabel": label,
        "inputDefinitions": copy.deepcopy(component["inputDefinitions"]),
        "outputDefinitions": {"parameters": {FOUND_OUTPUT: {"parameterType": "STRING"}}},
    }
    spec["deploymentSpec"]["executors"][label] = {
        "container": {
            "image": reader["image"],
            "command": list(COMMAND),
            "args": [*invocation(None, component), *_driver_flags(timezone)],
        }
    }
    tasks_of(spec)[DRIVER_TASK] = {
        "taskInfo": {"name": DRIVER_TASK},
        "componentRef": {"name": DRIVER_TASK},
        "inputs": copy.deepcopy(task["inputs"]),
        "cachingOptions": {},
    }
    _read_what_was_found(task, component)


def _read_what_was_found(task: Spec, component: Spec) -> None:
    """The run's own span is told to the driver alone: the same data is the same to the cache."""
    for parameters in (component["inputDefinitions"]["parameters"], task["inputs"]["parameters"]):
        for name in [name for name in parameters if name.startswith(TASK_PREFIX)]:
            del parameters[name]
    component["inputDefinitions"]["parameters"][FOUND_INPUT] = {"parameterType": "STRING"}
    task["inputs"]["parameters"][FOUND_INPUT] = {
        "taskOutputParameter": {"producerTask": DRIVER_TASK, "outputParameterKey": FOUND_OUTPUT}
    }
    task.setdefault("dependentTasks", []).append(DRIVER_TASK)


def _driver_flags(timezone: str) -> list[str]:
    driver = name_utils.get_full_name(SpeechExampleGen.DRIVER_CLASS)
    return ["--driver", driver, TIMEZONE_FLAG, timezone]
