"""What is told of a run, and how a chat shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.run_reporter.config import Occasion

if TYPE_CHECKING:
    from components.release_gate.verdict import Finding

# Slack refuses a section of more than 3 000 characters; a phone shows far fewer.
LONGEST_LINE = 500
MOST_LINES = 5


@dataclass(frozen=True)
class Alert:
    """One message: a headline, what explains it, and where to read on."""

    occasion: Occasion
    headline: str
    lines: tuple[str, ...]
    page: str  # a web address, or a path where the run is at home
    page_name: str

    @property
    def text(self) -> str:
        """All of it in one line, for a log and for a notification."""
        return f"{self.headline}: {'; '.join(self.lines)} ({self.page_name}: {self.page})"


def failure(pipeline: str, sentence: str, page: str) -> Alert:
    """A run that did not come to its end."""
    return Alert("failure", f"{pipeline} failed", (sentence,), page, "The run")


def refusal(pipeline: str, findings: Sequence[Finding], report_page: str) -> Alert:
    """A model that the gate did not let out, and each rule that it broke."""
    broken = [f"{one.rule}: {one.reason}" for one in findings if not one.passed]
    lines = broken[:MOST_LINES]
    if len(broken) > MOST_LINES:
        lines.append(f"and {len(broken) - MOST_LINES} more")
    return Alert(
        "refusal", f"{pipeline} was refused by its gate", tuple(lines), report_page, "Report"
    )


def success(pipeline: str, version: int, wer: Mapping[str, float], report_page: str) -> Alert:
    """A new release, with the word error rates that it was measured to have."""
    rates = tuple(f"{trial} {100 * rate:.2f} %" for trial, rate in wer.items())
    lines = ("WER " + ", ".join(rates),) if rates else ("no word error rate is known",)
    return Alert("success", f"{pipeline} {version} is released", lines, report_page, "Report")


def as_message(alert: Alert) -> dict[str, Any]:
    """What Slack's incoming webhooks take, and others that speak like them.

    >>> as_message(failure("demo", "a < b", "https://example.org/run"))["blocks"][1]["text"]["text"]
    'a &lt; b'
    """
    body = "\n".join(_escaped(_short(line)) for line in alert.lines)
    return {
        "text": _escaped(_short(alert.text)),
        "blocks": [
            _section(f"*{_escaped(alert.headline)}*"),
            _section(body),
            _section(_link(alert)),
        ],
    }


def _link(alert: Alert) -> str:
    if alert.page.startswith(("https://", "http://")):
        return f"<{alert.page}|{alert.page_name}>"
    return f"{alert.page_name}: {_escaped(alert.page)}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str) -> str:
    """The three letters that mean something to Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"
