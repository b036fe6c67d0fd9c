"""The front door: quick, forgiving of typing, with exit codes that mean something."""

import json
import subprocess
import sys
import time
from importlib import import_module

import click
import pytest

from models.errors import BadInputError, GateRefusedError, W2vError
from pipeline import cli

HEAVY = ("tensorflow", "tfx", "keras", "apache_beam", "kfp", "numpy", "pydantic")
# What `w2v --help` would have imported by the end.
HELP = """
import sys
from pipeline.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def run_main(*arguments: str) -> int | str | None:
    """The exit code that `w2v` would leave with."""
    with pytest.raises(SystemExit) as left:
        cli.main(list(arguments))
    return left.value.code


def run_python(*arguments: str) -> tuple[float, subprocess.CompletedProcess]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    return time.monotonic() - started, done


@pytest.fixture
def failing(monkeypatch):
    """Puts a command at the front door that fails in the given way."""

    def install(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        module = type(sys)("failing_command")
        module.command = command
        monkeypatch.setitem(sys.modules, "failing_command", module)
        monkeypatch.setitem(cli.COMMANDS, "fail", ("failing_command", "Fails."))

    return install


def test_help_names_every_command_at_once_and_loads_nothing_heavy():
    runs = [run_python("-c", HELP, "--help") for _ in range(3)]
    _, done = runs[0]
    assert done.returncode == 0
    for name, (_, line) in cli.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert line in done.stdout
    imported = set(done.stderr.split())
    assert "click" in imported
    assert not imported & set(HEAVY)
    bare = min(run_python("-c", "pass")[0] for _ in range(3))
    assert min(seconds for seconds, _ in runs) - bare < 0.5


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_and_a_summary_without_tensorflow(name):
    _, done = run_python("-c", HELP, name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: w2v {name}")
    assert not {"tensorflow", "tfx", "keras", "apache_beam"} & set(done.stderr.split())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_where_the_table_says(name):
    command = import_module(cli.COMMANDS[name][0]).command
    assert isinstance(command, click.Command)
    assert command.help


@pytest.mark.parametrize(
    ("typed", "meant"), [("transcibe", "transcribe"), ("relases", "releases"), ("docter", "doctor")]
)
def test_a_mistyped_command_suggests_the_nearest(capsys, typed, meant):
    assert run_main(typed) == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in capsys.readouterr().err


def test_a_command_like_no_other_suggests_nothing(capsys):
    assert run_main("xyzzy") == 2
    assert capsys.readouterr().err.rstrip().endswith("No such command 'xyzzy'.")


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (W2vError("It went wrong; try again."), 1, "w2v: It went wrong; try again.\n"),
        (BadInputError("No such corpus; make one."), 2, "w2v: No such corpus; make one.\n"),
        (GateRefusedError("WER 0.3 is above 0.2."), 3, "w2v: WER 0.3 is above 0.2.\n"),
        (KeyError("key"), 1, "w2v: KeyError: 'key' (`w2v --debug …` shows where)\n"),
        (KeyboardInterrupt(), 130, "\nStopped.\n"),
        (click.exceptions.Exit(3), 3, ""),
    ],
)
def test_an_error_is_one_sentence_and_an_exit_code(failing, capsys, error, code, sentence):
    failing(error)
    assert run_main("fail") == code
    captured = capsys.readouterr()
    assert captured.err == sentence
    assert captured.out == ""


@pytest.mark.parametrize("error", [BadInputError("Give a corpus."), RuntimeError("broken")])
def test_debug_shows_the_traceback_before_the_sentence(failing, capsys, error):
    failing(error)
    run_main("--debug", "fail")
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert "raise error" in shown
    assert str(error) in shown.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["corpus"], "Missing option '--to'"),
        (["corpus", "--to", "x", "--utterances", "3"], "3 is not in the range x>=10"),
        (["verify"], "Missing argument 'RELEASE'"),
        (["doctor", "--jsn"], "No such option"),
    ],
)
def test_a_wrong_argument_is_bad_input_named_by_its_option(capsys, arguments, sentence):
    assert run_main(*arguments) == 2
    assert sentence in capsys.readouterr().err


def test_the_version_is_the_packages(capsys):
    from importlib import metadata

    cli.main(["--version"])
    assert metadata.version("wav2vec2-tfx") in capsys.readouterr().out


def test_releases_of_an_empty_folder_say_so(tmp_path, capsys):
    cli.main(["releases", "--folder", str(tmp_path)])
    assert "Nothing has been published" in capsys.readouterr().out


def test_verify_of_no_release_exits_with_bad_input(tmp_path, capsys):
    assert run_main("verify", str(tmp_path)) == 2
    assert "holds no manifest.json" in capsys.readouterr().err


def test_config_lists_prints_and_checks(capsys, tmp_path):
    cli.main(["config"])
    assert "demo" in capsys.readouterr().out.split()
    cli.main(["config", "demo"])
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out)
    cli.main(["config", str(tmp_path / "mine.yaml"), "--check"])
    assert "mine.yaml is valid" in capsys.readouterr().out


def test_transcribe_with_a_checkpoint_hears_every_file(tiny_checkpoint, tmp_path, capsys):
    import numpy as np
    import soundfile

    files = [str(tmp_path / name) for name in ("one.wav", "two.flac")]
    for number, file in enumerate(files):
        soundfile.write(file, np.random.default_rng(number).normal(0, 0.1, 8000), 16_000)
    cli.main(["transcribe", str(tiny_checkpoint), *files, "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == files
    assert all(isinstance(line["text"], str) for line in lines)


def test_transcribe_without_a_model_says_what_to_give(tmp_path, capsys):
    assert run_main("transcribe", str(tmp_path), "a.wav") == 2
    assert "give a .tflite or .onnx file, a SavedModel folder" in capsys.readouterr().err
