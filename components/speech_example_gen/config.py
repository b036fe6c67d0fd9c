"""The corpus a run reads, and which of its parts train, tune and judge."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass, field
from typing import Literal

from models.normalisation import GraphNormalisationName
from schemas.speech_example import MAX_SAMPLES, SAMPLE_RATE

LayoutName = Literal["librispeech", "timit", "kaldi", "nemo", "tsv", "folder"]
LONGEST_SECONDS = MAX_SAMPLES / SAMPLE_RATE
# What TFX fills in; the number is how many digits it has.
PLACEHOLDER = re.compile(r"\{(SPAN|YYYY|MM|DD|VERSION)(?::([1-9]\d*))?\}")
# The placeholders that a pattern may hold together.
SPAN_BY_NUMBER, SPAN_BY_DATE = {"SPAN"}, {"YYYY", "MM", "DD"}
TFX_EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class SpeakerShares:
    """Which share of a corpus's speakers each split gets; a speaker's place is a digest's."""

    train: float = 0.9  # part of the speakers, from 0 to 1, as the two below
    dev: float = 0.05  # what evaluations during training and a tuning decode
    test: float = 0.05  # what the gate judges on

    def __post_init__(self) -> None:
        shares = (self.train, self.dev, self.test)
        if min(shares) <= 0 or not math.isclose(sum(shares), 1):
            raise ValueError(f"data.speaker_shares must be positive and add up to 1, not {shares}")


@dataclass(frozen=True)
class DataConfig:
    """`train`, `dev` and `test` are patterns below `corpus`: of subset folders, tables or archives.

    They may hold `{SPAN}` or `{YYYY}`, `{MM}` and `{DD}`, and `{VERSION}`, as TFX fills them in.
    """

    corpus: str  # the folder of the corpus, also in a bucket
    # How the corpus lies there: LibriSpeech, TIMIT, Kaldi data directories, NeMo manifests, tables
    # of clips (Common Voice, FLEURS), or a plain folder of audio with transcripts.
    layout: LayoutName = "librispeech"
    train: str = "train-*"  # the pattern of what the model learns from
    dev: str = "dev-*"  # of what training and tuning compare models on
    test: str = "test-*"  # of what the gate judges on; nothing is fitted to it
    # Where a corpus has no subsets: one pattern instead of the three, split by speaker.
    all: str = ""
    # With `all`: which share of the speakers each split gets.
    speaker_shares: SpeakerShares = field(default_factory=SpeakerShares)
    # The newest so many spans are read together, up to the one that `span` names by its number or
    # its date (YYYY-MM-DD; the number of a date is the days since 1970), else up to the last.
    last_spans: int = 1
    # The newest span that is read, by its number or its date; null is the last there is.
    span: int | str | None = None
    # BCP 47, for a layout that does not say.
    language: str = "en"
    # What TIMIT's transcripts are: its words, or its phones, 61 or folded to 39.
    timit_transcripts: Literal["words", "phones_61", "phones_39"] = "words"
    # Every letter a transcript may hold once normalised; empty: those of the checkpoint.
    alphabet: str = ""
    longest_seconds: float = LONGEST_SECONDS  # seconds; a longer utterance is quarantined
    # An utterance whose loudest sample is below this is taken for silent.
    silent_below_dbfs: float = -66.0
    # More than this share of samples at full scale is taken for clipped.
    max_clipped_fraction: float = 0.01
    # More quarantined utterances than this share stop the run.
    max_quarantined_fraction: float = 0.01
    # A corpus may differ from the last run's as much as it likes.
    accept_drift: bool = False
    # About this much audio in a TFRecord file: large enough to stream, small enough to shuffle.
    shard_megabytes: int = 200

    def __post_init__(self) -> None:
        if self.shard_megabytes < 1:
            raise ValueError(f"data.shard_megabytes must be at least 1, not {self.shard_megabytes}")
        for name in ("max_quarantined_fraction", "max_clipped_fraction"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"data.{name} must lie between 0 and 1, not {value}")
        if not 0 < self.longest_seconds <= LONGEST_SECONDS:
            raise ValueError(
                f"data.longest_seconds must be above 0 and at most {LONGEST_SECONDS:.0f}, not "
                f"{self.longest_seconds}"
            )
        if self.last_spans < 1:
            raise ValueError(f"data.last_spans must be at least 1, not {self.last_spans}")
        if self.all and (self.train, self.dev, self.test) != ("train-*", "dev-*", "test-*"):
            raise ValueError(
                "data.all splits one corpus by its speakers; take data.train, data.dev and "
                "data.test away, or data.all"
            )
        self._check_placeholders()

    def _check_placeholders(self) -> None:
        """TFX's own rules for spans, told before anything runs."""
        held = {
            name: sorted(found[1] for found in PLACEHOLDER.finditer(pattern))
            for name, pattern in self.patterns.items()
        }
        for name, placeholders in held.items():
            spans = [one for one in placeholders if one != "VERSION"]
            versions = len(placeholders) - len(spans)
            if spans not in ([], sorted(SPAN_BY_NUMBER), sorted(SPAN_BY_DATE)) or versions > bool(
                spans
            ):
                raise ValueError(
                    f"data.{name} ({self.patterns[name]}) must hold {{SPAN}}, or {{YYYY}}, {{MM}} "
                    "and {DD}, each once; and {VERSION} only beside them"
                )
        if len({tuple(placeholders) for placeholders in held.values()}) > 1:
            raise ValueError(
                "data.train, data.dev and data.test must hold the same placeholders: one span is "
                "read of all three"
            )
        if (self.last_spans > 1 or self.span is not None) and not any(held.values()):
            key = "last_spans" if self.last_spans > 1 else "span"
            raise ValueError(
                f"data.{key} has no spans to choose from; put {{SPAN}}, or {{YYYY}}, {{MM}} and "
                f"{{DD}}, into {', '.join(f'data.{name}' for name in held)}"
            )
        _ = self.span_number

    @property
    def span_number(self) -> int | None:
        """The number of the newest span that is asked for; None where it is the last there is."""
        if isinstance(self.span, str):
            try:
                return (datetime.date.fromisoformat(self.span) - TFX_EPOCH).days
            except ValueError as error:
                raise ValueError(
                    f"data.span is {self.span!r}, but must be a number or a date as 2026-01-31"
                ) from error
        return self.span

    @property
    def placeholders(self) -> frozenset[str]:
        """What TFX fills into the patterns, which all hold the same."""
        return frozenset(
            place[1]
            for pattern in self.patterns.values()
            for place in PLACEHOLDER.finditer(pattern)
        )

    @property
    def has_dates(self) -> bool:
        """Whether the corpus has a span for each day, not one for each number."""
        return self.placeholders >= SPAN_BY_DATE

    @property
    def patterns(self) -> dict[str, str]:
        """The pattern behind each input: the three splits, or all that is to be split."""
        if self.all:
            return {ALL: self.all}
        return {"train": self.train, "dev": self.dev, "test": self.test}


# The name of the one input whose utterances are split by their speakers.
ALL = "all"
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class TranscriptRules:
    """What a transcript must be; the normalisation is the one that the Transform node applies."""

    normalisation: GraphNormalisationName = "none"
    # Every letter that a normalised transcript may hold; empty: any.
    alphabet: str = ""
