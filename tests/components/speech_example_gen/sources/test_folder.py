"""Plain folders of audio: where transcripts are found, and what is set aside and why."""

import io
import tarfile
import tempfile
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from components.speech_example_gen.archives import is_archive
from components.speech_example_gen.audio import read_pcm
from components.speech_example_gen.config import DataConfig
from components.speech_example_gen.files import join, list_files
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.sources import AudioPlace, Utterance
from components.speech_example_gen.sources.folder import (
    AUDIO_SUFFIXES,
    NO_SPEAKERS,
    TEXTS_A_TURN,
    UNREADABLE_SUFFIXES,
    Folder,
    read_transcript,
)
from components.speech_example_gen.trees import FileTree
from tests.components.speech_example_gen.sources import layouts
from tests.components.speech_example_gen.sources.layouts import grouped, reasons, write


def read(corpus: Path, pattern: str = "train"):
    source = Folder(DataConfig(str(corpus), "folder", train=pattern, language="de"))
    below = "" if is_archive(pattern) else source.files_below_subset
    return layouts.read(source, join(str(corpus), pattern, below).rstrip("/"))


def said(found):
    return {row.id: row.transcript for row in found if isinstance(row, Utterance)}


def test_a_text_beside_its_audio_is_its_transcript(tmp_path):
    files = {"train/1.wav": "", "train/1.txt": b"\xef\xbb\xbfJ\xc3\x84\r\n NA\n\nJA\n"}
    corpus = write(tmp_path / "voices", files)
    assert read(corpus) == [
        Utterance(
            id="train/1",
            speaker="train/1",
            chapter="",
            corpus="voices",
            subset="train",
            language="de",
            gender="",
            transcript="JÄ NA JA",
            audio=AudioPlace(f"{corpus}/train/1.wav"),
        )
    ]


def test_texts_of_a_slow_store_are_waited_for_together():
    together = Barrier(2)

    class SlowStore(FileTree):
        def read(self, path: str) -> bytes:
            together.wait(timeout=60)  # for another reader
            return Path(path).stem.encode()

    names = [f"/c/train/{number:04d}" for number in range(2 * TEXTS_A_TURN)]
    files = [name + suffix for name in names for suffix in (".wav", ".txt")]
    found = list(Folder(DataConfig("/c", "folder")).read("/c/train", files, SlowStore()))
    assert [row.transcript for row in found] == [Path(name).stem for name in names]
    assert [row.audio.path for row in found] == [f"{name}.wav" for name in names]


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("transcripts.tsv", "1.wav\tEINS\nanna/2.flac\tZWEI\n"),
        ("transcripts.txt", "1\tEINS\r\nanna/2\tZWEI\r\n"),
        ("metadata.csv", "1|1|EINS\n2|ZWEI\n"),  # by its name alone
        ("metadata.csv", '1|"Eins|EINS\n./anna/2.flac|ZWEI|\n'),
    ],
)
def test_a_table_tells_the_transcripts_of_the_audio_below(tmp_path, table, content):
    files = {"train/1.wav": "", "train/anna/2.flac": "", f"train/{table}": content}
    assert said(read(write(tmp_path, files))) == {"train/1": "EINS", "train/anna/2": "ZWEI"}


def test_ljspeech_reads_as_published(tmp_path):
    rows = "LJ001-0001|Printing, in 1455,|Printing, in fourteen fifty-five,\nLJ001-0002|in|in\n"
    files = {
        "LJSpeech-1.1/README": "",
        "LJSpeech-1.1/metadata.csv": rows,
        "LJSpeech-1.1/wavs/LJ001-0001.wav": "",
        "LJSpeech-1.1/wavs/LJ001-0002.wav": "",
    }
    first, second = read(write(tmp_path, files), "LJSpeech-1.1")
    assert (first.id, first.transcript) == (
        "LJSpeech-1.1/wavs/LJ001-0001",
        "Printing, in fourteen fifty-five,",
    )
    assert first.speaker == first.id != second.speaker  # nobody is called `wavs`


