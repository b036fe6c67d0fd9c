"""The report: the same verdict for eyes, for chats and for machines."""

import dataclasses
import html
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from components.release_gate.report import (
    HTML_FILE,
    JSON_FILE,
    MARKDOWN_FILE,
    read_verdict,
    wording,
    write_report,
)
from components.release_gate.report.content import Content
from components.release_gate.report.machine import as_json
from components.release_gate.verdict import Finding, PastRun, Verdict
from components.wer_evaluator.evaluation import PaddingCause
from components.wer_evaluator.scores import Score
from tests.components.release_gate.evaluations import (
    ABOUT,
    heard,
    left_out,
    report_json,
    scores_of,
    write_evaluation,
)

TRIAL = "saved_model/unpadded"
BUCKETED = {"variant": "bucketed"}
ROWS = (
    heard("u1", "CALL ANNA", "CALL HANNAH"),
    heard("u2", "STOP THE MUSIC", "THE MUSIC <b>", speaker="84", gender="M"),
    heard("u3", "STOP", "STOP"),
    heard("u1", "CALL ANNA", "CALL HANNAH", **BUCKETED),
    left_out("u2", "longer than the padding", **BUCKETED),
    heard("u3", "STOP", "STOP", **BUCKETED),
)
REFUSAL = Finding(
    f"WER {TRIAL}", False, "50.00 % is over 5.00 % by 45.00 points", value=0.5, bound=0.05
)
TEXT_FILES = (HTML_FILE, MARKDOWN_FILE)


@pytest.fixture
def evaluation(tmp_path) -> str:
    causes = [PaddingCause("unpadded", 3, 6, 3), PaddingCause("group norm <i>", 3, 6, 5)]
    return write_evaluation(tmp_path / "evaluation", ROWS, {"u1": b"mp3 of u1"}, causes)


@pytest.fixture
def verdict() -> Verdict:
    scores = scores_of(ROWS, "speaker", "gender")
    return Verdict(
        model="tiny",
        findings=[Finding("scored utterances", True, "3 were scored", 3, 1), REFUSAL],
        scores=scores,
        evaluated=ABOUT.evaluated,
        baseline="version 7",
        baseline_scores=(dataclasses.replace(scores[0], substitutions=0),),
        history=(PastRun("2026-11-14T03:00:00+00:00", {TRIAL: 0.625, "other": math.nan}),),
    )


@pytest.fixture
def report(verdict, evaluation, tmp_path) -> str:
    folder = str(tmp_path / "report")
    write_report(verdict, evaluation, folder)
    return folder


def text_of(folder: str, name: str) -> str:
    with open(f"{folder}/{name}", encoding="utf-8") as file:
        return file.read()


