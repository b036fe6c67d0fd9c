"""ML Metadata in a file or on a server: the real servers, run here; no password in sight."""

import contextlib
import dataclasses
import glob
import json
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline

from kubeflow.container.recording import Recording, recorded
from models.errors import BadInputError
from pipeline.commands import runs
from pipeline.config import RunnerConfig, load_config
from pipeline.local import METADATA_FILE
from pipeline.metadata import (
    SERVER_FILE,
    connection_of,
    open_server,
    open_store,
    passwords_hidden,
)
from pipeline.node_options import schema_file
from pipeline.runs import find_run
from schemas.properties import to_json

# With all that a line of settings would stumble over.
PASSWORD = 's3cret it\'s "so" \\ = ß'
SECONDS_TO_START = 60


@dataclass(frozen=True)
class Server:
    """A database server on loopback that knows one user."""

    kind: str
    port: int

    @property
    def settings(self) -> RunnerConfig:
        return RunnerConfig(
            metadata=f"{self.kind}://mlmd@127.0.0.1:{self.port}/w2v",
            metadata_password="env:METADATA_PASSWORD",
        )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def as_nobody(folder: Path) -> list[str]:
    """What a server is started by, where this user is root: none of them runs as root."""
    if os.geteuid():
        return []
    folder.chmod(0o777)
    for above in folder.parents[:-2]:  # below /tmp
        above.chmod(above.stat().st_mode | 0o011)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"HOME={folder}"]


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[Server]:
    # Debian keeps the server's programs out of the PATH.
    *_, initdb = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb")]
    user, port = as_nobody(folder), free_port()
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    (folder / "password").chmod(0o644)
    options = ["-U", "mlmd", "--auth=scram-sha-256", f"--pwfile={folder}/password", "--no-sync"]
    made = [initdb, "-D", f"{folder}/data", *options, "-E", "UTF8", "--locale=C"]
    subprocess.run([*user, *made], check=True, capture_output=True, cwd=folder)
    server = [Path(initdb).with_name("postgres"), "-D", f"{folder}/data", "-k", folder, "-F"]
    with running([*user, *server, "-h", "127.0.0.1", "-p", str(port)], port):
        yield Server("postgresql", port)


