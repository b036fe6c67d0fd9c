"""The corpora we read: each layout is one small class that turns folders into utterances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Utterance:
    """One utterance as its corpus describes it; the audio is still in its file."""

    id: str
    speaker: str
    chapter: str
    corpus: str
    subset: str
    language: str
    gender: str  # "F", "M" or empty
    transcript: str
    audio_path: str


@dataclass(frozen=True)
class Quarantined:
    """One utterance that was not written, and why."""

    id: str
    path: str
    reason: str
    detail: str = ""


class Source(ABC):
    """How one layout is read. Instances travel to Beam workers, so they hold plain data."""

    # The files below a subset folder; those of one folder are read together.
    files_below_subset: ClassVar[str]

    @abstractmethod
    def __init__(self, corpus: str) -> None:
        """Read the corpus's own tables, such as that of its speakers."""

    @abstractmethod
    def read_folder(self, folder: str, files: Sequence[str]) -> Iterator[Utterance | Quarantined]:
        """Every utterance of a folder, or why it cannot be one."""


def source_type(layout: str) -> type[Source]:
    """The class that reads a layout: the one place where a new one is named."""
    from components.speech_example_gen.sources.librispeech import LibriSpeech

    return {"librispeech": LibriSpeech}[layout]