@pytest.mark.parametrize(
    ("audio", "speaker"),
    [
        ("1.wav", "train/1"),
        ("anna/1.wav", "anna"),
        ("women/anna/1.wav", "anna"),
        ("anna/wav/1.wav", "anna"),
        ("Clips/1.wav", "train/Clips/1"),
    ],
)
@pytest.mark.parametrize("pattern", ["train", "tr*n", "train/"])
def test_the_speaker_is_the_folder_below_the_subset(tmp_path, audio, speaker, pattern):
    text = audio.replace(".wav", ".txt")
    corpus = write(tmp_path, {f"train/{audio}": "", f"train/{text}": "A"})
    source = Folder(DataConfig(str(corpus), "folder", train=pattern, dev="x/y", test="z"))
    files = [file.path for file in list_files(f"{corpus}/train/**")]
    (found,) = source.read(source.group_of(files[0]), files, FileTree())
    assert found.speaker == speaker


def test_a_corpus_whose_name_looks_like_a_pattern_keeps_its_speakers(tmp_path):
    corpus = write(tmp_path / "voices [1]*", {"train/anna/1.wav": "", "train/anna/1.txt": "A"})
    source = Folder(DataConfig(str(corpus), "folder", train="tr*"))
    files = [str(path) for path in sorted((corpus / "train/anna").iterdir())]
    ((group, members),) = grouped(files, source)
    (found,) = source.read(group, members, FileTree())
    assert (found.speaker, found.subset) == ("anna", "train")


def test_a_corpus_may_be_its_own_subset(tmp_path):
    write(tmp_path, {"anna/1.wav": "", "2.wav": "", "metadata.csv": "1|A\n2|B\n"})
    source = Folder(DataConfig(str(tmp_path), "folder", all="."))
    files = [file.path for file in list_files(f"{tmp_path}/./**")]
    ((group, members),) = grouped(files, source)
    found = source.read(group, members, FileTree())
    assert {row.id: row.speaker for row in found} == {"anna/1": "anna", "2": "2"}


def test_a_subset_may_lie_deeper_and_outside_of_the_corpus():
    data = DataConfig("/c", "folder", train="v1/train", dev="v1/train/old", test="s3://b/test-*")
    source = Folder(data)
    assert source.group_of("/c/v1/train/anna/1.wav") == "/c/v1/train"
    assert source.group_of("/c/v1/train/old/1.wav") == "/c/v1/train/old"
    assert source.group_of("s3://b/test-1/anna/1.wav") == "s3://b/test-1"


def test_a_subset_may_have_a_span():
    patterns = {name: f"of-{{SPAN}}/{name}" for name in ("train", "dev", "test")}
    source = Folder(DataConfig("/c", "folder", **patterns))
    assert source.group_of("/c/of-7/train/anna/1.wav") == "/c/of-7/train"


def test_ids_hold_the_folder_below_the_corpus_and_stay_when_that_moves(tmp_path):
    names = ["train/a/1", "train/b/1", "train/1"]
    files = {f"{name}.{suffix}": "A" for name in names for suffix in ("wav", "txt")}
    for corpus in ("here", "there/deeper"):
        assert sorted(said(read(write(tmp_path / corpus, files)))) == sorted(names)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"1.wav": ""}, [("train/1", Reason.NO_TRANSCRIPT)]),
        ({"1.txt": "A"}, [("train/1", Reason.NO_AUDIO)]),
        ({"README.txt": "about", "License.txt": "", "notes.md": "", ".1.wav": ""}, []),
        ({"1.m4a": "", "1.txt": "A"}, [("train/1", Reason.UNREADABLE)]),
        ({"transcripts.tsv": "1\tA\n"}, [("train/1", Reason.NO_AUDIO)]),
        ({"metadata.csv": "1|A\n1|B\n", "1.wav": ""}, [("train/1", Reason.DUPLICATE_ID)]),
        (
            {"metadata.csv": "1|A\n", "transcripts.txt": "1\tA\n", "1.wav": ""},
            [("train/1", Reason.DUPLICATE_ID)],
        ),
        (
            {"metadata.csv": "1|A\n", "a/1.wav": "", "b/1.wav": "", "a/1.txt": "", "b/1.txt": ""},
            [("train/1", Reason.BAD_LINE)],
        ),
    ],
)
def test_what_has_no_counterpart_is_set_aside(tmp_path, files, expected):
    files = {f"train/{name}": content for name, content in files.items()}
    assert reasons(read(write(tmp_path, {"train/x.md": ""} | files))) == expected


