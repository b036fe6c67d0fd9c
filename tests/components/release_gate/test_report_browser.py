"""The page in a real browser: how it fits a phone, its colours, its recordings."""

import dataclasses
import io

import numpy as np
import pytest
import soundfile

from components.release_gate.report import HTML_FILE, write_report
from components.release_gate.verdict import Finding, PastRun, Verdict
from components.wer_evaluator.evaluation import PaddingCause
from tests.components.release_gate.browser import open_browser
from tests.components.release_gate.evaluations import (
    ABOUT,
    heard,
    left_out,
    scores_of,
    write_evaluation,
)

pytestmark = pytest.mark.timeout(120)
TRIAL = "saved_model/unpadded"
LONG_WORD = "DONAUDAMPFSCHIFFFAHRTSELEKTRIZITATENHAUPTBETRIEBSWERK"
SECONDS = {"u1": 1.0, "u2": 1.75}
# The contrast of every text with what is behind it, and the texts where it is less than 4.5.
TOO_FAINT = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = rgba(colour).map(c => c / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("title")) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [dark, light] = [luminance(ink), luminance(behind(element))].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) faint.push([texts.currentNode.data, contrast]);
  }
  return faint;
})()
"""
PLAYED = """
Promise.all([...document.querySelectorAll("audio")].map(async (audio) => {
  audio.muted = true;
  audio.playbackRate = 4;
  await audio.play();
  await new Promise((ended) => audio.addEventListener("ended", ended, {once: true}));
  return [audio.getAttribute("aria-label"), audio.duration, audio.played.end(0)];
}))
"""


def tone(seconds: float) -> bytes:
    buffer = io.BytesIO()
    wave = 0.1 * np.sin(np.arange(int(16_000 * seconds)) * 0.2)
    soundfile.write(buffer, wave, 16_000, format="MP3")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with every section, long names and long words among them."""
    folder = tmp_path_factory.mktemp("report")
    variants = ("unpadded", "bucketed", "constant_246000_unmasked")
    rows = [
        row
        for variant in variants
        for row in (
            heard("u1", "CALL ANNA NOW", f"CALL {LONG_WORD} NOW", variant=variant),
            heard("u2", f"STOP {LONG_WORD}", "STOP", variant=variant, audio_seconds=12.0),
            heard("u3", "שלום עולם", "שלום", variant=variant, speaker="a speaker " * 8),
            left_out("u4", "the runtime failed: " + "no room " * 20, variant=variant),
        )
    ]
    scores = scores_of(rows, "speaker", "gender", "duration")
    causes = [
        PaddingCause("unpadded", 3, 7, 1),
        PaddingCause("group norm over padding", 3, 7, 3),
        PaddingCause("short transcripts dropped, and none was left", 0, 0, 0),
    ]
    clips = {utterance: tone(seconds) for utterance, seconds in SECONDS.items()}
    evaluation = write_evaluation(folder / "evaluation", rows, clips, causes)
    verdict = Verdict(
        model="a-model-with-a-name-that-is-longer-than-a-phone-is-wide",
        findings=[
            Finding(f"WER {TRIAL}@speaker:*", False, "the worst is over by far", 0.5, 0.05),
            Finding("scored utterances", True, "3 were scored", 3, 1),
        ],
        scores=scores,
        evaluated=ABOUT.evaluated,
        baseline="version 7",
        baseline_scores=tuple(dataclasses.replace(score, insertions=1) for score in scores),
        history=tuple(
            PastRun(f"2026-11-{day:02}T03:00:00+00:00", {TRIAL: 0.5 / day}) for day in range(1, 15)
        ),
    )
    write_report(verdict, evaluation, str(folder))
    return folder / HTML_FILE


@pytest.fixture(scope="module")
def browser(page, tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(page)
        yield browser


def test_it_loads_without_a_complaint(browser):
    complaints = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert browser.happened(*complaints) == []


def test_it_asks_the_network_for_nothing(browser, page):
    requests = browser.happened("Network.requestWillBeSent")
    addresses = {event["params"]["request"]["url"] for event in requests}
    # The browser's own symbols of the audio controls are data as well.
    assert {url for url in addresses if not url.startswith("data:")} == {page.as_uri()}


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_window(width, browser):
    browser.show(width, "light")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper_it_is_light_and_no_wider_than_a_sheet(browser):
    browser.show(720, "dark", media="print")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 720
    assert (
        browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_no_name_in_a_table_is_squeezed(width, browser):
    browser.show(width, "light")
    widths = "[...document.querySelectorAll('.scroll .name')].map(cell => cell.offsetWidth)"
    assert min(filter(None, browser.evaluate(widths))) >= 80


@pytest.mark.parametrize("width", [390, 1280])
def test_no_two_labels_of_a_chart_overlap(width, browser):
    browser.show(width, "light")
    overlaps = """
      [...document.querySelectorAll("main svg")].flatMap((svg) => {
        const boxes = [...svg.querySelectorAll("text")].map(t => [t, t.getBoundingClientRect()]);
        return boxes.flatMap(([a, p], i) => boxes.slice(i + 1)
          .filter(([b, q]) => p.left < q.right - 1 && q.left < p.right - 1
                           && p.top < q.bottom - 4 && q.top < p.bottom - 4)
          .map(([b]) => a.textContent + " / " + b.textContent));
      })
    """
    assert browser.evaluate(overlaps) == []


@pytest.mark.parametrize(
    ("scheme", "is_dark"), [("light", False), ("dark", True)], ids=["light", "dark"]
)
def test_it_takes_the_readers_colour_scheme(scheme, is_dark, browser):
    browser.show(1280, scheme)
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper.removeprefix("rgb(").rstrip(")").split(","))) < 150) == is_dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_as_wcag_aa_asks(scheme, browser):
    browser.show(1280, scheme)
    assert browser.evaluate(TOO_FAINT) == []


def test_every_recording_plays_to_its_end(browser):
    played = {label: rest for label, *rest in browser.evaluate(PLAYED)}
    assert played.keys() == {f"Recording of {utterance}" for utterance in SECONDS}
    for utterance, seconds in SECONDS.items():
        # An MP3 holds whole frames, so up to two of 36 ms more.
        assert played[f"Recording of {utterance}"] == pytest.approx([seconds, seconds], abs=0.08)
