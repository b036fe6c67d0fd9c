"""What is wrong is said before minutes of work: the thing, and the cure."""

import contextlib
import dataclasses
import shutil
import socket
import subprocess
import sys
from collections import namedtuple

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import S3Options

from components.speech_example_gen import files
from models import filesystem
from models.errors import BadInputError
from models.training.config import TeacherConfig
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2Model
from pipeline import preflight
from pipeline.config import ModelConfig, load_config
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
    config = with_data(config, corpus=missing)
    with pytest.raises(BadInputError, match=f"no corpus at {missing}.* w2v corpus --to {missing}"):
        check_before_run(config, tmp_path)
    with pytest.raises(BadInputError, match=r"layout that data\.layout says \(kaldi\)\.$"):
        check_before_run(with_data(config, layout="kaldi"), tmp_path)


def with_data(config, **changes):
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **changes))


def fill(corpus, *files):
    for name in files:
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_bytes(b"")
    return str(corpus)


def test_a_split_that_matches_nothing_is_named_with_what_is_there(config, tmp_path):
    config = with_data(config, dev="validation-*")
    with pytest.raises(
        BadInputError, match=r"data\.dev \(validation-\*\) in .*SPEAKERS.*dev-clean"
    ):
        check_before_run(config, tmp_path)


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (("train.tsv", "clips/a.mp3"), "tsv"),
        (("lists/train.jsonl", "audio/a.wav"), "nemo"),
        (("data/train/wav.scp", "data/train/text"), "kaldi"),
        (("TRAIN/DR1/FCJF0/SA1.PHN", "TRAIN/DR1/FCJF0/SA1.WAV"), "timit"),
        (("anna/1.wav", "anna/1.txt"), "folder"),
    ],
)
def test_a_corpus_in_another_layout_is_told_which(config, tmp_path, files, layout):
    config = with_data(config, corpus=fill(tmp_path / "corpus", *files))
    with pytest.raises(BadInputError, match=rf"looks like data\.layout: {layout}"):
        check_before_run(config, tmp_path)


def test_files_of_another_layout_that_match_are_noticed(config, tmp_path):
    corpus = fill(tmp_path / "corpus", *(f"{name}/D/S/1.WRD" for name in ("train", "dev", "test")))
    config = with_data(config, corpus=corpus, train="train", dev="dev", test="test")
    with pytest.raises(BadInputError, match=r"data\.train .*1\.WRD.* set data\.layout to timit"):
        check_before_run(config, tmp_path)
    check_before_run(with_data(config, layout="timit"), tmp_path)


@pytest.mark.parametrize(
    ("name", "layout"),
    [("1/1-1.trans.txt", "librispeech"), ("1/1.PHN", "timit"), ("wav.scp", "kaldi")],
)
def test_a_plain_folder_that_is_surely_a_corpus_of_its_own_kind_is_told_so(
    config, tmp_path, name, layout
):
    corpus = fill(tmp_path / "corpus", f"dev/{name}", "dev/1/1.flac", "dev/1/1.txt")
    config = with_data(config, corpus=corpus, layout="folder", train="dev", dev="dev", test="dev")
    shown = rf"data\.train \(dev\) matches .*{name}, .* set data\.layout to {layout}\.$"
    with pytest.raises(BadInputError, match=shown):
        check_before_run(config, tmp_path)
    fill(tmp_path / "corpus", "dev/transcripts.tsv")
    check_before_run(config, tmp_path)


@pytest.mark.parametrize("patterns", [{"all": "*"}, {"all": "**"}, {"train": "wavs"}, {}])
@pytest.mark.parametrize("lying", ["metadata.csv", "transcripts.tsv", "1.wav"])
def test_what_lies_in_the_corpus_itself_is_not_overlooked(config, tmp_path, patterns, lying):
    corpus = fill(tmp_path / "corpus", lying, "wavs/1.wav", "wavs/2.wav")
    config = with_data(config, corpus=corpus, layout="folder", **patterns)
    said = rf'^{lying} lies in the corpus itself .* set data\.all to "\."'
    with pytest.raises(BadInputError, match=said):
        check_before_run(config, tmp_path)
    whole = {"train": "train-*", "all": "."}
    check_before_run(with_data(config, **whole), tmp_path)


def test_subsets_with_transcripts_of_their_own_may_have_anything_beside_them(config, tmp_path):
    names = [f"{name}/1.{suffix}" for name in ("a", "b", "c") for suffix in ("wav", "txt")]
    corpus = fill(tmp_path / "corpus", "jingle.wav", *names)
    patterns = {"train": "a", "dev": "b", "test": "c"}
    check_before_run(with_data(config, corpus=corpus, layout="folder", **patterns), tmp_path)


def test_an_archive_that_was_not_named_as_one_is_noticed(config, tmp_path):
    names = ("train-a.tar.gz", "dev-a.tar.gz", "test-a.tar.gz")
    config = with_data(config, corpus=fill(tmp_path / "corpus", *names))
    with pytest.raises(BadInputError, match=r"name it with its suffix \(.*\.tar\.gz\)"):
        check_before_run(config, tmp_path)
    patterns = {name: f"{name}-*.tar.gz" for name in ("train", "dev", "test")}
    check_before_run(with_data(config, **patterns), tmp_path)


def test_at_least_one_span_must_be_there(config, noise_corpus, tmp_path):
    shutil.copytree(noise_corpus, tmp_path / "corpus" / "span-3")
    patterns = {name: f"span-{{SPAN}}/{name}-*" for name in ("train", "dev", "test")}
    config = with_data(config, corpus=str(tmp_path / "corpus"), **patterns)
    check_before_run(config, tmp_path)
    (tmp_path / "corpus" / "span-3").rename(tmp_path / "corpus" / "monday")
    with pytest.raises(BadInputError, match=r"data\.train \(span-{SPAN}/train-\*\).* holds monday"):
        check_before_run(config, tmp_path)


