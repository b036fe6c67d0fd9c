"""Writes shards: the audio of one utterance at a time, in the order of the keys.

An archive cannot be read in that order. It streams past once, and each utterance is spilled, as the
example it becomes, to a file for its shard; the shard then takes it from there.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import apache_beam as beam
import tensorflow as tf
from apache_beam.pvalue import TaggedOutput

from components.speech_example_gen.archives import DamagedArchiveError, stream_members
from components.speech_example_gen.encoding import Encoded, quarantined
from components.speech_example_gen.files import is_local, open_file
from components.speech_example_gen.packing import packed, unpacked
from components.speech_example_gen.plan import SET_ASIDE, ExamplesFolder, IngestPlan, Place, digest
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.sources import Utterance
from models import filesystem
from models.progress import report

# A shard says how far it is after so many utterances.
REPORTED_EVERY = 20
# Asked of an object store at once.
FETCHED_BYTES = 1 << 24
# Who speaks where the corpus does not say: all such utterances are counted together.
UNKNOWN_SPEAKER = ""


@dataclass(frozen=True)
class Spilled:
    """One encoded utterance in a spill file."""

    key: str
    speaker: str  # or UNKNOWN_SPEAKER
    samples: int
    path: str
    start: int  # bytes
    size: int


class SpillArchive(beam.DoFn):
    """Reads an archive once, and lays each utterance into a file of its shard's.

    Holds a file open for each shard that the archive has utterances of: some hundreds.
    """

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(
        self, grouped: tuple[str, Iterable[tuple[Place, bytes]]]
    ) -> Iterator[tuple[Place, bytes] | TaggedOutput]:
        archive, placed = grouped
        by_member: dict[str, list[tuple[Place, Utterance]]] = {}
        for place, pack in placed:
            for utterance in unpacked([pack]):
                by_member.setdefault(utterance.audio.member, []).append((place, utterance))
        # By id, and not as they come: of two members with one name, the last is the file.
        outcomes: dict[str, tuple[Place, Spilled | Quarantined]] = {}
        lost, why = Reason.NO_AUDIO, "no such member in the archive any more"
        with SpillFiles(self._plan) as files:
            try:
                for member, content in stream_members(archive, frozenset(by_member)):
                    for place, utterance in by_member[member]:
                        encoded = self._plan.encoder.encode(utterance, content)
                        outcomes[utterance.id] = (
                            place,
                            encoded
                            if isinstance(encoded, Quarantined)
                            else files.add(place, utterance, encoded),
                        )
            except DamagedArchiveError as error:
                lost, why = Reason.UNREADABLE, f"the archive is damaged before it: {error}"
        for place, utterance in (row for rows in by_member.values() for row in rows):
            outcomes.setdefault(utterance.id, (place, quarantined(utterance, lost, why)))
        yield from _sorted_out(outcomes.values())


def _sorted_out(
    outcomes: Iterable[tuple[Place, Spilled | Quarantined]],
) -> Iterator[tuple[Place, bytes] | TaggedOutput]:
    spilled: dict[Place, list[Spilled]] = {}
    for place, outcome in outcomes:
        if isinstance(outcome, Quarantined):
            yield TaggedOutput(SET_ASIDE, (place[0], outcome))
        else:
            spilled.setdefault(place, []).append(outcome)
    for place, utterances in spilled.items():
        yield place, packed(utterances)


class SpillFiles:
    """The files that one archive spills into: examples one after the other, one file a shard.

    Their names are new at each try; the ingest removes them all once the shards are written.
    """

    def __init__(self, folder: ExamplesFolder) -> None:
        self._folder = folder.unfinished
        self._open: dict[Place, tuple[str, tf.io.gfile.GFile, int]] = {}

    def __enter__(self) -> SpillFiles:
        self._closing = ExitStack()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def add(self, place: Place, utterance: Utterance, encoded: Encoded) -> Spilled:
        """Append to the file of that shard."""
        path, file, start = self._open[place] if place in self._open else self._new_file()
        file.write(encoded.example)
        size = len(encoded.example)
        self._open[place] = (path, file, start + size)
        key = digest(utterance.id)
        return Spilled(key, counted_speaker(utterance), encoded.samples, path, start, size)

    def _new_file(self) -> tuple[str, tf.io.gfile.GFile, int]:
        filesystem.make_folder(self._folder)
        path = posixpath.join(self._folder, f"spill-{uuid.uuid4().hex}")
        return path, self._closing.enter_context(tf.io.gfile.GFile(path, "wb")), 0


class SpillReader:
    """Reads spilled examples in any order: from a disk one by one, from elsewhere by whole files.

    Those of one shard are about as large as the shard, and stay in memory until it is written.
    """

    def __init__(self) -> None:
        self._fetched: dict[str, bytes] = {}

    def read(self, spilled: Spilled) -> bytes:
        """The example."""
        start, end = spilled.start, spilled.start + spilled.size
        if is_local(spilled.path):
            with open_file(spilled.path) as file:
                file.seek(start)
                return file.read(end - start)
        if spilled.path not in self._fetched:
            with open_file(spilled.path, FETCHED_BYTES) as file:
                self._fetched[spilled.path] = file.read()
        return self._fetched[spilled.path][start:end]


class WriteShard(beam.DoFn):
    """Writes one shard; it appears whole, by one rename. Gives what each speaker brought.

    The same shard gives the same bytes, so one that is written again, or twice at once, does no
    harm; what is given before a failure the engine throws away with the bundle.
    """

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(
        self, grouped: tuple[Place, Iterable[bytes]], shards: dict[str, int]
    ) -> Iterator[tuple[tuple[str, str], tuple[int, int]] | TaggedOutput]:
        (split, shard), packs = grouped
        ordered = sorted(unpacked(packs), key=_key)
        spills = SpillReader()
        target = self._plan.shard_file(split, shard, shards[split])
        with written_whole(self._plan, target) as path, tf.io.TFRecordWriter(path) as file:
            for done, utterance in enumerate(ordered, 1):
                if done % REPORTED_EVERY == 0:
                    report(f"Writing {split} {shard + 1}/{shards[split]}", done, len(ordered))
                encoded = self._encoded(utterance, spills)
                if isinstance(encoded, Quarantined):
                    yield TaggedOutput(SET_ASIDE, (split, encoded))
                    continue
                file.write(encoded.example)
                yield (split, counted_speaker(utterance)), (1, encoded.samples)

    def _encoded(
        self, utterance: Utterance | Spilled, spills: SpillReader
    ) -> Encoded | Quarantined:
        if isinstance(utterance, Spilled):
            return Encoded(spills.read(utterance), utterance.samples)
        return self._plan.encoder.encode(utterance)


def _key(utterance: Utterance | Spilled) -> str:
    """Its place in a shard, wherever it comes from."""
    return utterance.key if isinstance(utterance, Spilled) else digest(utterance.id)


def counted_speaker(utterance: Utterance | Spilled) -> str:
    """Under whom it is counted; not its own id, or the counts would be as many as utterances."""
    if isinstance(utterance, Utterance) and utterance.speaker == utterance.id:
        return UNKNOWN_SPEAKER
    return utterance.speaker


@contextmanager
def written_whole(folder: ExamplesFolder, path: str) -> Iterator[str]:
    """Where to write a file that gets its name only once it is whole."""
    unfinished = posixpath.join(folder.unfinished, uuid.uuid4().hex)
    filesystem.make_folder(folder.unfinished)
    try:
        yield unfinished
    except BaseException:
        filesystem.remove(unfinished)
        raise
    filesystem.flush_to_disk(unfinished)
    filesystem.rename_file(unfinished, path)
