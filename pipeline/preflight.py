"""What can be known to be wrong before seconds of imports and minutes of work."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TypeVar

from components.speech_example_gen.archives import is_archive
from components.speech_example_gen.config import ALL, PLACEHOLDER, DataConfig, LayoutName
from components.speech_example_gen.files import check_scheme, first_files, is_local, use_flags
from components.speech_example_gen.properties import below_corpus, files_of
from components.speech_example_gen.sources import source_type
from models import filesystem
from models.errors import BadInputError
from models.training.config import TeacherConfig
from models.vocabulary import VOCABULARY_FILE
from pipeline.config import RunConfig

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# Records, checkpoints, exports and a release, each about as large as the corpus or the model.
FREE_BYTES_NEEDED = 500 * 1024**2
FOLDER_TABLE = re.compile(r"transcripts\.(tsv|txt)|metadata\.csv")
# Names that only one layout has, the surest first; a file may bear several layouts' names.
LAYOUT_SIGNS: tuple[tuple[LayoutName, re.Pattern[str]], ...] = (
    ("librispeech", re.compile(r".*\.trans\.txt")),
    ("timit", re.compile(r".*\.(phn|wrd)(\.txt)?", re.IGNORECASE)),
    ("kaldi", re.compile(r"wav\.scp")),
    ("folder", FOLDER_TABLE),
    ("tsv", re.compile(r".*\.[tc]sv")),
    ("nemo", re.compile(r".*\.jsonl?")),
    ("folder", re.compile(r".*\.(wav|flac|mp3|ogg|opus|m4a|sph)", re.IGNORECASE)),
)
# What no plain folder has by chance.
SURE_LAYOUTS: tuple[LayoutName, ...] = ("librispeech", "timit", "kaldi")
# Enough files to see one of each kind.
LOOKED_AT = 2000
SHOWN_NAMES = 12
# Stores that list page by page, so that the first page is a quick answer however many files.
PAGED_STORES = ("s3://", "gs://")
SECONDS_TO_ANSWER = 30
Result = TypeVar("Result")


def check_before_run(config: RunConfig, root: Path) -> None:
    """Raise one sentence about the first thing that would stop this run."""
    check_corpus(config)
    check_checkpoint(config)
    check_root(root)
    check_destinations(config)


def check_destinations(config: RunConfig) -> None:
    """The credentials of every place that the release goes to."""
    from components.release_pusher.destinations.delivery import check_credentials

    check_credentials(config.release.destinations, config.release.folder)


def check_corpus(config: RunConfig) -> None:
    """Every pattern matches something, and something that the layout reads."""
    data = config.data
    for place in (data.corpus, *data.patterns.values()):
        check_scheme(place)
    if config.runner.beam_flags:
        use_flags(config.runner.beam_flags)
    if data.corpus.startswith(PAGED_STORES):
        _check_answer(data.corpus)
    if is_local(data.corpus) and not os.path.isdir(data.corpus):
        raise BadInputError(_no_corpus(data))
    below = source_type(data.layout).files_below_subset
    for name, pattern in data.patterns.items():
        anywhere = PLACEHOLDER.sub("*", files_of(pattern, below))
        found = _first_files(below_corpus(data.corpus, anywhere))
        if data.layout == "folder" and not is_archive(pattern):
            _check_flat(data, name, found)
        if not found:
            raise BadInputError(_nothing_matches(data, name, pattern))
        fitting = _better_layout(data.layout, found)
        if fitting:
            shown = next(path for path in found if _is_of(fitting, path))
            raise BadInputError(
                f"data.{name} ({pattern}) matches {shown}, which is not of data.layout "
                f"{data.layout}; set data.layout to {fitting}."
            )


def fitting_layout(files: Sequence[str]) -> LayoutName | None:
    """The layout whose own files are among these, the surest one."""
    names = [posixpath.basename(path) for path in files]
    found = (layout for layout, sign in LAYOUT_SIGNS if any(map(sign.fullmatch, names)))
    return next(found, None)


def _better_layout(layout: LayoutName, files: Sequence[str]) -> LayoutName | None:
    """The layout that the files are of, if it is surely not the one that is set."""
    fitting = fitting_layout(files)
    if layout == "folder":
        # With a table of its own it may be one all the same.
        told = any(FOLDER_TABLE.fullmatch(posixpath.basename(path)) for path in files)
        return fitting if fitting in SURE_LAYOUTS and not told else None
    # Audio alone is of no layout in particular.
    return None if fitting in (None, "folder") or _fits(layout, files) else fitting


def _fits(layout: LayoutName, files: Sequence[str]) -> bool:
    """Whether any file is of the layout; an archive may hold any."""
    return any(is_archive(path) or _is_of(layout, path) for path in files)


def _is_of(layout: LayoutName, path: str) -> bool:
    name = posixpath.basename(path)
    return any(sign.fullmatch(name) for of, sign in LAYOUT_SIGNS if of == layout)


def _check_flat(data: DataConfig, name: str, found: Sequence[str]) -> None:
    """What lies in the corpus itself is below none of its folders, so no pattern of them reads it.

    Subsets with transcripts of their own may do without it.
    """
    pattern = data.patterns[name]
    if posixpath.normpath(pattern) == ".":
        return
    if name != ALL and any(path.endswith(".txt") or FOLDER_TABLE.search(path) for path in found):
        return
    missed = sorted(path for path in _names_in(data.corpus) if _is_of("folder", path))
    if missed:
        shown = next(filter(FOLDER_TABLE.fullmatch, missed), missed[0])
        instead = "" if name == ALL else " instead of data.train, data.dev and data.test"
        raise BadInputError(
            f"{shown} lies in the corpus itself ({data.corpus}), where data.{name} ({pattern}) "
            f'does not look; set data.all to "."{instead}.'
        )


def _no_corpus(data: DataConfig) -> str:
    cure = f"put one there in the layout that data.layout says ({data.layout})."
    if data.layout == "librispeech":
        cure = (
            "put one there in LibriSpeech layout, or make a synthetic one: "
            f"w2v corpus --to {data.corpus} --utterances 700"
        )
    return f"There is no corpus at {data.corpus} (data.corpus); {cure}"


def _nothing_matches(data: DataConfig, name: str, pattern: str) -> str:
    below = _some_below(data.corpus)
    names = _names_in(data.corpus)
    shown = sorted(names)[:SHOWN_NAMES] + (["…"] if len(names) > SHOWN_NAMES else [])
    said = (
        f"Nothing in {data.corpus} matches data.{name} ({pattern}) in the layout {data.layout}; it "
        f"holds {', '.join(shown) or 'nothing'}"
    )
    fitting = fitting_layout(below)
    if fitting and fitting != data.layout and not _fits(data.layout, below):
        return f"{said}, which looks like data.layout: {fitting}."
    archives = [path for path in below if is_archive(path)]
    if archives and not is_archive(pattern):
        return f"{said}; to read an archive, name it with its suffix ({archives[0]})."
    return f"{said}."


def _names_in(folder: str) -> set[str]:
    """What lies in a folder; of a remote one, what is seen of it among some files below."""
    if is_local(folder):
        return {name for name in os.listdir(folder) if not name.startswith(".")}
    return {path.split("/")[0] for path in _some_below(folder)}


def _some_below(folder: str) -> list[str]:
    inside = folder.rstrip("/") + "/"
    return [path.removeprefix(inside) for path in _first_files(below_corpus(folder, "**"))]


def _check_answer(corpus: str) -> None:
    """Beam itself tries for minutes, and nothing would be on the screen."""
    if not is_local(corpus):
        # What takes long on a busy machine is no silence of the corpus.
        import_module("apache_beam.io.filesystems")
    _within(SECONDS_TO_ANSWER, partial(_first_files, below_corpus(corpus, "**"), 1), corpus)


def _within(seconds: float, work: Callable[[], Result], place: str) -> Result:
    """What the work gives, or one sentence where the place keeps it waiting."""
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    # Not an executor: the process would wait for its thread at the end.
    Thread(target=run, daemon=True).start()
    if not wait([outcome], seconds).done:
        raise BadInputError(
            f"{place} did not answer within {seconds} s; check the network and the credentials."
        )
    return outcome.result()


def _first_files(pattern: str, at_most: int = LOOKED_AT) -> list[str]:
    """Some of the files that a pattern matches, or one sentence where they cannot be listed."""
    try:
        return first_files(pattern, at_most)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise BadInputError(
            f"{pattern} cannot be listed ({reason}); check data.corpus and the credentials for it."
        ) from error


def check_checkpoint(config: RunConfig) -> None:
    """The files every checkpoint needs, and what a teacher's header says.

    What else is in them is the importer's affair.
    """
    folder, teacher = config.model.checkpoint, config.model.teacher
    if not filesystem.is_remote(folder):
        _check_checkpoint_folder(config, folder)
    if teacher:
        _check_teacher(folder, teacher)


def _check_checkpoint_folder(config: RunConfig, folder: str) -> None:
    key = "model.teacher.checkpoint" if config.model.teacher else "model.checkpoint"
    if os.path.isfile(folder):
        raise BadInputError(
            f"{key} is the file {folder}, but a run starts from a folder; make one: "
            f"w2v convert {folder} --to DIR"
        )
    if not os.path.isdir(folder):
        raise BadInputError(
            f"There is no checkpoint folder at {folder} ({key}); give a folder in "
            "Hugging Face layout, with config.json, model.safetensors and vocab.json."
        )
    brings_vocabulary = config.text.vocabulary == "checkpoint"
    for name in ("config.json", *([VOCABULARY_FILE] if brings_vocabulary else [])):
        if not filesystem.exists(filesystem.join(folder, name)):
            raise BadInputError(
                f"The checkpoint folder {folder} has no {name}; copy it there from where the "
                "checkpoint was published."
            )
    if not any(filesystem.exists(filesystem.join(folder, name)) for name in WEIGHT_FILES):
        raise BadInputError(
            f"The checkpoint folder {folder} has no weights; put model.safetensors or "
            "pytorch_model.bin beside its config.json."
        )


def _check_teacher(folder: str, teacher: TeacherConfig) -> None:
    """It has something to teach, and more layers than its student."""
    from models.training.distillation import kept_layers  # TensorFlow only where there is one
    from models.wav2vec2.assignment import CTC_HEAD
    from models.wav2vec2.checkpoint_files import open_checkpoint

    filesystem.refuse_unknown_scheme(folder)
    try:
        checkpoint = _within(SECONDS_TO_ANSWER, partial(open_checkpoint, folder), folder)
    except filesystem.errors_of(folder) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise BadInputError(
            f"The teacher {folder} (model.teacher.checkpoint) cannot be read ({reason}); check the "
            "path and the credentials for it."
        ) from error
    if not checkpoint.holds(CTC_HEAD):
        raise BadInputError(
            f"The teacher {folder} (model.teacher.checkpoint) was never trained to recognise: it "
            "has no CTC head; fine-tune it first, and give what that run's Trainer wrote."
        )
    kept_layers(checkpoint.config.num_hidden_layers, teacher.layers)


def check_root(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise BadInputError(
            f"The run's folder {root} cannot be made ({error.strerror}); choose another --root."
        ) from error
    if not os.access(root, os.W_OK):
        raise BadInputError(f"The run's folder {root} cannot be written; choose another by --root.")
    if free < FREE_BYTES_NEEDED:
        raise BadInputError(
            f"Only {free / 1024**2:.0f} MiB are free under {root}; a run needs at least "
            f"{FREE_BYTES_NEEDED / 1024**2:.0f} MiB. Make room, or choose another --root."
        )