def test_a_scheme_that_nothing_reads_is_told_before_the_corpus_is_looked_for(config, tmp_path):
    with pytest.raises(BadInputError, match=r"ftp:// is not among the known schemes"):
        check_before_run(with_data(config, corpus="ftp://host/corpus"), tmp_path)


@pytest.fixture
def in_bucket(config, monkeypatch):
    """A corpus in a store that is nowhere."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    # As it is now, so that it is so again afterwards.
    monkeypatch.setattr(FileSystems, "_pipeline_options", None)
    files._s3_client.cache_clear()
    yield with_data(config, corpus="s3://bucket/corpus")
    files._s3_client.cache_clear()


@pytest.fixture
def silent():
    """A server that accepts, and says nothing."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def with_flags(config, *flags):
    runner = dataclasses.replace(config.runner, beam_flags=flags)
    return dataclasses.replace(config, runner=runner)


def test_a_store_that_cannot_be_listed_is_one_sentence(in_bucket, tmp_path):
    with pytest.raises(BadInputError, match=r"cannot be listed .*127\.0\.0\.1:9.* credentials"):
        check_before_run(in_bucket, tmp_path)


def test_a_store_is_looked_for_where_beams_flags_say(in_bucket, tmp_path):
    flags = ("--s3_endpoint_url=http://127.0.0.1:19", "--s3_region_name=us-east-1")
    with pytest.raises(BadInputError, match=r"cannot be listed .*127\.0\.0\.1:19"):
        check_before_run(with_flags(in_bucket, *flags), tmp_path)
    # It stays so for what lists the corpus next: the driver.
    told = FileSystems._pipeline_options.view_as(S3Options)
    assert told.s3_endpoint_url == "http://127.0.0.1:19"


def test_a_store_that_keeps_silent_is_not_waited_for(in_bucket, silent, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", silent)
    monkeypatch.setattr(preflight, "SECONDS_TO_ANSWER", 1)
    said = r"^s3://bucket/corpus did not answer within 1 s; check the network and the credentials"
    with pytest.raises(BadInputError, match=said):
        check_before_run(in_bucket, tmp_path)


def test_an_error_without_words_is_called_by_its_kind(config, tmp_path, monkeypatch):
    def fail(*_):
        raise PermissionError

    monkeypatch.setattr(preflight, "first_files", fail)
    with pytest.raises(BadInputError, match=r"cannot be listed \(PermissionError\);"):
        check_before_run(config, tmp_path)


def test_a_local_corpus_is_checked_without_importing_the_pipeline(config, tmp_path):
    program = (
        "import sys; from pathlib import Path; from pipeline.config import load_config;"
        "from pipeline.preflight import check_corpus;"
        f"check_corpus(load_config('demo', overrides=['data.corpus={config.data.corpus}']));"
        "print({'tensorflow', 'apache_beam', 'tfx.components', 'tfx.dsl'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


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


def with_teacher(config, folder, layers):
    teacher = TeacherConfig(str(folder), layers=layers)
    return dataclasses.replace(config, model=ModelConfig(teacher=teacher))


def test_a_teacher_must_be_there_and_deeper_than_its_student(config, tiny_checkpoint, tmp_path):
    check_before_run(with_teacher(config, tiny_checkpoint, layers=1), tmp_path)
    with pytest.raises(BadInputError, match=r"layers is 2, but the teacher has 2 transformer"):
        check_before_run(with_teacher(config, tiny_checkpoint, layers=2), tmp_path)
    with pytest.raises(
        BadInputError, match=r"no checkpoint folder at .*model\.teacher\.checkpoint"
    ):
        check_before_run(with_teacher(config, tmp_path / "nowhere", layers=1), tmp_path)


def test_a_remote_teacher_is_looked_into_as_well(config, tiny_checkpoint, tmp_path):
    remote = "ram://preflight/teacher"
    for name in ("config.json", "model.safetensors"):
        filesystem.write_bytes(f"{remote}/{name}", (tiny_checkpoint / name).read_bytes())
    check_before_run(with_teacher(config, remote, layers=1), tmp_path)
    with pytest.raises(BadInputError, match=r"layers is 2, but the teacher has 2 transformer"):
        check_before_run(with_teacher(config, remote, layers=2), tmp_path)
    with pytest.raises(BadInputError, match=r"There is no ram://preflight/nowhere"):
        check_before_run(with_teacher(config, "ram://preflight/nowhere", layers=1), tmp_path)
    with pytest.raises(BadInputError, match=r"no filesystem for moon://bucket/teacher"):
        check_before_run(with_teacher(config, "moon://bucket/teacher", layers=1), tmp_path)


def test_a_teacher_that_cannot_be_read_is_told_with_its_key(config, tiny_checkpoint, tmp_path):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "teacher")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    with pytest.raises(BadInputError, match=r"model\.teacher\.checkpoint\) cannot be read \("):
        check_before_run(with_teacher(config, folder, layers=1), tmp_path)


def test_a_teacher_that_was_never_trained_to_recognise_is_refused(
    config, tiny_checkpoint, tmp_path
):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "pretrained")
    Wav2Vec2Model(Wav2Vec2Config.from_json(folder), seed=0).save_pretrained(folder)
    with pytest.raises(BadInputError, match="has no CTC head; fine-tune it first"):
        check_before_run(with_teacher(config, folder, layers=1), tmp_path)
