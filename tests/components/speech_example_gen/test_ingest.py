"""The Beam graph: every utterance ends in one place, once, in the same bytes however it runs."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.speech_example_gen.config import ALL, SPLITS, DataConfig, TranscriptRules
from components.speech_example_gen.encoding import Encoder
from components.speech_example_gen.findings import read_findings
from components.speech_example_gen.ingest import all_utf8, in_utf8, ingest, run_ingest
from components.speech_example_gen.plan import METRICS, IngestPlan
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.sources import AudioPlace, Utterance, source_type
from models.errors import BadInputError
from pipeline.local import beam_args
from schemas import speech_example as names

LARGE, SMALL = 1 << 30, 100_000
BELOW_SUBSET = "*/*/*"


def noise(seed: int, seconds: float = 0.5) -> bytes:
    file = io.BytesIO()
    samples = np.random.default_rng(seed).normal(0, 0.1, int(16_000 * seconds))
    soundfile.write(file, samples, 16_000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


NOISES = [noise(seed) for seed in range(8)]
GARBAGE = b"this is no FLAC" * 100


def add(corpus: Path, split: str, speaker: str, number: int, transcript="HELLO", audio=None) -> str:
    """One utterance of a corpus in LibriSpeech's layout; its id."""
    identity = f"{speaker}-1-{number:04d}"
    folder = corpus / split / speaker / "1"
    folder.mkdir(parents=True, exist_ok=True)
    if audio is not None:
        (folder / f"{identity}.flac").write_bytes(audio)
    if transcript is not None:
        with (folder / f"{speaker}-1.trans.txt").open("a", encoding="utf-8") as file:
            file.write(f"{identity} {transcript}\n")
    return identity


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Six speakers in three splits, twelve utterances of each."""
    root = tmp_path_factory.mktemp("corpus")
    for split, speakers in (("train", "1234"), ("dev", "5"), ("test", "6")):
        for speaker in speakers:
            for number in range(12):
                add(root, split, speaker, number, audio=NOISES[number % len(NOISES)])
    return root


def archived(corpus: Path, to: Path, compression: str = "gz") -> Path:
    """The same corpus as one archive for each split, members as `tar` finds them: unsorted."""
    to.mkdir(parents=True, exist_ok=True)
    for split in (path for path in corpus.iterdir() if path.is_dir()):
        with tarfile.open(to / f"{split.name}.tar.gz", f"w:{compression}") as archive:
            files = [path for path in split.rglob("*") if path.is_file()]
            for path in sorted(files, key=lambda path: hashlib.md5(path.name.encode()).digest()):
                archive.add(path, f"Corpus/{path.relative_to(corpus)}")
    return to


def trees(corpus: Path) -> tuple[tuple[str, str], ...]:
    return tuple((split, f"{corpus}/{split}/{BELOW_SUBSET}") for split in SPLITS)


def archives(corpus: Path) -> tuple[tuple[str, str], ...]:
    return tuple((split, f"{corpus}/{split}.tar.gz") for split in SPLITS)


def plan(inputs, folder: Path, shard_bytes: int = LARGE, encoder=Encoder, **facts) -> IngestPlan:
    data = DataConfig("/corpus")
    return IngestPlan(
        source=source_type("librispeech")(data),
        inputs=inputs,
        encoder=encoder(data, TranscriptRules(), **facts),
        folder=str(folder),
        shard_bytes=shard_bytes,
    )


def ingested(inputs, folder: Path, shard_bytes: int = LARGE, workers: int = 1) -> IngestPlan:
    made = plan(inputs, folder, shard_bytes)
    run_ingest(partial(beam.Pipeline, argv=beam_args(workers)), made)
    return made


def ids(made: IngestPlan, split: str) -> list[str]:
    """Of the records of a split, in the order in which a reader meets them."""
    files = sorted(map(str, Path(made.records_folder(split)).glob("*")))
    records = tf.data.TFRecordDataset(files).as_numpy_iterator()
    examples = (tf.train.Example.FromString(record) for record in records)
    return [
        example.features.feature[names.UTTERANCE_ID].bytes_list.value[0].decode()
        for example in examples
    ]


def shards(made: IngestPlan) -> dict[str, str]:
    root = Path(made.folder)
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.glob("Split-*/*")
    }


def set_aside(made: IngestPlan) -> list[Quarantined]:
    return [row for split in made.splits for row in read_findings(made, split).quarantined]


# One line of a transcript or one audio file, or both: what an utterance of a corpus can be.
UTTERANCES = st.lists(
    st.tuples(
        st.sampled_from(SPLITS),
        st.sampled_from("123"),
        st.integers(0, 3),
        st.sampled_from(["HELLO", "", " ", "\ufffd", None]),
        st.sampled_from([NOISES[0], NOISES[1], GARBAGE, NOISES[2][:900], b"", None]),
    ),
    min_size=1,
    max_size=14,
)


def every_id_ends_in_one_place(tmp_path_factory, utterances):
    root = tmp_path_factory.mktemp("corpus")
    for split in SPLITS:
        add(root, split, f"{split}-only", 0, audio=NOISES[0])
    lines: Counter[str] = Counter(f"{split}-only-1-0000" for split in SPLITS)
    heard = set()
    for split, speaker, number, transcript, audio in utterances:
        identity = add(root, split, speaker, number, transcript, audio)
        lines[identity] += transcript is not None
        heard |= {(split, identity)} if audio is not None else set()
    texts = {
        (path.relative_to(root).parts[0], line.split(" ")[0])
        for path in root.rglob("*.trans.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    expected = lines.total() + len(heard - texts)

    unpacked = ingested(trees(root), root / "unpacked", SMALL)
    written = Counter(identity for split in SPLITS for identity in ids(unpacked, split))
    assert written.total() + len(set_aside(unpacked)) == expected
    assert set(written.values()) == {1}
    assert sum(read_findings(unpacked, split).utterances for split in SPLITS) == written.total()
    told = set(+lines) | {identity for _, identity in heard}
    assert told <= set(written) | {row.id for row in set_aside(unpacked)}

    packed = ingested(archives(archived(root, root / "packed")), root / "archived", SMALL)
    assert shards(packed) == shards(unpacked)
    assert sorted((row.id, row.reason) for row in set_aside(packed)) == sorted(
        (row.id, row.reason) for row in set_aside(unpacked)
    )
    shutil.rmtree(root)


RANDOM_CORPORA = partial(
    settings, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@RANDOM_CORPORA(max_examples=3)
@given(UTTERANCES)
def test_every_utterance_of_any_corpus_is_written_or_set_aside_once(tmp_path_factory, utterances):
    every_id_ends_in_one_place(tmp_path_factory, utterances)


@pytest.mark.slow
@RANDOM_CORPORA(max_examples=40)
@given(UTTERANCES)
def test_every_utterance_of_many_corpora_is_written_or_set_aside_once(tmp_path_factory, utterances):
    every_id_ends_in_one_place(tmp_path_factory, utterances)


@pytest.fixture(scope="module")
def unpacked(corpus, tmp_path_factory) -> IngestPlan:
    return ingested(trees(corpus), tmp_path_factory.mktemp("examples"), SMALL)


def test_shards_are_many_and_hold_everything(unpacked):
    assert len(list(Path(unpacked.records_folder("train")).glob("*-of-00008"))) == 8
    assert [len(ids(unpacked, split)) for split in SPLITS] == [48, 12, 12]
    assert set_aside(unpacked) == []
    assert not Path(unpacked.unfinished).exists()


def test_neighbours_in_the_corpus_are_none_in_the_shards(unpacked, corpus):
    ordered = sorted(path.stem for path in corpus.glob("train/*/*/*.flac"))
    place = {identity: index for index, identity in enumerate(ordered)}
    read = ids(unpacked, "train")
    assert sorted(read) == ordered
    assert sum(abs(place[one] - place[other]) == 1 for one, other in pairwise(read)) < 5


def test_an_archive_gives_the_bytes_that_its_files_give(unpacked, corpus, tmp_path):
    packed = ingested(archives(archived(corpus, tmp_path / "in")), tmp_path / "out", SMALL)
    assert shards(packed) == shards(unpacked)
    assert not Path(packed.unfinished).exists()


def test_one_split_may_come_from_folders_and_archives(unpacked, corpus, tmp_path):
    parts = tmp_path / "parts"
    for speaker in "12":
        shutil.copytree(corpus / "train" / speaker, parts / "train" / speaker)
    archived(parts, tmp_path / "a", compression="")
    shutil.rmtree(parts)
    for speaker in "34":
        shutil.copytree(corpus / "train" / speaker, parts / "train" / speaker)
    inputs = [("train", f"{tmp_path}/a/train.tar.gz"), *trees(parts)[:1], *trees(corpus)[1:]]
    assert shards(ingested(tuple(inputs), tmp_path / "out", SMALL)) == shards(unpacked)


@pytest.mark.slow
def test_two_workers_write_the_bytes_of_one(unpacked, corpus, tmp_path):
    archived(corpus, tmp_path / "in")
    inputs = (*archives(tmp_path / "in")[:1], *trees(corpus)[1:])
    made = ingested(inputs, tmp_path / "out", SMALL, workers=2)
    assert shards(made) == shards(unpacked)


def test_an_archive_that_is_cut_loses_nothing_in_silence(corpus, tmp_path):
    archived(corpus, tmp_path, compression="")
    cut = tmp_path / "train.tar.gz"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    made = ingested(archives(tmp_path), tmp_path / "out")
    written = ids(made, "train")
    rows = read_findings(made, "train").quarantined
    about_archive = [row for row in rows if row.id == "train.tar.gz"]
    assert [row.reason for row in about_archive] == [Reason.DAMAGED_ARCHIVE]
    with pytest.raises(tarfile.ReadError), tarfile.open(cut) as archive:
        known = []
        for member in archive:
            known.append(Path(member.name).stem)
    heard = {name for name in known if "trans" not in name}
    assert 0 < len(written) < 48
    assert heard <= set(written) | {row.id for row in rows}
    assert not set(written) & {row.id for row in rows}


def test_bytes_that_are_no_archive_are_one_row(corpus, tmp_path):
    archived(corpus, tmp_path)
    (tmp_path / "dev.tar.gz").write_bytes(GARBAGE)
    made = ingested(archives(tmp_path), tmp_path / "out")
    (row,) = set_aside(made)
    assert (row.id, row.reason) == ("dev.tar.gz", Reason.DAMAGED_ARCHIVE)


def test_a_member_that_stands_twice_is_read_as_unpacked(corpus, tmp_path):
    archived(corpus, tmp_path / "new", compression="")
    archive = tmp_path / "new" / "train.tar.gz"
    name = "Corpus/train/1/1/1-1-0003.flac"
    with tarfile.open(archive, "a") as file:
        header = tarfile.TarInfo(name)
        header.size = len(NOISES[7])
        file.addfile(header, io.BytesIO(NOISES[7]))
    patched = Path(shutil.copytree(corpus, tmp_path / "patched"))
    (patched / "train" / "1" / "1" / "1-1-0003.flac").write_bytes(NOISES[7])
    made = ingested(archives(tmp_path / "new"), tmp_path / "a", SMALL)
    assert shards(made) == shards(ingested(trees(patched), tmp_path / "b", SMALL))


def test_speakers_are_split_for_ever(tmp_path):
    def splits_of_speakers(folder: str) -> dict[str, str]:
        made = ingested(((ALL, f"{tmp_path}/all/{BELOW_SUBSET}"),), tmp_path / folder)
        found = {split: read_findings(made, split).speakers for split in SPLITS}
        assert sum(map(len, found.values())) == len(frozenset().union(*found.values()))
        return {speaker: split for split, speakers in found.items() for speaker in speakers}

    for speaker in range(0, 60, 2):
        add(tmp_path, "all", str(speaker), 0, audio=NOISES[0])
    before = splits_of_speakers("before")
    for speaker in range(1, 60, 2):
        add(tmp_path, "all", str(speaker), 0, audio=NOISES[0])
    after = splits_of_speakers("after")
    assert set(before.values()) == set(SPLITS)
    assert (len(before), len(after)) == (30, 60)
    assert before.items() <= after.items()


def test_a_corpus_that_names_no_speakers_keeps_one_count_a_split(tmp_path):
    corpus = tmp_path / "corpus"
    for split in SPLITS:
        (corpus / split).mkdir(parents=True)
        for number, audio in enumerate(NOISES[:3]):
            (corpus / split / f"{split}{number}.flac").write_bytes(audio)
            (corpus / split / f"{split}{number}.txt").write_text("HELLO")
    archived(corpus, tmp_path / "packed")
    data = DataConfig(str(corpus), layout="folder", train="train", dev="dev", test="test")
    inputs = (
        ("train", f"{tmp_path}/packed/train.tar.gz"),
        ("dev", f"{corpus}/dev/**"),
        ("test", f"{corpus}/test/**"),
    )
    made = replace(plan(inputs, tmp_path / "out"), source=source_type("folder")(data))
    run_ingest(partial(beam.Pipeline, argv=beam_args(1)), made)
    for split in SPLITS:
        counts = json.loads(Path(made.speakers_file(split)).read_text())
        assert counts == {"": [3, 3 * 8_000]}
        found = read_findings(made, split)
        assert (found.utterances, found.speakers) == (3, frozenset())


def test_an_id_of_two_splits_is_tested_and_not_trained(tmp_path):
    for split in SPLITS:
        add(tmp_path, split, split, 0, audio=NOISES[0])
        if split != "dev":
            add(tmp_path, split, "9", 0, audio=NOISES[1])
    made = ingested(trees(tmp_path), tmp_path / "out")
    assert "9-1-0000" in ids(made, "test") and "9-1-0000" not in ids(made, "train")
    (row,) = read_findings(made, "train").quarantined
    assert (row.id, row.reason) == ("9-1-0000", Reason.DUPLICATE_ID)


def test_names_that_are_no_text_and_litter_stop_nothing(corpus, tmp_path):
    copy = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    chapter = copy / "train" / "1" / "1"
    (chapter / "._1-1.trans.txt").write_bytes(b"\x00\x05\x16\x07 litter")
    os.close(os.open(os.fsencode(chapter) + b"/\xff.flac", os.O_CREAT | os.O_WRONLY))
    made = ingested(trees(copy), tmp_path / "out")
    assert [(row.id, row.detail) for row in set_aside(made)] == [
        ("?.flac", "its name is not UTF-8")
    ]
    assert len(ids(made, "train")) == 48


def test_an_utterance_whose_text_cannot_be_written_is_set_aside():
    fields = dict.fromkeys(("chapter", "corpus", "subset", "language", "gender"), "")
    whole = Utterance(id="a", speaker="1", transcript="é", audio=AudioPlace("/a"), **fields)
    half = Utterance(id="a", speaker="1", transcript="\ud83d", audio=AudioPlace("/a"), **fields)
    assert all_utf8(whole) is whole
    assert all_utf8(half) == Quarantined("a", "/a", Reason.NOT_UTF8, "", "1", "?")
    row = Quarantined("\udcff", "/a", Reason.NO_AUDIO)
    assert all_utf8(row) == Quarantined("?", "/a", Reason.NO_AUDIO)
    assert in_utf8("a\udcffb") == "a?b"


def test_an_input_without_files_is_refused_before_anything_runs(corpus, tmp_path):
    inputs = (*trees(corpus)[:2], ("test", f"{corpus}/tset/{BELOW_SUBSET}"))
    with pytest.raises(BadInputError, match=r"nothing to read at .*tset.* data\.test\."):
        ingested(inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@dataclass(frozen=True)
class FailsOnce(Encoder):
    """An encoder whose disk fails in the middle of a shard or an archive, once."""

    marker: str = ""

    def encode(self, utterance, content=None):
        if utterance.id == "1-1-0005" and not Path(self.marker).exists():
            Path(self.marker).touch()
            raise OSError("the disk is gone")
        return super().encode(utterance, content)


@pytest.mark.parametrize("packed", [False, True])
def test_a_bundle_that_is_tried_again_leaves_no_trace(unpacked, corpus, tmp_path, packed):
    inputs = archives(archived(corpus, tmp_path / "in")) if packed else trees(corpus)
    marker = str(tmp_path / "marker")
    made = plan(inputs, tmp_path / "out", SMALL, FailsOnce, marker=marker)
    # Of Beam's local runners, the one that tries a failed bundle again.
    pipeline = beam.Pipeline(argv=["--runner=BundleBasedDirectRunner"])
    ingest(pipeline, made)
    result = pipeline.run()
    result.wait_until_finish()
    assert Path(marker).exists()
    assert shards(made) == shards(unpacked)
    assert committed(result) == {"train/written": 48, "dev/written": 12, "test/written": 12}


def committed(result) -> dict[str, int]:
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(METRICS))
    return {counter.key.metric.name: counter.committed for counter in counters["counters"]}


def test_counters_tell_what_the_findings_tell(corpus, tmp_path):
    copy = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    (copy / "dev" / "5" / "1" / "5-1-0000.flac").write_bytes(GARBAGE)
    add(copy, "dev", "5", 99)
    made = plan(trees(copy), tmp_path / "out")
    pipeline = beam.Pipeline(argv=beam_args(1))
    ingest(pipeline, made)
    assert committed(pipeline.run()) == {
        "train/written": 48,
        "dev/written": 11,
        "test/written": 12,
        "dev/unreadable audio": 1,
        "dev/transcript without audio": 1,
    }


def test_an_engine_can_take_the_graph_and_a_person_can_read_it(corpus, tmp_path):
    pipeline = beam.Pipeline()
    ingest(pipeline, plan(trees(corpus), tmp_path))
    graph = pipeline.to_runner_api()  # pickles every function
    steps = [step.unique_name for step in graph.components.transforms.values()]
    ours = [step for step in steps if step and "/" not in step]
    assert len(set(steps)) == len(steps)
    assert {"ListFiles", "Describe", "Spill", "WriteShard", "WriteQuarantine"} <= set(ours)
    assert not any("lambda" in step for step in ours)
    options = PipelineOptions(beam_args(1))
    pipeline = beam.Pipeline.from_runner_api(graph, "FnApiRunner", options)
    pipeline.run().wait_until_finish()
    assert json.loads((tmp_path / "findings" / "dev-speakers.json").read_text())["5"][0] == 12
