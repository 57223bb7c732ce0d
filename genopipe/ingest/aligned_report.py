"""The measures of a sample's alignments as one page that opens without a network and prints."""

from __future__ import annotations

from typing import Any

from genopipe.ingest.alignment_pass import THRESHOLDS
from genopipe.ingest.plots import Frame, bar_chart
from genopipe.ingest.report import Chart, histogram_chart, render


def aligned_page(measures: dict[str, Any]) -> str:
    """The page for the measures that `aligned.aligned_summary` gives."""
    charts: list[Chart] = []
    contigs = [one for one in measures["contigs"] if one["bases"]]
    if contigs:
        charts.append(("Depth by contig", "Mean depth of the known bases, in the order of the reference.", _depth_by_contig(contigs)))
    if measures["template_length"]["pairs"]:
        note = "Template length of proper pairs; the last bar holds all longer ones."
        charts.append(("Insert size", note, _insert_sizes(measures["template_length"]["histogram"])))
    return render("aligned.html", charts, measures=measures, thresholds=THRESHOLDS)


def _depth_by_contig(contigs: list[dict[str, Any]]) -> str:
    frame = Frame("contig", "mean depth", (0.5, len(contigs) + 0.5), (0, max(one["mean"] for one in contigs) or 1))
    return bar_chart(frame, [(i + 1, one["mean"]) for i, one in enumerate(contigs)])


def _insert_sizes(histogram: list[list[int]]) -> str:
    return histogram_chart("insert size, bases", "pairs", {pair[0]: pair[1] for pair in histogram})
