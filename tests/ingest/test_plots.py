"""Charts put values where their axes say and are well-formed SVG."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.ingest.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Frame, Series, bar_chart, line_chart, number, ticks

FRAME = Frame("x & y", "<value>", (0, 10), (0, 100))
SVG = "{http://www.w3.org/2000/svg}"


@given(low=st.floats(-1e6, 1e6), size=st.floats(1e-3, 1e9))
def test_ticks_are_few_even_and_inside(low: float, size: float) -> None:
    found = ticks(low, low + size)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-6 * size <= tick <= low + size * (1 + 1e-6) for tick in found)


def test_corners_of_the_frame_are_its_ranges() -> None:
    assert (FRAME.x(0), FRAME.x(10)) == (LEFT, WIDTH - RIGHT)
    assert (FRAME.y(0), FRAME.y(100)) == (HEIGHT - BOTTOM, TOP)


def test_a_line_goes_through_its_points() -> None:
    chart = ElementTree.fromstring(
        line_chart(FRAME, [Series("a", [(0, 0), (10, 100)], "#000"), Series("b", [(0, 1)], "#111", dashed=True)])
    )
    lines = chart.findall(f"{SVG}polyline")
    assert lines[0].attrib["points"] == f"{LEFT:.1f},{HEIGHT - BOTTOM:.1f} {WIDTH - RIGHT:.1f},{TOP:.1f}"
    assert [text.text for text in chart.findall(f"{SVG}text")][-2:] == ["a", "b"]


def test_bands_are_cut_at_the_axis() -> None:
    chart = ElementTree.fromstring(line_chart(FRAME, [], bands=[(90, 200, "#eee"), (200, 300, "#eee")]))
    bands = chart.findall(f"{SVG}rect")
    assert [band.attrib["height"] for band in bands] == [f"{(HEIGHT - TOP - BOTTOM) / 10:.1f}"]


def test_bars_stand_on_the_axis() -> None:
    chart = ElementTree.fromstring(bar_chart(FRAME, [(1, 50), (2, 0), (3, 100)]))
    bars = chart.findall(f"{SVG}rect")
    assert [float(bar.attrib["y"]) + float(bar.attrib["height"]) for bar in bars] == pytest.approx([HEIGHT - BOTTOM] * 2)


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (0.5, "0.5"), (150, "150"), (1500, "1,500"), (47634, "47.63 k"), (7_145_100, "7.145 M"), (90e9, "90 G"), (-20_000, "-20 k")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