@pytest.mark.parametrize(
    ("table", "bad"),
    [
        ("transcripts.tsv", "1 A"),
        ("transcripts.tsv", "\tA"),
        ("transcripts.txt", "1\tanna\tA"),
        ("metadata.csv", "1"),
        ("metadata.csv", "|A"),
        ("metadata.csv", "1|A|B|C"),
    ],
)
def test_a_line_of_too_few_or_too_many_parts_is_set_aside(tmp_path, table, bad):
    good = "2|B" if table == "metadata.csv" else "2\tB"
    write(tmp_path, {f"train/{table}": f"{good}\n\n{bad}\n", "train/2.wav": ""})
    found, read_too = read(tmp_path)
    assert (found.reason, found.id) == (Reason.BAD_LINE, f"{table}:3")
    assert found.place == f"{tmp_path}/train/{table}:3"
    assert read_too.transcript == "B"


def test_a_transcript_may_be_empty_or_no_utf8(tmp_path):
    files = {"1.wav": "", "1.txt": " \n", "2.wav": "", "2.txt": b"J\xc4", "3.wav": ""}
    files |= {"transcripts.tsv": "3\t\n"}
    write(tmp_path / "train", files)
    assert said(read(tmp_path)) == {"train/1": "", "train/2": "J�", "train/3": ""}


FORMATS = {".sph": "NIST", ".nist": "NIST", ".aif": "AIFF", ".aifc": "AIFF", ".snd": "AU"}
FORMATS |= {".oga": "OGG", ".opus": "OGG"}


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_every_suffix_is_of_audio_that_can_be_read(tmp_path, suffix):
    audio = io.BytesIO()
    kind = FORMATS.get(suffix, suffix[1:].upper())
    subtype = "OPUS" if suffix == ".opus" else None
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000)
    soundfile.write(audio, noise, 16_000, format=kind, subtype=subtype)
    files = {f"train/1{suffix.upper()}": audio.getvalue(), "train/1.txt": "A"}
    (found,) = read(write(tmp_path, files))
    assert len(read_pcm(found.audio, DataConfig(str(tmp_path))).samples) >= 16_000


@pytest.mark.parametrize("suffix", UNREADABLE_SUFFIXES)
def test_speech_in_a_format_that_is_not_read_is_set_aside_with_the_cure(tmp_path, suffix):
    (found,) = read(write(tmp_path, {f"train/1{suffix}": "", "train/1.txt": "A"}))
    assert (found.reason, found.transcript) == (Reason.UNREADABLE, "A")
    assert found.detail == f"{suffix} files are not read; convert it to FLAC"


@pytest.mark.parametrize("above", ["", "voices/"])
def test_an_archive_reads_as_the_folder_it_was_made_of(tmp_path, above):
    files = {
        "anna/1.wav": "",
        "anna/1.txt": "A",
        "bert/2.FLAC": "",
        "transcripts.tsv": "2\tB\n3\tC\n",
        "bert/4.wav": "",
    }
    write(tmp_path / "train", {above + name: content for name, content in files.items()})
    archive = tmp_path / "train.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "train", arcname=".")
    packed, unpacked = read(tmp_path, "train.tar.gz"), read(tmp_path, "train")
    assert [row.id for row in packed] == [row.id for row in unpacked]
    assert [row.speaker for row in packed] == [row.speaker for row in unpacked]
    assert said(packed) == {f"train/{above}anna/1": "A", f"train/{above}bert/2": "B"}
    assert packed[1].audio == AudioPlace(str(archive), f"{above}anna/1.wav")
    assert [row.reason for row in packed if isinstance(row, Quarantined)] == [
        Reason.NO_AUDIO,
        Reason.NO_TRANSCRIPT,
    ]


