"""LibriSpeech's layout: `<subset>/<speaker>/<chapter>/` with FLAC files and one `*.trans.txt`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from components.speech_example_gen.sources import Quarantined, Source, Utterance
from models import filesystem

TRANSCRIPT_SUFFIX = ".trans.txt"
AUDIO_SUFFIX = ".flac"
SPEAKER_TABLE = "SPEAKERS.TXT"


class LibriSpeech(Source):
    """The extracted tree, as published or as `w2v corpus` makes it."""

    files_below_subset = "*/*/*"

    def __init__(self, corpus: str) -> None:
        self._genders = read_genders(filesystem.join(corpus, SPEAKER_TABLE))

    def read_folder(self, folder: str, files: Sequence[str]) -> Iterator[Utterance | Quarantined]:
        subset, speaker, chapter = folder.rstrip("/").split("/")[-3:]
        unread = {path for path in files if path.endswith(AUDIO_SUFFIX)}
        seen: set[str] = set()
        for path in sorted(path for path in files if path.endswith(TRANSCRIPT_SUFFIX)):
            for line in filesystem.read_bytes(path).splitlines():
                if not line.strip():
                    continue
                identity, _, transcript = line.decode("utf-8", "replace").strip().partition(" ")
                audio = posixpath.join(folder, identity + AUDIO_SUFFIX)
                if identity in seen:
                    yield Quarantined(identity, path, "id used twice")
                    continue
                seen.add(identity)
                if audio not in unread:
                    yield Quarantined(identity, path, "transcript without audio")
                    continue
                unread.remove(audio)
                yield Utterance(
                    id=identity,
                    speaker=speaker,
                    chapter=chapter,
                    corpus="librispeech",
                    subset=subset,
                    language="en",
                    gender=self._genders.get(speaker, ""),
                    transcript=transcript,
                    audio_path=audio,
                )
        for audio in sorted(unread):
            yield Quarantined(posixpath.basename(audio), audio, "audio without transcript")


def read_genders(table: str) -> dict[str, str]:
    """Speaker id to "F" or "M", from SPEAKERS.TXT; nothing where there is no such table."""
    if not filesystem.exists(table):
        return {}
    rows = filesystem.read_bytes(table).decode("utf-8", "replace").splitlines()
    cells = [[cell.strip() for cell in row.split("|")] for row in rows if not row.startswith(";")]
    return {row[0]: row[1] for row in cells if len(row) > 1 and row[1] in ("F", "M")}
