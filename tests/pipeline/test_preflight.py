"""What is wrong is said before minutes of work: the thing, and the cure."""

import dataclasses
import shutil
from collections import namedtuple

import pytest

from models.errors import BadInputError
from pipeline import preflight
from pipeline.config import load_config
from pipeline.preflight import check_before_run


@pytest.fixture
def config(tiny_checkpoint, noise_corpus, tmp_path):
    overrides = [f"model.checkpoint={tiny_checkpoint}", f"data.corpus={noise_corpus}"]
    return load_config("demo", root=tmp_path, overrides=overrides)


def with_checkpoint(config, folder):
    return dataclasses.replace(config, model=dataclasses.replace(config.model, checkpoint=folder))


def test_a_good_config_passes_and_its_root_is_made(config, tmp_path):
    check_before_run(config, tmp_path / "runs" / "deep")
    assert (tmp_path / "runs" / "deep").is_dir()


def test_a_missing_corpus_names_the_folder_and_how_to_make_one(config, tmp_path):
    missing = str(tmp_path / "nothing")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, corpus=missing))
    with pytest.raises(BadInputError, match=f"no corpus at {missing}.* w2v corpus --to {missing}"):
        check_before_run(config, tmp_path)


def test_a_split_that_matches_no_folder_is_named(config, tmp_path):
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, dev="validation-*"))
    with pytest.raises(BadInputError, match=r"data\.dev.*validation-\*.*dev-clean"):
        check_before_run(config, tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json"])
def test_an_incomplete_checkpoint_names_what_is_missing(config, tiny_checkpoint, tmp_path, name):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint")
    (folder / name).unlink()
    with pytest.raises(BadInputError, match=f"{folder} has no .*; "):
        check_before_run(with_checkpoint(config, str(folder)), tmp_path)


def test_a_single_file_checkpoint_is_pointed_to_convert(config, tmp_path):
    (tmp_path / "wav2vec_small.pt").write_bytes(b"")
    with pytest.raises(BadInputError, match=r"w2v convert .*wav2vec_small\.pt --to"):
        check_before_run(with_checkpoint(config, str(tmp_path / "wav2vec_small.pt")), tmp_path)


def test_a_full_disk_is_told_before_it_costs_anything(config, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 1 << 20))
    with pytest.raises(BadInputError, match="Only 1 MiB are free"):
        check_before_run(config, tmp_path)
