"""What the container image holds, known without building it.

Read from the Dockerfile, the ignore file beside it, and `uv.lock`, which are what the image is
built from: there is no second list to forget.

>>> from pathlib import Path
>>> files = image_files(CHECKOUT)
>>> "pipeline/dag.py" in files, "uv.lock" in files
(True, False)
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from packaging.markers import Marker

from models.code_version import DISTRIBUTION
from models.errors import BadInputError

CHECKOUT = Path(__file__).parents[2]
DOCKERFILE = "kubeflow/image/Dockerfile"
# BuildKit reads this one before the checkout's own.
IGNORE_FILE = f"{DOCKERFILE}.dockerignore"
TPU_PINS = "kubeflow/image/tensorflow-tpu.txt"
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[\w.]+)", re.MULTILINE)
# On its PYTHONPATH; the compiled spec names no other folder.
PACKAGE_IN_IMAGE = "/opt/wav2vec2-tfx"
IN_A_CHECKOUT = "build and rehearse in a checkout"
PYTHON_OF_BASE = re.compile(r"^ARG BASE=python:(?P<version>[\d.]+)", re.MULTILINE)
Variant = Literal["cpu", "cuda", "tpu"]


def image_files(root: Path) -> list[str]:
    """The checkout's files that are copied into the image, as sorted paths relative to `root`."""
    return sorted(set(_layout(root).values()))


def is_in_image(place: str | Path, root: Path = CHECKOUT) -> bool:
    """Whether the image has that file of `root`, or some file of that folder.

    Known also where the package is installed, without the checkout's other files.

    >>> is_in_image(CHECKOUT / "models/pretrained/tiny-en"), is_in_image(CHECKOUT / "tests")
    (True, False)
    """
    path = Path(os.path.normpath(place))
    if not path.is_relative_to(root):
        return False
    within = path.relative_to(root)
    return any(PurePosixPath(file).is_relative_to(within) for _, _, file in _copied(root))


def stage_image(to: Path) -> Path:
    """Lay the image's code into a folder as it lies in the image: its PYTHONPATH."""
    for place, source in _layout(CHECKOUT).items():
        if PurePosixPath(place).is_relative_to(PACKAGE_IN_IMAGE):
            target = to / PurePosixPath(place).relative_to(PACKAGE_IN_IMAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / source, target)
    return to


def image_environment(variant: Variant = "cpu", root: Path = CHECKOUT) -> dict[str, str]:
    """The versions of the distributions that the image has in that variant, by name."""
    lock = tomllib.loads(_lock_in(root))
    extras = ("cuda",) if variant == "cuda" else ()
    installed = dict(_installed(lock["package"], _machine_of_image(root), extras))
    if variant == "tpu":
        del installed["tensorflow"]
        pins = (root / TPU_PINS).read_text(encoding="utf-8")
        installed |= {pin["name"]: pin["version"] for pin in PIN.finditer(pins)}
    return dict(sorted(installed.items()))


def _layout(root: Path) -> dict[str, str]:
    """The place in the image of each file that is copied there, and which of `root` it is."""
    for source in [source for copy in _copies_of(root) for source in copy.sources]:
        if not (root / source).exists():
            raise BadInputError(
                f"{DOCKERFILE} copies {source}, which is not in {root}; {IN_A_CHECKOUT}."
            )
    return {copy.place_of(file, source): file for copy, source, file in _copied(root)}


def _lock_in(root: Path) -> str:
    lock = root / "uv.lock"
    if not lock.is_file():
        raise BadInputError(
            f"The image's packages are those of uv.lock, which is not in {root}; {IN_A_CHECKOUT}."
        )
    return lock.read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Copy:
    """A COPY instruction of what is in the build's context."""

    sources: list[str]
    target: str

    def place_of(self, file: str, source: str) -> str:
        """Where in the image a file lies that is `source` or below it."""
        if file != source:  # a folder's content is copied, not the folder
            return str(PurePosixPath(self.target, PurePosixPath(file).relative_to(source)))
        into_folder = self.target.endswith("/") or len(self.sources) > 1
        return str(PurePosixPath(self.target, PurePosixPath(file).name if into_folder else ""))


