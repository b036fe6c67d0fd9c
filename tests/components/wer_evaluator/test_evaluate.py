"""The whole evaluation: what lies in its folder, and that it can be computed again from it."""

import io
import shutil

import numpy as np
import pyarrow.parquet as parquet
import pytest
import soundfile

from components.wer_evaluator.config import EvaluationConfig
from components.wer_evaluator.evaluate import (
    LOG_PROBS_FOLDER,
    Candidate,
    Material,
    plan_evaluation,
    plan_trial,
)
from components.wer_evaluator.evaluation import (
    ArtifactFacts,
    read_about,
    read_clips,
    read_padding_causes,
)
from components.wer_evaluator.predictions import (
    BEAM,
    CRASHED,
    read_predictions,
    split_trial,
    trial_name,
    with_counts,
)
from components.wer_evaluator.scores import read_scores, whole
from models.beam_search import BeamSearchConfig, greedy
from models.errors import BadInputError
from models.processor import Processor
from models.vocabulary import Vocabulary
from models.word_errors import word_error_rate


@pytest.fixture(scope="module")
def table(evaluation):
    return read_predictions(evaluation)


@pytest.fixture(scope="module")
def scores(evaluation):
    return {(score.trial, score.slice): score for score in read_scores(evaluation)}


def test_each_trial_has_one_row_for_each_utterance(table):
    rows = table.groupby(["artifact", "variant", "decoder"]).utterance.agg(["size", "nunique"])
    assert (rows["size"] == 8).all() and (rows["nunique"] == 8).all()


def test_the_rates_tfma_gives_are_those_of_the_strings(table, scores):
    for (artifact, variant, decoder), rows in table.groupby(["artifact", "variant", "decoder"]):
        score = scores[trial_name(artifact, variant, decoder), ""]
        scored = rows[rows.excluded == ""]
        assert score.utterances == len(scored)
        expected = word_error_rate(scored.reference, scored.hypothesis)
        assert score.wer == pytest.approx(expected, nan_ok=True)


def test_slices_and_crosses_add_up_to_the_whole(table, scores):
    trial = "saved_model/unpadded"
    for kind in ("speaker:", "duration:"):
        parts = [
            score for (name, cut), score in scores.items() if name == trial and cut.startswith(kind)
        ]
        assert sum(part.words for part in parts) == scores[trial, ""].words
    assert (trial, "duration:0-2 s,gender:F") in scores


def test_masked_padding_changes_no_transcript_even_where_windows_were_needed(table):
    ours = table[(table.artifact == "saved_model") & (table.decoder == "greedy")]
    heard = ours.pivot(index="utterance", columns="variant", values="hypothesis")
    assert (heard.bucketed == heard.unpadded).all()
    fits = ours[(ours.variant == "constant_13000") & (ours.windows == 1)].utterance
    assert len(fits) > 3
    assert (heard.constant_13000 == heard.unpadded)[fits].all()


def test_what_is_longer_than_the_constant_is_heard_in_windows(table):
    constant = table[table.variant == "constant_13000"]
    constant = constant[constant.artifact == "saved_model"]
    assert (constant.excluded == "").all()
    assert ((constant.windows > 1) == (constant.audio_seconds * 16_000 > 13_000)).all()


def test_the_alignment_and_the_counts_belong_to_the_texts(table):
    for row in with_counts(table).itertuples():
        assert row.words == len(row.reference.split())
        assert row.words - row.deletions + row.insertions == len(row.hypothesis.split())


def test_the_stored_log_probabilities_decode_to_the_greedy_transcript(
    table, evaluation, tiny_checkpoint
):
    vocabulary = Processor.from_pretrained(tiny_checkpoint).vocabulary
    stored = parquet.read_table(f"{evaluation}/{LOG_PROBS_FOLDER}").to_pylist()
    assert len(stored) == 8
    for row in stored:
        log_probs = np.frombuffer(row["log_probs"], "<f4").reshape(row["frames"], -1)
        decoded = greedy(log_probs, vocabulary)
        assert decoded.text == row["hypothesis"]
        assert decoded.log_probability == pytest.approx(row["log_probability"], rel=1e-5)


def test_the_beam_search_is_a_trial_of_its_own(table, scores):
    assert ("saved_model/unpadded+beam", "") in scores
    unpadded = table[(table.artifact == "saved_model") & (table.variant == "unpadded")]
    likely = unpadded.pivot(index="utterance", columns="decoder", values="log_probability")
    # It sums over alignments, of which the best path is one.
    assert (likely.beam >= likely.greedy - 1e-3).all()


