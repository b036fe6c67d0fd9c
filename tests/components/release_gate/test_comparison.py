"""The paired tests: against enumeration, scipy and NIST's sc_stats, and calibrated by chance."""

import itertools
import re
import subprocess
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.release_gate.comparison import (
    excess_by_segment,
    matched_pairs,
    paired_bootstrap,
)
from models.word_errors import align_words

both_tests = pytest.mark.parametrize("test", [paired_bootstrap, matched_pairs])
alignments_of_one_reference = st.lists(
    st.tuples(*[st.text("I", max_size=2)] * 2, *[st.sampled_from("CSD")] * 2), max_size=12
).map(lambda words: tuple("".join(w[side] + w[side + 2] for w in words) for side in (0, 1)))


def pairs(candidate: list[str], baseline: list[str], speakers: int = 1) -> pd.DataFrame:
    """A row for each utterance, from its two alignments."""
    return pd.DataFrame(
        {
            "speaker": [str(number % speakers) for number in range(len(candidate))],
            "words": [len(letters.replace("I", "")) for letters in candidate],
            "errors": [len(letters.replace("C", "")) for letters in candidate],
            "errors_baseline": [len(letters.replace("C", "")) for letters in baseline],
            "alignment": candidate,
            "alignment_baseline": baseline,
        }
    )


def with_excess(excess: list[int], speakers: int = 1) -> pd.DataFrame:
    """Utterances of ten words where the candidate makes so many errors more."""
    sides = [
        ["S" * count + "C" * (10 - count) for count in np.clip(sign * np.array(excess), 0, None)]
        for sign in (1, -1)
    ]
    return pairs(*sides, speakers)


def by_chance(generator: np.random.Generator, utterances: int, speakers: int) -> pd.DataFrame:
    """Two equally good models, on utterances and speakers of unequal hardness."""
    hardness = generator.gamma(1, 1, utterances)
    hardness *= generator.gamma(2, 0.5, speakers)[np.arange(utterances) % speakers]
    sides = [
        [
            "".join(np.where(generator.random(20) < rate, "S", "C"))
            for rate in (0.1 * hardness).clip(max=0.8)
        ]
        for _ in range(2)
    ]
    return pairs(*sides, speakers)


@both_tests
def test_the_difference_is_of_the_word_error_rates(test):
    assert test(with_excess([1, 0, 2, 0])).difference == 3 / 40
    assert test(with_excess([-1, 0, -2, 0])).difference == -3 / 40


@both_tests
def test_a_model_beside_itself_is_as_likely_better_as_worse(test):
    alike = ["CSCCI", "CCCC", "DDDD"]
    assert test(pairs(alike, alike)).confidence_worse == 0.5


@both_tests
def test_a_model_that_is_worse_everywhere_is_surely_worse(test):
    assert test(with_excess([1] * 20)).confidence_worse > 0.999
    assert test(with_excess([-1] * 20)).confidence_worse < 0.001


@both_tests
def test_one_utterance_proves_nothing(test):
    assert test(with_excess([0] * 30 + [1])).confidence_worse < 0.95


@pytest.mark.parametrize("test", [partial(paired_bootstrap, samples=1_000), matched_pairs])
def test_equally_good_models_raise_an_alarm_as_often_as_was_asked_for(test):
    generator = np.random.default_rng(7)
    sureness = [test(by_chance(generator, 200, speakers=40)).confidence_worse for _ in range(400)]
    for confidence in (0.5, 0.8, 0.95):
        alarms = np.mean(np.array(sureness) >= confidence)
        standard_error = (confidence * (1 - confidence) / 400) ** 0.5
        assert alarms == pytest.approx(1 - confidence, abs=3 * standard_error)


def test_the_bootstrap_agrees_with_all_draws_enumerated():
    excess = [3, -1, 0, -1, 1]
    # One fewer is drawn than there are.
    sums = [sum(drawn) for drawn in itertools.product(excess, repeat=4)]
    expected = np.mean([(total > 0) + (total == 0) / 2 for total in sums])
    result = paired_bootstrap(with_excess(excess), samples=100_000)
    assert result.confidence_worse == pytest.approx(expected, abs=0.005)


def test_the_bootstrap_agrees_with_scipys_on_many_utterances():
    excess = np.random.default_rng(1).integers(-2, 3, 400)
    theirs = stats.bootstrap(
        (excess,), np.sum, n_resamples=20_000, method="percentile", random_state=0
    ).bootstrap_distribution
    expected = np.mean(theirs > 0) + np.mean(theirs == 0) / 2
    assert 0.05 < expected < 0.95
    assert paired_bootstrap(with_excess(excess)).confidence_worse == pytest.approx(
        expected, abs=0.015
    )


def test_speakers_are_drawn_where_there_are_eight_and_utterances_where_there_are_fewer():
    excess = [1, 0, 0, -1] * 14
    assert paired_bootstrap(with_excess(excess, speakers=8)).units == "8 speakers"
    assert paired_bootstrap(with_excess(excess, speakers=7)).units == "56 utterances"


