"""A file has its name only once it is whole, and a shard has one order wherever it comes from."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from components.speech_example_gen.config import DataConfig, TranscriptRules
from components.speech_example_gen.encoding import Encoded, Encoder
from components.speech_example_gen.packing import packed
from components.speech_example_gen.plan import IngestPlan, digest
from components.speech_example_gen.sources import AudioPlace, Utterance, source_type
from components.speech_example_gen.writing import (
    Spilled,
    SpillFiles,
    SpillReader,
    WriteShard,
    counted_speaker,
    written_whole,
)


@pytest.fixture
def plan(tmp_path) -> IngestPlan:
    data = DataConfig("/corpus")
    encoder = Encoder(data, TranscriptRules())
    return IngestPlan(str(tmp_path), source_type("librispeech")(data), (), encoder, 1)


def utterance(identity: str, speaker: str = "1") -> Utterance:
    fields = dict.fromkeys(("chapter", "corpus", "subset", "language", "gender", "transcript"), "")
    return Utterance(id=identity, speaker=speaker, audio=AudioPlace("/nowhere"), **fields)


def spilled(plan: IngestPlan, examples: dict[str, bytes]) -> list[Spilled]:
    with SpillFiles(plan) as files:
        return [
            files.add(("train", 0), utterance(name), Encoded(example, 1))
            for name, example in examples.items()
        ]


def unfinished(plan: IngestPlan) -> list[Path]:
    return list(Path(plan.unfinished).iterdir())


def test_a_file_appears_when_it_is_whole(plan, tmp_path):
    with written_whole(plan, str(tmp_path / "findings" / "a")) as path:
        Path(path).write_text("half")
        assert not (tmp_path / "findings" / "a").exists()
    assert (tmp_path / "findings" / "a").read_text() == "half"
    assert unfinished(plan) == []


def test_a_failure_leaves_neither_the_file_nor_its_half(plan, tmp_path):
    with pytest.raises(OSError, match="disk"), written_whole(plan, str(tmp_path / "a")) as path:
        Path(path).write_text("half")
        raise OSError("the disk is gone")
    assert not (tmp_path / "a").exists()
    assert unfinished(plan) == []


def test_many_may_write_the_same_file_at_once(plan, tmp_path):
    content = bytes(range(256)) * 4096

    def write(_: int) -> bytes:
        with written_whole(plan, str(tmp_path / "a")) as path:
            Path(path).write_bytes(content)
        return (tmp_path / "a").read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(40))) == {content}
    assert unfinished(plan) == []


def test_a_shard_that_an_engine_gives_up_in_the_middle_leaves_nothing(plan, tmp_path):
    given = packed(spilled(plan, {"a": b"1", "b": b"2"}))
    writing = WriteShard(plan).process((("train", 0), [given]), {"train": 1})
    assert next(writing) == (("train", "1"), (1, 1))
    assert len(unfinished(plan)) == 2  # the spill, and the half shard
    writing.close()
    assert len(unfinished(plan)) == 1
    assert not list(tmp_path.glob("Split-*/*"))


def test_an_utterance_is_counted_under_its_speaker_and_under_nobody_where_none_is_named(plan):
    with SpillFiles(plan) as files:
        for speaker, counted in (("1", "1"), ("a", "")):
            one = utterance("a", speaker)
            row = files.add(("train", 0), one, Encoded(b"x", 1))
            assert counted_speaker(one) == counted_speaker(row) == counted


class EncodesIds(Encoder):
    """Whose examples are ids, without any audio."""

    def encode(self, utterance, content=None):
        return Encoded(utterance.id.encode(), 1)


def test_a_shard_is_in_the_order_of_the_keys_wherever_its_utterances_lie(plan):
    plan = replace(plan, encoder=EncodesIds(plan.encoder.data, plan.encoder.rules))
    names = [f"utterance-{number}" for number in range(40)]
    packs = [
        packed(map(utterance, names[:10])),
        packed(spilled(plan, {name: name.encode() for name in names[10:20]})),
        packed(map(utterance, names[20:30])),
        packed(spilled(plan, {name: name.encode() for name in names[30:]})),
        packed([]),
    ]
    for given in (packs, packs[::-1]):
        totals = list(WriteShard(plan).process((("train", 0), given), {"train": 1}))
        records = tf.data.TFRecordDataset(plan.shard_file("train", 0, 1)).as_numpy_iterator()
        assert [record.decode() for record in records] == sorted(names, key=digest)
        assert totals == [(("train", "1"), (1, 1))] * len(names)


def test_spilled_examples_are_read_back_in_any_order(plan):
    examples = {f"u{number}": bytes([number]) * number for number in range(1, 9)}
    rows = spilled(plan, examples)
    reader = SpillReader()
    read = {row.key: reader.read(row) for row in sorted(rows, key=lambda row: row.key)}
    assert read == {digest(name): example for name, example in examples.items()}
    assert len({row.path for row in rows}) == 1
