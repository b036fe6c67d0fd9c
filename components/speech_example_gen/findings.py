"""What the ingest found: counts, hours, speakers, quarantine; and when they stop a run."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import combinations

from components.speech_example_gen.ingest import SplitPlan
from models import filesystem
from models.errors import BadInputError
from schemas.speech_example import SAMPLE_RATE

SHOWN_REASONS = 3


@dataclass(frozen=True)
class SplitFindings:
    """One split as it was read."""

    name: str
    utterances: int
    hours: float
    speakers: frozenset[str]
    quarantined: tuple[dict[str, str], ...]


def read_findings(plan: SplitPlan) -> SplitFindings:
    """What the pipeline wrote about a split."""
    speakers = json.loads(filesystem.read_text(plan.speakers_file))
    lines = filesystem.read_text(plan.quarantine_file).splitlines()
    return SplitFindings(
        name=plan.name,
        utterances=sum(utterances for utterances, _ in speakers.values()),
        hours=sum(samples for _, samples in speakers.values()) / SAMPLE_RATE / 3600,
        speakers=frozenset(speakers),
        quarantined=tuple(json.loads(line) for line in lines),
    )


def refuse_bad_splits(
    splits: list[SplitFindings], max_quarantined_fraction: float, quarantine_place: str
) -> None:
    """Raise one sentence if what was found must not be trained on."""
    for split in splits:
        total = split.utterances + len(split.quarantined)
        if len(split.quarantined) > max_quarantined_fraction * total:
            raise BadInputError(_too_many_quarantined(split, total, quarantine_place))
        if not split.utterances:
            raise BadInputError(
                f"The {split.name} split holds no utterance; check data.corpus and "
                f"data.{split.name}."
            )
    for one, other in combinations(splits, 2):
        shared = sorted(one.speakers & other.speakers)
        if shared:
            raise BadInputError(
                f"{len(shared)} speakers, such as {shared[0]}, stand in both {one.name} and "
                f"{other.name}; a WER on heard voices says little, so choose other subsets."
            )


def _too_many_quarantined(split: SplitFindings, total: int, place: str) -> str:
    reasons = Counter(row["reason"] for row in split.quarantined).most_common(SHOWN_REASONS)
    listed = ", ".join(f"{reason} ({count})" for reason, count in reasons)
    return (
        f"{len(split.quarantined)} of {total} utterances of {split.name} cannot be used: {listed}, "
        f"such as {split.quarantined[0]['path']}; mend them or raise "
        f"data.max_quarantined_fraction (all of them: {place})."
    )
