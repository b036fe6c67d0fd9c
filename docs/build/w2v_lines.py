"""Hold a `w2v …` line against the real parser and the real configs, without running it."""

from __future__ import annotations

import contextlib
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from docs.build.page import Block, Page
from models.errors import BadInputError
from pipeline.cli import w2v
from pipeline.config import (
    apply_override,
    find_config,
    load_config,
    parse_config,
    read_yaml,
    ready_configs,
)

# What parts the commands of a line, and what leads its output elsewhere.
BETWEEN = {"|", "||", "&&", ";", "&", "(", ")"}
REDIRECTIONS = re.compile(r"\d?(>&\d|>>?\s*[^\s>&|;]+|<\s*[^\s<&|;]+)")


class WrongLineError(Exception):
    """A line that `w2v` would not take, with what it would say."""


def w2v_calls(line: str) -> Iterator[list[str]]:
    """The arguments of each `w2v` in a shell line.

    >>> list(w2v_calls("ffmpeg -i a.mp4 - | w2v transcribe release - > a.txt  # a note"))
    [['transcribe', 'release', '-']]
    """
    plain = REDIRECTIONS.sub(" ", line.replace("\\\n", " "))
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="|&;()")
    lexer.whitespace_split = True
    call: list[str] = []
    for word in [*lexer, ";"]:
        if word in BETWEEN:
            program = _without_variables(call)
            if program and Path(program[0]).name == "w2v":
                yield program[1:]
            call = []
        else:
            call.append(word)


def files_written(line: str) -> list[str]:
    """Where a line's output goes: `w2v config demo > mine.yaml` makes `mine.yaml`."""
    return re.findall(r"(?<![\d&])>>?\s*([\w./-]+)", line)


def _without_variables(words: list[str]) -> list[str]:
    start = next((n for n, word in enumerate(words) if not re.match(r"\w+=", word)), len(words))
    return words[start:]


def check_call(arguments: list[str], configs: Mapping[str, dict]) -> None:
    """Parse one call; `configs` are the files that the page made, by name."""
    try:
        for context in _contexts(arguments):
            if "overrides" in context.params and context.params.get("config"):
                _check_config(context.params["config"], context.params["overrides"], configs)
    except click.exceptions.Exit:  # of --help and --version
        return
    except (click.UsageError, BadInputError) as error:
        message = error.format_message() if isinstance(error, click.UsageError) else str(error)
        raise WrongLineError(f"`w2v {shlex.join(arguments)}`: {message}") from error


def _contexts(arguments: list[str]) -> Iterator[click.Context]:
    """The context of each command on the way down to the one that is called."""
    context = w2v.make_context("w2v", list(arguments))
    while isinstance(context.command, click.Group):
        with context:
            rest = [*context._protected_args, *context.args]
            name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None  # else click has said which one is missing
        with _files_need_not_be_there(command):
            context = command.make_context(name, rest, parent=context)
        yield context


@contextlib.contextmanager
def _files_need_not_be_there(command: click.Command) -> Iterator[None]:
    """A reader's files are his own: only what kind of thing a parameter takes is checked."""
    kinds = {parameter.name: parameter.type for parameter in command.params}
    for parameter in command.params:
        if isinstance(parameter.type, click.Path | click.File):
            parameter.type = click.Path(path_type=Path)
    try:
        yield
    finally:
        for parameter in command.params:
            parameter.type = kinds[parameter.name]


def _check_config(name: str, overrides: tuple[str, ...], configs: Mapping[str, dict]) -> None:
    if name in ready_configs() or name not in configs:
        load_config(name, overrides=overrides)
        return
    check_settings(configs[name], overrides)


def check_settings(settings: dict, overrides: tuple[str, ...] = ()) -> None:
    """Sections of a config over a ready one: right if they go with any of them."""
    problems = {}
    for name in ready_configs():
        try:
            merged = _merged(read_yaml(find_config(name)), settings)
            for override in overrides:
                apply_override(merged, override)
            parse_config(merged, source=f"over {name}")
        except BadInputError as error:
            problems[name] = error
        else:
            return
    raise problems["demo"]


def _merged(ready: dict, settings: dict) -> dict:
    """A section's keys over those of a ready config."""
    merged = dict(ready)
    for section, value in settings.items():
        both = isinstance(value, dict) and isinstance(ready.get(section), dict)
        merged[section] = {**ready[section], **value} if both else value
    return merged


def check_page(page: Page) -> Iterator[str]:
    """What is wrong with the `w2v` lines and the configs of a page."""
    configs: dict[str, dict] = {}
    for block in page.blocks:
        if block.language == "yaml":
            try:
                settings = read_settings(block)
                check_settings(settings)
            except BadInputError as error:
                yield f"{page.path}:{block.line}: {error}"
                continue
            if block.file_name:
                configs[block.file_name] = settings
        if block.language == "console":
            yield from _check_commands(page, block, configs)


def _check_commands(page: Page, block: Block, configs: dict[str, dict]) -> Iterator[str]:
    for command in block.commands:
        for call in w2v_calls(command.text):
            try:
                check_call(call, configs)
            except WrongLineError as error:
                yield f"{page.path}:{command.line}: {error}"
            if call[:1] == ["config"] and call[1:2] and call[1] in ready_configs():
                made = read_yaml(find_config(call[1]))
                configs.update({name: made for name in files_written(command.text)})


def read_settings(block: Block) -> dict:
    """A block's sections, read as a config file is."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(block.text)
        file.flush()
        try:
            return read_yaml(Path(file.name))
        except BadInputError as error:
            raise BadInputError(str(error).replace(file.name, "the block")) from error
