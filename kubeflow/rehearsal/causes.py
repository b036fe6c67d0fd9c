"""Why a task died, by the exceptions in its log; what is not known is quoted, not guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubeflow.image.contents import PACKAGE_IN_IMAGE
from kubeflow.rehearsal.places import Places

# The last line of a traceback: "package.SomeError: what it says".
RAISED = re.compile(r"^(?P<type>(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)): (?P<told>.*)$")
# How the entry point tells an error that we raised for the user.
SENTENCE = re.compile(r"^w2v: (?P<told>.+)$")
ABSENT_MODULE = re.compile(r"No module named '?(?P<name>[\w.]+)")
ABSENT_NAME = re.compile(r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'")
# A path in a message, in quotes or bare.
PATH = re.compile(r"['\"]?(?P<path>(?:\w+:/)?/[^\s'\";,]+)")
PICKLE = re.compile(r"pickl", re.IGNORECASE)
NO_FILE = re.compile(r"No such file|not found|does not exist|doesn't exist|No files", re.IGNORECASE)
DENIED = re.compile(r"Permission denied|Read-only file system", re.IGNORECASE)
# In the traceback, the line that asked for a parameter.
ASKS_FOR_PARAMETER = re.compile(r"exec_properties\[|parameters?\[")
LINES_READ = 4000
LINES_SHOWN = 12


@dataclass(frozen=True)
class Raised:
    """An exception that was printed, with the line of code that raised it."""

    type: str
    told: str
    line: str


def cause_of(log: Path, exit_code: int, places: Places) -> str:
    """One sentence on why the task failed."""
    lines = _tail(log, LINES_READ)
    raised = _exceptions(lines)
    for one in reversed(raised):
        for explain in EXPLANATIONS:
            if told := explain(one, places):
                return told
    said = next((match["told"] for line in reversed(lines) if (match := SENTENCE.match(line))), "")
    if said:
        return places.there(said)
    if raised:
        last = raised[-1]
        return places.there(f"{last.type.rpartition('.')[2]}: {last.told}")
    if exit_code < 0:
        return f"It was killed by signal {-exit_code}; if that is 9, the memory ran out."
    last_line = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    return f"It ended with exit code {exit_code}; its last line: {places.there(last_line)}"


def last_lines(log: Path) -> list[str]:
    """The end of the log, for the screen."""
    return _tail(log, LINES_SHOWN)


def _tail(log: Path, lines: int) -> list[str]:
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


def _exceptions(lines: list[str]) -> list[Raised]:
    found = []
    for number, line in enumerate(lines):
        if match := RAISED.match(line):
            before = [text.strip(" ^~") for text in lines[max(0, number - 3) : number]]
            found.append(Raised(match["type"], match["told"], "\n".join(before)))
    return found


def _absent_module(raised: Raised, places: Places) -> str | None:
    if raised.type not in ("ModuleNotFoundError", "ImportError"):
        return None
    if module := ABSENT_MODULE.search(raised.told):
        return f"The image does not hold the module {module['name']}."
    if name := ABSENT_NAME.search(raised.told):
        return f"In the image, the module {name['module']} has no {name['name']}."
    return None


def _not_pickled(raised: Raised, places: Places) -> str | None:
    if not (PICKLE.search(raised.type) or PICKLE.search(raised.told)):
        return None
    return (
        "A function or an object that Beam must send to its workers cannot be pickled: "
        f"{raised.told}"
    )


def _absent_parameter(raised: Raised, places: Places) -> str | None:
    if raised.type != "KeyError" or not ASKS_FOR_PARAMETER.search(raised.line):
        return None
    name = raised.told.strip("'\"")
    return f"The code asks for the parameter {name}, which the spec does not give to the task."


def _absent_file(raised: Raised, places: Places) -> str | None:
    missing, denied = NO_FILE.search(raised.told), DENIED.search(raised.told)
    if "FileNotFound" not in raised.type and not missing and not denied:
        return None
    path = PATH.search(raised.told)
    if not path:
        return None
    name = places.there(path["path"])
    if denied:
        return f"The task may not write to {name}; a container may write to its own home and /tmp."
    if name.startswith(PACKAGE_IN_IMAGE):
        return f"The image does not hold the file {name}."
    if "://" in name:
        return (
            f"There is nothing at {name}; if it lies in a bucket that only the cluster sees, let a "
            "folder stand for it by --mount gs://bucket/folder=DIR."
        )
    return f"There is no {name}, a path outside the image and outside every mount."


EXPLANATIONS: tuple[Callable[[Raised, Places], str | None], ...] = (
    _not_pickled,
    _absent_module,
    _absent_parameter,
    _absent_file,
)
