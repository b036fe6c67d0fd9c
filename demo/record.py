"""Record a command as an animated SVG: `python demo/record.py --to docs/pages/figures/demo.svg`.

The picture shows each line when it came, waits shortened; a reader who wants no movement, and a
program that knows no animation, sees the end. It needs nothing but a browser to be shown.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from rich.color import ColorTriplet
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

COMMAND = ("make", "demo")
COLUMNS, ROWS = 100, 30
# Colours, but no bars that are drawn over.
AS_ON_A_SCREEN = {
    "TTY_COMPATIBLE": "1",
    "TTY_INTERACTIVE": "0",
    "PYTHONUNBUFFERED": "1",
    "COLUMNS": str(COLUMNS),
}
LONGEST_WAIT, SHORTEST_WAIT = 1.2, 0.06
LINE_HEIGHT, LETTER_WIDTH, FONT_SIZE, MARGIN = 18, 8.0, 13, 16
BAR_HEIGHT = 32
FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACKGROUND, FOREGROUND, FAINT = "#0d1117", "#d5dbe3", "#8b949e"


@dataclass(frozen=True)
class Line:
    """A line of output, and when it was whole."""

    seconds: float
    text: Text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, required=True, help="the SVG to write")
    parser.add_argument("command", nargs="*", default=COMMAND, help="what to run")
    told = parser.parse_args()
    lines = run(told.command)
    told.to.write_text(animated(" ".join(told.command), lines), encoding="utf-8")


def run(command: Sequence[str]) -> list[Line]:
    """What a command prints, each line with the time at which it came; it must succeed."""
    began, lines = time.monotonic(), []
    with subprocess.Popen(
        command,
        env=os.environ | AS_ON_A_SCREEN,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        for line in process.stdout or ():
            lines.append(Line(time.monotonic() - began, Text.from_ansi(line.rstrip())))
    if process.returncode:
        told = "\n".join(line.text.plain for line in lines[-5:])
        sys.exit(f"{' '.join(command)} ended with {process.returncode}, nothing recorded:\n{told}")
    return lines


def shortened(moments: Iterable[float]) -> list[float]:
    """When to show each line: in the order and rhythm of the run, without its long waits.

    >>> shortened([0.5, 0.5, 80.0])
    [0.5, 0.56, 1.76]
    """
    shown, now, before = [], 0.0, 0.0
    for moment in moments:
        now += min(max(moment - before, SHORTEST_WAIT), LONGEST_WAIT)
        before = moment
        shown.append(round(now, 2))
    return shown


def animated(title: str, lines: Sequence[Line]) -> str:
    """The SVG of a terminal in which the lines appear, scrolled up once it is full."""
    shown = [Line(0.0, Text(f"$ {title}", "bold")), *lines]
    times = [0.0, *shortened(line.seconds for line in lines)]
    rows = min(ROWS, len(shown))
    width = MARGIN * 2 + COLUMNS * LETTER_WIDTH
    height = BAR_HEIGHT + MARGIN + rows * LINE_HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" '
            f'role="img" aria-label={quoteattr(f"Terminal: {title}")}>',
            _style(times, rows),
            f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
            *(
                f'<circle cx="{MARGIN + 4 + 18 * at}" cy="16" r="5.5" fill="{colour}"/>'
                for at, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
            ),
            f'<text x="{width / 2:g}" y="20" text-anchor="middle" fill="{FAINT}">'
            f"{escape(title)}</text>",
            f'<svg y="{BAR_HEIGHT}" width="{width:g}" height="{rows * LINE_HEIGHT}">',
            '<g class="all">',
            *(_row(number, line.text) for number, line in enumerate(shown)),
            "</g></svg>",
            "</svg>",
            "",
        ]
    )


def _style(times: Sequence[float], rows: int) -> str:
    """Each line fades in at its time; each that is one too many moves all of them up by one."""
    whole = times[-1] + 0.01
    moves = [
        f"{100 * time / whole:.2f}% {{ transform: translateY({-LINE_HEIGHT * number}px) }}"
        for number, time in enumerate(times[rows:], 1)
    ]
    end = f"translateY({-LINE_HEIGHT * len(moves)}px)"
    delays = "\n".join(
        f".l{number} {{ animation-delay: {time:g}s }}" for number, time in enumerate(times)
    )
    first = f"{100 * times[rows - 1] / whole:.2f}% {{ transform: none }}" if moves else ""
    return f"""<style>
text {{ font: {FONT_SIZE}px {FONTS}; fill: {FOREGROUND}; white-space: pre }}
.all {{ transform: {end} }}
@media (prefers-reduced-motion: no-preference) {{
.all {{ animation: scroll {whole:g}s step-end }}
.all text {{ animation: appear 0.01s step-end backwards }}
@keyframes appear {{ from {{ opacity: 0 }} }}
@keyframes scroll {{ 0% {{ transform: none }} {first} {" ".join(moves)} }}
{delays}
}}
</style>"""


def _row(number: int, text: Text) -> str:
    y = number * LINE_HEIGHT + FONT_SIZE
    text = text.copy()
    text.truncate(COLUMNS, overflow="ellipsis")
    return f'<text class="l{number}" x="{MARGIN}" y="{y}">{"".join(map(_span, _runs(text)))}</text>'


def _runs(text: Text) -> list[tuple[str, Style]]:
    """The text in pieces of one style each."""
    pieces = []
    edges = sorted(
        {0, len(text), *(edge for span in text.spans for edge in (span.start, span.end))}
    )
    for start, end in itertools.pairwise(edges):
        styles = [text.style, *(one.style for one in text.spans if one.start <= start < one.end)]
        parsed = [Style.parse(one) if isinstance(one, str) else one for one in styles]
        pieces.append((text.plain[start:end], Style.combine(parsed)))
    return pieces


def _span(piece: tuple[str, Style]) -> str:
    words, style = piece
    told = []
    if style.color and not style.color.is_default:
        colour: ColorTriplet = style.color.get_truecolor(MONOKAI)
        told.append(f'fill="{colour.hex}"')
    if style.bold:
        told.append('font-weight="bold"')
    if style.dim:
        told.append('opacity="0.6"')
    inner = escape(words)
    return f"<tspan {' '.join(told)}>{inner}</tspan>" if told else inner


if __name__ == "__main__":
    main()
