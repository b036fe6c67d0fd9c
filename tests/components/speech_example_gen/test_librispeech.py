"""LibriSpeech's layout: what becomes an utterance, and what is set aside and why."""

import pytest

from components.speech_example_gen.sources import Quarantined
from components.speech_example_gen.sources.librispeech import LibriSpeech, read_genders


@pytest.fixture
def chapter(tmp_path):
    folder = tmp_path / "test-clean" / "61" / "70968"
    folder.mkdir(parents=True)
    (tmp_path / "SPEAKERS.TXT").write_text(
        "; comment\n;ID  |SEX| SUBSET\n61   | M | test-clean | 8.08 | A Reader\n62|F|x|1|Another\n"
    )
    return folder


def write(chapter, transcripts: str, *audio: str):
    (chapter / "61-70968.trans.txt").write_text(transcripts, encoding="utf-8")
    for name in audio:
        (chapter / f"{name}.flac").write_bytes(b"")


def read(chapter):
    files = [str(path) for path in sorted(chapter.iterdir())]
    return list(LibriSpeech(str(chapter.parents[2])).read_folder(str(chapter), files))


def test_each_line_with_its_audio_is_an_utterance(chapter):
    write(chapter, "61-70968-0000 HE BEGAN\n61-70968-0001 A\n", "61-70968-0000", "61-70968-0001")
    first, second = read(chapter)
    assert (first.id, first.transcript) == ("61-70968-0000", "HE BEGAN")
    assert (first.speaker, first.chapter, first.subset) == ("61", "70968", "test-clean")
    assert (first.gender, first.language, second.transcript) == ("M", "en", "A")


@pytest.mark.parametrize(
    ("transcripts", "audio", "reason"),
    [
        ("61-70968-0000 HELLO\n", [], "transcript without audio"),
        ("", ["61-70968-0000"], "audio without transcript"),
        ("61-70968-0000 A\n61-70968-0000 B\n", ["61-70968-0000"], "id used twice"),
    ],
)
def test_what_has_no_counterpart_is_set_aside(chapter, transcripts, audio, reason):
    write(chapter, transcripts, *audio)
    reasons = [found.reason for found in read(chapter) if isinstance(found, Quarantined)]
    assert reasons == [reason]


def test_a_folder_without_transcripts_loses_nothing_in_silence(chapter):
    (chapter / "61-70968-0000.flac").write_bytes(b"")
    assert [found.reason for found in read(chapter)] == ["audio without transcript"]


def test_genders_come_from_the_speaker_table(chapter):
    assert read_genders(str(chapter.parents[2] / "SPEAKERS.TXT")) == {"61": "M", "62": "F"}
    assert read_genders(str(chapter / "no-such-table")) == {}
