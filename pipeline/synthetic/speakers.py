"""Who speaks: pools of speakers that share no voice, so that what is held out is truly unheard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.synthetic.espeak import Voice

Gender = Literal["F", "M"]
TRAIN, DEV, TEST = "train-clean-100", "dev-clean", "test-clean"


@dataclass(frozen=True)
class Speaker:
    """A reader of the corpus: one voice, in one subset."""

    id: int
    name: str
    gender: Gender
    subset: str
    voice: Voice


def _speakers(first_id: int, subset: str, *voices: tuple[str, Gender, Voice]) -> list[Speaker]:
    return [
        Speaker(first_id + number, name, gender, subset, voice)
        for number, (name, gender, voice) in enumerate(voices)
    ]


# Variants m1 to m8, f1 to f4: no variant stands in two subsets, nor in the other pool.
DEMO = (
    *_speakers(
        101,
        TRAIN,
        ("Ada Marsh", "F", Voice("en-us", "f1", rate=160, pitch=52)),
        ("Ben Cole", "M", Voice("en-us", "m1", rate=165, pitch=42)),
        ("Cleo Hart", "F", Voice("en", "f2", rate=170, pitch=58)),
        ("Dan Frost", "M", Voice("en", "m3", rate=155, pitch=48)),
        ("Eve Stone", "F", Voice("en-gb-x-rp", "f4", rate=160, pitch=46)),
        ("Finn Drake", "M", Voice("en-us", "m4", rate=175, pitch=55)),
        ("Gus Lane", "M", Voice("en-gb-scotland", "m7", rate=160, pitch=50)),
        ("Hal Birch", "M", Voice("en-us-nyc", "m8", rate=165, pitch=60)),
        ("Ivy Wells", "F", Voice("en-us", "f2", rate=150, pitch=64)),
        ("Jack Reed", "M", Voice("en-gb-x-gbcwmd", "m1", rate=170, pitch=36)),
        ("Kate Moore", "F", Voice("en", "f1", rate=175, pitch=60)),
        ("Leo Banks", "M", Voice("en-us", "m3", rate=170, pitch=40)),
    ),
    *_speakers(
        201,
        DEV,
        ("Mia Fields", "F", Voice("en-us", "Andrea", rate=150, pitch=50)),
        ("Ned Carr", "M", Voice("en", "m5", rate=160, pitch=45)),
    ),
    *_speakers(
        301,
        TEST,
        ("Ora Finch", "F", Voice("en-us", "f3", rate=160, pitch=54)),
        ("Pat Shaw", "M", Voice("en", "m6", rate=165, pitch=50)),
        ("Quin Nash", "M", Voice("en-us", "m2", rate=170, pitch=52)),
        ("Rose Dean", "F", Voice("en-gb-x-rp", "f3", rate=155, pitch=62)),
    ),
)

# Named variants only, for the checkpoint that the demo starts from.
PRETRAINING = (
    *_speakers(
        501,
        TRAIN,
        ("Adam Pike", "M", Voice("en-us", "adam", rate=160)),
        ("Alicia Dunn", "F", Voice("en-us", "Alicia", rate=175)),
        ("Anika Rowe", "F", Voice("en-us", "anika", rate=150)),
        ("Annie Kerr", "F", Voice("en", "Annie", rate=165)),
        ("Belinda Ross", "F", Voice("en", "belinda", rate=165, pitch=55)),
        ("Benjamin Hale", "M", Voice("en-us", "benjamin", rate=170)),
        ("Boris West", "M", Voice("en-gb-x-gbcwmd", "boris", rate=160)),
        ("Caleb Orr", "M", Voice("en-us", "caleb", rate=165)),
        ("David Nye", "M", Voice("en-us-nyc", "david", rate=165)),
        ("Denis Long", "M", Voice("en-us", "Denis", rate=155)),
        ("Diogo Reis", "M", Voice("en", "Diogo", rate=170)),
        ("Gene Ward", "M", Voice("en-us", "Gene", rate=165)),
        ("Grace Holt", "F", Voice("en-gb-x-rp", "grandma", rate=160, pitch=60)),
        ("Ian Blake", "M", Voice("en", "ian", rate=170)),
        ("John Page", "M", Voice("en-us", "john", rate=165)),
        ("Linda Voss", "F", Voice("en-us", "linda", rate=165)),
        ("Marcelo Cruz", "M", Voice("en-us", "marcelo", rate=165)),
        ("Mario Vale", "M", Voice("en-gb-scotland", "Mario", rate=160)),
        ("Michael Snow", "M", Voice("en-us", "Michael", rate=170)),
        ("Norbert Quill", "M", Voice("en", "norbert", rate=165)),
        ("Robert Ames", "M", Voice("en-us", "robert", rate=160)),
        ("Sandro Rossi", "M", Voice("en-gb-x-rp", "sandro", rate=165)),
        ("Shelby Grant", "F", Voice("en-us", "shelby", rate=165, pitch=58)),
        ("Travis Boone", "M", Voice("en-us-nyc", "travis", rate=170)),
    ),
    *_speakers(
        601,
        DEV,
        ("Steph Lowe", "F", Voice("en", "steph", rate=165)),
        ("Victor Hugh", "M", Voice("en-us", "victor", rate=160)),
    ),
    *_speakers(
        701,
        TEST,
        ("Aunt May", "F", Voice("en-us", "aunty", rate=165)),
        ("Max Stern", "M", Voice("en", "max", rate=165)),
    ),
)

POOLS: dict[str, tuple[Speaker, ...]] = {"demo": DEMO, "pretraining": PRETRAINING}
