"""A synthetic speech corpus in LibriSpeech layout, for the demo, tests and benchmarks.

>>> from pathlib import Path
>>> summary = make_corpus(Path("/tmp/corpus"), utterances=40, seed=7)  # doctest: +SKIP
>>> summary.speakers  # doctest: +SKIP
18
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from models.errors import BadInputError

MARKER_FILE = ".w2v-corpus.json"
UNFINISHED_MARKER = f"{MARKER_FILE}.unfinished"
# Of the utterances; the rest is for training.
DEV_SHARE, TEST_SHARE = 0.08, 0.12


@dataclass(frozen=True)
class CorpusSummary:
    """What the corpus holds."""

    folder: str
    utterances: int
    seconds: float
    speakers: int
    subsets: dict[str, int]


def make_corpus(
    to: Path,
    utterances: int,
    seed: int = 0,
    grammar: str = "phone",
    speakers: str = "demo",
    vocabulary: Sequence[str] | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CorpusSummary:
    """Speak a corpus into `to`; the same arguments again find it there and change nothing.

    `on_progress(done, total)` is told the utterances written so far.
    """
    from pipeline.synthetic.grammar import GRAMMARS
    from pipeline.synthetic.speakers import POOLS

    _one_of("grammar", grammar, GRAMMARS)
    _one_of("speakers", speakers, POOLS)
    words = tuple(word.upper() for word in vocabulary) if vocabulary is not None else None
    if words == ():
        raise BadInputError("The vocabulary holds no words; give one word a line.")
    request = {
        "utterances": utterances,
        "seed": seed,
        "grammar": grammar,
        "speakers": speakers,
        "vocabulary": words,
    }
    finished = _finished(to, request)
    if finished is not None:
        return finished
    chapters = _plan(utterances, seed, grammar, speakers, words)
    try:
        to.mkdir(parents=True, exist_ok=True)
        _write_marker(to, request, None)
        seconds = _speak(to, chapters, workers or os.cpu_count() or 1, on_progress)
        from pipeline.synthetic.librispeech import write_tables

        write_tables(to, zip(chapters, seconds, strict=True))
        summary = _summary(to, chapters, sum(seconds))
        _write_marker(to, request, summary)
    except OSError as error:
        raise BadInputError(
            f"The corpus could not be written to {to} ({error.strerror or error}); make room or "
            "choose another folder, then call again: finished chapters are kept."
        ) from error
    return summary


def _plan(utterances, seed, grammar, speakers, words) -> list:
    """The chapters of every speaker; subsets by share, speakers of a subset by turns."""
    from pipeline.synthetic.librispeech import UTTERANCES_IN_A_CHAPTER, Chapter
    from pipeline.synthetic.speakers import DEV, POOLS, TEST, TRAIN

    pool = POOLS[speakers]
    dev, test = round(utterances * DEV_SHARE), round(utterances * TEST_SHARE)
    sizes = {TRAIN: utterances - dev - test, DEV: dev, TEST: test}
    if min(sizes.values()) < 1:
        raise BadInputError(
            f"{utterances} utterances are too few for three subsets; ask for at least 10."
        )
    chapters = []
    for subset, size in sizes.items():
        readers = [speaker for speaker in pool if speaker.subset == subset][:size]
        for number, speaker in enumerate(readers):
            left = size // len(readers) + (number < size % len(readers))
            for index in range(-(-left // UTTERANCES_IN_A_CHAPTER)):
                count = min(UTTERANCES_IN_A_CHAPTER, left - index * UTTERANCES_IN_A_CHAPTER)
                chapters.append(
                    Chapter(speaker, speaker.id * 100 + index, seed, count, grammar, words)
                )
    return chapters


def _speak(to: Path, chapters: list, workers: int, on_progress) -> list[float]:
    from pipeline.synthetic.librispeech import seconds_of, write_chapter

    # Chapters appear whole, so one that is there was finished by an earlier call.
    missing = [chapter for chapter in chapters if not (to / chapter.folder).exists()]
    total = sum(chapter.utterances for chapter in chapters)
    done, seconds = 0, []
    # A fresh process for each chapter: espeak carries state from one sentence to the next, and
    # only a fresh start makes the same corpus whatever the number of workers.
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        spoken = pool.map(write_chapter, [to] * len(missing), missing)
        for chapter in chapters:
            there = chapter not in missing
            seconds.append(seconds_of(to / chapter.folder) if there else next(spoken))
            done += chapter.utterances
            on_progress(done, total)
    return seconds


def _summary(to: Path, chapters: list, seconds: float) -> CorpusSummary:
    subsets: dict[str, int] = {}
    for chapter in chapters:
        subset = chapter.speaker.subset
        subsets[subset] = subsets.get(subset, 0) + chapter.utterances
    return CorpusSummary(
        folder=str(to),
        utterances=sum(subsets.values()),
        seconds=round(seconds, 1),
        speakers=len({chapter.speaker for chapter in chapters}),
        subsets=subsets,
    )


def _finished(to: Path, request: dict) -> CorpusSummary | None:
    """The corpus that is there already, if it is the one asked for."""
    marker = to / MARKER_FILE
    if not marker.exists():
        if to.exists() and not to.is_dir():
            raise BadInputError(f"{to} is a file; give a folder for the corpus.")
        if to.is_dir() and any(path.name != UNFINISHED_MARKER for path in to.iterdir()):
            raise BadInputError(
                f"{to} holds other files already; give an empty or a new folder for the corpus."
            )
        return None
    found = json.loads(marker.read_text(encoding="utf-8"))
    if found["request"] != json.loads(json.dumps(request)):
        raise BadInputError(
            f"{to} holds a corpus made with other options ({_differences(found, request)}); remove "
            "it or give another folder."
        )
    return CorpusSummary(**found["summary"] | {"folder": str(to)}) if found["summary"] else None


def _differences(found: dict, request: dict) -> str:
    wanted = json.loads(json.dumps(request))
    names = [name for name, value in wanted.items() if found["request"].get(name) != value]
    return ", ".join(
        name if name == "vocabulary" else f"{name} {found['request'].get(name)}" for name in names
    )


def _write_marker(to: Path, request: dict, summary: CorpusSummary | None) -> None:
    stored = asdict(summary) if summary else None
    if stored:
        del stored["folder"]  # equal corpora are equal to the byte, wherever they lie
    content = {"request": request, "summary": stored}
    unfinished = to / UNFINISHED_MARKER
    unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")
    unfinished.rename(to / MARKER_FILE)


def _one_of(what: str, name: str, known) -> None:
    if name not in known:
        raise BadInputError(f"There is no {what} {name!r}; choose from {', '.join(known)}.")
