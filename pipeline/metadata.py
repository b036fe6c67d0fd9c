"""Where a pipeline's ML Metadata is kept: a file below the root, or a server that many share."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import ConnectionConfig

from models import filesystem
from models.errors import BadInputError
from models.secrets import read_secret
from pipeline.config import METADATA_SERVER, RunConfig, RunnerConfig
from pipeline.local import FILE_ADDRESS

# Beside the root's other files, so that who is given a root finds its metadata: the server's
# address, and where the password lies.
SERVER_FILE = "metadata-server.json"
DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}
SECONDS_TO_ANSWER = 10.0
# What is left of gs://… in a Path.
BUCKET = re.compile(r"\w+:/")
# A field of a connection as a log shows it.
PASSWORD_FIELD = re.compile(r'(\bpassword: )"(?:[^"\\]|\\.)*"')


def connection_of(runner: RunnerConfig, metadata_file: Path) -> ConnectionConfig:
    """The connection of a run that is to write; its server has answered."""
    pointer = metadata_file.with_name(SERVER_FILE)
    if not runner.metadata:
        _refuse_to_forget(pointer)
        return _written_file(str(metadata_file))
    server = {"address": runner.metadata, "password": runner.metadata_password}
    connection = server_at(**server)
    _connect(connection, runner.metadata)
    pointer.write_text(json.dumps(server, indent=1) + "\n", encoding="utf-8")
    return connection


def server_at(address: str, password: str) -> ConnectionConfig:
    """The connection to a server that answers at `address`; `password` says where that lies."""
    if address.startswith(FILE_ADDRESS):
        return _written_file(address.removeprefix(FILE_ADDRESS))
    connection = _connection_to(address, password)
    server = connection.mysql if connection.HasField("mysql") else connection.postgresql
    try:  # its own client would wait for minutes
        socket.create_connection((server.host, int(server.port)), SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise BadInputError(
            f"ML Metadata's server {address} cannot be reached from here ({type(error).__name__}); "
            "check that it is up, that this network may reach it, and runner.metadata."
        ) from error
    return connection


def open_server(config: RunConfig) -> mlmd.MetadataStore:
    """The ML Metadata that the runs of a config are in, wherever they ran, to be read."""
    address = config.runner.metadata
    if not address:
        raise BadInputError(
            f"The config of {config.name} names no server for ML Metadata; set runner.metadata to "
            "the one of its runs, or give the --root of runs on this machine instead."
        )
    return _connect(server_at(address, config.runner.metadata_password), address)


def open_store(metadata_file: Path) -> mlmd.MetadataStore:
    """The ML Metadata of a root, to be read: a run that is going on is not disturbed."""
    refuse_bucket(metadata_file.parent)
    pointer = metadata_file.with_name(SERVER_FILE)
    if pointer.exists():
        server = filesystem.read_json_object(pointer)
        return _connect(server_at(**server), server["address"])
    if not metadata_file.exists():
        raise BadInputError(
            f"There is no {metadata_file.name} in {metadata_file.parent}; give the --root of a run."
        )
    connection = ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata_file)
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    return mlmd.MetadataStore(connection)


def refuse_bucket(root: Path) -> None:
    """Raise one sentence if no runs of this machine can be below that root."""
    if BUCKET.match(str(root)):
        bucket = str(root).replace(":/", "://", 1)
        raise BadInputError(
            f"{bucket} is a bucket, and no runs of this machine are below it. For those of a "
            "cluster give --config, where runner.metadata names the server that they are recorded "
            "in; a pipeline compiled without it is known to its service alone."
        )


def _written_file(path: str) -> ConnectionConfig:
    connection = ConnectionConfig()
    connection.sqlite.filename_uri = path
    connection.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    )
    return connection


def _refuse_to_forget(pointer: Path) -> None:
    """A run that does not see the last blessed model would be judged beside nothing."""
    if pointer.exists():
        address = filesystem.read_json_object(pointer)["address"]
        raise BadInputError(
            f"Earlier runs below {pointer.parent} are in ML Metadata's server {address}; set "
            f"runner.metadata to it, or remove {pointer.name} to begin anew in a file."
        )


@contextlib.contextmanager
def passwords_hidden() -> Iterator[None]:
    """Keep passwords out of the log: TFX writes there how it is connected."""

    def hide(record: logging.LogRecord) -> bool:
        said = record.getMessage()
        hidden = PASSWORD_FIELD.sub(r'\1"***"', said)
        if hidden != said:  # others keep their form, by which the screen knows them
            record.msg, record.args = hidden, ()
        return True

    log = logging.getLogger("absl")
    log.addFilter(hide)
    try:
        yield
    finally:
        log.removeFilter(hide)


def _connection_to(address: str, password: str) -> ConnectionConfig:
    found = METADATA_SERVER.fullmatch(address)
    assert found is not None  # the config has seen to it
    port = int(found["port"] or DEFAULT_PORTS[found["kind"]])
    secret = password and read_secret(
        password, "runner.metadata_password", "the password of ML Metadata's server"
    )
    connection = ConnectionConfig()
    if found["kind"] == "mysql":
        connection.mysql.host, connection.mysql.port = found["host"], port
        connection.mysql.user, connection.mysql.password = found["user"], secret
        connection.mysql.database = found["database"]
    else:
        connection.postgresql.host, connection.postgresql.port = found["host"], str(port)
        connection.postgresql.user, connection.postgresql.dbname = found["user"], found["database"]
        if secret:
            connection.postgresql.password = _quoted(secret)
    return connection


def _quoted(secret: str) -> str:
    """As PostgreSQL's client wants a value in the line of settings that ML Metadata makes for it.

    Bare, a space in a password would begin another setting, and be shown in the error.
    """
    escaped = secret.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _connect(connection: ConnectionConfig, address: str) -> mlmd.MetadataStore:
    try:
        return mlmd.MetadataStore(connection)
    except (RuntimeError, mlmd.errors.StatusError) as error:
        # What the library says may hold settings of the connection: it has written its reason to
        # stderr itself, without the password.
        raise BadInputError(
            f"ML Metadata's server {address} does not let this run in; check that it is up, "
            "runner.metadata, and the password at runner.metadata_password."
        ) from error
