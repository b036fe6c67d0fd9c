"""What is decided before anything is read: splits by speaker, shards by digest."""

from collections import Counter
from itertools import pairwise
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.speech_example_gen.config import ALL, DataConfig, SpeakerShares, TranscriptRules
from components.speech_example_gen.encoding import Encoder
from components.speech_example_gen.plan import (
    SHARD_FILES,
    ExamplesFolder,
    IngestPlan,
    digest,
    drawn_split,
    shard_count,
    shard_of,
)
from components.speech_example_gen.sources import source_type

IDS = [f"{speaker}-{chapter}-{number:04d}" for speaker in range(40) for chapter in range(4)
       for number in range(25)]  # fmt: skip


def plan(*inputs: str, folder: str = "/runs/examples/7") -> IngestPlan:
    data = DataConfig("/corpus")
    return IngestPlan(
        source=source_type("librispeech")(data),
        inputs=tuple((name, f"/corpus/{name}/*") for name in inputs),
        encoder=Encoder(data, TranscriptRules()),
        folder=folder,
        shard_bytes=1,
    )


def test_an_input_that_is_a_split_stays_one_and_all_is_drawn_by_speaker():
    assert plan("train", "dev", "test").split_of("dev", "anybody") == "dev"
    drawn = {plan(ALL).split_of(ALL, str(speaker)) for speaker in range(200)}
    assert drawn == {"train", "dev", "test"}
    assert plan(ALL).splits == ("train", "dev", "test")
    assert plan("data").splits == ("data",)


@given(st.text(), st.floats(0.05, 0.9))
def test_a_speaker_leaves_train_only_when_its_share_shrinks(speaker, train):
    rest = (1 - train) / 2
    larger = SpeakerShares(train + rest, rest / 2, rest / 2)
    if drawn_split(speaker, SpeakerShares(train, rest, rest)) == "train":
        assert drawn_split(speaker, larger) == "train"


def test_speakers_are_drawn_about_as_the_shares_say():
    drawn = Counter(drawn_split(str(n), SpeakerShares(0.8, 0.1, 0.1)) for n in range(5000))
    assert drawn["train"] == pytest.approx(4000, rel=0.05)
    assert drawn["dev"] == pytest.approx(500, rel=0.2)


@pytest.mark.parametrize("shards", [2, 7, 20])
def test_ids_of_a_few_speakers_fill_shards_evenly(shards):
    sizes = Counter(shard_of(digest(name), shards) for name in IDS)
    assert len(sizes) == shards
    assert max(sizes.values()) / min(sizes.values()) < 1.5


@given(st.lists(st.text(), unique=True, min_size=1), st.integers(1, 40))
def test_shards_one_after_the_other_are_in_the_order_of_the_digests(names, shards):
    drawn = [shard_of(key, shards) for key in sorted(map(digest, names))]
    assert drawn == sorted(drawn)
    assert 0 <= drawn[0] <= drawn[-1] < shards


def test_the_order_within_a_shard_is_not_the_corpus_order():
    ordered = sorted(IDS, key=digest)
    place = {name: index for index, name in enumerate(IDS)}
    neighbours = sum(abs(place[one] - place[other]) == 1 for one, other in pairwise(ordered))
    assert neighbours < 0.005 * len(IDS)


@pytest.mark.parametrize(("utterances", "shards"), [(1, 1), (1000, 1), (1001, 2), (10_000, 10)])
def test_as_many_shards_as_the_audio_fills(utterances, shards):
    assert shard_count(utterances, 200.0, 200_000) == shards


def test_every_shard_has_a_name_that_the_pattern_of_shards_takes():
    shard = PurePosixPath(ExamplesFolder("gs://b/examples").shard_file("dev", 2, 40))
    assert str(shard) == "gs:/b/examples/Split-dev/data_tfrecord-00002-of-00040"
    assert shard.match(f"Split-dev/{SHARD_FILES}")


def test_findings_of_a_refused_run_lie_outside_the_artifact():
    assert plan("train").refused == "/runs/examples/7-refused"
    assert (
        plan("train", folder="gs://b/Gen_-1/examples/").refused == "gs://b/Gen_-1/examples-refused"
    )


@pytest.mark.parametrize(
    ("inputs", "split", "settings"),
    [
        (("train", "dev", "test"), "dev", "data.corpus and data.dev"),
        ((ALL,), "dev", "data.all and data.speaker_shares"),
        (("data",), "data", "the folder that was given"),
    ],
)
def test_a_sentence_names_the_settings_that_the_user_wrote(inputs, split, settings):
    assert plan(*inputs).settings_of(split) == settings
