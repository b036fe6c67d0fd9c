"""A plain folder of audio, each with its transcript beside it or in one table."""

from __future__ import annotations

import codecs
import glob
import posixpath
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase

from components.speech_example_gen.files import join
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.sources import AudioPlace, Source, Tree, Utterance
from components.speech_example_gen.sources.tables import corpus_name, name_below, numbered_lines

# What the audio reader takes.
AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".aifc", ".au", ".snd"),
    *(".caf", ".rf64", ".sph", ".nist"),
)
# Speech is kept in these too: better set aside with a cure than overlooked.
UNREADABLE_SUFFIXES = (
    *(".m4a", ".mp4", ".aac", ".wma", ".webm", ".amr", ".ape", ".mka", ".3gp"),
    *(".w64", ".voc", ".sf", ".paf", ".pvf"),
)
SPEECH_SUFFIXES = AUDIO_SUFFIXES + UNREADABLE_SUFFIXES
TRANSCRIPT_SUFFIX = ".txt"
SEPARATORS = {"transcripts.tsv": "\t", "transcripts.txt": "\t", "metadata.csv": "|"}
# Folders that say what is in them, not who speaks.
NO_SPEAKERS = ("wav", "wavs", "audio", "clips")
# Texts that belong to a corpus, not to an utterance.
NO_TRANSCRIPTS = ("readme", "license", "licence", "copying")
# Texts of an object store are waited for, not worked on; each reader takes some one by one.
READERS = 16
TEXTS_A_TURN = 64


class Folder(Source):
    """Audio anywhere below the subset's folder. Hidden files are nobody's.

    A table tells the transcripts of the audio in its own folder and below: `transcripts.tsv` or
    `transcripts.txt` with lines `file<TAB>text`, or `metadata.csv` with `file|text`, or
    `file|text|normalised text`, of which the last counts. There is no heading and no quoting. A
    file is named by its path from the table, or by its name alone where only one has that name;
    with its suffix or without. Audio that no table names has its transcript in `x.txt` beside
    `x.wav`, and the lines of that text are one.

    The speaker is the folder that the audio lies in, where that is below the subset's own and not
    just called `wav`, `wavs`, `audio` or `clips`; otherwise every utterance is its own speaker.
    """

    files_below_subset = "**"
    text_suffixes = (TRANSCRIPT_SUFFIX, TRANSCRIPT_SUFFIX.upper(), *SEPARATORS)

    def group_of(self, path: str) -> str:
        """A subset is read as a whole: its table names files in any folder below."""
        parts = path.split("/")
        depths = [
            len(names)
            for names in map(self._subset_names, self.data.patterns.values())
            if len(names) < len(parts) and all(map(fnmatchcase, parts, names))
        ]
        return "/".join(parts[: max(depths, default=0)])

    def _subset_names(self, pattern: str) -> list[str]:
        # What TFX fills in for a span is one name.
        pattern = re.sub(r"\{[^}]*\}", "*", pattern)
        # The corpus's own name may hold what would be a wildcard elsewhere.
        return join(glob.escape(self.data.corpus), pattern).rstrip("/").split("/")

    def read(
        self, group: str, files: Sequence[str], tree: Tree
    ) -> Iterator[Utterance | Quarantined]:
        shown = sorted(path for path in files if not posixpath.basename(path).startswith("."))
        audio = [path for path in shown if _suffix(path) in SPEECH_SUFFIXES]
        # An archive is a subset from that folder on which holds all of its audio.
        subset = group or _common_folder(audio)
        told: dict[str, str] = {}
        for table in [path for path in shown if posixpath.basename(path) in SEPARATORS]:
            yield from self._read_table(table, audio, told, tree)
        texts = {_stem(path): path for path in shown if _is_transcript(path)}
        for path, transcript in _transcripts(audio, told, texts, tree):
            yield self._utterance(path, transcript, subset, tree)
        heard = set(map(_stem, audio))
        for text in [text for stem, text in texts.items() if stem not in heard]:
            if posixpath.basename(_stem(text)).lower() in NO_TRANSCRIPTS:
                continue
            place, transcript = tree.place(text), read_transcript(text, tree)
            identity = self._identity(place)
            yield Quarantined(identity, str(place), Reason.NO_AUDIO, transcript=transcript)

    def _read_table(
        self, table: str, audio: list[str], told: dict[str, str], tree: Tree
    ) -> Iterator[Quarantined]:
        """Adds what the table says to what is told; gives the lines that say nothing."""
        folder = posixpath.dirname(table)
        names = _Names(folder, audio)
        separator = SEPARATORS[posixpath.basename(table)]
        for place, line in numbered_lines(table, tree):
            name, *cells = (cell.strip() for cell in line.split(separator))
            if not name or not cells or len(cells) > (2 if separator == "|" else 1):
                detail = f"a line is a file and its text, with {separator!r} between"
                yield Quarantined(posixpath.basename(place), place, Reason.BAD_LINE, detail)
                continue
            transcript = cells[-1] or cells[0]
            found = names.find(name)
            if len(found) == 1 and found[0] not in told:
                told[found[0]] = transcript
                continue
            identity = self._identity(tree.place(posixpath.join(folder, name)))
            yield Quarantined(identity, place, *_why_not(found), transcript=transcript)

    def _utterance(
        self, path: str, transcript: str | None, subset: str, tree: Tree
    ) -> Utterance | Quarantined:
        place = tree.place(path)
        identity = self._identity(place)
        speaker = _speaker(path, subset) or identity
        if _suffix(path) in UNREADABLE_SUFFIXES:
            detail = f"{_suffix(path)} files are not read; convert it to FLAC"
            return Quarantined(
                identity, str(place), Reason.UNREADABLE, detail, speaker, transcript or ""
            )
        if transcript is None:
            return Quarantined(identity, str(place), Reason.NO_TRANSCRIPT, speaker=speaker)
        return Utterance(
            id=identity,
            speaker=speaker,
            chapter="",
            corpus=corpus_name(self.data.corpus),
            subset=posixpath.basename(name_below(self.data.corpus, tree.place(subset))),
            language=self.data.language,
            gender="",
            transcript=transcript,
            audio=place,
        )

    def _identity(self, place: AudioPlace) -> str:
        name = name_below(self.data.corpus, place)
        known = _suffix(name) in (*SPEECH_SUFFIXES, TRANSCRIPT_SUFFIX)
        return _stem(name) if known else name