def test_an_artifact_that_cannot_run_is_excluded_with_its_reason(table, scores):
    gone = table[table.artifact == "gone"]
    assert gone.excluded.str.startswith(CRASHED).all()
    assert gone.excluded.str.contains("is no model").all()
    score = scores["gone/unpadded", ""]
    assert (score.utterances, score.excluded, score.failed) == (0, 8, 8)


def test_the_padding_is_explained_cause_by_cause(evaluation, scores):
    causes = read_padding_causes(evaluation)
    assert [cause.cause for cause in causes] == [
        "unpadded",
        "padded to 13000 samples, masked",
        "group norm over the padding",
        "no mask for attention and positions",
        "longer audio cut",
        "labels cut at 256 characters",
        "one- and two-word transcripts dropped",
    ]
    assert causes[0].wer == scores["saved_model/unpadded", ""].wer
    assert causes[4].wer == scores["saved_model/constant_13000_forerunner", ""].wer
    assert causes[-1].utterances == 2


def test_the_worst_utterances_can_be_heard(evaluation, table):
    clips = read_clips(evaluation)
    rows = with_counts(table[(table.artifact == "saved_model") & (table.variant == "unpadded")])
    assert set(clips) == set(rows[(rows.errors > 0) & (rows.decoder == "greedy")].utterance)
    for utterance, mp3 in clips.items():
        samples, rate = soundfile.read(io.BytesIO(mp3))
        seconds = rows[rows.utterance == utterance].audio_seconds.iloc[0]
        assert rate == 16_000 and len(samples) / rate == pytest.approx(seconds, abs=0.1)


def test_the_folder_says_what_was_done(evaluation):
    about = read_about(evaluation)
    assert about.normalisation == "librispeech"
    assert about.decoding == "greedy; beam search of width 8 with no language model"
    assert [facts.name for facts in about.artifacts] == ["saved_model", "gone"]


def test_one_trial_is_read_alone(evaluation, table):
    beam = read_predictions(evaluation, "saved_model/unpadded+beam", ("utterance", "hypothesis"))
    assert list(beam.columns) == ["utterance", "hypothesis"]
    assert len(beam) == 8 and (table.decoder == BEAM).sum() == 8


def test_a_trials_name_says_its_parts():
    for parts in (("saved_model", "unpadded", "greedy"), ("tflite_int8", "static", "beam")):
        assert split_trial(trial_name(*parts)) == parts


def material() -> Material:
    return Material("test", lambda pipeline: pipeline, utterances=8)


@pytest.mark.parametrize(
    ("format_name", "variants"),
    [
        ("saved_model", ("unpadded", "constant_9_unmasked", "constant_9", "constant_9_forerunner")),
        ("onnx", ("unpadded",)),
        ("tflite", ("static",)),
    ],
)
def test_each_format_runs_the_paddings_that_it_can(format_name, variants):
    config = EvaluationConfig(variants=("unpadded", "constant_9_unmasked"), explain_padding=9)
    candidate = Candidate(ArtifactFacts("a", format_name, 1), "path")
    assert set(variants) <= set(plan_trial(candidate, material(), config).variants)
    assert ("constant_9_unmasked" in plan_trial(candidate, material(), config).variants) == (
        format_name == "saved_model"
    )


@pytest.mark.parametrize(
    ("format_name", "options", "sentence"),
    [
        ("onnx", {"variants": ("constant_9_unmasked",)}, "cannot run without its mask"),
        ("onnx", {"explain_padding": 9}, "no padding to explain"),
        ("tflite", {"beam_search": BeamSearchConfig()}, "names saved_model/unpadded, which is not"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(format_name, options, sentence):
    candidate = Candidate(ArtifactFacts("a", format_name, 1), "nowhere")
    with pytest.raises(BadInputError, match=sentence):
        plan_evaluation([candidate], material(), EvaluationConfig(**options))


def test_a_normalisation_that_drops_the_models_letters_is_refused(tmp_path, tiny_checkpoint):
    shutil.copytree(tiny_checkpoint, tmp_path / "german")
    tokens = (*Processor.from_pretrained(tiny_checkpoint).vocabulary.tokens[:-1], "Ü")
    Processor(Vocabulary(tokens)).save_pretrained(tmp_path / "german")
    candidate = Candidate(ArtifactFacts("a", "checkpoint", 1), str(tmp_path / "german"))
    with pytest.raises(BadInputError, match="drops letters that the model writes, such as 'Ü'"):
        plan_evaluation([candidate], material(), EvaluationConfig())
    plan_evaluation([candidate], material(), EvaluationConfig(normalisation="lower"))


def test_scores_are_whole_or_sliced(evaluation):
    scores = read_scores(evaluation)
    assert {score.slice for score in whole(scores)} == {""}
