"""From an evaluation's folder to a verdict: what the node and the command line share."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from components.release_gate.config import GateConfig
from components.release_gate.report import JSON_FILE, read_verdict
from components.release_gate.rules import Baseline, Evidence, judge
from components.release_gate.verdict import PastRun, Verdict
from components.wer_evaluator.evaluation import read_about
from components.wer_evaluator.predictions import (
    FAILURES,
    read_predictions,
    split_trial,
    trial_name,
    with_counts,
)
from components.wer_evaluator.scores import SCORES_FILE, Score, main_trial, read_scores
from models import filesystem

if TYPE_CHECKING:
    import pandas as pd

# Where a blessing says what the model was judged on, and what was said of it.
EVALUATION_KEY, REPORT_KEY = "evaluation", "report"
REMEMBERED_RUNS = 50
JUDGED_COLUMNS = ("utterance", "speaker", "reference", "alignment", "excluded")


def reach_verdict(
    model: str,
    evaluation: str,
    gate: GateConfig | None,
    baseline: str | None = None,
    baseline_name: str = "the last blessed model",
    last_report: str = "",
) -> Verdict:
    """Judge an evaluation, against the one in the folder `baseline` unless there is none yet.

    The history goes on from the report in the folder `last_report`. Without a gate nothing is
    judged: the verdict holds what was measured.
    """
    scores, about = read_scores(evaluation), read_about(evaluation)
    compared = None if baseline is None else comparable(baseline, baseline_name, scores)
    evidence = Evidence(
        scores=scores,
        artifacts=about.artifacts,
        errors_of=partial(errors_of, evaluation),
        failures=failures_of(evaluation),
    )
    return Verdict(
        model=model,
        findings=judge(evidence, compared, gate) if gate else [],
        scores=scores,
        evaluated=about.evaluated,
        baseline=compared.name if compared else "",
        baseline_scores=tuple(compared.scores) if compared else (),
        history=history_after(last_report, about.evaluated) if last_report else (),
    )


def history_after(report: str, evaluated: str) -> tuple[PastRun, ...]:
    """The history of a report with itself at its end; not an evaluation judged a second time."""
    if not filesystem.exists(filesystem.join(report, JSON_FILE)):
        return ()  # somebody has cleaned up
    last = read_verdict(report)
    runs = (*last.history, last.as_past)
    return tuple(run for run in runs if run.when != evaluated)[-REMEMBERED_RUNS:]


def comparable(baseline: str, name: str, scores: list[Score]) -> Baseline:
    """The evaluation in the folder `baseline`, to compare those scores with, trial by trial.

    Where they have no trial in common (another kind of artifact was evaluated), the main trial of
    one stands against the main trial of the other.
    """
    if not (baseline and filesystem.exists(filesystem.join(baseline, SCORES_FILE))):
        return Baseline(name, [], partial(errors_of, baseline), place=baseline)
    theirs = read_scores(baseline)
    if {score.trial for score in scores} & {score.trial for score in theirs}:
        return Baseline(name, theirs, partial(errors_of, baseline))
    main = main_trial(theirs)
    artifact, variant, decoder = split_trial(main_trial(scores))
    return Baseline(
        f"{name} ({main})",
        [
            dataclasses.replace(score, artifact=artifact, variant=variant, decoder=decoder)
            for score in theirs
            if score.trial == main
        ],
        lambda _: errors_of(baseline, main),
    )


def errors_of(evaluation: str, trial: str) -> pd.DataFrame:
    """A trial's scored utterances with their words and errors."""
    return with_counts(read_predictions(evaluation, trial, JUDGED_COLUMNS))


def failures_of(evaluation: str) -> dict[str, str]:
    """Why each trial whose runtime failed did so: the first of its reasons."""
    columns = ("artifact", "variant", "decoder", "excluded")
    rows = read_predictions(evaluation, columns=columns)
    firsts = rows[rows.excluded.str.startswith(FAILURES)].drop_duplicates(
        ["artifact", "variant", "decoder"]
    )
    return {
        trial_name(row.artifact, row.variant, row.decoder): row.excluded
        for row in firsts.itertuples()
    }
