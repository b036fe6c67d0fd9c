"""What a compiled spec needs of the image: modules, what these import, and files beside them."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOMS = ("schemas", "models", "components", "pipeline", "kubeflow")
OURS = re.compile(rf"(?<![\w.])(?:{'|'.join(ROOMS)})(?:\.[A-Za-z_]\w*)+")
MADE_BY_PYTHON = ("__pycache__",)


@dataclass(frozen=True)
class Import:
    """A module that one of ours imports, and a name that may be a module in it."""

    by: str
    module: str
    name: str = ""


def names_in(spec: Mapping) -> set[str]:
    """Every import path below our rooms that a compiled spec holds, also within its texts."""
    return set(OURS.findall(json.dumps(spec)))


def missing_names(spec: Mapping, image: Path) -> list[str]:
    """The import paths of a spec that lead nowhere in the image."""
    return [f"the spec names {name}" for name in sorted(names_in(spec)) if not _leads(name, image)]


def missing_imports(spec: Mapping, image: Path, distributions: Mapping[str, str]) -> list[str]:
    """What the modules of a spec import, and what these import, that the image does not have."""
    known = {_same(name) for name in distributions}
    missing, waiting, seen = set(), [_module_of(name, image) for name in names_in(spec)], set()
    while waiting:
        module = waiting.pop()
        if module is None or module in seen:
            continue
        seen.add(module)
        for found in imports_of(module, image):
            top = found.module.partition(".")[0]
            if top in ROOMS:
                within = _module_of(f"{found.module}.{found.name}".rstrip("."), image)
                if within is None or not _is_in(found, within, image):
                    missing.add(f"{found.by} imports {found.module}")
                waiting.append(within)
            elif top not in sys.stdlib_module_names and not known & _distributions_of(top):
                missing.add(f"{found.by} imports {found.module}")
    return sorted(missing)


def missing_files(checkout: Path, image: Path) -> list[str]:
    """What lies beside our code in the checkout, and so may be opened, but not in the image."""
    return [
        name
        for room in ROOMS
        for path in sorted((checkout / room).rglob("*"))
        if path.is_file() and not set(path.parts) & set(MADE_BY_PYTHON)
        if not (image / (name := str(path.relative_to(checkout)))).exists()
    ]


def imports_of(module: str, image: Path) -> Iterator[Import]:
    """What a module imports wherever it does, but not what it can do without."""
    for node in _needed(_tree(_file_of(module, image))):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level  # relative imports are not our way
            yield from (Import(module, node.module, alias.name) for alias in node.names)


def _needed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, without those of a `try` that lives without an import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Try) and "ImportError" in ast.unparse(child.handlers):
            continue
        yield child
        yield from _needed(child)


def _leads(name: str, image: Path) -> bool:
    """Whether a module and, where more of the name is left, that in it are in the image."""
    module = _module_of(name, image)
    rest = name.removeprefix(module or name).strip(".").partition(".")[0]
    return module is not None and (not rest or rest in _defined_in(module, image))


def _is_in(found: Import, module: str, image: Path) -> bool:
    if module == f"{found.module}.{found.name}":
        return True
    return module == found.module and (not found.name or found.name in _defined_in(module, image))


def _module_of(name: str, image: Path) -> str | None:
    """The longest beginning of a dotted name that is a module in the image."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if _file_of(module, image).exists():
            return module
    return None


def _file_of(module: str, image: Path) -> Path:
    place = image / module.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _defined_in(module: str, image: Path) -> set[str]:
    tree = _tree(_file_of(module, image))
    defined = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assigned = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return defined | imported | assigned


@cache
def _by_top_level() -> Mapping[str, list[str]]:
    return packages_distributions()


def _distributions_of(top: str) -> set[str]:
    return {_same(name) for name in _by_top_level().get(top, [])}


def _same(name: str) -> str:
    """A distribution's name as an index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
