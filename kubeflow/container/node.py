"""What runs in every container: TFX's own entry point, and what a run needs around it.

`python -m kubeflow.container.node`, which takes the flags of TFX's own entry point, puts the run's
parameters into the node's properties, resolves the spans of a corpus, ends a try that takes too
long with all that it started, and turns an error of ours into one sentence and its exit code.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorOutput

from kubeflow.container import dataflow
from kubeflow.container.ending import run_to_the_end
from kubeflow.names import METADATA_FLAG, SECRET_FLAG, TIMEZONE_FLAG
from models import filesystem
from models.errors import BadInputError
from models.secrets import read_secret

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one node; 0, or the exit code of what went wrong."""
    flags, rest = _parse(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    beam_args = dataflow.with_job_name(rest, flags.executor_class_path)
    return run_to_the_end(
        partial(run_node, flags, beam_args),
        hours=flags.time_limit,
        end_elsewhere=partial(dataflow.end_job, beam_args),
    )


def run_node(flags: argparse.Namespace, beam_args: list[str]) -> None:
    """The driver, where one is named, else the executor."""
    _take_secrets(flags.secret)
    # TFX takes seconds to import: a wrong flag must not wait for it.
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    from kubeflow.container.executor_input import prepared, with_names_of_models
    from kubeflow.container.latest import record_outputs
    from kubeflow.container.recording import recorded
    from kubeflow.container.span_driver import run_driver

    told, spec = prepared(
        flags.json_serialized_invocation_args,
        flags.json_serialized_inputs_spec_args,
        flags.timezone,
    )
    if flags.driver:
        run_driver(flags.driver, told, spec)
        return
    flags.json_serialized_invocation_args = json_format.MessageToJson(told)
    with recorded(flags.metadata, told, spec):
        kubeflow_v2_run_executor.main((flags, beam_args))
        made = with_names_of_models(told, _read_output(told.outputs.output_file))
        filesystem.write_text(told.outputs.output_file, json_format.MessageToJson(made))
        if flags.record:
            record_outputs(flags.record, told, made)


def _parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Our flags and TFX's; what is left is Beam's."""
    parser = argparse.ArgumentParser(prog="python -m kubeflow.container.node", allow_abbrev=False)
    parser.add_argument("--executor_class_path", default="")
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", default="{}")
    parser.add_argument("--driver", default="", help="class that resolves spans; no executor then")
    parser.add_argument(TIMEZONE_FLAG, default="UTC", help="of the schedule, for its dates")
    parser.add_argument(
        SECRET_FLAG, action="append", default=[], help="NAME=PLACE: where a variable's value lies"
    )
    parser.add_argument("--time_limit", type=float, help="hours after which the try is ended")
    parser.add_argument(METADATA_FLAG, default="", help="where and as what it is recorded")
    parser.add_argument("--record", default="", help="folder that remembers the newest outputs")
    return parser.parse_known_args(arguments)


def _take_secrets(told: Sequence[str]) -> None:
    """Into the environment, where clients of other services look for them.

    What cannot be read is missed by who needs it, if anybody does: an alert that reaches nobody
    must not end a run.
    """
    for one in told:
        name, _, place = one.partition("=")
        try:
            os.environ[name] = read_secret(place, f"cluster.secrets.{name}", "its value")
        except BadInputError as error:
            log.warning("%s", error)


def _read_output(file: str) -> ExecutorOutput:
    made = ExecutorOutput()
    json_format.Parse(filesystem.read_text(file), made)
    return made


if __name__ == "__main__":
    sys.exit(main())
