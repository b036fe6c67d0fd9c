"""Cloud Storage on loopback: what TensorFlow's gs:// filesystem and Google's own client ask of it.

The client can be told its address (STORAGE_EMULATOR_HOST). TensorFlow's filesystem cannot: it
calls two hosts by name, over TLS. But libcurl, by which it does, goes through a proxy and trusts
the certificates that its environment names: so this server is that proxy too, and answers for the
two hosts itself.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import itertools
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from google_crc32c import value as crc32c

HOSTS = ("www.googleapis.com", "storage.googleapis.com")
OBJECTS = re.compile(
    r"(?:/download|/upload)?/storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<name>[^/]+))?"
)
COPY = re.compile(rf"{OBJECTS.pattern}/(?:rewriteTo|copyTo)/b/(?P<to>[^/]+)/o/(?P<as>[^/]+)")
BUCKET = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)")
SESSION = re.compile(r"/upload/session/(?P<id>\d+)")
CONTENT_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-\d+|\*)/(?P<total>\d+|\*)")
PLAIN = re.compile(r"/(?P<bucket>[^/]+)/(?P<name>.+)")


@dataclass
class StoredObject:
    """One object's bytes, which version of it they are, and since when."""

    content: bytes
    generation: int
    updated: datetime.datetime


@dataclass
class _Upload:
    bucket: str
    name: str
    content: bytearray = field(default_factory=bytearray)


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class StorageEmulator:
    """The buckets, and what was asked of them."""

    def __init__(self, *buckets: str, page_size: int = 1000) -> None:
        self.buckets: dict[str, dict[str, StoredObject]] = {name: {} for name in buckets}
        self.page_size = page_size
        # Statuses that the next requests get instead of an answer.
        self.refusals: list[int] = []
        self.requests: list[str] = []
        self._uploads: dict[str, _Upload] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def names(self, bucket: str) -> list[str]:
        """The names of a bucket's objects, sorted."""
        return sorted(self.buckets[bucket])

    def upload(self, folder: Path, to: str) -> None:
        """Put a folder's files into a bucket, as `bucket/prefix`."""
        bucket, _, prefix = to.partition("/")
        for file in folder.rglob("*"):
            if file.is_file():
                name = f"{prefix}/{file.relative_to(folder).as_posix()}"
                self._keep(bucket, name, file.read_bytes())

    def answer(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Reply:
        """What the service says to a request; `url` is whole, with its host."""
        with self._lock:
            self.requests.append(f"{method} {url}")
            if self.refusals:
                return _error(self.refusals.pop(0))
            return self._answer(method, url, headers, body)

    def _answer(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Reply:
        address = urlsplit(url)
        asked = dict(parse_qsl(address.query, keep_blank_values=True))
        path = address.path
        if path == "/token":
            return _json({"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})
        if path.startswith("/batch/"):
            return self._batch(url, headers, body)
        if found := SESSION.fullmatch(path):
            return self._continue_upload(found["id"], headers, body)
        if found := COPY.fullmatch(path):
            place = unquote(found["bucket"]), unquote(found["name"])
            return self._copy(*place, unquote(found["to"]), unquote(found["as"]))
        if found := OBJECTS.fullmatch(path):
            bucket, name = unquote(found["bucket"]), unquote(found["name"] or "")
            if bucket not in self.buckets:
                return _error(404)
            if method == "POST":
                return self._upload(bucket, asked, url, headers, body)
            if not name:
                return self._list(bucket, asked)
            if name not in self.buckets[bucket]:
                return _error(404)
            if method == "DELETE":
                del self.buckets[bucket][name]
                return Reply(204)
            wants_content = asked.get("alt") == "media"
            return (
                self._content(bucket, name, headers) if wants_content else self._about(bucket, name)
            )
        if found := BUCKET.fullmatch(path):
            known = found["bucket"] in self.buckets
            return _json({"name": found["bucket"], "location": "US"}) if known else _error(404)
        if method == "GET" and (found := PLAIN.fullmatch(path)):
            return self._content(found["bucket"], unquote(found["name"]), headers)
        return _error(400)

    def _list(self, bucket: str, asked: dict[str, str]) -> Reply:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        names, folders = [], []
        for name in self.names(bucket):
            rest = name.removeprefix(prefix)
            if not name.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders.append(prefix + rest[: rest.index(delimiter) + 1])
            else:
                names.append(name)
        entries = sorted({*names, *folders})
        start = int(asked.get("pageToken", 0))
        end = start + min(int(asked.get("maxResults", self.page_size)), self.page_size)
        page = entries[start:end]
        answer: dict = {
            "kind": "storage#objects",
            "items": [self._facts(bucket, name) for name in page if name in names],
            "prefixes": [name for name in page if name in folders],
        }
        if end < len(entries):
            answer["nextPageToken"] = str(end)
        return _json({key: value for key, value in answer.items() if value})

    def _facts(self, bucket: str, name: str) -> dict[str, str]:
        stored = self.buckets[bucket][name]
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(len(stored.content)),
            "generation": str(stored.generation),
            "metageneration": "1",
            "crc32c": base64.b64encode(crc32c(stored.content).to_bytes(4, "big")).decode(),
            "updated": f"{stored.updated:%Y-%m-%dT%H:%M:%S}.000Z",
            "storageClass": "STANDARD",
        }

    def _about(self, bucket: str, name: str) -> Reply:
        return _json(self._facts(bucket, name))

    def _content(self, bucket: str, name: str, headers: dict[str, str]) -> Reply:
        stored = self.buckets.get(bucket, {}).get(name)
        if stored is None:
            return _error(404)
        total = len(stored.content)
        if not (asked := headers.get("range", "").removeprefix("bytes=")):
            return Reply(200, stored.content)
        first, _, last = asked.partition("-")
        if int(first) >= total:
            return _error(416)
        part = stored.content[int(first) : int(last) + 1 if last else total]
        return Reply(
            206, part, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{total}"}
        )

    def _upload(
        self, bucket: str, asked: dict[str, str], url: str, headers: dict[str, str], body: bytes
    ) -> Reply:
        if asked["uploadType"] == "media":
            if asked.get("ifGenerationMatch") == "0" and asked["name"] in self.buckets[bucket]:
                return _error(412)
            return self._keep(bucket, asked["name"], body)
        if asked["uploadType"] == "multipart":
            about, content = _parts(headers["content-type"], body)
            return self._keep(bucket, json.loads(about)["name"], content)
        name = asked.get("name") or json.loads(body)["name"]
        number = str(next(self._numbers))
        self._uploads[number] = _Upload(bucket, name)
        address = urlsplit(url)
        location = f"{address.scheme}://{address.netloc}/upload/session/{number}"
        return Reply(200, headers={"Location": location})

    def _continue_upload(self, number: str, headers: dict[str, str], body: bytes) -> Reply:
        upload = self._uploads[number]
        place = CONTENT_RANGE.fullmatch(headers.get("content-range", f"bytes */{len(body)}"))
        assert place, headers["content-range"]
        if place["first"]:
            assert int(place["first"]) == len(upload.content)
        upload.content += body
        if place["total"] == str(len(upload.content)):
            return self._keep(upload.bucket, upload.name, bytes(upload.content))
        received = {"Range": f"bytes=0-{len(upload.content) - 1}"} if upload.content else {}
        return Reply(308, headers=received)

    def _keep(self, bucket: str, name: str, content: bytes) -> Reply:
        now = datetime.datetime.now(datetime.UTC)
        self.buckets[bucket][name] = StoredObject(content, next(self._numbers), now)
        return self._about(bucket, name)

    def _copy(self, bucket: str, name: str, to: str, new_name: str) -> Reply:
        stored = self.buckets.get(bucket, {}).get(name)
        if stored is None or to not in self.buckets:
            return _error(404)
        self._keep(to, new_name, stored.content)
        size = str(len(stored.content))
        answer = {"done": True, "objectSize": size, "totalBytesRewritten": size}
        return _json(answer | {"resource": self._facts(to, new_name)} | self._facts(to, new_name))

    def _batch(self, url: str, headers: dict[str, str], body: bytes) -> Reply:
        """Requests within a request, each answered by itself."""
        host = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        answers = []
        for part in _parts(headers["content-type"], body):
            line, _, rest = part.partition(b"\r\n" if b"\r\n" in part else b"\n")
            method, target = line.decode().split(" ")[:2]
            path = urlsplit(target)
            inner = rest.split(b"\r\n\r\n", 1)[-1] if b"\r\n\r\n" in rest else b""
            reply = self._answer(method, f"{host}{path.path}?{path.query}", {}, inner.strip())
            head = (
                f"Content-Type: application/http\r\n\r\nHTTP/1.1 {reply.status} .\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(reply.body)}\r\n\r\n"
            )
            answers.append(head.encode() + reply.body)
        joined = b"".join(b"--answer\r\n" + answer + b"\r\n" for answer in answers) + b"--answer--"
        return Reply(200, joined, {"Content-Type": "multipart/mixed; boundary=answer"})


def _parts(content_type: str, body: bytes) -> list[bytes]:
    """The contents of a multipart body."""
    boundary = content_type.partition("boundary=")[2].strip("\"'").encode()
    parts = body.split(b"--" + boundary)[1:-1]
    return [re.split(rb"\r?\n\r?\n", part, maxsplit=1)[1].rstrip(b"\r\n") for part in parts]


def _json(answer: dict) -> Reply:
    return Reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})


def _error(status: int) -> Reply:
    error = {"error": {"code": status, "message": f"status {status}"}}
    return Reply(status, json.dumps(error).encode(), {"Content-Type": "application/json"})


def _handler(emulator: StorageEmulator, context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        origin = ""

        def do_CONNECT(self):
            """Be the host that the proxy was asked for."""
            self.origin = f"https://{self.path.removesuffix(':443')}"
            self.send_response(200)
            self.end_headers()
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except ssl.SSLError:  # a client that does not know this certificate
                return
            self.rfile = self.connection.makefile("rb", -1)
            self.wfile = self.connection.makefile("wb", 0)
            self.close_connection = False

        def _serve(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self._body(headers)
            origin = self.origin or f"http://{headers['host']}"
            reply = emulator.answer(self.command, f"{origin}{self.path}", headers, body)
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def _body(self, headers):
            if headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815

        def log_message(self, *_):
            pass

    return Handler


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of the two hosts that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTS[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, HOSTS))), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(_as_pem(key))
    return certificate_file, key_file


def write_account(folder: Path, token_uri: str) -> Path:
    """A service account: without one Beam asks the world for another for half a minute."""
    account = {
        "type": "service_account",
        "client_email": "pipeline@project.iam.gserviceaccount.com",
        "private_key": _as_pem(rsa.generate_private_key(65537, 2048)).decode(),
        "token_uri": token_uri,
    }
    (folder / "account.json").write_text(json.dumps(account))
    return folder / "account.json"


def _as_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@contextlib.contextmanager
def serving(emulator: StorageEmulator, folder: Path) -> Iterator[dict[str, str]]:
    """Serve it; gives the environment in which TensorFlow and Google's client find it."""
    certificate, key = write_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(emulator, context))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield {
            "https_proxy": address,
            "no_proxy": "127.0.0.1,localhost",
            "CURL_CA_BUNDLE": str(certificate),
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
            "STORAGE_EMULATOR_HOST": address,
            "GOOGLE_APPLICATION_CREDENTIALS": str(write_account(folder, f"{address}/token")),
            "GOOGLE_CLOUD_PROJECT": "project",
        }
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def used_here(emulator: StorageEmulator, folder: Path) -> Iterator[StorageEmulator]:
    """Serve it to this process, and to those that it starts."""
    with serving(emulator, folder) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield emulator
