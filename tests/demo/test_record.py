"""The recording shows every line that a command printed, in its order and its colours."""

import sys
from xml.etree import ElementTree

import pytest
from rich.text import Text

from demo.record import COLUMNS, LONGEST_WAIT, ROWS, Line, animated, run, shortened

SVG = "{http://www.w3.org/2000/svg}"


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def rows_of(svg: str) -> list[str]:
    texts = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return ["".join(one.itertext()) for one in texts if one.get("class")]


def test_a_commands_lines_are_kept_with_their_times_and_colours():
    lines = run(
        program("import time; print('\\033[32mone\\033[0m'); time.sleep(0.2); print('two')")
    )
    assert [line.text.plain for line in lines] == ["one", "two"]
    assert lines[1].seconds - lines[0].seconds >= 0.19
    assert lines[0].text.spans
    assert '<tspan fill="#' in animated("it", lines)


def test_a_command_that_fails_is_told_with_its_last_words():
    with pytest.raises(SystemExit, match=r"ended with 3, nothing recorded:\nno checkpoint"):
        run(program("print('no checkpoint'); raise SystemExit(3)"))


def test_waits_are_shortened_and_lines_that_came_together_follow_each_other():
    shown = shortened([100.0, 100.0, 100.5, 500.0])
    assert shown == sorted(set(shown))
    assert shown[0] == LONGEST_WAIT
    assert shown[2] - shown[1] == pytest.approx(0.5)


def test_every_line_is_in_the_picture_after_the_command_and_marks_are_no_marks():
    printed = ["a < b & c", "", "x" * (COLUMNS + 5), *map(str, range(2 * ROWS))]
    svg = animated("make it", [Line(float(at), Text(one)) for at, one in enumerate(printed)])
    rows = rows_of(svg)
    assert rows[0] == "$ make it"
    assert rows[1] == "a < b & c"
    assert rows[3] == "x" * (COLUMNS - 1) + "…"
    assert rows[4:] == printed[3:]


def test_whoever_cannot_see_it_hears_the_command_whatever_its_marks():
    title = """w2v run --set 'data.train="*"' < a"""
    picture = ElementTree.fromstring(animated(title, []))
    assert picture.get("aria-label") == f"Terminal: {title}"


def test_who_wants_no_movement_sees_the_end():
    svg = animated("it", [Line(float(at), Text(str(at))) for at in range(ROWS + 9)])
    still, _, moving = svg.partition("@media (prefers-reduced-motion: no-preference)")
    assert "animation" not in still
    assert f".all {{ transform: translateY({-18 * 10}px) }}" in still
    assert moving.count("translateY") == 10
