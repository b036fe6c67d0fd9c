"""`w2v`: the front door. Each command's module is imported only when it is called.

TFX takes 10 to 20 seconds to import; help and argument errors must not wait for it.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from importlib import import_module

import click

from models.errors import W2vError

# Name: where the command lives, and its line in `w2v --help`.
COMMANDS = {
    "run": ("pipeline.commands.run", "Run the pipeline: corpus to gated release."),
    "ingest": ("pipeline.commands.ingest", "Read the corpus alone, and say what was found."),
    "corpus": ("pipeline.commands.corpus", "Make a synthetic corpus in LibriSpeech layout."),
    "config": ("pipeline.commands.config", "Print a ready config, or check one of yours."),
    "convert": ("pipeline.commands.convert", "Convert a PyTorch checkpoint, every tensor checked."),
    "export": ("pipeline.commands.export", "Export a checkpoint: SavedModel, TFLite, ONNX, Hub."),
    "transcribe": ("pipeline.commands.transcribe", "Recognise audio files with any model."),
    "evaluate": ("pipeline.commands.evaluate", "Score any model on any data, with a report."),
    "report": ("pipeline.commands.report", "Build a run's WER report again."),
    "releases": ("pipeline.commands.releases", "List published releases with their WER."),
    "verify": ("pipeline.commands.verify", "Check a release against its manifest."),
    "rollback": ("pipeline.commands.rollback", "Publish an older release again as the newest."),
    "runs": ("pipeline.commands.runs", "List the runs: how they went, what they cost."),
    "lineage": ("pipeline.commands.lineage", "Say what made a release."),
    "compile": ("kubeflow.commands.compile", "Compile the pipeline for Vertex AI or Kubeflow."),
    "rehearse": (
        "kubeflow.commands.rehearse",
        "Run a compiled pipeline here, node by node.",
    ),
    "schedule": (
        "kubeflow.commands.schedule",
        "Run a compiled pipeline by the clock.",
    ),
    "trigger": ("kubeflow.commands.trigger", "Run a compiled pipeline when there is new data."),
    "plan": ("kubeflow.commands.plan", "Estimate a run's hours and money."),
    "doctor": ("pipeline.commands.doctor", "Say what this machine can do and what is missing."),
}


class LazyCommands(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return import_module(COMMANDS[name][0]).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and args[0] not in COMMANDS:
            nearest = _nearest(args[0])
            hint = f" Did you mean {nearest!r}?" if nearest else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _print_version(ctx) if wanted else None,
    help="Show the version and exit.",
)
@click.pass_context
def w2v(ctx: click.Context, debug: bool) -> None:
    """From a PyTorch Wav2Vec2 checkpoint to a gated, published TensorFlow speech recogniser.

    Exit codes: 0 done, 2 bad input, 3 refused by the gate, 143 told to stop, 1 anything else.
    """
    ctx.obj = {"debug": debug}


def _print_version(ctx: click.Context) -> None:
    from models.code_version import code_version

    click.echo(f"w2v, version {code_version()}")
    ctx.exit()


def main(arguments: list[str] | None = None) -> None:
    """Run a command; an error becomes one sentence on stderr and an exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if "--debug" not in given:
        _hush_libraries()
    try:
        # Not standalone, click gives the code of `ctx.exit` back; our own commands give None.
        if code := w2v.main(given, prog_name="w2v", standalone_mode=False):
            sys.exit(code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except Exception as error:
        _explain(error, debug="--debug" in given)


def _hush_libraries() -> None:
    """TensorFlow, Beam and Google's clients greet with pages of notices; --debug shows them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore")
    logging.getLogger().setLevel(logging.ERROR)


def _explain(error: Exception, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    if isinstance(error, W2vError):
        click.echo(f"w2v: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(f"w2v: {type(error).__name__}: {error} (`w2v --debug …` shows where)", err=True)
    sys.exit(1)


def _nearest(word: str) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(word, COMMANDS, n=1)), None)


if __name__ == "__main__":
    main()
