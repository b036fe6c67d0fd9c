"""The Beam graph that turns a corpus into shuffled TFRecord shards.

What is shuffled are descriptions of utterances, in packs, in which one takes some hundred bytes;
audio is read where it is written. So memory hardly grows with the corpus, on any engine. The same
corpus gives the same bytes, whatever the number of workers.
"""

from __future__ import annotations

import heapq
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, TaggedOutput

from components.speech_example_gen.archives import index_archive, is_archive
from components.speech_example_gen.audio import header_seconds
from components.speech_example_gen.config import LONGEST_SECONDS
from components.speech_example_gen.files import first_files, list_files
from components.speech_example_gen.findings import write_quarantine, write_speakers
from components.speech_example_gen.packing import Pack, packed, unpacked
from components.speech_example_gen.plan import (
    SET_ASIDE,
    IngestPlan,
    Place,
    digest,
    shard_count,
    shard_of,
)
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.sources import Source, Utterance
from components.speech_example_gen.trees import FileTree, is_litter
from components.speech_example_gen.writing import (
    UNKNOWN_SPEAKER,
    SpillArchive,
    WriteShard,
)
from models import filesystem
from models.errors import BadInputError
from schemas.speech_example import SAMPLE_RATE

BYTES_A_SECOND = 2 * SAMPLE_RATE
# Whose headers tell how long an utterance of the corpus is: enough to know it within a few percent.
SAMPLED_UTTERANCES = 64
# Those of one id meet in a bucket: so many can be looked through at once, each in little memory.
BUCKETS = 256
IN_ARCHIVES = "in_archives"

Described = tuple[str, Utterance]  # with its split
Sample = tuple[int, Sequence[Utterance]]  # how many there are, and some of them


def run_ingest(new_pipeline: Callable[[], beam.Pipeline], plan: IngestPlan) -> None:
    """The whole ingest, into a folder from which what a killed run left there is removed first."""
    refuse_missing_inputs(plan)
    leftovers = (plan.unfinished, plan.findings, *map(plan.records_folder, plan.splits))
    for leftover in leftovers:
        filesystem.remove(leftover)
    with new_pipeline() as pipeline:
        ingest(pipeline, plan)
    filesystem.remove(plan.unfinished)


def refuse_missing_inputs(plan: IngestPlan) -> None:
    """Raise if an input names no file: here, because an engine would try and try again."""
    for name, pattern in plan.inputs:
        if not first_files(pattern, 1):
            raise BadInputError(
                f"There is nothing to read at {pattern}; check data.corpus, data.layout and "
                f"data.{name}."
            )


def ingest(pipeline: beam.Pipeline, plan: IngestPlan) -> None:
    """Add the whole ingest to the pipeline: shards, quarantine and speakers of every split."""
    listed = (
        pipeline
        | "Inputs" >> beam.Create(list(plan.inputs))
        | "ListFiles" >> beam.FlatMap(list_input, plan).with_outputs(SET_ASIDE, main="files")
    )
    described = (
        listed.files
        | "PackFiles" >> beam.ParDo(Pack())
        | "ByGroup" >> beam.GroupByKey()
        | "Describe" >> beam.ParDo(Describe(plan)).with_outputs(SET_ASIDE, main="utterances")
    )
    known = (
        described.utterances
        | "WithBucket" >> beam.WithKeys(lambda found: shard_of(digest(found[1].id), BUCKETS))
        | "PackUtterances" >> beam.ParDo(Pack())
        | "ByBucket" >> beam.GroupByKey()
        | "OneOfEachId" >> beam.FlatMap(one_of_each_id).with_outputs(SET_ASIDE, main="packs")
    )
    counts = plan_shards(known.packs, plan.shard_bytes)
    shards = AsSingleton(counts)
    placed = known.packs | "Place" >> beam.FlatMap(place, shards).with_outputs(
        IN_ARCHIVES, main="in_files"
    )
    spilled = (
        placed[IN_ARCHIVES]
        | "ByArchive" >> beam.GroupByKey()
        | "Spill" >> beam.ParDo(SpillArchive(plan)).with_outputs(SET_ASIDE, main="packs")
    )
    written = (
        (placed.in_files, spilled.packs, counts | "EveryShard" >> beam.FlatMap(every_shard))
        | "ForShards" >> beam.Flatten()
        | "ByShard" >> beam.GroupByKey()
        | "WriteShard"
        >> beam.ParDo(WriteShard(plan), shards).with_outputs(SET_ASIDE, main="speakers")
    )
    _ = (
        (
            listed[SET_ASIDE],
            described[SET_ASIDE],
            known[SET_ASIDE],
            spilled[SET_ASIDE],
            written[SET_ASIDE],
        )
        | "AllSetAside" >> beam.Flatten()
        | "PackSetAside" >> beam.ParDo(Pack())
        | "SetAsideBySplit" >> beam.GroupByKey()
        | "UnpackSetAside" >> beam.MapTuple(lambda split, packs: (split, list(unpacked(packs))))
        | "WriteQuarantine" >> beam.Map(write_quarantine, plan)
    )
    # So that every split has its file: where there is none at all, the workers wrote elsewhere.
    nobody = pipeline | "EverySplit" >> beam.Create(
        [((split, UNKNOWN_SPEAKER), (0, 0)) for split in plan.splits]
    )
    _ = (
        (written.speakers, nobody)
        | "AllSpeakers" >> beam.Flatten()
        | "SpeakerTotals" >> beam.CombinePerKey(_Totals())
        | "BySplit" >> beam.Map(lambda row: (row[0][0], (row[0][1], row[1])))
        | "SpeakersBySplit" >> beam.GroupByKey()
        | "WriteSpeakers" >> beam.Map(write_speakers, plan)
    )