def _instructions(dockerfile: str) -> list[list[str]]:
    """The Dockerfile's instructions as words."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [shlex.split(line) for line in joined.splitlines() if line.strip()]


def _copies(instructions: list[list[str]]) -> Iterator[_Copy]:
    """What the last stage, which is the image, copies from the context."""
    starts = [place for place, words in enumerate(instructions) if words[0].upper() == "FROM"]
    for instruction, *words in instructions[starts[-1] :]:
        if instruction.upper() == "COPY" and not any(word.startswith("--from=") for word in words):
            *sources, target = (word for word in words if not word.startswith("--"))
            yield _Copy(sources, target)


def _copies_of(root: Path) -> list[_Copy]:
    return list(_copies(_instructions((root / DOCKERFILE).read_text(encoding="utf-8"))))


def _copied(root: Path) -> Iterator[tuple[_Copy, str, str]]:
    """Each file that is copied and is there, the source it belongs to, and by which instruction."""
    ignored = _ignore_rules((root / IGNORE_FILE).read_text(encoding="utf-8"))
    for copy in _copies_of(root):
        for source in copy.sources:
            for file in _files_below(root, source):
                if not _is_ignored(file, ignored):
                    yield copy, source, file


def _files_below(root: Path, source: str) -> Iterator[str]:
    place = root / source
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        if path.is_file():
            yield path.relative_to(root).as_posix()


def _ignore_rules(text: str) -> list[tuple[bool, re.Pattern[str]]]:
    """Whether a pattern lets in what it matches (`!`), and the pattern: the last one decides."""
    lines = [line.strip() for line in text.splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    return [(rule.startswith("!"), _as_regex(rule.removeprefix("!"))) for rule in patterns]


def _as_regex(pattern: str) -> re.Pattern[str]:
    """Docker's pattern: rooted, `*` within a name, `**` any folders, and all below what matches."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")


def _is_ignored(file: str, rules: list[tuple[bool, re.Pattern[str]]]) -> bool:
    matching = [lets_in for lets_in, pattern in rules if pattern.fullmatch(file)]
    return bool(matching) and not matching[-1]


def _machine_of_image(root: Path) -> dict[str, str]:
    """The image's answers to the lock's questions about Python and the machine."""
    dockerfile = (root / DOCKERFILE).read_text(encoding="utf-8")
    found = PYTHON_OF_BASE.search(dockerfile)
    if not found:
        raise BadInputError(f"{DOCKERFILE} has no line `ARG BASE=python:VERSION-…`; restore it.")
    return {
        "python_full_version": found["version"],
        "python_version": ".".join(found["version"].split(".")[:2]),
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    }


def _installed(
    packages: list[dict[str, Any]], machine: dict[str, str], extras: tuple[str, ...]
) -> set[tuple[str, str]]:
    """Every distribution that ours needs there, by what the lock says each one needs."""
    waiting = [({"name": DISTRIBUTION}, extra) for extra in ("", *extras)]
    seen: set[tuple[str, str, str]] = set()
    while waiting:
        wanted, extra = waiting.pop()
        package = _package_of(wanted, packages, machine)
        key = (package["name"], package["version"], extra)
        if key in seen:
            continue
        seen.add(key)
        needs = (
            package.get("optional-dependencies", {}).get(extra, [])
            if extra
            else package.get("dependencies", [])
        )
        for need in needs:
            if _holds(need.get("marker"), machine):
                waiting += [(need, part) for part in ("", *need.get("extra", ()))]
    return {(name, version) for name, version, _ in seen if name != DISTRIBUTION}


def _package_of(
    wanted: dict[str, Any], packages: list[dict[str, Any]], machine: dict[str, str]
) -> dict[str, Any]:
    """The lock's entry; where it has several versions of it, the one for this machine."""
    named = [
        package
        for package in packages
        if package["name"] == wanted["name"]
        and package["version"] == wanted.get("version", package["version"])
    ]
    for package in named:
        markers = package.get("resolution-markers")
        if not markers or any(_holds(marker, machine) for marker in markers):
            return package
    raise BadInputError(f"uv.lock has no {wanted['name']} for the image's Python; run `uv lock`.")


def _holds(marker: str | None, machine: dict[str, str]) -> bool:
    return marker is None or Marker(marker).evaluate(dict(machine))
