"""Packs: no row is lost or changed on the way, and hardly anything is shuffled for one."""

import random
from collections.abc import Iterable
from dataclasses import replace

import apache_beam as beam
import pytest
from apache_beam.pvalue import TaggedOutput
from hypothesis import given
from hypothesis import strategies as st

from components.speech_example_gen.ingest import one_of_each_id, place
from components.speech_example_gen.packing import ROWS_HELD, Pack, packed, unpacked
from components.speech_example_gen.plan import digest, shard_of
from components.speech_example_gen.quarantine import Quarantined, Reason
from components.speech_example_gen.sources import AudioPlace, Utterance
from pipeline.local import beam_args

# Also half of a surrogate pair, which nothing but a pickle takes.
TEXT = st.text(st.characters(), max_size=8)


def utterance(identity: str, path: str = "/a", transcript: str = "HELLO") -> Utterance:
    fields = dict.fromkeys(("chapter", "corpus", "subset", "language", "gender"), "")
    return Utterance(
        id=identity, speaker="1", transcript=transcript, audio=AudioPlace(path), **fields
    )


@given(st.lists(st.lists(st.builds(utterance, TEXT, TEXT, TEXT), max_size=4), max_size=4))
def test_what_is_packed_is_unpacked(packs):
    rows = [row for pack in packs for row in pack]
    assert list(unpacked(map(packed, packs))) == rows


def test_an_utterance_takes_a_hundred_bytes_of_a_pack():
    words = random.Random(1)
    rows = [
        utterance(
            f"{number % 40}-12{number % 7}-{number:04d}",
            f"/data/LibriSpeech/train-clean-100/{number % 40}/12{number % 7}/{number:04d}.flac",
            " ".join(f"WORD{words.randrange(500)}" for _ in range(8)),
        )
        for number in range(1000)
    ]
    assert len(packed(rows)) / len(rows) < 100


@pytest.mark.parametrize("rows", [0, 1, ROWS_HELD - 1, ROWS_HELD, 2 * ROWS_HELD + 1])
def test_a_bundle_gives_each_row_once_under_its_key(rows):
    step = Pack()
    step.start_bundle()
    given = [(number % 3, number) for number in range(rows)]
    packs = [pack for pair in given for pack in step.process(pair)]
    packs += [windowed.value for windowed in step.finish_bundle()]
    found = [(key, row) for key, pack in packs for row in unpacked([pack])]
    assert sorted(found) == sorted(given)
    # A few for every so many rows, and not one for each.
    assert len(packs) <= 3 * (rows // ROWS_HELD + 1)


def test_an_engine_groups_packs_as_it_would_group_rows():
    def check(groups):
        assert groups == {"even": list(range(0, 100, 2)), "odd": list(range(1, 100, 2))}

    with beam.Pipeline(argv=beam_args(1)) as pipeline:
        _ = (
            pipeline
            | beam.Create([("odd" if number % 2 else "even", number) for number in range(100)])
            | beam.ParDo(Pack())
            | beam.GroupByKey()
            | beam.MapTuple(lambda key, packs: (key, sorted(unpacked(packs))))
            | beam.combiners.ToDict()
            | beam.Map(check)
        )


IDS = st.sampled_from("abcd")
FOUND = st.tuples(
    st.sampled_from(["train", "dev", "test"]),
    st.builds(utterance, IDS, st.sampled_from(["/a", "/b"]), st.sampled_from(["ONE", "TWO"])),
)


def sorted_out(packs: list[bytes]) -> tuple[dict[str, list[Utterance]], list[object]]:
    """What a bucket of packs gives: the utterances of each split, and those set aside."""
    kept, set_aside = {}, []
    for row in one_of_each_id((7, packs)):
        if isinstance(row, TaggedOutput):
            set_aside.append(row.value)
        else:
            kept[row[0]] = list(unpacked([row[1]]))
    return kept, set_aside


@given(st.lists(FOUND, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_one_of_each_id_is_kept_however_a_bucket_is_packed_and_ordered(found, random):
    kept, set_aside = sorted_out([packed(found)])
    ids = [one.id for utterances in kept.values() for one in utterances]
    assert sorted(ids) == sorted({one.id for _, one in found})
    assert len(ids) + len(set_aside) == len(found)
    assert {row.reason for _, row in set_aside} <= {Reason.DUPLICATE_ID}
    shuffled = random.sample(found, len(found))
    cut = random.randint(0, len(found))
    again, aside_again = sorted_out([packed(shuffled[:cut]), packed(shuffled[cut:])])
    assert again == kept
    assert sorted(map(str, aside_again)) == sorted(map(str, set_aside))


def test_of_those_with_one_id_the_tested_is_kept_before_the_tuned_on_and_the_trained_on():
    rows = [(split, utterance("a", f"/{split}")) for split in ("train", "dev", "test")]
    kept, set_aside = sorted_out([packed([row]) for row in rows])
    assert kept == {"test": [utterance("a", "/test")]}
    detail = "as /test in test"
    assert set_aside == [
        (split, Quarantined("a", f"/{split}", Reason.DUPLICATE_ID, detail, "1", "HELLO"))
        for split in ("dev", "train")
    ]


@given(st.sets(st.text(max_size=4), max_size=12), st.integers(1, 9), st.sets(st.integers(0, 11)))
def test_each_utterance_goes_to_the_shard_of_its_digest_or_to_its_archive(names, shards, archived):
    loose, in_archives = [], []
    for number, name in enumerate(sorted(names)):
        if number in archived:
            audio = AudioPlace(f"/{number % 2}.tar", member=f"{number}.flac")
            in_archives.append(replace(utterance(name), audio=audio))
        else:
            loose.append(utterance(name))
    rows = list(place(("dev", packed(loose + in_archives)), {"dev": shards}))
    to_archives = [row.value for row in rows if isinstance(row, TaggedOutput)]
    to_shards = [row for row in rows if not isinstance(row, TaggedOutput)]
    for to, pack in [*to_shards, *(row for _, row in to_archives)]:
        assert {("dev", shard_of(digest(one.id), shards)) for one in unpacked([pack])} == {to}
    for archive, (_, pack) in to_archives:
        assert {one.audio.path for one in unpacked([pack])} == {archive}
    assert sorted_by_id(pack for _, pack in to_shards) == loose
    assert sorted_by_id(pack for _, (_, pack) in to_archives) == in_archives


def sorted_by_id(packs: Iterable[bytes]) -> list[Utterance]:
    return sorted(unpacked(packs), key=lambda one: one.id)
