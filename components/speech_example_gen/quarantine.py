"""Why an utterance was set aside: every reason by name, so that counts mean the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What is wrong with an utterance that was not written."""

    UNREADABLE = "unreadable audio"
    TRUNCATED = "truncated audio"
    HEADER_LIES = "header lies about length"
    CORRUPT = "audio is not what its checksum says"
    EMPTY_AUDIO = "empty audio"
    TOO_SHORT = "too short for one frame"
    TOO_LONG = "too long"
    NO_NUMBERS = "samples that are no numbers"
    CLIPPED = "clipped audio"
    SILENT = "silent audio"
    TOO_LOUD = "too loud to be speech"
    BAD_SEGMENT = "segment outside its recording"
    NO_AUDIO = "transcript without audio"
    NO_TRANSCRIPT = "audio without transcript"
    EMPTY_TRANSCRIPT = "empty transcript"
    NOT_UTF8 = "transcript is not UTF-8"
    NAME_NOT_UTF8 = "id or label is not UTF-8"
    OUTSIDE_ALPHABET = "characters outside the alphabet"
    TRANSCRIPT_TOO_LONG = "transcript too long for its audio"
    DUPLICATE_ID = "id used twice"
    BAD_LINE = "line that cannot be read"
    DAMAGED_ARCHIVE = "damaged archive"


@dataclass(frozen=True)
class Quarantined:
    """One utterance that was not written, and why."""

    id: str
    place: str  # the file, and where in it
    reason: Reason
    detail: str = ""
    speaker: str = ""
    transcript: str = ""
