"""What is decided about an ingest before anything is read: inputs, splits, folders, shards."""

from __future__ import annotations

import hashlib
import math
import posixpath
from dataclasses import dataclass, field

from apache_beam.metrics import Metrics

from components.speech_example_gen.config import ALL, SPLITS, SpeakerShares
from components.speech_example_gen.encoding import Encoder
from components.speech_example_gen.sources import Source

FINDINGS_FOLDER = "findings"
# Shards are written here and appear under their names by one rename.
UNFINISHED_FOLDER = ".unfinished"
# Every shard of a split, and nothing else.
SHARD_FILES = "data_tfrecord-*"
DIGEST_BITS = 256
# What Beam calls the output of all that is not written, and the counters.
SET_ASIDE = "set_aside"
METRICS = "speech_example_gen"

Place = tuple[str, int]  # split and shard


@dataclass(frozen=True)
class ExamplesFolder:
    """Where everything of an Examples artifact lies."""

    folder: str

    def records_folder(self, split: str) -> str:
        """Where TFX looks for a split's records."""
        return posixpath.join(self.folder, f"Split-{split}")

    def shard_file(self, split: str, shard: int, shards: int) -> str:
        name = SHARD_FILES.replace("*", f"{shard:05d}-of-{shards:05d}")
        return posixpath.join(self.records_folder(split), name)

    @property
    def unfinished(self) -> str:
        return posixpath.join(self.folder, UNFINISHED_FOLDER)

    @property
    def refused(self) -> str:
        """Where the findings stay if they stop the run: TFX removes a failed node's artifacts."""
        return f"{self.folder.rstrip('/')}-refused"

    @property
    def findings(self) -> str:
        return posixpath.join(self.folder, FINDINGS_FOLDER)

    def quarantine_file(self, split: str) -> str:
        """The readable list; the same rows lie beside it as TFRecord."""
        return posixpath.join(self.findings, f"{split}-quarantined.jsonl")

    def quarantine_records(self, split: str) -> str:
        return posixpath.join(self.findings, f"{split}-quarantined.tfrecord")

    def speakers_file(self, split: str) -> str:
        return posixpath.join(self.findings, f"{split}-speakers.json")


@dataclass(frozen=True)
class IngestPlan(ExamplesFolder):
    """One ingest into a folder. It travels to every worker, so it holds plain data."""

    source: Source
    inputs: tuple[tuple[str, str], ...]  # (a split or ALL, the pattern of its files)
    encoder: Encoder
    shard_bytes: int
    shares: SpeakerShares = field(default_factory=SpeakerShares)

    @property
    def splits(self) -> tuple[str, ...]:
        """Every split that utterances can go to."""
        names = dict.fromkeys(name for name, _ in self.inputs)
        return SPLITS if ALL in names else tuple(names)

    def settings_of(self, split: str) -> str:
        """The settings that choose a split's utterances, for a sentence."""
        if self.inputs and self.inputs[0][0] == ALL:
            return "data.all and data.speaker_shares"
        return f"data.corpus and data.{split}" if split in SPLITS else "the folder that was given"

    def split_of(self, input_name: str, speaker: str) -> str:
        """The split of an utterance: its input's, or the one that its speaker was drawn into."""
        if input_name != ALL:
            return input_name
        return drawn_split(speaker, self.shares)


def count(split: str, what: str, utterances: int) -> None:
    """Count utterances where an engine shows its counters.

    Not while a shard is written: some engines keep what a failed try has counted.
    """
    Metrics.counter(METRICS, f"{split}/{what}").inc(utterances)


def drawn_split(speaker: str, shares: SpeakerShares) -> str:
    """The split that a speaker belongs to for ever: more speakers move nobody.

    >>> drawn_split("1272", SpeakerShares(0.8, 0.1, 0.1))
    'train'
    """
    place = int(digest(speaker), 16) / (1 << DIGEST_BITS)
    if place < shares.train:
        return "train"
    return "dev" if place < shares.train + shares.dev else "test"


def digest(name: str) -> str:
    """An utterance's place in the global shuffle: the same on every machine."""
    return hashlib.sha256(name.encode()).hexdigest()


def shard_count(utterances: int, bytes_each: float, shard_bytes: int) -> int:
    """How many shards hold so much audio."""
    return max(1, math.ceil(utterances * bytes_each / shard_bytes))


def shard_of(key: str, shards: int) -> int:
    """The shard of an utterance with that digest: each takes a range of digests, all as large.

    >>> [shard_of(key * 64, 4) for key in "0378f"]
    [0, 0, 1, 2, 3]
    """
    return int(key, 16) * shards >> DIGEST_BITS
