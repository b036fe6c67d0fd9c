"""What the sources that read tables share: lines, paths, names."""

from __future__ import annotations

import codecs
import io
import posixpath
import re
from collections.abc import Iterator

from components.speech_example_gen.archives import ARCHIVE_SUFFIXES
from components.speech_example_gen.files import check_scheme, is_local, join
from components.speech_example_gen.sources import AudioPlace, Tree
from models.errors import BadInputError


def numbered_lines(table: str, tree: Tree) -> Iterator[tuple[str, str]]:
    """Each line of a UTF-8 table that is not blank, after its place; what is no UTF-8 shows it."""
    place = tree.place(table)
    for number, line in lines_of(tree.read(table)):
        yield f"{place}:{number}", line


def lines_of(content: bytes) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, numbered from 1, decoded one by one."""
    # Only \n and \r\n end a line: Unicode has more line ends, and a text may hold them.
    # Not by "utf-8-sig", which loses the beginning of a mark that never ends.
    text = io.BytesIO(content.removeprefix(codecs.BOM_UTF8))
    lines = io.TextIOWrapper(text, "utf-8", "replace", newline="\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line.rstrip("\r\n")


def place_from(
    folder: str, path: str, tree: Tree, start: float = 0.0, end: float | None = None
) -> AudioPlace:
    """Where audio lies that a table names by its path from a folder, or absolutely."""
    whole = join(folder, path)
    if is_absolute(path):
        return AudioPlace(whole, start=start, end=end)
    return tree.place(whole, start, end)


def is_absolute(path: str) -> bool:
    """Whether a path means the same from every folder, so that it leads out of any archive."""
    return path.startswith("/") or not is_local(path)


def problem_with_path(path: str) -> str:
    """Why a path from a table can be no file's that we could open; empty where it can."""
    if not path or "\0" in path:
        return "no path of a file"
    try:
        check_scheme(path)
    except BadInputError as error:
        return str(error)
    return ""


def name_below(corpus: str, place: AudioPlace) -> str:
    """The place's path below its corpus: the same wherever that lies. An archive is a folder."""
    path = place.path
    for suffix in ARCHIVE_SUFFIXES:
        path = path.removesuffix(suffix)
    whole = posixpath.normpath(posixpath.join(path, place.member))
    root = posixpath.normpath(corpus)
    below = "" if whole == root else whole.removeprefix(f"{root}/")
    # What lies elsewhere stays where it is when the corpus moves.
    return re.sub(r"^\w+:/|^/+", "", below).lstrip("/")


def corpus_name(corpus: str) -> str:
    """What a corpus without a name of its own is called: as its folder is."""
    return posixpath.basename(corpus.rstrip("/"))


def gender_of(word: str) -> str:
    """ "F", "M", or nothing, from what a table calls it.

    >>> gender_of("female_feminine"), gender_of("MALE"), gender_of("non-binary")
    ('F', 'M', '')
    """
    word = word.strip().lower()
    if word.startswith("female") or word == "f":
        return "F"
    return "M" if word.startswith("male") or word == "m" else ""
