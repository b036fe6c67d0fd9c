"""What the ingest found: written and read back, shown, and when it must stop a run."""

import dataclasses
import json

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.speech_example_gen.config import ALL, DataConfig, TranscriptRules
from components.speech_example_gen.encoding import Encoder
from components.speech_example_gen.findings import (
    SplitFindings,
    keep_findings,
    read_findings,
    refuse_bad_splits,
    refuse_findings_elsewhere,
    write_quarantine,
    write_speakers,
)
from components.speech_example_gen.plan import ExamplesFolder, IngestPlan
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.sources import source_type
from components.speech_example_gen.writing import UNKNOWN_SPEAKER
from models.errors import BadInputError

TRAIN = SplitFindings("train", 90, 0.1, frozenset({"101", "102"}), ())
TEST = SplitFindings("test", 10, 0.1, frozenset({"301"}), ())
UNREADABLE = Quarantined("a", "/corpus/a.flac", Reason.UNREADABLE)


def rows(**places: Reason) -> tuple[Quarantined, ...]:
    return tuple(Quarantined(name, f"/c/{name}.flac", reason) for name, reason in places.items())


def plan(folder, *inputs: str) -> IngestPlan:
    data = DataConfig("/corpus")
    return IngestPlan(
        source=source_type("librispeech")(data),
        inputs=tuple((name, f"/corpus/{name}/*") for name in inputs or ("train", "dev", "test")),
        encoder=Encoder(data, TranscriptRules()),
        folder=str(folder),
        shard_bytes=1,
    )


def refuse(splits: list[SplitFindings], max_quarantined: float, place: str = "findings") -> None:
    refuse_bad_splits(splits, max_quarantined, place, plan("/runs/examples/7").settings_of)


def test_clean_splits_without_a_common_speaker_pass():
    refuse([TRAIN, TEST], 0.0)


def test_a_tolerated_share_of_bad_data_passes_and_more_does_not():
    split = dataclasses.replace(TEST, utterances=9, quarantined=(UNREADABLE,))
    refuse([TRAIN, split], 0.1)
    with pytest.raises(BadInputError) as refused:
        refuse([TRAIN, split], 0.05, "/runs/findings")
    assert str(refused.value) == (
        "1 of 10 utterances of test cannot be used: unreadable audio (1), such as /corpus/a.flac; "
        "mend them or raise data.max_quarantined_fraction (all of them: /runs/findings)."
    )


def test_the_top_reasons_are_named_with_an_example_of_each():
    found = rows(
        a=Reason.SILENT,
        b=Reason.SILENT,
        c=Reason.SILENT,
        d=Reason.TOO_LONG,
        e=Reason.TOO_LONG,
        f=Reason.NO_AUDIO,
        g=Reason.CLIPPED,
    )
    with pytest.raises(BadInputError) as refused:
        refuse([dataclasses.replace(TEST, quarantined=found)], 0.0)
    assert (
        "silent audio (3), too long (2), transcript without audio (1), "
        "such as /c/a.flac, /c/d.flac, /c/f.flac;"
    ) in str(refused.value)


def test_three_examples_are_given_of_a_single_reason():
    found = rows(a=Reason.SILENT, b=Reason.SILENT, c=Reason.SILENT, d=Reason.SILENT)
    with pytest.raises(BadInputError, match=r"such as /c/a\.flac, /c/b\.flac, /c/c\.flac;"):
        refuse([dataclasses.replace(TEST, quarantined=found)], 0.0)


def test_a_split_of_which_nothing_is_left_is_refused_whatever_is_tolerated():
    split = dataclasses.replace(TEST, utterances=0, quarantined=(UNREADABLE,))
    with pytest.raises(BadInputError, match=r"1 of 1 .*; mend them \(all of them: findings\)"):
        refuse([split], 1.0)


def test_a_damaged_archive_is_refused_however_little_a_single_row_is():
    detail = "header at byte 1024: empty header"
    row = Quarantined("train.tar", "/c/train.tar", Reason.DAMAGED_ARCHIVE, detail)
    with pytest.raises(BadInputError) as refused:
        refuse([dataclasses.replace(TRAIN, utterances=100_000, quarantined=(row,)), TEST], 1.0)
    assert str(refused.value) == (
        "The archive /c/train.tar of train is damaged (header at byte 1024: empty header), and "
        "nobody knows what it held there; fetch it again, or unpack what can be read of it and "
        "name that folder."
    )


