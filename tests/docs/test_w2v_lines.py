"""What is held against a page: lines of `w2v`, and sections of a config."""

from __future__ import annotations

import pytest

from docs.build.page import Page
from docs.build.w2v_lines import WrongLineError, check_call, check_page, w2v_calls


def problems_of(text: str) -> list[str]:
    return list(check_page(Page("a.md", text)))


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        (
            "w2v run demo --set 'gate.max_wer={unpadded: 1}' 2>&1 | tail",
            [["run", "demo", "--set", "gate.max_wer={unpadded: 1}"]],
        ),
        ("A=1 .venv/bin/w2v releases && w2v doctor > out.txt", [["releases"], ["doctor"]]),
        ("w2v run demo \\\n    --json  # a note", [["run", "demo", "--json"]]),
        ("echo w2v", []),
    ],
)
def test_the_calls_of_a_shell_line_are_found(line, calls):
    assert list(w2v_calls(line)) == calls


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (["rum", "demo"], "Did you mean 'run'?"),
        (["run", "demo", "--rot", "x"], "--rot"),
        (["run", "demo", "--set", "training.batchsize=8"], "did you mean training.batch_size?"),
        (["run", "nowhere.yaml"], "There is no config 'nowhere.yaml'"),
        (["schedule", "aply", "pipeline.json"], "aply"),
        (["corpus", "--to", "corpus", "--utterances", "3"], "--utterances"),
    ],
)
def test_a_call_that_w2v_would_not_take_is_told(call, sentence):
    with pytest.raises(WrongLineError, match=sentence.replace("?", r"\?")):
        check_call(call, configs={})


def test_a_reader_s_own_files_need_not_be_there():
    check_call(["corpus", "--to", "corpus", "--vocabulary", "words.txt"], configs={})


def test_a_config_that_the_page_shows_is_known_below_it():
    page = '```yaml title="mine.yaml"\ntraining: {batch_size: 8}\n```\n'
    call = "```console\n$ w2v run mine.yaml --set training.batch_size=%s\n```\n"
    assert problems_of(page + call % 4) == []
    assert "training.batch_size" in problems_of(page + call % "many")[0]


def test_a_config_that_the_page_prints_to_a_file_is_known_below_it():
    page = "```console\n$ w2v config xlsr-template > hindi.yaml\n$ w2v run hindi.yaml\n```\n"
    assert problems_of(page) == []


def test_sections_of_a_config_are_loaded_over_a_ready_one():
    assert problems_of("```yaml\ngate:\n  max_wer: {unpadded: 0.05}\n```\n") == []
    wrong = problems_of("# A\n\n```yaml\ngate:\n  max_wr: {unpadded: 0.05}\n```\n")
    assert "a.md:4" in wrong[0] and "did you mean gate.max_wer?" in wrong[0]
