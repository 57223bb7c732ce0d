"""The measures of a sample's alignments as one page that opens without a network and prints."""

from __future__ import annotations

from typing import Any

from genopipe.ingest.alignment_pass import THRESHOLDS
from genopipe.ingest.plots import COLOURS, Frame, Series, line_chart
from genopipe.ingest.report import Chart, histogram_chart, render


def aligned_page(measures: dict[str, Any]) -> str:
    """The page for the measures that `aligned.aligned_summary` gives."""
    charts: list[Chart] = []
    if measures["coverage"]["bases"]:
        where = "targets" if "targets" in measures else "autosomes"
        note = f"Share of the known bases of the {where} at each depth or deeper."
        charts.append(("Coverage", note, _coverage(measures["coverage"])))
    if measures["template_length"]["pairs"]:
        note = "Template length of proper pairs; the last bar holds all longer ones."
        charts.append(("Insert size", note, _insert_sizes(measures["template_length"]["histogram"])))
    return render("aligned.html", charts, measures=measures, thresholds=THRESHOLDS)


def _coverage(coverage: dict[str, Any]) -> str:
    """To twice the median depth, or as deep as it goes."""
    shown = min(max(2 * coverage["median"], THRESHOLDS[-1]), len(coverage["depth_bases"]))
    deeper = coverage["bases"]
    points = []
    for depth, bases in enumerate(coverage["depth_bases"][: shown + 1]):
        points.append((float(depth), deeper / coverage["bases"]))
        deeper -= bases
    return line_chart(Frame("depth", "bases", (0, max(shown, 1)), (0, 1), percent=True), [Series("", points, COLOURS[0])])


def _insert_sizes(histogram: list[list[int]]) -> str:
    return histogram_chart("insert size, bases", "pairs", {pair[0]: pair[1] for pair in histogram})
