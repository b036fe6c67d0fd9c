"""The reference of the config, from the dataclasses that read it."""

from __future__ import annotations

from collections.abc import Iterator

from docs.build.reference.fields import Field, fields_of, prose
from pipeline.config import READY_CONFIGS, RunConfig
from pipeline.config import ready_configs as names_of_ready_configs


def config_keys() -> str:
    """Every section and its keys, in the order of `RunConfig`."""
    return "\n\n".join(_section("", RunConfig))


def ready_configs() -> str:
    """Each ready config as it lies in the package."""
    return "\n\n".join(
        f"### {name} {{ #ready-{name} }}\n\n"
        f"```yaml\n{(READY_CONFIGS / f'{name}.yaml').read_text(encoding='utf-8').strip()}\n```"
        for name in names_of_ready_configs()
    )


def _section(key: str, section: type) -> Iterator[str]:
    fields = fields_of(section)
    if key:
        yield f"{'#' * (3 if '.' in key else 2)} `{key}` {{ #{key} }}"
        yield prose(section.__doc__)
    plain = [field for field in fields if key or not field.sections]
    if plain:
        yield "\n".join(["| key | |", "|---|---|", *(_row(key, field) for field in plain)])
    for field in fields:
        for inner in field.sections:
            yield from _section(f"{key}.{field.name}" if key else field.name, inner)


def _row(key: str, field: Field) -> str:
    full = f"{key}.{field.name}" if key else field.name
    # A section below has its own heading with this anchor.
    name = f"[`{field.name}`](#{full})" if field.sections else f"`{field.name}`{{ #{full} }}"
    default = f"default {field.default}" if field.default else "required"
    kind = field.kind if field.kind == "a section" else f"{field.kind}; {default}"
    about = f'<span class="kind">{kind}</span>'
    meaning = "<br>".join(filter(None, [field.meaning, about])).replace("|", "\\|")
    return f"| {name} | {meaning} |"
