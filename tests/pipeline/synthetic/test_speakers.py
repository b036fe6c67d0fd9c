"""Who speaks: voices that are held out are truly unheard."""

import subprocess
import sys
from collections import defaultdict

import pytest

from models.errors import BadInputError
from pipeline.synthetic.espeak import Voice, engine
from pipeline.synthetic.speakers import DEMO, DEV, POOLS, PRETRAINING, TEST, TRAIN

ALL = [*DEMO, *PRETRAINING]


def test_no_voice_variant_stands_in_two_subsets_of_a_pool_nor_in_two_pools():
    heard = defaultdict(set)
    for pool, speakers in POOLS.items():
        for speaker in speakers:
            heard[speaker.voice.variant.lower()].add((pool, speaker.subset))
    assert {variant: where for variant, where in heard.items() if len(where) > 1} == {}


def test_every_speaker_has_an_id_and_a_name_of_their_own():
    assert len({speaker.id for speaker in ALL}) == len(ALL)
    assert len({speaker.name for speaker in ALL}) == len(ALL)
    assert len({speaker.voice for speaker in ALL}) == len(ALL)


@pytest.mark.parametrize("pool", POOLS)
def test_every_pool_has_women_and_men_in_every_subset(pool):
    found = {(speaker.subset, speaker.gender) for speaker in POOLS[pool]}
    assert found == {(subset, gender) for subset in (TRAIN, DEV, TEST) for gender in "FM"}


@pytest.mark.parametrize("speaker", ALL, ids=lambda speaker: speaker.voice.variant)
def test_every_voice_is_there_and_can_be_heard(speaker):
    samples = engine().speak("seven", speaker.voice)
    assert len(samples) > 0.2 * engine().sample_rate
    assert abs(samples).max() > 0.01


def test_voices_sound_different():
    spoken = {engine().speak("zero", speaker.voice).tobytes() for speaker in ALL}
    assert len(spoken) == len(ALL)


def test_a_faster_voice_takes_less_time():
    slow, fast = (
        engine().speak("turn on the radio", Voice("en-us", "m1", rate=rate)) for rate in (120, 220)
    )
    assert len(fast) < 0.8 * len(slow)


SPEAK_ALL = """
from hashlib import sha256
from pipeline.synthetic.espeak import engine
from pipeline.synthetic.speakers import DEMO, PRETRAINING
for speaker in (*DEMO, *PRETRAINING):
    samples = engine().speak("hello", speaker.voice)
    print(speaker.voice.variant, len(samples), sha256(samples.tobytes()).hexdigest())
"""


def test_every_voice_says_the_same_again_from_a_fresh_start():
    """Breathy ones draw noise from a generator that espeak seeds with the time; ours is fixed."""
    first, again = (
        subprocess.run([sys.executable, "-c", SPEAK_ALL], capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert len(first.splitlines()) == len(ALL)
    assert first == again


@pytest.mark.parametrize(
    ("voice", "sentence"),
    [
        (Voice("en-us", "f99"), "no voice variant 'f99'"),
        (Voice("xx-nowhere", "f1"), r"no voice 'xx-nowhere\+f1'"),
    ],
)
def test_a_voice_that_is_not_there_is_refused_by_name(voice, sentence):
    with pytest.raises(BadInputError, match=sentence):
        engine().speak("zero", voice)
