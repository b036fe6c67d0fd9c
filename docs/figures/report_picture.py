"""Photograph the head of the demo's report: the verdict, and the WER of what ships.

.venv/bin/python docs/figures/report_picture.py w2v-runs
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from demo_run import from_arguments
from PIL import Image, ImageChops

FIGURES = Path(__file__).parents[1] / "pages" / "figures"
# Chromium's numbers for what a reader prefers.
SCHEMES = {"report.webp": 1, "report-dark.webp": 0}
WIDTH, HEIGHT, SCALE, MARGIN = 1120, 1400, 2, 24
# The list of rules and of contents, most of the artifacts, and all that follows their table.
HIDDEN = "header > .scroll, nav, h2#wer + .scroll ~ *, h2#wer + .scroll tbody tr:nth-child(n + 7)"
STYLE = f"<style>{HIDDEN} {{ display: none }} .scroll {{ overflow: visible }}</style>"


def main() -> None:
    """Write both pictures."""
    run = from_arguments(__doc__ or "")
    report = run.root / "releases" / "1" / "report" / "report.html"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        page.write_text(report.read_text(encoding="utf-8") + STYLE, encoding="utf-8")
        for name, scheme in SCHEMES.items():
            photograph(page, scheme).save(FIGURES / name, quality=80, method=6)


def photograph(page: Path, scheme: int) -> Image.Image:
    """What a browser shows of a page, without the empty space around it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    picture = page.with_suffix(".png")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--force-device-scale-factor={SCALE}",
        f"--window-size={WIDTH},{HEIGHT}",
        f"--user-data-dir={page.parent / 'browser'}",
        f"--screenshot={picture}",
        page.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True)
    whole = Image.open(picture).convert("RGB")
    empty = Image.new("RGB", whole.size, whole.getpixel((2, 2)))
    left, top, right, bottom = ImageChops.difference(whole, empty).getbbox()
    return whole.crop((left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN))


if __name__ == "__main__":
    main()