@contextlib.contextmanager
def mariadb(folder: Path) -> Iterator[Server]:
    user, port = as_nobody(folder), free_port()
    made = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db"]
    subprocess.run([*user, *made], check=True, capture_output=True, cwd=folder)
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    (folder / "users.sql").write_text(
        f"CREATE USER mlmd@'%' IDENTIFIED BY '{quoted}';\nGRANT ALL ON w2v.* TO mlmd@'%';\n",
        encoding="utf-8",
    )
    server = [shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults"]
    settings = {
        "datadir": f"{folder}/data",
        "socket": f"{folder}/socket",
        "init-file": f"{folder}/users.sql",
        "bind-address": "127.0.0.1",
        "port": port,
        "skip-name-resolve": 1,
        "character-set-server": "utf8mb4",
    }
    told = [f"--{name}={value}" for name, value in settings.items()]
    with running([*user, *server, *told], port):
        yield Server("mysql", port)


@pytest.fixture(scope="module", params=[postgresql, pytest.param(mariadb, marks=pytest.mark.slow)])
def server(request, tmp_path_factory) -> Iterator[Server]:
    with request.param(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What TFX writes to its log, all of it."""
    lines: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, keeper = logging.getLogger("absl"), Keeper()
    logger.addHandler(keeper)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(before)
    logger.removeHandler(keeper)


def run_one_node(runner: RunnerConfig, root: Path) -> None:
    root.mkdir(exist_ok=True)
    dag = Pipeline(
        pipeline_name="one-node",
        pipeline_root=str(root / "pipeline"),
        components=[ImportSchemaGen(schema_file())],
        metadata_connection_config=connection_of(runner, root / METADATA_FILE),
    )
    with passwords_hidden():
        LocalDagRunner().run(dag)


def test_a_run_is_remembered_by_the_server_and_found_by_its_root(
    server, tmp_path, monkeypatch, log, capfd
):
    monkeypatch.setenv("METADATA_PASSWORD", PASSWORD)
    run_one_node(server.settings, tmp_path / "root")
    found = find_run(tmp_path / "root" / METADATA_FILE, "one-node")
    assert found.output("ImportSchemaGen", "schema").uri.startswith(f"{tmp_path}/root/pipeline")
    assert not (tmp_path / "root" / METADATA_FILE).exists()
    # The password is in no log, in no file and in no column of its own database.
    assert any('password: "***"' in line for line in log)
    files = [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert (tmp_path / "root" / SERVER_FILE) in files
    written = "\n".join([*log, *capfd.readouterr(), *(path.read_text() for path in files)])
    assert "s3cret" not in written
    assert "s3cret" not in str(open_store(tmp_path / "root" / METADATA_FILE).get_executions())


def test_a_server_is_read_by_the_config_of_its_runs_from_anywhere(server, tmp_path, monkeypatch):
    # Given a node of a cluster that was recorded on the server
    monkeypatch.setenv("METADATA_PASSWORD", PASSWORD)
    settings = server.settings
    of = Recording(settings.metadata, settings.metadata_password, "far-away", "Tuner", "x.Tuner")
    told = ExecutorInput()
    told.outputs.artifacts["model"].artifacts.add(
        uri="gs://b/w2v/1/run-7/Tuner_-3/model"
    ).type.instance_schema = "title: tfx.Model"
    told.outputs.output_file = str(tmp_path / "output.json")
    (tmp_path / "output.json").write_text('{"artifacts": {"model": {"artifacts": [{}]}}}')
    with recorded(to_json(of), told, ComponentInputsSpec()):
        pass
    # When its runs are listed by a config alone
    named = (("metadata", settings.metadata), ("metadata_password", settings.metadata_password))
    arguments = [word for key, value in named for word in ("--set", f"runner.{key}={value}")]
    shown = CliRunner().invoke(runs.command, ["--config", "demo", "--json", *arguments])
    # Then it is there
    (run,) = [one for one in json.loads(shown.output) if one["pipeline"] == "far-away"]
    assert (run["run"], run["state"], run["nodes_run"]) == ("run-7", "running", 1)


def test_a_config_without_a_server_says_so():
    with pytest.raises(BadInputError, match=r"config of demo names no server .*; set runner\.meta"):
        open_server(load_config("demo"))


def test_a_server_that_is_away_is_one_sentence():
    settings = RunnerConfig(metadata=f"postgresql://me@127.0.0.1:{free_port()}/w2v")
    with pytest.raises(BadInputError, match=r"cannot be reached from here \(ConnectionRefusedErr"):
        open_server(dataclasses.replace(load_config("demo"), runner=settings))


def test_a_password_that_the_server_refuses_is_one_sentence(server, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("METADATA_PASSWORD", "s3cret but wrong")
    with pytest.raises(BadInputError) as refused:
        connection_of(server.settings, tmp_path / METADATA_FILE)
    assert f"server {server.settings.metadata} does not let this run in" in str(refused.value)
    assert "s3cret" not in str(refused.value) + "".join(capfd.readouterr())
    assert not (tmp_path / SERVER_FILE).exists()


def test_a_password_may_lie_in_a_file_with_a_newline_at_its_end(server, tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    settings = RunnerConfig(
        metadata=server.settings.metadata, metadata_password=f"file:{tmp_path}/password"
    )
    connection_of(settings, tmp_path / METADATA_FILE)
    told = json.loads((tmp_path / SERVER_FILE).read_text())
    assert told == {"address": settings.metadata, "password": settings.metadata_password}


def test_without_a_server_it_is_a_file_below_the_root(tmp_path):
    connection = connection_of(RunnerConfig(), tmp_path / METADATA_FILE)
    assert connection.sqlite.filename_uri == str(tmp_path / METADATA_FILE)
    with pytest.raises(BadInputError, match=r"no metadata.sqlite in .*give the --root of a run"):
        open_store(tmp_path / METADATA_FILE)


def test_a_bucket_is_no_root_of_runs_here():
    with pytest.raises(BadInputError, match=r"is a bucket, .* For those of a cluster give --con"):
        open_store(Path("gs://bucket/w2v") / METADATA_FILE)


def test_what_no_password_is_in_keeps_its_form(caplog):
    """The screen knows TFX's messages by their form, before their arguments are filled in."""
    log = logging.getLogger("absl")
    with passwords_hidden(), caplog.at_level(logging.INFO, logger="absl"):
        log.info("Component %s is running.", "Trainer")
        log.info("%s", 'mysql { user: "u" password: "s3cret" }')
    running, connected = caplog.records
    assert (running.msg, running.args) == ("Component %s is running.", ("Trainer",))
    assert connected.getMessage() == 'mysql { user: "u" password: "***" }'


def test_a_run_that_would_forget_the_server_of_earlier_ones_is_refused(tmp_path):
    (tmp_path / SERVER_FILE).write_text('{"address": "mysql://u@h/d", "password": ""}')
    with pytest.raises(BadInputError, match=r"server mysql://u@h/d; set runner\.metadata to it"):
        connection_of(RunnerConfig(), tmp_path / METADATA_FILE)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("env:NO_SUCH_NAME", "env:NO_SUCH_NAME, but there is no such variable, or it is"),
        ("file:/no/such/file", r"/no/such/file, which cannot be read \(FileNotFoundError\); write"),
    ],
)
def test_a_password_that_lies_nowhere_is_one_sentence(place, sentence, tmp_path):
    settings = RunnerConfig(metadata="mysql://u@h/d", metadata_password=place)
    with pytest.raises(BadInputError, match=sentence):
        connection_of(settings, tmp_path / METADATA_FILE)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("runner.metadata=mysql://user:s3cret@host/db", r"runner\.metadata must be of the form"),
        (
            "runner.metadata=sqlite://file",
            r"runner\.metadata must be of the form mysql://USER@HOST",
        ),
        (
            "runner.metadata_password=s3cret",
            "env:NAME, file:PATH or secret:.*: a password is no part of a config",
        ),
    ],
)
def test_a_config_never_holds_a_password_and_never_repeats_one(change, sentence):
    with pytest.raises(BadInputError, match=sentence) as refused:
        load_config("demo", overrides=[change])
    assert "s3cret" not in str(refused.value)
