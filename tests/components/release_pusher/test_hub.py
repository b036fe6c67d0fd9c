"""The hub layout: what TensorFlow Hub's own client loads from a plain web server."""

import hashlib
import os
import subprocess
import sys
import tarfile
import uuid
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.release_pusher.hub import publish_hub, write_archive
from components.release_pusher.release_store import INCOMING_PREFIX
from models import filesystem
from models.errors import BadInputError
from schemas.release_manifest import Provenance, ReleaseManifest

CLIENT = """
import sys, tensorflow as tf, tensorflow_hub
model = tensorflow_hub.load(sys.argv[1])
print(model.double(tf.constant([1.0, 2.0])).numpy().tolist())
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """A static web server that logs nothing."""

    def log_message(self, *_):
        pass


@pytest.fixture(params=["disk", "object store"])
def hub_folder(request, tmp_path) -> str:
    return str(tmp_path / "hub") if request.param == "disk" else f"ram://{uuid.uuid4().hex}/hub"


@pytest.fixture
def model(tmp_path):
    """Not a real one, but with the folders of one."""
    for name in ("saved_model.pb", "variables/variables.index", "assets/vocab.json"):
        filesystem.write_text(tmp_path / "model" / name, name * 100)
    return str(tmp_path / "model")


def release(version, content="c" * 64):
    provenance = Provenance("tiny", "c" * 64, "d" * 64, "e" * 64, 0, "1.0")
    return ReleaseManifest("demo", version, "2026-11-21", content, (), {}, provenance)


def members(archive):
    with filesystem.open_binary(archive) as file, tarfile.open(fileobj=file) as opened:
        return opened.getmembers()


def test_each_kind_is_an_archive_with_its_digest_and_page_beside_it(hub_folder, model):
    models = {"recogniser": model, "encoder": model}
    archives = publish_hub(hub_folder, release(3), models, {kind: f"# {kind}" for kind in models})
    assert archives == [
        filesystem.join(hub_folder, f"demo-{kind}", "3.tar.gz")
        for kind in ("encoder", "recogniser")
    ]
    for archive in archives:
        folder = os.path.dirname(archive)
        assert filesystem.list_folder(folder) == ["3.md", "3.tar.gz", "3.tar.gz.sha256"]
        kind = os.path.basename(folder).removeprefix("demo-")
        assert filesystem.read_text(filesystem.join(folder, "3.md")) == f"# {kind}"
        digest = hashlib.sha256(filesystem.read_bytes(archive)).hexdigest()
        assert filesystem.read_text(f"{archive}.sha256") == f"{digest}  3.tar.gz\n"


def test_without_a_page_there_is_none(hub_folder, model):
    [archive] = publish_hub(hub_folder, release(1), {"encoder": model})
    folder = os.path.dirname(archive)
    assert filesystem.list_folder(folder) == ["1.tar.gz", "1.tar.gz.sha256"]


def test_the_archive_has_the_savedmodel_at_its_top_and_folders_before_their_files(tmp_path, model):
    [archive] = publish_hub(str(tmp_path / "hub"), release(1), {"encoder": model})
    assert [member.name for member in members(archive)] == [
        "assets",
        "variables",
        "assets/vocab.json",
        "saved_model.pb",
        "variables/variables.index",
    ]


def test_a_published_archive_is_never_changed(hub_folder, model):
    [archive] = publish_hub(hub_folder, release(1), {"encoder": model}, {"encoder": "first"})
    before = filesystem.read_bytes(archive)
    filesystem.remove(filesystem.join(model, "saved_model.pb"))
    assert publish_hub(hub_folder, release(1), {"encoder": model}, {"encoder": "second"}) == [
        archive
    ]
    assert filesystem.read_bytes(archive) == before
    page = filesystem.join(os.path.dirname(archive), "1.md")
    assert filesystem.read_text(page) == "first"


def test_an_archive_of_another_release_is_not_taken_for_this_one(hub_folder, model):
    publish_hub(hub_folder, release(1), {"encoder": model})
    with pytest.raises(
        BadInputError, match=r"1\.tar\.gz is of another release .*release\.hub_fold"
    ):
        publish_hub(hub_folder, release(1, content="d" * 64), {"encoder": model})


def test_a_push_that_died_before_the_archive_is_finished_by_the_next(hub_folder, model):
    folder = filesystem.join(hub_folder, "demo-encoder")
    filesystem.make_folder(folder)
    filesystem.write_text(filesystem.join(folder, f"{INCOMING_PREFIX}of-the-dead"), "half")
    [archive] = publish_hub(hub_folder, release(1), {"encoder": model})
    assert len(members(archive)) == 5


def test_a_place_that_cannot_be_written_is_one_sentence(model):
    with pytest.raises(BadInputError, match=r"could not be written to /proc/hub .*name another"):
        publish_hub("/proc/hub", release(1), {"encoder": model})


NAMES = st.sampled_from(["saved_model.pb", "variables/data", "assets/extra/vocab.json"])


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1))
def test_equal_content_gives_equal_bytes_and_comes_out_again(tmp_path_factory, files):
    made = []
    for place in ("one", "other"):
        folder = tmp_path_factory.mktemp(place)
        for name, content in files.items():
            filesystem.write_bytes(folder / name, content)
        os.utime(folder, times=(place == "one", 1))
        archive = folder.parent / f"{folder.name}.tar.gz"
        with open(archive, "wb") as file:
            write_archive(str(folder), file, "a comment")
        made.append(archive)
    assert made[0].read_bytes() == made[1].read_bytes()
    with tarfile.open(made[0]) as archive:
        found = {m.name: archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}
    assert found == files


@pytest.fixture
def web_server(tmp_path):
    """A hub folder, and the address under which a web server gives it out."""
    folder = tmp_path / "hub"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield str(folder), f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_tensorflow_hubs_own_client_loads_a_version_by_its_address(web_server, tmp_path):
    import tensorflow as tf

    class Doubler(tf.Module):
        def __init__(self):
            self.factor = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None])])
        def double(self, values):
            return self.factor * values

    tf.saved_model.save(Doubler(), str(tmp_path / "saved"))
    folder, address = web_server
    publish_hub(folder, release(7), {"encoder": str(tmp_path / "saved")})
    # A process of its own: the client brings another Keras.
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, f"{address}/demo-encoder/7.tar.gz"],
        env={**os.environ, "TFHUB_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[2.0, 4.0]"
