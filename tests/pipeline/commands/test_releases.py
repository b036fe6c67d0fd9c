"""`w2v releases`: what a person and a machine see of what was published."""

import json

import pytest


def test_each_version_is_listed_with_its_artifacts_and_what_became_of_it(w2v, releases):
    code, out, _ = w2v("releases", "--folder", releases)
    assert code == 0
    assert [" ".join(line.split()[:1] + line.split()[3:]) for line in out.splitlines()[1::2]] == [
        "1 saved_model 2.00 % 0.0 MiB",
        "2 saved_model 2.00 % 0.0 MiB rolled back",
        "3 saved_model 2.00 % 0.0 MiB current, restores 1",
    ]
    assert [" ".join(line.split()) for line in out.splitlines()[2::2]] == [
        "tflite_int8 8.00 % 0.0 MiB"
    ] * 3


def test_a_release_whose_run_was_told_other_values_says_so(w2v, tmp_path, published):
    published(tmp_path / "releases", "graph", told={"max_wer_unpadded": 0.9})
    _, out, _ = w2v("releases", "--folder", str(tmp_path / "releases"))
    assert "current, told max_wer_unpadded = 0.9" in " ".join(out.split())


def test_json_gives_the_manifests_and_their_state(w2v, releases):
    _, out, _ = w2v("releases", "--folder", releases, "--json")
    rows = json.loads(out)
    assert [(row["version"], row["state"]) for row in rows] == [
        (1, "old"),
        (2, "rolled back"),
        (3, "current"),
    ]
    assert (rows[2]["restores"], rows[2]["rolled_back_from"]) == (1, 2)
    assert rows[0]["wer"]["tflite_int8/static"] == 0.08


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_where_nothing_was_published_it_says_so(w2v, tmp_path, scheme):
    folder = f"{scheme}{tmp_path}/nowhere"
    assert w2v("releases", "--folder", folder)[1] == (
        f"Nothing has been published in {folder} yet.\n"
    )
    assert json.loads(w2v("releases", "--folder", folder, "--json")[1]) == []


def test_a_score_that_is_missing_is_a_dash(w2v, tmp_path, published, monkeypatch):
    folder = published(str(tmp_path / "releases"), "graph").folder
    path = f"{folder}/manifest.json"
    with open(path) as file:
        manifest = json.load(file)
    with open(path, "w") as file:
        json.dump({**manifest, "wer": {}}, file)
    _, out, _ = w2v("releases", "--folder", str(tmp_path / "releases"))
    assert out.count("–") == 2