def test_one_speaker_who_fares_badly_is_one_witness():
    # 20 utterances each: the first speaker's all got worse, everybody else's stayed.
    excess = [int(number % 10 == 0) for number in range(200)]
    assert paired_bootstrap(with_excess(excess, speakers=10)).confidence_worse < 0.95
    assert paired_bootstrap(with_excess(excess, speakers=1)).confidence_worse > 0.99


def test_the_same_seed_gives_the_same_confidence():
    table = with_excess([1, -1, 0, 2, -1] * 20)
    assert paired_bootstrap(table, seed=3) == paired_bootstrap(table, seed=3)


def test_matched_pairs_agree_with_scipys_paired_t_test():
    table = with_excess([1, 0, 2, -1, 0, -3, 1, 1, 2, 0, 1])
    in_segments = table[(table.errors > 0) | (table.errors_baseline > 0)]
    theirs = stats.ttest_rel(in_segments.errors, in_segments.errors_baseline, alternative="greater")
    result = matched_pairs(table)
    assert result.confidence_worse == pytest.approx(1 - theirs.pvalue, abs=1e-12)
    assert result.units == "8 segments"


@pytest.mark.parametrize(
    ("candidate", "baseline", "excess"),
    [
        ("CCCC", "CCCC", []),
        ("SCCS", "CCCC", [1, 1]),  # two words that both got right part segments
        ("SCSC", "CCCC", [2]),  # one does not
        ("SCCCS", "CCSCC", [1]),  # nor do two of which the other got one wrong
        ("SCICS", "CCCC", [3]),  # nor two with an insertion between
        ("SCCI", "CCC", [1, 1]),  # an insertion at the end is a segment of its own
        ("ICC", "ICC", [0]),  # a segment where both err alike counts
        ("II", "", [2]),
    ],
)
def test_segments_are_cut_where_both_got_two_words_right(candidate, baseline, excess):
    assert list(excess_by_segment([candidate], [baseline])) == excess


def test_no_segment_reaches_into_the_next_utterance():
    assert list(excess_by_segment(["CS", "SC"], ["CC", "CC"])) == [1, 1]


@given(st.lists(alignments_of_one_reference, max_size=8))
def test_segments_hold_every_error_once(utterances):
    candidate, baseline = ([sides[side] for sides in utterances] for side in (0, 1))
    errors = [sum(len(a.replace("C", "")) for a in side) for side in (candidate, baseline)]
    excess = excess_by_segment(candidate, baseline)
    assert excess.sum() == errors[0] - errors[1]
    assert list(excess_by_segment(baseline, candidate)) == list(-excess)


def test_segments_and_their_z_are_those_of_nists_sc_stats(tmp_path):
    generator = np.random.default_rng(5)
    references, first, second = [], [], []
    for _ in range(300):
        reference = list(generator.choice([f"w{number}" for number in range(300)], 12))
        hardness = generator.gamma(1, 1)
        references.append(" ".join(reference))
        first.append(" ".join(misheard(generator, reference, 0.08 * hardness)))
        second.append(" ".join(misheard(generator, reference, 0.10 * hardness)))
    segments, z = sc_stats(references, first, second, tmp_path)
    excess = excess_by_segment(
        [align_words(*pair) for pair in zip(references, first, strict=True)],
        [align_words(*pair) for pair in zip(references, second, strict=True)],
    )
    assert len(excess) == segments
    ours = excess.mean() / (excess.std(ddof=1) / len(excess) ** 0.5)
    assert ours == pytest.approx(z, abs=0.0006)


def misheard(generator: np.random.Generator, words: list[str], rate: float) -> list[str]:
    """The words with so many substitutions, deletions and insertions each."""
    heard = []
    for word in words:
        chance = generator.random() / max(rate, 1e-9)
        heard += [] if chance < 0.5 else ["wrong"] if chance < 1 else [word]
        heard += ["more"] if generator.random() < rate / 2 else []
    return heard


def sc_stats(
    references: list[str], first: list[str], second: list[str], folder
) -> tuple[int, float]:
    """The number of segments and Z that NIST's tool finds (Debian's package sctk)."""
    for name, texts in (("ref", references), ("first", first), ("second", second)):
        lines = (f"{text} (s-{number:04d})\n" for number, text in enumerate(texts))
        (folder / f"{name}.trn").write_text("".join(lines))
    aligned = "sctk sclite -i spu_id -o sgml stdout -r ref.trn trn -h {}.trn trn"
    systems = "".join(run(aligned.format(name), folder) for name in ("first", "second"))
    report = run("sctk sc_stats -p -t mapsswe -v -n -", folder, systems)
    segments, z = re.search(r"# segs: (\d+)\).*Z Stat: *(-?[\d.]+)", report).groups()
    return int(segments), float(z)


def run(command: str, folder, stdin: str = "") -> str:
    arguments = command.split()
    done = subprocess.run(
        arguments, cwd=folder, input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout
