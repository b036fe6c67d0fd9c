"""The doctor says what this machine can do, without loading what it looks for."""

import json
import subprocess
import sys

import pytest

from pipeline import cli, doctor
from pipeline.doctor import examine


@pytest.fixture
def findings(tmp_path):
    return {finding.what: finding for finding in examine(tmp_path)}


def test_everything_the_pipeline_needs_is_looked_at(findings):
    assert {"Python", "cores", "memory", "disk", "torch", "GPU", "Google Cloud"} < set(findings)
    assert set(doctor.NEEDED) < set(findings)
    assert {finding.state for finding in findings.values()} <= {"ok", "note", "missing"}
    assert all(finding.found for finding in findings.values())


def test_what_the_tests_run_with_is_found_with_its_version(findings):
    import tensorflow as tf

    assert findings["tensorflow"].state == "ok"
    assert findings["tensorflow"].found.startswith(tf.__version__)
    major, minor, *_ = sys.version_info
    assert findings["Python"].found.startswith(f"{major}.{minor}.")


def test_a_package_that_is_not_there_is_missing_with_its_cure(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(doctor.NEEDED, "no-such-package-of-ours", "nothing")
    missing = [finding for finding in examine(tmp_path) if finding.state == "missing"]
    assert [(one.what, one.cure) for one in missing] == [
        ("no-such-package-of-ours", "install no-such-package-of-ours")
    ]
    with pytest.raises(SystemExit) as left:
        cli.main(["doctor"])
    assert left.value.code == 1
    assert "✗ no-such-package-of-ours" in capsys.readouterr().out


def test_a_distribution_for_other_machines_stands_in_for_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(doctor.NEEDED, "tensorflow-elsewhere", "the model")
    monkeypatch.setitem(doctor.STAND_INS, "tensorflow-elsewhere", "tensorflow")
    found = {finding.what: finding for finding in examine(tmp_path)}
    assert found["tensorflow-elsewhere"].found == found["tensorflow"].found


def test_little_room_is_a_note_with_what_it_is_enough_for(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "LITTLE_DISK", 1 << 60)
    monkeypatch.setattr(doctor, "LITTLE_MEMORY", 1 << 60)
    findings = {finding.what: finding for finding in examine(tmp_path)}
    assert (findings["disk"].state, findings["memory"].state) == ("note", "note")
    assert "not for LibriSpeech" in findings["disk"].cure


def test_cloud_credentials_are_found_where_google_looks_for_them(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    without = {finding.what: finding for finding in examine(tmp_path)}
    assert without["Google Cloud"].state == "note"
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with_key = {finding.what: finding for finding in examine(tmp_path)}
    assert with_key["Google Cloud"].state == "ok"


def test_the_command_gives_json_and_loads_neither_tensorflow_nor_tfx():
    code = "import sys; from pipeline.cli import main\ntry:\n main(['doctor', '--json'])\n"
    code += "finally:\n print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    found = json.loads(done.stdout)
    assert done.returncode == (1 if any(one["state"] == "missing" for one in found) else 0)
    assert {"what", "state", "found", "cure"} == set(found[0])
    assert not {"tensorflow", "tfx", "torch"} & set(done.stderr.split())
