"""What an alert says, and that a chat can show it whatever the text holds."""

import json

from components.release_gate.verdict import Finding
from components.run_reporter.alert import as_message, failure, refusal, success


def shown(alert) -> str:
    return "\n".join(block["text"]["text"] for block in as_message(alert)["blocks"])


def test_a_refusal_tells_the_rules_that_were_broken_and_no_others():
    findings = [
        Finding("WER saved_model/unpadded", False, "12.00 % is over 10.00 % by 2.00 points"),
        Finding("runtime", True, "no utterance failed"),
    ]
    text = shown(refusal("demo", findings, "https://example.org/report.html"))
    assert "*demo was refused by its gate*" in text
    assert "WER saved_model/unpadded: 12.00 % is over 10.00 % by 2.00 points" in text
    assert "runtime" not in text
    assert "<https://example.org/report.html|Report>" in text


def test_of_many_broken_rules_a_few_are_told_and_the_rest_counted():
    findings = [Finding(f"WER slice {number}", False, "too high") for number in range(40)]
    assert "and 35 more" in shown(refusal("demo", findings, "/runs/report.html"))


def test_a_success_tells_the_version_and_its_word_error_rates():
    text = shown(success("demo", 7, {"saved_model/unpadded": 0.0166}, "/runs/7/report.html"))
    assert "*demo 7 is released*" in text
    assert "WER saved_model/unpadded 1.66 %" in text
    assert "Report: /runs/7/report.html" in text


def test_what_means_something_to_slack_is_escaped():
    text = shown(failure("demo", "<!channel> a & b", "/runs/<1>.log"))
    assert "&lt;!channel&gt; a &amp; b" in text
    assert "/runs/&lt;1&gt;.log" in text


def test_a_long_error_is_cut_to_what_slack_takes():
    message = as_message(failure("demo", "x" * 100_000, "/runs/1.log"))
    assert len(json.dumps(message)) < 3_000
    assert "/runs/1.log" in message["blocks"][-1]["text"]["text"]
