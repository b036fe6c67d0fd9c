"""Into what the evaluation set is cut: features of an utterance, alone or crossed.

>>> describe_slice({"gender": "F", "duration": "5-10 s"})
'gender:F,duration:5-10 s'
"""

from __future__ import annotations

from collections.abc import Mapping

# Two features are numbers, and fall into one of these: (up to, label).
DURATION_BUCKETS = (
    (2.0, "0-2 s"),
    (5.0, "2-5 s"),
    (10.0, "5-10 s"),
    (15.0, "10-15 s"),
    (20.0, "15-20 s"),
    (float("inf"), "over 20 s"),
)
WORDS_BUCKETS = (
    (2, "0-2"),
    (5, "3-5"),
    (10, "6-10"),
    (20, "11-20"),
    (40, "21-40"),
    (float("inf"), "over 40"),
)
FEATURES = ("speaker", "gender", "subset", "chapter", "corpus", "language", "duration", "words")


def duration_bucket(seconds: float) -> str:
    """The label of an utterance's length."""
    return next(label for up_to, label in DURATION_BUCKETS if seconds <= up_to)


def words_bucket(words: int) -> str:
    """The label of a transcript's number of words."""
    return next(label for up_to, label in WORDS_BUCKETS if words <= up_to)


def describe_slice(features: Mapping[str, str]) -> str:
    """The name of a slice, as reports and bounds have it; empty for the whole."""
    return ",".join(f"{name}:{value}" for name, value in features.items())
