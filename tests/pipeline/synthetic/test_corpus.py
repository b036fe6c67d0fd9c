"""The synthetic corpus: LibriSpeech's layout, the same bytes for the same arguments."""

import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import soundfile

from models.errors import BadInputError
from pipeline.synthetic import MARKER_FILE, UNFINISHED_MARKER, CorpusSummary, make_corpus
from pipeline.synthetic.librispeech import Chapter, write_chapter
from pipeline.synthetic.speakers import DEMO

UTTERANCES, SEED = 30, 5
TRANSCRIPT_LINE = re.compile(r"(\d+)-(\d+)-(\d{4}) ([A-Z]+(?: [A-Z]+)*)")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus and what was said about it."""
    return make_corpus(tmp_path_factory.mktemp("made") / "corpus", UTTERANCES, SEED, workers=2)


@pytest.fixture(scope="module")
def corpus(made) -> Path:
    return Path(made.folder)


@pytest.fixture
def copied(corpus, tmp_path) -> Path:
    """The corpus again, for a test to spoil."""
    return Path(shutil.copytree(corpus, tmp_path / "corpus"))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def transcripts(folder: Path) -> dict[str, str]:
    """Utterance id to text, over all chapters."""
    lines = (line for path in folder.rglob("*.trans.txt") for line in path.read_text().splitlines())
    return dict(line.split(" ", 1) for line in lines)


def rows(table: Path) -> list[list[str]]:
    """The fields of a table's rows, as LibriSpeech's own readers split them."""
    lines = [line for line in table.read_text().splitlines() if not line.startswith(";")]
    return [[field.strip() for field in line.split("|")] for line in lines]


def chapters(folder: Path) -> dict[str, tuple[str, str]]:
    """Chapter id to its subset and speaker, by the folders alone."""
    return {
        path.name: (path.parent.parent.name, path.parent.name)
        for path in folder.glob("*/*/*")
        if path.is_dir()
    }


def test_every_utterance_is_a_flac_file_of_16_khz_mono_sound(corpus):
    files = sorted(corpus.glob("*/*/*/*.flac"))
    assert len(files) == UTTERANCES
    for file in files:
        speaker, chapter, number = file.stem.split("-")
        assert (speaker, chapter) == (file.parent.parent.name, file.parent.name)
        assert number.isdigit() and len(number) == 4
        info = soundfile.info(file)
        assert (info.format, info.subtype) == ("FLAC", "PCM_16")
        assert (info.samplerate, info.channels) == (16_000, 1)
        samples, _ = soundfile.read(file)
        assert len(samples) > 8_000
        assert 0.4 < abs(samples).max() < 1.0  # loud, and nowhere clipped


def test_every_chapter_has_one_transcript_file_with_a_line_for_each_of_its_utterances(corpus):
    for chapter, (subset, speaker) in chapters(corpus).items():
        folder = corpus / subset / speaker / chapter
        lines = (folder / f"{speaker}-{chapter}.trans.txt").read_text().splitlines()
        found = [TRANSCRIPT_LINE.fullmatch(line) for line in lines]
        assert all(found)
        named = [f"{line[1]}-{line[2]}-{line[3]}" for line in found if line]
        assert named == sorted(path.stem for path in folder.glob("*.flac"))


def test_the_speaker_table_agrees_with_the_folders(corpus):
    speakers = rows(corpus / "SPEAKERS.TXT")
    by_folder = {(speaker, subset) for subset, speaker in chapters(corpus).values()}
    assert {(row[0], row[2]) for row in speakers} == by_folder
    assert len(speakers) == len(by_folder)
    for _, sex, _, minutes, name in speakers:
        assert sex in ("F", "M")
        assert float(minutes) > 0
        assert name


def test_the_chapter_table_agrees_with_the_folders_and_their_minutes(corpus):
    found = rows(corpus / "CHAPTERS.TXT")
    assert {row[0]: (row[3], row[1]) for row in found} == chapters(corpus)
    for chapter, speaker, minutes, subset, *rest in found:
        assert len(rest) == 4
        spoken = sum(
            soundfile.info(file).duration
            for file in (corpus / subset / speaker / chapter).glob("*.flac")
        )
        assert float(minutes) == pytest.approx(spoken / 60, abs=0.006)


def test_no_speaker_stands_in_two_subsets(corpus):
    subsets = defaultdict(set)
    for subset, speaker in chapters(corpus).values():
        subsets[speaker].add(subset)
    assert set().union(*subsets.values()) == {"train-clean-100", "dev-clean", "test-clean"}
    assert all(len(found) == 1 for found in subsets.values())


def test_the_summary_counts_what_is_there(made, corpus):
    files = list(corpus.rglob("*.flac"))
    assert made.utterances == len(files) == sum(made.subsets.values())
    assert made.seconds == pytest.approx(sum(soundfile.info(f).duration for f in files), abs=0.1)
    assert made.speakers == len({speaker for _, speaker in chapters(corpus).values()})
    for subset, count in made.subsets.items():
        assert len(list((corpus / subset).rglob("*.flac"))) == count


def test_the_same_arguments_give_the_same_bytes_whatever_the_workers(corpus, tmp_path):
    make_corpus(tmp_path / "again", UTTERANCES, SEED, workers=1)
    assert contents(tmp_path / "again") == contents(corpus)


def test_another_seed_makes_another_chapter(tmp_path):
    for seed in (1, 2):
        write_chapter(tmp_path / str(seed), Chapter(DEMO[0], 10100, seed, 5, "phone", None))
    one, other = (contents(tmp_path / str(seed)) for seed in (1, 2))
    assert len(one) == 6
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_a_second_call_finds_the_corpus_and_touches_nothing(made, corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    assert make_corpus(corpus, UTTERANCES, SEED) == made
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_a_moved_corpus_is_known_by_the_folder_it_is_in_now(made, copied):
    again = make_corpus(copied, UTTERANCES, SEED)
    assert again.folder == str(copied)
    assert again.subsets == made.subsets


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"seed": SEED + 1}, "seed 5"),
        ({"utterances": 40}, "utterances 30"),
        ({"grammar": "digits"}, "grammar phone"),
        ({"speakers": "pretraining"}, "speakers demo"),
        ({"vocabulary": ["yes"]}, "vocabulary"),
    ],
)
def test_other_options_in_the_same_folder_are_refused_and_change_nothing(
    copied, options, difference
):
    before = contents(copied)
    with pytest.raises(BadInputError, match=rf"made with other options \({difference}\); remove"):
        make_corpus(copied, **({"utterances": UTTERANCES, "seed": SEED} | options))
    assert contents(copied) == before


def test_a_killed_run_is_finished_by_the_next_to_the_same_bytes(corpus, copied):
    marker = json.loads((copied / MARKER_FILE).read_text())
    (copied / MARKER_FILE).write_text(json.dumps(marker | {"summary": None}))
    (copied / "SPEAKERS.TXT").unlink()
    # One chapter was being written, one had not been begun, the others are whole.
    halfway, missing, *_ = sorted(path for path in copied.glob("*/*/*") if path.is_dir())
    next(halfway.glob("*.flac")).write_bytes(b"half a file")
    halfway.rename(f"{halfway}.unfinished")
    shutil.rmtree(missing)

    told = []
    make_corpus(copied, UTTERANCES, SEED, on_progress=lambda *progress: told.append(progress))

    assert contents(copied) == contents(corpus)
    assert told == sorted(told)
    assert told[-1] == (UTTERANCES, UTTERANCES)


@pytest.fixture(scope="module")
def of_three_words(tmp_path_factory) -> CorpusSummary:
    """A corpus of a user's own words, whose first run was killed at its very first file."""
    folder = tmp_path_factory.mktemp("words")
    (folder / UNFINISHED_MARKER).write_text("{")
    return make_corpus(folder, 10, vocabulary=["yes", "No", "maybe"])


