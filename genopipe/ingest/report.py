"""The measures of a sample as one page that opens without a network and prints on two sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from genopipe.ingest.plots import COLOURS, Frame, Series, bar_chart, line_chart, number

_BASE_COLOURS = {"a": "#2e8b57", "c": "#1f5fa8", "g": "#c98a00", "t": "#c0392b", "unknown": "#777777"}
_QUALITY_BANDS = ((0, 20, "#fbeceb"), (20, 30, "#fdf5e3"), (30, 60, "#edf6ef"))


Chart = tuple[str, str, str]
"""Title, note and SVG."""


def html_report(measures: dict[str, Any]) -> str:
    """The page for the measures that `measure.summary` gives."""
    return render("report.html", _charts(measures), measures=measures)


def render(template: str, charts: Sequence[Chart], **values: Any) -> str:
    """A page of this folder's templates."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = lambda value: f"{value:,}" if value < 10_000_000 else number(value)
    environment.filters["percent"] = lambda fraction: f"{100 * fraction:.2f} %"
    shown = [(title, note, Markup(svg)) for title, note, svg in charts]
    return environment.get_template(template).render(charts=shown, **values) + "\n"


def _charts(measures: dict[str, Any]) -> list[Chart]:
    mates = measures["mates"]
    charts = [("Quality by cycle", "Mean phred quality; the tinted bands are below 20, 20 to 30, and above.", _quality_by_cycle(mates))]
    for i, mate in enumerate(mates):
        title = f"Bases by cycle, read {i + 1}" if len(mates) > 1 else "Bases by cycle"
        charts.append((title, "Level lines are expected; a slope or a step is not.", _bases_by_cycle(mate)))
    charts.append(("Quality values", "Bases with each quality.", _quality_values(mates)))
    charts.append(("GC of reads", "Reads by percentage of G and C among their known bases.", _gc(mates)))
    charts.append(("Read length", "Reads of each length.", _read_length(mates)))
    if measures["paired"] and measures["overlap"]["pairs"]:
        note = "Only fragments short enough for the mates to overlap can be measured here."
        charts.append(("Fragment length of overlapping pairs", note, _fragments(measures)))
    return charts


def _mate_names(mates: list[dict[str, Any]]) -> list[str]:
    return [f"read {i + 1}" for i in range(len(mates))] if len(mates) > 1 else [""]


def _by_cycle(values: list[float]) -> list[tuple[float, float]]:
    return [(cycle + 1, value) for cycle, value in enumerate(values)]


def _cycle_range(mates: list[dict[str, Any]]) -> tuple[float, float]:
    return 1, max(max(len(mate["cycles"]["a"]) for mate in mates), 2)


def _quality_by_cycle(mates: list[dict[str, Any]]) -> str:
    values = [mate["cycles"]["mean_quality"] for mate in mates]
    top = max(42.0, max((max(one, default=0) for one in values), default=0))
    frame = Frame("cycle", "mean quality", _cycle_range(mates), (0, top))
    lines = [Series(name, _by_cycle(one), colour) for name, one, colour in zip(_mate_names(mates), values, COLOURS, strict=False)]
    return line_chart(frame, lines, bands=_QUALITY_BANDS)


def _bases_by_cycle(mate: dict[str, Any]) -> str:
    top = max(max(mate["cycles"][base], default=0) for base in _BASE_COLOURS)
    frame = Frame("cycle", "bases", _cycle_range([mate]), (0, max(0.5, top)), percent=True)
    names = {"unknown": "N", **{base: base.upper() for base in "acgt"}}
    return line_chart(frame, [Series(names[base], _by_cycle(mate["cycles"][base]), colour) for base, colour in _BASE_COLOURS.items()])


def _quality_values(mates: list[dict[str, Any]]) -> str:
    bases = [sum(counts) for counts in zip(*(mate["quality_bases"] for mate in mates), strict=True)]
    highest = max((quality for quality, n in enumerate(bases) if n), default=0)
    return bar_chart(Frame("quality", "bases", (-0.5, max(highest, 41) + 0.5), (0, max(bases) or 1)), list(enumerate(bases)))


def _gc(mates: list[dict[str, Any]]) -> str:
    shares = [gc_shares(mate["gc_percent_reads"], mate["read_length"]["reads"]) for mate in mates]
    top = max((y for points in shares for _, y in points), default=0) or 1
    frame = Frame("GC, %", "reads", (0, 100), (0, top), percent=True)
    named = zip(_mate_names(mates), shares, COLOURS, strict=False)
    return line_chart(frame, [Series(name, points, colour) for name, points, colour in named])


def gc_shares(gc_percent_reads: list[int], length_reads: list[list[int]]) -> list[tuple[float, float]]:
    """Points of the GC curve: percentage, and share of the reads in one percent.

    Reads of 150 bases can have 151 numbers of G and C, which fall into 101 percentages, two here and one there. So the reads at a
    percentage are shared among the numbers of the most common read length that round to it; a percentage without any has no point.
    """
    reads = sum(gc_percent_reads) or 1
    length = max(length_reads, key=lambda pair: pair[1], default=[0, 0])[0]
    numbers = [0] * 101
    for gc in range(length + 1 if length else 0):
        numbers[(200 * gc + length) // (2 * length)] += 1
    pairs = enumerate(zip(gc_percent_reads, numbers, strict=True))
    return [(percent, n / values / reads * (length + 1) / 101) for percent, (n, values) in pairs if values]


def _read_length(mates: list[dict[str, Any]]) -> str:
    total: dict[int, int] = {}
    for mate in mates:
        for length, reads in mate["read_length"]["reads"]:
            total[length] = total.get(length, 0) + reads
    return histogram_chart("length, bases", "reads", total)


def _fragments(measures: dict[str, Any]) -> str:
    return histogram_chart("fragment length, bases", "pairs", dict(measures["overlap"]["fragment_length_pairs"]))


def histogram_chart(x_label: str, y_label: str, counts: dict[int, int]) -> str:
    """Bars of equal width, at most a hundred or so of them."""
    high = max(counts, default=1)
    width = max(1, -(-(high + 1) // 120))
    bars: dict[int, int] = {}
    for value, n in counts.items():
        bars[value // width] = bars.get(value // width, 0) + n
    frame = Frame(x_label, y_label, (0, 1.04 * (high + width)), (0, max(bars.values(), default=1)))
    return bar_chart(frame, [(width * (bar + 0.5), n) for bar, n in sorted(bars.items())], width=width)
