"""Buckets as folders of this machine, and back."""

from pathlib import Path

import pytest

from kubeflow.rehearsal.places import places_of
from models.errors import BadInputError


@pytest.fixture
def places(tmp_path):
    for name in ("corpus", "image", "nested"):
        (tmp_path / name).mkdir()
    mounts = [f"gs://data/speech={tmp_path}/corpus", f"gs://data/speech/new={tmp_path}/nested"]
    return places_of(tmp_path / "root", tmp_path / "image", mounts)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("gs://data/speech", "{tmp}/corpus"),
        ("gs://data/speech/a.flac", "{tmp}/corpus/a.flac"),
        ("gs://data/speech/new/a.flac", "{tmp}/nested/a.flac"),  # the longest prefix counts
        ("gs://data/speech-old/a", "{tmp}/root/buckets/gs/data/speech-old/a"),
        ('{"corpus": "gs://data/speech"}', '{"corpus": "{tmp}/corpus"}'),
        (
            "--to=gs://out/x,s3://out/y",
            "--to={tmp}/root/buckets/gs/out/x,{tmp}/root/buckets/s3/out/y",
        ),
        ("/opt/wav2vec2-tfx/models/m.py", "{tmp}/image/models/m.py"),
        ("/opt/wav2vec2-tfx2/models", "/opt/wav2vec2-tfx2/models"),
        ("https://data/speech", "https://data/speech"),
    ],
)
def test_a_place_of_the_cluster_is_a_folder_here_and_back(places, tmp_path, there, here):
    here = here.replace("{tmp}", str(tmp_path))
    assert places.here(there) == here
    assert places.there(here) == there


def test_a_bucket_that_nobody_mounts_lies_below_the_root(places, tmp_path):
    assert places.here("gs://other/x") == str(tmp_path / "root" / "buckets" / "gs" / "other" / "x")


@pytest.mark.parametrize("mount", ["gs://bucket", "bucket=.", "gs://bucket=/no/such/folder"])
def test_a_mount_that_means_nothing_is_refused(tmp_path, mount):
    with pytest.raises(BadInputError, match="--mount"):
        places_of(tmp_path, Path("image"), [mount])
