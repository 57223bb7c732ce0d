"""Measures in the form that MultiQC reads as custom content: a line in its first table, and curves, of each sample.

MultiQC finds files that end in `_mqc.json` by itself and puts those of one `id` together, whatever folder they are in.

Source: MultiQC documentation, Custom content.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genopipe.outputs import write_json

ENDING = "_mqc.json"

_READS = {
    "reads": ("Reads", "Reads of all mates", "{:,.0f}"),
    "q30_percent": ("Q30", "Bases of quality 30 or more, in percent", "{:,.1f}"),
    "gc_percent": ("GC", "G and C, in percent", "{:,.1f}"),
    "copies_percent": ("Copies", "Copies estimated from sequence, in percent", "{:,.1f}"),
}
_ALIGNMENTS = {
    "mean_depth": ("Depth", "Mean depth of the autosomes", "{:,.1f}"),
    "at_20x_percent": ("20x", "Autosomal bases at 20x or more, in percent", "{:,.1f}"),
    "mapped_percent": ("Mapped", "Reads mapped, in percent", "{:,.1f}"),
    "duplicates_percent": ("Duplicates", "Duplicates, in percent", "{:,.1f}"),
    "foreign_percent": ("Foreign", "Reads of somebody else, in percent", "{:,.2f}"),
}
_CAPTURED = {
    "mean_depth": ("Depth", "Mean depth of the targets", "{:,.1f}"),
    "at_20x_percent": ("20x", "Bases of the targets at 20x or more, in percent", "{:,.1f}"),
}
"""What is told in place of those where depth was measured over the targets of a capture kit."""


def write_reads(folder: Path, measures: dict[str, Any]) -> None:
    """Writes `SAMPLE.reads_mqc.json` and `SAMPLE.quality_mqc.json` for what `measure.summary` gives."""
    sample = measures["sample"]
    values = {
        "reads": measures["reads"],
        "q30_percent": _percent(measures["q30_fraction"]),
        "gc_percent": _percent(measures["gc_fraction"]),
        "copies_percent": _percent(measures["duplicates"]["fraction"]),
    }
    write_json(folder / f"{sample}.reads{ENDING}", _table("genopipe_reads", _READS, {sample: values}))
    mates = measures["mates"]
    names = [f"{sample} read {i + 1}" if len(mates) > 1 else sample for i in range(len(mates))]
    curves = {name: dict(enumerate(mate["cycles"]["mean_quality"], 1)) for name, mate in zip(names, mates, strict=True)}
    write_json(folder / f"{sample}.quality{ENDING}", _curves(curves))


def write_alignments(folder: Path, measures: dict[str, Any]) -> None:
    """Writes `SAMPLE.aligned_mqc.json` for what `aligned.aligned_summary` gives."""
    values = {
        "mean_depth": measures["coverage"]["mean"],
        "at_20x_percent": _percent(measures["coverage"]["fraction_20x"]),
        "mapped_percent": _percent(measures["reads"]["mapped_fraction"]),
        "duplicates_percent": _percent(measures["reads"]["duplicate_fraction"]),
    }
    if measures["contamination"]:
        values["foreign_percent"] = _percent(measures["contamination"]["fraction"])
    columns = _ALIGNMENTS | _CAPTURED if "targets" in measures else _ALIGNMENTS
    document = _table("genopipe_alignments", columns, {measures["sample"]: values})
    write_json(folder / f"{measures['sample']}.aligned{ENDING}", document)


def _percent(fraction: float) -> float:
    return round(100 * fraction, 4)


def _table(identifier: str, columns: dict[str, tuple[str, str, str]], data: dict[str, Any]) -> dict[str, Any]:
    headers = [{key: {"title": title, "description": text, "format": form}} for key, (title, text, form) in columns.items()]
    return {"id": identifier, "plot_type": "generalstats", "pconfig": headers, "data": data}


def _curves(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "genopipe_quality",
        "section_name": "genopipe: quality by cycle",
        "description": "Mean phred quality of each cycle.",
        "plot_type": "linegraph",
        "pconfig": {
            "id": "genopipe_quality_plot",
            "title": "genopipe: quality by cycle",
            "xlab": "cycle",
            "ylab": "mean quality",
            "ymin": 0,
        },
        "data": data,
    }