class _Words(HTMLParser):
    """The text of a page, without its style."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        if self.tags and self.tags[-1] != "style":
            self.found.append(data)


def words_of(page: str) -> str:
    parser = _Words()
    parser.feed(page)
    return " ".join(" ".join(parser.found).split())


@pytest.mark.parametrize("name", TEXT_FILES)
@pytest.mark.parametrize(
    "said",
    [
        "✗ Refused: tiny",
        "50.00 % is over 5.00 % by 45.00 points",
        "45.00 points",  # the margin
        "test-clean",
        "librispeech",
        "beam search of width 64 with a language model",
        "40.00–60.00 %",  # the interval
        "+16.67",  # against the baseline
        "version 7",
        "jiwer",
        "62.50 %",  # the run before
        "group norm",
        "longer than the padding",
    ],
)
def test_the_page_and_its_short_form_say(said, name, report):
    text = text_of(report, name)
    words = words_of(text if name == HTML_FILE else MarkdownIt("commonmark").render(text))
    assert said in words


def test_a_model_that_passed_is_said_to_have_passed(verdict, evaluation, tmp_path):
    passed = dataclasses.replace(verdict, findings=verdict.findings[:1])
    write_report(passed, evaluation, str(tmp_path))
    for name in TEXT_FILES:
        text = text_of(str(tmp_path), name)
        assert "✓ Passed: tiny" in text and "Refused" not in text


def test_what_no_gate_judged_has_neither_passed_nor_failed(verdict, evaluation, tmp_path):
    write_report(dataclasses.replace(verdict, findings=[]), evaluation, str(tmp_path))
    for name in TEXT_FILES:
        text = text_of(str(tmp_path), name)
        assert "Measured: tiny" in text and "Passed" not in text and "Refused" not in text


def test_a_rule_that_failed_stands_above_one_that_passed(report):
    for name in TEXT_FILES:
        text = text_of(report, name)
        assert text.index(REFUSAL.reason) < text.index("3 were scored")


def test_the_page_is_one_file_that_asks_no_network_and_runs_no_script(report):
    page = text_of(report, HTML_FILE)
    assert "http" not in page and "<script" not in page and "url(" not in page


def test_no_transcript_is_taken_for_markup(verdict, tmp_path):
    attack = "<script>alert('1')</script> </style> {{7*7}} | [x](y) `z` **b** &amp;"
    rows = [heard(attack, attack.upper(), attack, speaker=attack, gender=attack)]
    evaluation = write_evaluation(tmp_path / "evaluation", rows)
    finding = Finding(attack, False, attack)
    hostile = Verdict(attack, [finding], scores_of(rows, "speaker", "gender"), baseline=attack)
    write_report(hostile, evaluation, str(tmp_path))
    page = text_of(str(tmp_path), HTML_FILE)
    assert "<script" not in page.lower() and page.count("</style>") == 1
    assert words_of(page).count("<script>alert('1')</script>") >= 4
    rendered = MarkdownIt("commonmark").enable("table").render(text_of(str(tmp_path), "report.md"))
    assert "<script" not in rendered and "<a" not in rendered and "<code>" not in rendered
    assert attack in html.unescape(rendered)


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), min_size=1))
def test_escaped_text_reads_in_markdown_as_it_was(text):
    shown = " ".join(text.split())
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    rendered = renderer.render(f"- {wording.markdown(text)} end")
    item = rendered.removeprefix("<ul>\n<li>").removesuffix("</li>\n</ul>\n")
    assert "<" not in item and html.unescape(item) == f"{shown} end".strip()


@given(st.text(alphabet="ab_*~|<&[`\\$#-+.1 ", min_size=1))
def test_an_escaped_table_cell_stays_one_cell(text):
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    rendered = renderer.render(f"|h|\n|---|\n| {wording.markdown(text)} |\n")
    assert rendered.count("<td>") == 1
    cell = rendered.split("<td>")[1].split("</td>")[0]
    assert html.unescape(cell) == " ".join(text.split())


def test_the_same_verdict_writes_the_same_bytes(verdict, evaluation, tmp_path):
    for folder in ("one", "other"):
        write_report(verdict, evaluation, str(tmp_path / folder))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_the_verdict_comes_back_as_it_was(verdict, report):
    # As text: what is not a number does not equal itself.
    assert repr(read_verdict(report)) == repr(verdict)


NUMBERS = st.none() | st.integers(0, 10**6) | st.floats()
RATES = st.floats(0, 10) | st.just(math.nan)
COUNTS = {
    field.name: st.integers(0, 10**9) for field in dataclasses.fields(Score) if field.type == "int"
}
SCORES = st.builds(
    Score,
    **COUNTS,
    audio_seconds=st.floats(0, 1e9),
    compute_seconds=st.floats(0, 1e9),
    wer_low=RATES,
    wer_high=RATES,
)
VERDICTS = st.builds(
    Verdict,
    findings=st.lists(st.builds(Finding, value=NUMBERS, bound=NUMBERS), max_size=3),
    scores=st.lists(SCORES, max_size=2),
    baseline_scores=st.lists(SCORES, max_size=2).map(tuple),
    history=st.lists(
        st.builds(PastRun, wer=st.dictionaries(st.text(), RATES, max_size=2)), max_size=2
    ).map(tuple),
)


@given(VERDICTS)
def test_any_verdict_comes_back_as_it_was(tmp_path_factory, verdict):
    folder = tmp_path_factory.mktemp("report")
    text = as_json(Content(verdict, ABOUT))
    (folder / JSON_FILE).write_text(text, encoding="utf-8")
    assert repr(read_verdict(str(folder))) == repr(verdict)


def test_the_json_holds_everything(report):
    content = report_json(report)
    assert content["blessed"] is False and content["main_trial"] == TRIAL
    assert content["findings"][1]["margin"] == pytest.approx(0.45)
    assert content["about"]["normalisation"] == "librispeech"
    assert content["plain_edit_distance_wer"] == pytest.approx(0.5)
    assert content["confusions"]["substituted"][0] == {
        "said": "ANNA",
        "heard": "HANNAH",
        "count": 1,
        "occasions": 1,
    }
    assert content["worst_utterances"][0]["alignment"] == "DCCI"
    assert "clip" not in content["worst_utterances"][0]
    assert content["padding"]["variants"][0]["different"] == 0
    assert content["padding"]["waterfall"][1]["added"] == pytest.approx(1 / 3)
    assert content["exclusions"][0]["reason"] == "longer than the padding"
    assert sum(content["lengths"]["counts"]) == 3
    assert {row["slice"] for row in content["damage"]} >= {"speaker:61", "speaker:84", "gender:M"}


def test_a_recording_that_was_kept_can_be_played(report):
    page = text_of(report, HTML_FILE)
    assert page.count("<audio") == 1
    assert 'preload="none"' in page and "data:audio/mpeg;base64,bXAzIG9mIHUx" in page


def test_where_everything_failed_the_report_is_written_all_the_same(tmp_path):
    rows = [left_out("u1", "the runtime failed: out of memory")]
    evaluation = write_evaluation(tmp_path / "evaluation", rows)
    finding = Finding("runtime", False, "1 utterance failed", 1, 0)
    write_report(Verdict("tiny", [finding], scores_of(rows)), evaluation, str(tmp_path))
    for name in TEXT_FILES:
        assert "the runtime failed: out of memory" in text_of(str(tmp_path), name)
    assert report_json(str(tmp_path))["scores"][0]["wer"] is None


def test_where_nothing_was_scored_the_report_says_so(tmp_path):
    evaluation = write_evaluation(tmp_path / "evaluation", ROWS)
    write_report(Verdict("tiny", [REFUSAL], []), evaluation, str(tmp_path))
    for name in TEXT_FILES:
        text = text_of(str(tmp_path), name)
        assert "Nothing was scored." in text and REFUSAL.reason in text


def test_of_many_speakers_the_worst_are_shown_and_the_others_folded(tmp_path):
    rows = [heard(f"u{i}", "A B", "A C", speaker=f"speaker-{i}") for i in range(300)]
    evaluation = write_evaluation(tmp_path / "evaluation", rows)
    verdict = Verdict("tiny", [REFUSAL], scores_of(rows, "speaker"))
    write_report(verdict, evaluation, str(tmp_path))
    page = text_of(str(tmp_path), HTML_FILE)
    shown, folded = page.split("275 more slices")
    assert shown.count('<th scope="row" class="name">speaker-') == 25
    assert folded.count('<th scope="row" class="name">speaker-') == 200
    assert "The other 75 are in report.json." in page
    assert len(report_json(str(tmp_path))["damage"]) == 300


@pytest.mark.parametrize(
    ("finding", "value", "margin"),
    [
        (Finding("WER a/b", True, "", 0.0166, 0.05), "1.66 %", "3.34 points"),
        (Finding("unscored utterances", True, "", 0.0, 0.01), "0.00 %", "1.00 points"),
        (Finding("no regression a/b", True, "", -0.0021, 0.002), "−0.21 points", "0.41 points"),
        (Finding("scored utterances", True, "", 2620, 100), "2,620", "2,520"),
        (Finding("scored hours", True, "", 5.4, 1.0), "5.4 hours", "4.4 hours"),
        (Finding("speed a/b", True, "", 0.003, 0.1), "0.003 s", "0.097 s"),
        (Finding("size a", False, "", 97.3, 50.0), "97.3 MB", "47.3 MB"),
        (Finding("WER a/b", False, "", None, 0.05), "–", "–"),
    ],
)
def test_a_finding_is_written_in_its_own_unit(finding, value, margin):
    assert (wording.value(finding), wording.margin(finding)) == (value, margin)