def test_a_run_killed_at_its_very_first_file_is_started_anew(of_three_words):
    assert of_three_words.utterances == 10
    assert not (Path(of_three_words.folder) / UNFINISHED_MARKER).exists()


def test_a_vocabulary_of_ones_own_is_all_that_is_said(of_three_words):
    texts = transcripts(Path(of_three_words.folder)).values()
    assert len(texts) == 10
    assert {word for text in texts for word in text.split()} <= {"YES", "NO", "MAYBE"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"grammar": "phones"}, "no grammar 'phones'; choose from digits, phone, household"),
        ({"speakers": "nobody"}, "no speakers 'nobody'; choose from demo, pretraining"),
        ({"vocabulary": []}, "The vocabulary holds no words"),
        ({"utterances": 3}, "3 utterances are too few for three subsets; ask for at least 10"),
    ],
)
def test_nonsense_is_refused_by_a_sentence_before_anything_is_written(tmp_path, options, sentence):
    with pytest.raises(BadInputError, match=sentence):
        make_corpus(tmp_path / "corpus", **({"utterances": 10} | options))
    assert not (tmp_path / "corpus").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose")
    with pytest.raises(BadInputError, match="holds other files already"):
        make_corpus(tmp_path, 10)
    assert contents(tmp_path) == {"thesis.txt": b"do not lose"}


def test_a_place_that_cannot_be_a_folder_is_refused_by_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="is a file; give a folder"):
        make_corpus(tmp_path / "file", 10)
    with pytest.raises(BadInputError, match=r"could not be written to .*Not a directory"):
        make_corpus(tmp_path / "file" / "corpus", 10)