class _Names:
    """The names by which a table in a folder may call the audio below."""

    def __init__(self, folder: str, audio: list[str]) -> None:
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        inside = f"{folder}/" if folder else ""
        # Sorted, so those of one folder stand together: a corpus may have a table for each speaker.
        for path in map(audio.__getitem__, range(bisect_left(audio, inside), len(audio))):
            if not path.startswith(inside):
                break
            below = path.removeprefix(inside)
            for called in (below, _stem(below)):
                self._by_path[called].append(path)
                self._by_name[posixpath.basename(called)].append(path)

    def find(self, name: str) -> list[str]:
        called = posixpath.normpath(name)
        return self._by_path.get(called) or self._by_name.get(called) or []


def _why_not(found: list[str]) -> tuple[Reason, str]:
    """Why a line of a table tells the transcript of none of the files that it may mean."""
    if not found:
        return Reason.NO_AUDIO, ""
    if len(found) > 1:
        detail = f"{len(found)} files have that name; write their paths from the table"
        return Reason.BAD_LINE, detail
    return Reason.DUPLICATE_ID, f"{found[0]} has a transcript already"


def _transcripts(
    audio: list[str], told: dict[str, str], texts: dict[str, str], tree: Tree
) -> Iterator[tuple[str, str | None]]:
    """What is said in each: as a table tells, else in the text beside it."""

    def said_in(some: list[str]) -> list[str | None]:
        beside = {path: texts.get(_stem(path)) for path in some if path not in told}
        read = {path: read_transcript(text, tree) for path, text in beside.items() if text}
        return [told.get(path, read.get(path)) for path in some]

    turns = [audio[start : start + TEXTS_A_TURN] for start in range(0, len(audio), TEXTS_A_TURN)]
    with ThreadPoolExecutor(READERS) as pool:
        for some, transcripts in zip(turns, pool.map(said_in, turns), strict=True):
            yield from zip(some, transcripts, strict=True)


def read_transcript(path: str, tree: Tree) -> str:
    """A whole text in one line."""
    text = tree.read(path).removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _speaker(path: str, subset: str) -> str:
    """The folder the audio lies in; empty where that is the subset's."""
    below = posixpath.dirname(path).removeprefix(subset).strip("/").split("/")
    while below and below[-1].lower() in NO_SPEAKERS:
        below.pop()
    return below[-1] if below else ""


def _common_folder(paths: list[str]) -> str:
    folders = [path.split("/")[:-1] for path in paths]
    return "/".join(posixpath.commonprefix(folders)) if folders else ""


def _is_transcript(path: str) -> bool:
    suffixes = (TRANSCRIPT_SUFFIX, TRANSCRIPT_SUFFIX.upper())
    return path.endswith(suffixes) and posixpath.basename(path) not in SEPARATORS


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def _stem(path: str) -> str:
    return posixpath.splitext(path)[0]
