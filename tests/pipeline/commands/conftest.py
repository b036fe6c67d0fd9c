"""A folder of three releases: published, published, rolled back."""

from dataclasses import replace

import pytest

from components.release_pusher.releases import publish, roll_back
from models import filesystem
from pipeline import cli
from schemas.release_manifest import Provenance

PROVENANCE = Provenance("tiny", "c" * 64, "d" * 64, "e" * 64, 0, "1.0")
WER = {
    "saved_model/bucketed": 0.03,
    "saved_model/unpadded": 0.02,
    "tflite_int8/static": 0.08,
    "tflite_int8/static+beam": 0.01,
}


@pytest.fixture
def published(tmp_path):
    """Publish a model of this graph, in any folder of releases."""

    def publish_one(folder, graph, told=None):
        provenance = replace(PROVENANCE, runtime_parameters=told or {})
        model = tmp_path / "model"
        for name in ("saved_model.pb", "tflite/model-int8.tflite", "report/report.html"):
            filesystem.write_text(model / name, graph)
        return publish(folder, "demo", {"": str(model)}, {}, WER, provenance)

    return publish_one


@pytest.fixture(params=["", "file://"], ids=["disk", "object store"])
def releases(request, tmp_path, published) -> str:
    folder = f"{request.param}{tmp_path}/releases"
    for graph in ("first", "second"):
        published(folder, graph)
    roll_back(folder)
    return folder


@pytest.fixture
def w2v(capsys, monkeypatch):
    """Run a command; its exit code, what it printed and what it complained of."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        code = 0
        try:
            cli.main(list(arguments))
        except SystemExit as stopped:
            code = stopped.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
