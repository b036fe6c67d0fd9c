"""The Beam transforms that turn a split's folders into shuffled TFRecord shards.

Every utterance ends in exactly one place: a shard, or the quarantine list with its reason. The
same corpus gives the same bytes, whatever the number of workers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.filesystems import FileSystems

from components.speech_example_gen.encoding import encode
from components.speech_example_gen.sources import Quarantined, Source, Utterance
from models.progress import report

QUARANTINE = "quarantine"
# FLAC takes about half the bytes of the PCM it holds.
PCM_BYTES_FOR_EACH_FLAC_BYTE = 2
# Level 1: speech in PCM hardly shrinks, so a higher one only costs time.
GZIP = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)


@dataclass(frozen=True)
class SplitPlan:
    """What is known of a split before it is read."""

    name: str
    source: Source
    files: list[FileMetadata]
    records: str  # folder of the shards
    findings: str  # folder of what was found: quarantine list and speakers
    shard_megabytes: int

    @property
    def shards(self) -> int:
        pcm = PCM_BYTES_FOR_EACH_FLAC_BYTE * sum(file.size_in_bytes for file in self.files)
        return max(1, math.ceil(pcm / (self.shard_megabytes * 1024**2)))

    @property
    def quarantine_file(self) -> str:
        return posixpath.join(self.findings, f"{self.name}-quarantined.jsonl")

    @property
    def speakers_file(self) -> str:
        return posixpath.join(self.findings, f"{self.name}-speakers.json")


def list_files(pattern: str) -> list[FileMetadata]:
    """Every file the pattern matches, on any filesystem Beam knows."""
    return FileSystems.match([pattern])[0].metadata_list


def ingest_split(pipeline: beam.Pipeline, plan: SplitPlan) -> None:
    """Add a split to the pipeline: its shards, its quarantine list and its speakers."""
    name = plan.name
    read = (
        pipeline
        | f"Files[{name}]" >> beam.Create([file.path for file in plan.files])
        | f"ByFolder[{name}]" >> beam.GroupBy(posixpath.dirname)
        | f"ReadFolder[{name}]" >> beam.FlatMap(_read_folder, plan.source)
        | f"Spread[{name}]" >> beam.Reshuffle()
        | f"Encode[{name}]"
        >> beam.ParDo(EncodeUtterance(plan)).with_outputs(QUARANTINE, main="examples")
    )
    _ = (
        read.examples
        | f"Shard[{name}]" >> beam.Map(lambda row: (row.shard, (row.key, row.example)))
        | f"ByShard[{name}]" >> beam.GroupByKey()
        | f"WriteShard[{name}]" >> beam.Map(write_shard, plan.records, plan.shards)
    )
    _ = (
        read.examples
        | f"SpeakerTime[{name}]" >> beam.Map(lambda row: (row.speaker, (1, row.samples)))
        | f"SpeakerTotals[{name}]" >> beam.CombinePerKey(_Totals())
        | f"AllSpeakers[{name}]" >> beam.combiners.ToDict()
        | f"WriteSpeakers[{name}]" >> beam.Map(_write_json, plan.speakers_file)
    )
    _ = (
        read[QUARANTINE]
        | f"AsLine[{name}]" >> beam.Map(_as_line)
        | f"WriteQuarantine[{name}]"
        >> beam.io.WriteToText(plan.quarantine_file, shard_name_template="")
    )


@dataclass(frozen=True)
class EncodedUtterance:
    """A serialized example on its way to its shard."""

    key: str
    shard: int
    speaker: str
    samples: int
    example: bytes


class EncodeUtterance(beam.DoFn):
    """Reads an utterance's audio; what cannot be written goes to the quarantine output."""

    def __init__(self, plan: SplitPlan) -> None:
        self._split = plan.name
        self._shards = plan.shards
        self._expected = len(plan.files)
        self._seen = 0

    def process(self, found: Utterance | Quarantined) -> Iterator[EncodedUtterance]:
        self._tell_progress()
        encoded = found if isinstance(found, Quarantined) else encode(found)
        if isinstance(found, Quarantined) or isinstance(encoded, Quarantined):
            yield beam.pvalue.TaggedOutput(QUARANTINE, encoded)
            return
        # Its digest is an utterance's place: a shuffle that is the same on every machine.
        key = hashlib.sha256(found.id.encode()).hexdigest()
        samples = tf.train.Example.FromString(encoded).features.feature["num_samples"]
        yield EncodedUtterance(
            key=key,
            shard=int(key[:15], 16) % self._shards,
            speaker=found.speaker,
            samples=samples.int64_list.value[0],
            example=encoded,
        )

    def _tell_progress(self) -> None:
        self._seen += 1
        if self._seen % 20 == 0:
            report(f"Reading {self._split}", self._seen, self._expected)


def write_shard(
    numbered: tuple[int, Iterable[tuple[str, bytes]]], folder: str, shards: int
) -> None:
    """Write one shard in the order of the keys; it appears whole, by one rename."""
    shard, examples = numbered
    path = posixpath.join(folder, f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz")
    unfinished = posixpath.join(folder, f".unfinished-{uuid.uuid4().hex}")
    tf.io.gfile.makedirs(folder)
    with tf.io.TFRecordWriter(unfinished, GZIP) as writer:
        for _, example in sorted(examples):
            writer.write(example)
    tf.io.gfile.rename(unfinished, path, overwrite=True)


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


def _read_folder(
    grouped: tuple[str, Iterable[str]], source: Source
) -> Iterator[Utterance | Quarantined]:
    folder, files = grouped
    return source.read_folder(folder, sorted(files))


def _as_line(quarantined: Quarantined) -> str:
    return json.dumps(dataclasses.asdict(quarantined), ensure_ascii=False)


def _write_json(content: dict, path: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(content, sort_keys=True))
