"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from models.errors import W2vError
from pipeline.cli import w2v


def commands() -> str:
    """Every command with its options, below a heading of its own."""
    context = click.Context(w2v, info_name="w2v")
    return "\n\n".join(
        "\n\n".join(_sections(command, f"w2v {name}", context))
        for name, command in _commands_of(w2v, context)
    )


def exit_codes() -> str:
    """The codes of the errors, and the two that no error stands for."""
    rows = [(0, "Done.")]
    # An error of one part alone ends with the code that it inherits.
    below = W2vError.__subclasses__()
    errors: list[type[W2vError]] = [W2vError, *(one for one in below if "exit_code" in vars(one))]
    for error in errors:
        meaning = "Anything else." if error is W2vError else inspect.cleandoc(error.__doc__ or "")
        rows.append((error.exit_code, meaning.splitlines()[0]))
    rows.append((130, "Stopped with Ctrl-C."))
    lines = [f"| `{code}` | {meaning} |" for code, meaning in sorted(rows)]
    return "\n".join(["| code | meaning |", "|---|---|", *lines])


def _sections(
    command: click.Command, path: str, parent: click.Context, level: int = 2
) -> Iterator[str]:
    """The Markdown of a command and of those below it."""
    context = click.Context(command, info_name=path.rsplit(" ", 1)[-1], parent=parent)
    yield f"{'#' * level} {path} {{ #{path.replace(' ', '-')} }}"
    if not isinstance(command, click.Group):
        pieces = " ".join(command.collect_usage_pieces(context))
        yield f"```text\n{path} {pieces}\n```"
    yield from _prose(command.help or "")
    rows = [_row(parameter, context) for parameter in command.params]
    if rows:
        yield "\n".join(["| | | default |", "|---|---|---|", *rows])
    yield from _prose(command.epilog or "")
    if isinstance(command, click.Group):
        for name, below in _commands_of(command, context):
            yield from _sections(below, f"{path} {name}", context, level + 1)


def _commands_of(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        if command := group.get_command(context, name):
            yield name, command


def _prose(help: str) -> Iterator[str]:
    """Help as Markdown: what follows `\\b` keeps its lines, and examples are code."""
    for paragraph in inspect.cleandoc(help).split("\n\n"):
        kept, text = paragraph.startswith("\b"), paragraph.removeprefix("\b").strip("\n")
        first, _, rest = text.partition("\n")
        if kept and first.startswith("Example"):
            yield f"```bash\n{inspect.cleandoc(rest)}\n```"
        elif text:
            yield text


def _row(parameter: click.Parameter, context: click.Context) -> str:
    name = " ".join(f"`{one}`" for one in _names(parameter, context))
    if isinstance(parameter, click.Argument):
        return f"| {name} | {'required' if parameter.required else 'may be left out'} | |"
    assert isinstance(parameter, click.Option)
    meaning = _cell(parameter.help or "")
    if isinstance(parameter.type, click.Choice) and parameter.metavar:
        meaning += f" One of {', '.join(f'`{choice}`' for choice in parameter.type.choices)}."
    return f"| {name} | {meaning} | {_default(parameter, context)} |"


def _names(parameter: click.Parameter, context: click.Context) -> list[str]:
    if isinstance(parameter, click.Argument):
        return [parameter.make_metavar(context)]
    assert isinstance(parameter, click.Option)
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.is_flag or parameter.count:
        return names
    return [*names[:-1], f"{names[-1]} {_cell(parameter.make_metavar(context))}"]


def _default(option: click.Option, context: click.Context) -> str:
    if option.required:
        return "required"
    default = option.get_default(context, call=False)
    # A flag, a list or nothing is off, empty or nothing unless it is given.
    if (
        option.is_flag
        or option.multiple
        or default is None
        or (not isinstance(default, (str, int, float)) and not hasattr(default, "__fspath__"))
    ):
        return ""
    return f"`{default}`" if str(default) else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