def test_a_folder_around_all_of_an_archive_is_nobody(tmp_path):
    write(tmp_path / "x", {"LJ/metadata.csv": "1|A\n", "LJ/1.wav": ""})
    with tarfile.open(tmp_path / "lj.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "x" / "LJ", arcname="LJ")
    (found,) = read(tmp_path, "lj.tar.gz")
    assert (found.id, found.speaker, found.subset) == ("lj/LJ/1", "lj/LJ/1", "LJ")


NAMES = st.from_regex(r"[^\W_](?:[\w -]{0,6}\w)?", fullmatch=True).filter(
    lambda name: name.lower() not in NO_SPEAKERS
)
TEXTS = st.text(st.characters(exclude_characters="|", exclude_categories=["C", "Z"]))
CORPORA = st.dictionaries(st.tuples(NAMES, NAMES), TEXTS, max_size=6)


@settings(max_examples=60, deadline=None)
@given(CORPORA, st.sampled_from(["beside", "transcripts.tsv", "transcripts.txt", "metadata.csv"]))
def test_what_is_written_is_read_back_equal(corpus, where):
    separator = "|" if where == "metadata.csv" else "\t"
    files = {f"{speaker}/{name}.wav": "" for speaker, name in corpus}
    if where == "beside":
        files |= {f"{speaker}/{name}.txt": text for (speaker, name), text in corpus.items()}
    else:
        rows = [f"{'/'.join(key)}{separator}{text}\n" for key, text in corpus.items()]
        files[where] = "".join(rows)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "train", files)
        found = read(Path(folder))
    assert {(row.id, row.speaker): row.transcript for row in found} == {
        (f"train/{speaker}/{name}", speaker): text for (speaker, name), text in corpus.items()
    }


@given(st.binary())
def test_a_text_of_whatever_bytes_is_one_line(content):
    class OneText(FileTree):
        def read(self, path: str) -> bytes:
            return content

    transcript = read_transcript("1.txt", OneText())
    assert transcript.splitlines() in ([], [transcript])
    assert transcript == transcript.strip()


AUDIO = ("1.wav", "a/1.wav", "a/2.flac", "a/b/4.mp3")
TABLE = st.binary(max_size=60) | st.lists(
    st.sampled_from(["1", "a/1", "2", "4", ".wav", "/", "..", "\t", "|", "\n", "\0", "\xa0", "X"]),
    max_size=40,
).map(lambda words: "".join(words).encode())


def filled_lines(table: bytes) -> int:
    content = table.removeprefix(b"\xef\xbb\xbf")
    return sum(bool(line.decode("utf-8", "replace").strip()) for line in content.split(b"\n"))


@settings(max_examples=150, deadline=None)
@given(TABLE, TABLE)
def test_whatever_tables_hold_each_audio_and_each_line_ends_in_one_place(tsv, csv):
    files = dict.fromkeys(AUDIO, "") | {"transcripts.tsv": tsv, "a/metadata.csv": csv}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "train", files)
        found = read(Path(folder))
    of_audio = [
        row for row in found if isinstance(row, Utterance) or row.reason == Reason.NO_TRANSCRIPT
    ]
    of_lines = {row.place for row in found if row not in of_audio}
    ids = [row.id for row in of_audio]
    assert sorted(ids) == ["train/1", "train/a/1", "train/a/2", "train/a/b/4"]
    told = sum(isinstance(row, Utterance) for row in found)
    assert len(of_lines) == len(found) - len(AUDIO)
    assert len(of_lines) + told == filled_lines(tsv) + filled_lines(csv)
