"""What runs in every container: TFX's own entry point, and what a run needs around it.

`python -m kubeflow.container.node`, which takes the flags of TFX's own entry point, puts the run's
parameters into the node's properties, resolves the spans of a corpus, ends a try that takes too
long, and turns an error of ours into one sentence and its exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorOutput

from kubeflow.names import TIMEZONE_FLAG
from models import filesystem
from models.errors import W2vError
from pipeline.supervise import as_user_error

log = logging.getLogger(__name__)

THE_LOG = "above"
SECONDS_OF_AN_HOUR = 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one node; 0, or the exit code of what went wrong."""
    flags, beam_args = _parse(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        with _within(flags.time_limit):
            run_node(flags, beam_args)
    except Exception as error:
        log.exception("the node failed")
        return _tell(as_user_error(error, THE_LOG))
    return 0


def run_node(flags: argparse.Namespace, beam_args: list[str]) -> None:
    """The driver, where one is named, else the executor."""
    # TFX takes seconds to import: a wrong flag must not wait for it.
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    from kubeflow.container.executor_input import prepared, with_names_of_models
    from kubeflow.container.latest import record_outputs
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
    parser.add_argument("--time_limit", type=float, help="hours after which the try is ended")
    parser.add_argument("--record", default="", help="folder that remembers the newest outputs")
    return parser.parse_known_args(arguments)


def _read_output(file: str) -> ExecutorOutput:
    made = ExecutorOutput()
    json_format.Parse(filesystem.read_text(file), made)
    return made


@contextlib.contextmanager
def _within(hours: float | None) -> Iterator[None]:
    """End the process when the time is over, wherever it is by then."""
    if hours is None:
        yield
        return
    watch = threading.Timer(hours * SECONDS_OF_AN_HOUR, _end_late, [hours])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _end_late(hours: float) -> None:
    late = W2vError(
        f"The node was not done after {hours:g} hours, its limit; give it more time or a larger "
        "machine in cluster.nodes."
    )
    os._exit(_tell(late))


def _tell(error: W2vError) -> int:
    print(f"w2v: {error}", file=sys.stderr, flush=True)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
