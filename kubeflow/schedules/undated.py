"""What a schedule means for a corpus without dates: no run knows which span is its own."""

from __future__ import annotations

from collections.abc import Mapping

from components.speech_example_gen.config import SPAN_BY_NUMBER, DataConfig
from kubeflow.names import SPAN
from kubeflow.schedules.compiled import CompiledPipeline, Value
from models.errors import BadInputError

NO_DATES = "the patterns of data hold no {YYYY}, {MM} and {DD}"
INSTEAD = "`w2v trigger` starts a run only for new data"


def what_each_run_reads(
    pipeline: CompiledPipeline, data: DataConfig, values: Mapping[str, Value]
) -> str:
    """One sentence for whoever schedules it; raises where a run would train on a last span again.

    On data that an earlier run has read, a run is cheap as long as the service's cache gives the
    model: the gate judges it again, and the pusher finds it released.
    """
    chosen = values.get(SPAN) or data.span
    if chosen is not None:
        return f"{NO_DATES}, so that each run reads span {chosen}, whatever is newer."
    anew = pipeline.model_made_anew_by
    if anew is None:
        return (
            f"{NO_DATES}, so that each run reads the newest data there are; where these are as "
            "before, the model comes from the service's cache, and nothing is released again. "
            f"{INSTEAD}."
        )
    again = f"it would train on the same data again, since {anew} never comes from the cache"
    if data.placeholders >= SPAN_BY_NUMBER:
        raise BadInputError(
            "The spans of data are numbered, so that no run of a schedule can miss its own: where "
            f"none is new, {again}; leave the schedule, for {INSTEAD}, or let the cache work "
            "(model.warm_start, runner.cache, cluster.nodes)."
        )
    return (
        f"{NO_DATES}, so that each run reads the whole corpus; where nothing in it is new, "
        f"{again}. {INSTEAD}."
    )
