"""Line and bar charts as SVG text: no library, no script, sharp on paper.

A chart is a `Frame`, which knows the ranges of both axes and turns values into places, and what is drawn in it. All numbers are written
with one decimal, so that the same data gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 14, 40

COLOURS = ("#1f5fa8", "#c2571a", "#2e8b57", "#7a4fa3", "#777777")


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, its points and its colour."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """The ranges and labels of the axes; `percent` writes the y axis in percent."""

    x_label: str
    y_label: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    percent: bool = False

    def x(self, value: float) -> float:
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def axes(self) -> str:
        """Grid lines, tick labels and axis labels."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for tick in ticks(*self.y_range):
            parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{self.y(tick):.1f}" y2="{self.y(tick):.1f}" class="grid"/>')
            parts.append(f'<text x="{LEFT - 7}" y="{self.y(tick) + 4:.1f}" class="tick end">{self._tick_text(tick)}</text>')
        for tick in ticks(*self.x_range):
            parts.append(f'<text x="{self.x(tick):.1f}" y="{bottom + 16}" class="tick middle">{number(tick)}</text>')
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" class="axis"/>')
        parts.append(f'<text x="{(LEFT + right) / 2:.1f}" y="{HEIGHT - 6}" class="label middle">{escape(self.x_label)}</text>')
        middle = (TOP + bottom) / 2
        parts.append(f'<text transform="translate(13 {middle:.1f}) rotate(-90)" class="label middle">{escape(self.y_label)}</text>')
        return "".join(parts)

    def _tick_text(self, tick: float) -> str:
        return f"{number(100 * tick)} %" if self.percent else number(tick)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round values from `low` to `high`."""
    raw = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def number(value: float) -> str:
    """A value for a tick or a table: whole numbers with thousands apart, large ones shortened."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= size:
            scale = 1e3 if unit == " k" else size
            return f"{value / scale:.4g}{unit}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def line_chart(frame: Frame, series: Sequence[Series], *, bands: Sequence[tuple[float, float, str]] = ()) -> str:
    """A chart of lines over coloured `bands` of y (from, to, colour)."""
    body = "".join(_band(frame, *band) for band in bands)
    lines = "".join(_line(frame, one) for one in series)
    return _svg(frame, body, lines, [(one.name, one.colour) for one in series if one.name])


def bar_chart(frame: Frame, bars: Sequence[tuple[float, float]], *, width: float = 1.0, colour: str = COLOURS[0]) -> str:
    """A chart of bars `width` wide on the x axis, each centred on its x."""
    shapes = []
    for x, y in bars:
        if y > 0:
            left, right = frame.x(x - width / 2), frame.x(x + width / 2)
            thick = max(right - left - 0.6, 0.8)
            base = frame.y(frame.y_range[0])
            shapes.append(
                f'<rect x="{left:.1f}" y="{frame.y(y):.1f}" width="{thick:.1f}" height="{base - frame.y(y):.1f}" fill="{colour}"/>'
            )
    return _svg(frame, "", "".join(shapes), [])


def _band(frame: Frame, low: float, high: float, colour: str) -> str:
    low, high = max(low, frame.y_range[0]), min(high, frame.y_range[1])
    if high <= low:
        return ""
    height = frame.y(low) - frame.y(high)
    return f'<rect x="{LEFT}" y="{frame.y(high):.1f}" width="{WIDTH - LEFT - RIGHT}" height="{height:.1f}" fill="{colour}"/>'


def _line(frame: Frame, one: Series) -> str:
    points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in one.points)
    dash = ' stroke-dasharray="5 3"' if one.dashed else ""
    return f'<polyline points="{points}" fill="none" stroke="{one.colour}" stroke-width="1.6"{dash}/>'


def _legend(names: Sequence[tuple[str, str]]) -> str:
    parts, x = [], LEFT + 8
    for name, colour in names:
        parts.append(f'<rect x="{x}" y="{TOP + 4}" width="12" height="3" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="{TOP + 10}" class="tick">{escape(name)}</text>')
        x += 30 + 7 * len(name)
    return "".join(parts)


def _svg(frame: Frame, below: str, above: str, names: Sequence[tuple[str, str]]) -> str:
    title = escape(f"{frame.y_label} by {frame.x_label}")
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}" xmlns="http://www.w3.org/2000/svg">'
    return head + below + frame.axes() + above + (_legend(names) if len(names) > 1 else "") + "</svg>"