def list_input(named: tuple[str, str], plan: IngestPlan) -> Iterator[object]:
    """Every file of an input, keyed by what is read together."""
    name, pattern = named
    for path in (file.path for file in list_files(pattern)):
        if is_litter(path):
            continue
        if (readable := in_utf8(path)) != path:
            identity = posixpath.basename(readable)
            row = Quarantined(identity, readable, Reason.UNREADABLE, "its name is not UTF-8")
            yield TaggedOutput(SET_ASIDE, (plan.split_of(name, identity), row))
            continue
        group = path if is_archive(path) else plan.source.group_of(path)
        yield (name, group), path


class Describe(beam.DoFn):
    """Reads what the corpus says of a group's utterances; their audio stays where it is."""

    def __init__(self, plan: IngestPlan) -> None:
        self._plan = plan

    def process(self, grouped: tuple[tuple[str, str], Iterable[bytes]]) -> Iterator[object]:
        (input_name, group), packs = grouped
        files = sorted(unpacked(packs))
        for found in map(all_utf8, describe_group(group, files, self._plan.source)):
            row = (self._plan.split_of(input_name, found.speaker or found.id), found)
            yield TaggedOutput(SET_ASIDE, row) if isinstance(found, Quarantined) else row


def describe_group(
    group: str, files: list[str], source: Source
) -> Iterator[Utterance | Quarantined]:
    """The utterances of a folder or of a whole archive."""
    if not is_archive(group):
        yield from source.read(group, files, FileTree())
        return
    tree = index_archive(group, source.text_suffixes)
    if tree.damage:
        yield Quarantined(posixpath.basename(group), group, Reason.DAMAGED_ARCHIVE, tree.damage)
    for inner, members in tree.groups(source.group_of):
        for found in source.read(inner, members, tree):
            if isinstance(found, Utterance) and found.seconds is None:
                # Nobody can look into the archive again before its audio is read.
                found = replace(found, seconds=tree.seconds_at(found.audio))
            yield found


def all_utf8(found: Utterance | Quarantined) -> Utterance | Quarantined:
    """The same; set aside where a text of it cannot be written, such as half a surrogate pair."""
    place = found.place if isinstance(found, Quarantined) else str(found.audio)
    texts = {
        name: text
        for name, text in {**vars(found), "place": place}.items()
        if isinstance(text, str) and not isinstance(text, Reason)
    }
    clean = {name: in_utf8(text) for name, text in texts.items()}
    if clean == texts:
        return found
    return Quarantined(
        id=clean["id"],
        place=clean["place"],
        reason=found.reason if isinstance(found, Quarantined) else Reason.NOT_UTF8,
        detail=clean.get("detail", ""),
        speaker=clean["speaker"],
        transcript=clean["transcript"],
    )


def in_utf8(text: str) -> str:
    """The text, with a question mark for each code point that is no character."""
    return text.encode("utf-8", "replace").decode("utf-8")


