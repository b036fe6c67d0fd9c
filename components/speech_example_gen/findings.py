"""What the ingest found: counts, hours, speakers, quarantine; and when they stop a run."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

import tensorflow as tf

from components.speech_example_gen.plan import ExamplesFolder, count
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.writing import UNKNOWN_SPEAKER, written_whole
from models import filesystem
from models.errors import BadInputError
from schemas.speech_example import SAMPLE_RATE

SHOWN = 3
WRITTEN = "written"  # a counter's name, beside those of the reasons


@dataclass(frozen=True)
class SplitFindings:
    """One split as it was read."""

    name: str
    utterances: int
    hours: float
    speakers: frozenset[str]  # those that the corpus names
    quarantined: tuple[Quarantined, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many utterances each reason set aside, the most frequent first."""
        return dict(Counter(str(row.reason) for row in self.quarantined).most_common())

    @property
    def first_of_each(self) -> dict[str, Quarantined]:
        """One of those that each reason set aside."""
        return {str(row.reason): row for row in reversed(self.quarantined)}

    @property
    def properties(self) -> dict[str, int | float | str]:
        """The split in numbers, as custom properties of the artifact."""
        numbers: dict[str, int | float | str] = {
            "utterances": self.utterances,
            "hours": self.hours,
            "speakers": len(self.speakers),
            "quarantined": len(self.quarantined),
            "reasons": json.dumps(self.reasons),
        }
        return {f"{self.name}_{key}": value for key, value in numbers.items()}


def write_quarantine(grouped: tuple[str, Iterable[Quarantined]], folder: ExamplesFolder) -> None:
    """A split's rows as readable lines, and the same as records for a program."""
    split, rows = grouped
    ordered = sorted(rows, key=dataclasses.astuple)
    lines = "".join(
        json.dumps(dataclasses.asdict(row), ensure_ascii=False) + "\n" for row in ordered
    )
    with written_whole(folder, folder.quarantine_file(split)) as path:
        filesystem.write_text(path, lines)
    with (
        written_whole(folder, folder.quarantine_records(split)) as path,
        tf.io.TFRecordWriter(path) as writer,
    ):
        for row in ordered:
            writer.write(_as_example(row).SerializeToString(deterministic=True))
    for reason, number in Counter(row.reason for row in ordered).items():
        count(split, reason, number)


def write_speakers(
    grouped: tuple[str, Iterable[tuple[str, tuple[int, int]]]], folder: ExamplesFolder
) -> None:
    """The utterances and samples of a split's speakers."""
    split, rows = grouped
    totals = {speaker: total for speaker, total in rows if total[0]}
    with written_whole(folder, folder.speakers_file(split)) as path:
        filesystem.write_text(path, json.dumps(totals, sort_keys=True))
    count(split, WRITTEN, sum(utterances for utterances, _ in totals.values()))


def read_findings(folder: ExamplesFolder, split: str) -> SplitFindings:
    """What the pipeline wrote about a split; a file that is not there had nothing to hold."""
    speakers = json.loads(filesystem.read_text_if_there(folder.speakers_file(split)) or "{}")
    lines = filesystem.read_text_if_there(folder.quarantine_file(split)) or ""
    return SplitFindings(
        name=split,
        utterances=sum(utterances for utterances, _ in speakers.values()),
        hours=sum(samples for _, samples in speakers.values()) / SAMPLE_RATE / 3600,
        speakers=frozenset(speakers) - {UNKNOWN_SPEAKER},
        # Not splitlines(): a transcript may hold separators that end a line for Python alone.
        quarantined=tuple(Quarantined(**json.loads(line)) for line in lines.split("\n") if line),
    )


def keep_findings(folder: ExamplesFolder) -> None:
    """Copy what was found to where it outlives the artifact."""
    for name in filesystem.list_files(folder.findings):
        source = filesystem.join(folder.findings, name)
        filesystem.copy_file(source, filesystem.join(folder.refused, name))


def refuse_findings_elsewhere(folder: ExamplesFolder) -> None:
    """Raise if an ingest has left nothing here: it writes a file even of an empty split."""
    if not filesystem.list_files(folder.findings):
        raise BadInputError(
            f"The workers wrote nothing at {folder.folder}; set runner.artifacts to a place that "
            "they and this machine share."
        )


def refuse_bad_splits(
    splits: list[SplitFindings],
    max_quarantined_fraction: float,
    quarantine_place: str,
    settings_of: Callable[[str], str],
) -> None:
    """Raise one sentence if what was found must not be trained on."""
    for split in splits:
        # One row, but for any number of utterances: no share of them can tell.
        if damaged := split.first_of_each.get(Reason.DAMAGED_ARCHIVE):
            raise BadInputError(
                f"The archive {damaged.place} of {split.name} is damaged ({damaged.detail}), and "
                "nobody knows what it held there; fetch it again, or unpack what can be read of "
                "it and name that folder."
            )
        total = split.utterances + len(split.quarantined)
        nothing_left = bool(split.quarantined) and not split.utterances
        if nothing_left or len(split.quarantined) > max_quarantined_fraction * total:
            raise BadInputError(_too_many_quarantined(split, total, quarantine_place))
        if not split.utterances:
            raise BadInputError(
                f"The {split.name} split holds no utterance; check {settings_of(split.name)}."
            )
    for one, other in combinations(splits, 2):
        shared = sorted(one.speakers & other.speakers)
        if shared:
            who = f"{len(shared)} speakers, such as {shared[0]}, stand"
            if len(shared) == 1:
                who = f"Speaker {shared[0]} stands"
            raise BadInputError(
                f"{who} in both {one.name} and {other.name}; a WER on heard voices says "
                "little, so choose other subsets."
            )


def _too_many_quarantined(split: SplitFindings, total: int, place: str) -> str:
    cure = "mend them or raise data.max_quarantined_fraction" if split.utterances else "mend them"
    return (
        f"{len(split.quarantined)} of {total} utterances of {split.name} cannot be used: "
        f"{_listed(dict(list(split.reasons.items())[:SHOWN]))}, such as "
        f"{', '.join(_examples(split))}; {cure} (all of them: {place})."
    )


def _listed(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason} ({number:,})" for reason, number in reasons.items())


def _examples(split: SplitFindings) -> list[str]:
    """A few places, of different reasons first."""
    by_reason = [split.first_of_each[reason] for reason in split.reasons]
    return [row.place for row in dict.fromkeys((*by_reason, *split.quarantined))][:SHOWN]


def _as_example(row: Quarantined) -> tf.train.Example:
    fields = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(value).encode("utf-8")]))
        for name, value in dataclasses.asdict(row).items()
    }
    return tf.train.Example(features=tf.train.Features(feature=fields))