def test_a_speaker_in_two_splits_is_refused():
    heard = dataclasses.replace(TEST, speakers=frozenset({"102", "301"}))
    with pytest.raises(BadInputError, match=r"^Speaker 102 stands in both train and test;"):
        refuse([TRAIN, heard], 0.0)


def test_of_several_speakers_in_two_splits_one_is_named():
    heard = dataclasses.replace(TEST, speakers=frozenset({"102", "101"}))
    with pytest.raises(BadInputError, match=r"^2 speakers, such as 101, stand in both train and"):
        refuse([TRAIN, heard], 0.0)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        (("train", "dev", "test"), "data.corpus and data.dev"),
        ((ALL,), "data.all and data.speaker_shares"),
    ],
)
def test_an_empty_split_is_refused_by_the_settings_that_chose_it(tmp_path, inputs, named):
    empty = read_findings(ExamplesFolder(str(tmp_path)), "dev")
    with pytest.raises(BadInputError) as refused:
        refuse_bad_splits([empty], 0.0, "findings", plan(tmp_path, *inputs).settings_of)
    assert str(refused.value) == f"The dev split holds no utterance; check {named}."


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.builds(Quarantined, TEXT, TEXT, st.sampled_from(Reason), TEXT, TEXT, TEXT)


@settings(deadline=None, max_examples=50)
@given(st.lists(ROWS, max_size=5))
def test_what_is_set_aside_is_read_back_whole(tmp_path_factory, found):
    ingest = plan(tmp_path_factory.mktemp("findings"))
    write_quarantine(("dev", found), ingest)
    ordered = sorted(found, key=dataclasses.astuple)
    assert list(read_findings(ingest, "dev").quarantined) == ordered
    records = tf.data.TFRecordDataset(ingest.quarantine_records("dev")).as_numpy_iterator()
    places = [
        tf.train.Example.FromString(record).features.feature["place"].bytes_list.value[0].decode()
        for record in records
    ]
    assert places == [row.place for row in ordered]


def test_speakers_add_up_to_the_split(tmp_path):
    ingest = plan(tmp_path)
    write_speakers(("dev", [("201", (3, 16_000 * 1800)), ("202", (2, 16_000 * 1800))]), ingest)
    found = read_findings(ingest, "dev")
    assert (found.utterances, found.hours, found.speakers) == (5, 1.0, {"201", "202"})


def test_findings_that_stop_a_run_outlive_its_artifact(tmp_path):
    ingest = plan(tmp_path / "7")
    write_quarantine(("dev", [UNREADABLE]), ingest)
    keep_findings(ingest)
    listed = tmp_path / "7-refused" / "dev-quarantined.jsonl"
    assert json.loads(listed.read_text())["id"] == "a"


def test_a_split_in_numbers_for_the_artifact_s_properties():
    found = rows(a=Reason.SILENT, b=Reason.TOO_LONG, c=Reason.SILENT)
    assert dataclasses.replace(TRAIN, quarantined=found).properties == {
        "train_utterances": 90,
        "train_hours": 0.1,
        "train_speakers": 2,
        "train_quarantined": 3,
        "train_reasons": '{"silent audio": 2, "too long": 1}',
    }


def test_a_folder_that_the_workers_do_not_share_is_named_with_its_setting(tmp_path):
    with pytest.raises(BadInputError) as refused:
        refuse_findings_elsewhere(plan(tmp_path))
    assert str(refused.value) == (
        f"The workers wrote nothing at {tmp_path}; set runner.artifacts to a place that they and "
        "this machine share."
    )


def test_a_split_of_which_there_is_nothing_has_its_file(tmp_path):
    write_speakers(("dev", [(UNKNOWN_SPEAKER, (0, 0))]), plan(tmp_path))
    refuse_findings_elsewhere(plan(tmp_path))
    assert json.loads((tmp_path / "findings" / "dev-speakers.json").read_text()) == {}


def test_utterances_that_nobody_is_named_for_count_but_not_as_speakers(tmp_path):
    brought = [(UNKNOWN_SPEAKER, (3, 16_000 * 1800)), ("202", (2, 16_000 * 1800))]
    write_speakers(("dev", brought), plan(tmp_path))
    write_speakers(("test", brought[:1]), plan(tmp_path))
    dev, test = (read_findings(plan(tmp_path), split) for split in ("dev", "test"))
    assert (dev.utterances, dev.hours, dev.speakers) == (5, 1.0, {"202"})
    assert (test.utterances, test.speakers) == (3, frozenset())
    refuse([dev, test], 0.0)