def one_of_each_id(grouped: tuple[int, Iterable[bytes]]) -> Iterator[object]:
    """A pack for each split, in which each id stands once: nothing tested is trained.

    Of those with one id the first is kept, in the order test, dev, train.
    """
    kept: dict[str, list[Utterance]] = defaultdict(list)
    rows = sorted(unpacked(grouped[1]), key=_id_and_order)
    for _, same in groupby(rows, key=lambda row: row[1].id):
        (first_split, first), *others = same
        kept[first_split].append(first)
        for split, other in others:
            detail = f"as {first.audio} in {first_split}"
            place = str(other.audio)
            row = Quarantined(
                other.id, place, Reason.DUPLICATE_ID, detail, other.speaker, other.transcript
            )
            yield TaggedOutput(SET_ASIDE, (split, row))
    for split, utterances in kept.items():
        yield split, packed(utterances)


def _id_and_order(row: Described) -> tuple[str, int, str, str]:
    split, found = row
    return found.id, {"test": 0, "dev": 1}.get(split, 2), str(found.audio), found.transcript


def plan_shards(
    packs: beam.PCollection[tuple[str, bytes]], shard_bytes: int
) -> beam.PCollection[dict[str, int]]:
    """How many shards each split gets, from the length of a sample of its utterances."""
    return (
        packs
        | "CountAndSample" >> beam.CombinePerKey(_CountAndSample())
        | "CountShards"
        >> beam.MapTuple(
            lambda split, found: (split, shard_count(found[0], _mean_bytes(found[1]), shard_bytes))
        )
        | "AllSplits" >> beam.combiners.ToDict()
    )


def place(found: tuple[str, bytes], shards: dict[str, int]) -> Iterator[object]:
    """Packs of what goes into one shard, those out of an archive for who reads the archive."""
    split, pack = found
    together: dict[tuple[int, str], list[Utterance]] = defaultdict(list)
    for utterance in unpacked([pack]):
        archive = utterance.audio.path if utterance.audio.member else ""
        together[shard_of(digest(utterance.id), shards[split]), archive].append(utterance)
    for (shard, archive), utterances in together.items():
        row = ((split, shard), packed(utterances))
        yield TaggedOutput(IN_ARCHIVES, (archive, row)) if archive else row


def every_shard(shards: dict[str, int]) -> Iterator[tuple[Place, bytes]]:
    """Nothing for every shard, so that one is written also where no utterance falls into it."""
    for split, count in shards.items():
        for shard in range(count):
            yield (split, shard), packed([])


class _CountAndSample(beam.CombineFn):
    """Counts the utterances of packs, and keeps those with the smallest digests."""

    def create_accumulator(self) -> Sample:
        return (0, ())

    def add_input(self, known: Sample, pack: bytes) -> Sample:
        utterances = list(unpacked([pack]))
        return self.merge_accumulators([known, (len(utterances), utterances)])

    def merge_accumulators(self, samples: Iterable[Sample]) -> Sample:
        counts, utterances = zip(*samples, strict=True)
        smallest = heapq.nsmallest(
            SAMPLED_UTTERANCES, chain.from_iterable(utterances), key=lambda found: digest(found.id)
        )
        return (sum(counts), smallest)

    def extract_output(self, sample: Sample) -> Sample:
        return sample


def _mean_bytes(sample: Sequence[Utterance]) -> float:
    seconds = [
        # A table may say anything; longer ones will not be written.
        min(
            header_seconds(found.audio) if found.seconds is None else found.seconds,
            LONGEST_SECONDS,
        )
        for found in sample
    ]
    return BYTES_A_SECOND * sum(seconds) / len(seconds)


class _Totals(beam.CombineFn):
    """Adds up pairs of (utterances, samples)."""

    def create_accumulator(self) -> tuple[int, int]:
        return (0, 0)

    def add_input(self, total: tuple[int, int], pair: tuple[int, int]) -> tuple[int, int]:
        return (total[0] + pair[0], total[1] + pair[1])

    def merge_accumulators(self, totals: Iterable[tuple[int, int]]) -> tuple[int, int]:
        utterances, samples = zip(*totals, strict=True)
        return (sum(utterances), sum(samples))

    def extract_output(self, total: tuple[int, int]) -> tuple[int, int]:
        return total
