"""FASTQ files of one sample to their quality measures: every read is parsed and checked on the way.

The lanes are read one after another; batches are counted in a pool of threads while the next one is read. Integer counts are added up, so
that the measures depend neither on the number of threads nor on how the files are cut into lanes.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadConfiguration
from genopipe.formats.fastq import read_fastq
from genopipe.formats.sample_name import check_sample_name
from genopipe.ingest.counting import ADAPTERS, CYCLES, Counts, count
from genopipe.ingest.ratios import ratio, ratios
from genopipe.ingest.report import html_report
from genopipe.model import UNKNOWN_BASE, Reads
from genopipe.outputs import make_folder, whole_file
from genopipe.progress import progress

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Lane:
    """The files of one lane; an interleaved file is `r1` alone."""

    r1: Path
    r2: Path | None = None
    interleaved: bool = False


def paired_lanes(r1: Sequence[Path], r2: Sequence[Path], *, interleaved: bool) -> list[Lane]:
    """The lanes that the files make, in order; `r2` is empty or as long as `r1`."""
    if not r2:
        return [Lane(first, interleaved=interleaved) for first in r1]
    return [Lane(first, second) for first, second in zip(r1, r2, strict=True)]


def measure_fastq(lanes: Sequence[Lane], sample: str, folder: Path, *, threads: int = 1) -> dict[str, Any]:
    """Checks and measures the reads of a sample; writes `SAMPLE.qc.json` and `SAMPLE.qc.html` into `folder` and gives the measures.

    Raises BadInput for reads that `read_fastq` refuses; then nothing is written.
    """
    check_sample_name(sample)
    make_folder(folder)
    measures = summary(count_lanes(lanes, sample, threads=threads), sample, n_lanes=len(lanes))
    with whole_file(folder / f"{sample}.qc.html") as page, whole_file(folder / f"{sample}.qc.json") as data:
        page.write_text(html_report(measures), encoding="utf-8")
        data.write_text(json.dumps(measures, indent=1, sort_keys=True) + "\n")
    return measures


def count_lanes(lanes: Sequence[Lane], sample: str, *, threads: int = 1) -> Counts:
    """The counts over all reads of all lanes."""
    kinds = {lane.interleaved or lane.r2 is not None for lane in lanes}
    if len(kinds) != 1:
        wanted = "lanes that are all paired or all single"
        raise BadConfiguration("some lanes have pairs and some have not", wanted=wanted, do="Measure them as two samples.", key=sample)
    total = Counts(kinds.pop())
    with progress(f"measuring {sample}") as told:
        for batch in _counted(_batches(lanes), threads):
            total.add(batch)
            told.advance(sum(sum(length.values()) for length in batch.read_length))
    return total


def _batches(lanes: Sequence[Lane]) -> Iterator[Reads]:
    for lane in lanes:
        yield from read_fastq(lane.r1, lane.r2, interleaved=lane.interleaved)


def _counted(batches: Iterator[Reads], threads: int) -> Iterator[Counts]:
    with ThreadPoolExecutor(threads) as pool:
        queue: deque[Future[Counts]] = deque()
        for reads in batches:
            queue.append(pool.submit(count, reads))
            if len(queue) > threads:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()


def summary(counts: Counts, sample: str, *, n_lanes: int) -> dict[str, Any]:
    """The measures as written to `SAMPLE.qc.json`; described in `schemas/qc.schema.json`."""
    mates = [_mate(counts, mate) for mate in range(len(counts.poly_g))]
    sampled, copies = counts.duplicates.pairs()
    result: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "measures": "reads",
        "sample": sample,
        "lanes": n_lanes,
        "paired": counts.paired,
        **_totals(counts.base.sum((0, 1)), counts.quality.sum((0, 1)), sum(mate["reads"] for mate in mates)),
        "mates": mates,
        "duplicates": {"sampled": sampled, "copies": copies, "fraction": ratio(copies, sampled)},
    }
    if counts.paired:
        result["overlap"] = _overlap(counts, mates[0]["reads"])
    return result


def _totals(base: NDArray[np.int64], quality: NDArray[np.int64], reads: int) -> dict[str, Any]:
    bases = int(base.sum())
    known = int(base[:UNKNOWN_BASE].sum())
    q20, q30 = int(quality[20:].sum()), int(quality[30:].sum())
    return {
        "reads": reads,
        "bases": bases,
        "q20_bases": q20,
        "q30_bases": q30,
        "q20_fraction": ratio(q20, bases),
        "q30_fraction": ratio(q30, bases),
        "gc_fraction": ratio(int(base[1] + base[2]), known),
        "unknown_fraction": ratio(bases - known, bases),
        "mean_quality": ratio(int(quality @ np.arange(len(quality))), bases, 3),
    }


def _mate(counts: Counts, mate: int) -> dict[str, Any]:
    lengths = dict(sorted(counts.read_length[mate].items()))
    reads = sum(lengths.values())
    cycles = min(max(lengths, default=0), CYCLES)
    base, quality = counts.base[mate, :cycles], counts.quality[mate, :cycles]
    total = base.sum(1)
    adapters = zip(ADAPTERS, counts.adapter[mate].tolist(), strict=True)
    return {
        **_totals(counts.base[mate].sum(0), counts.quality[mate].sum(0), reads),
        "read_length": {
            "minimum": min(lengths, default=0),
            "maximum": max(lengths, default=0),
            "mean": ratio(sum(length * n for length, n in lengths.items()), reads, 3),
            "reads": [[length, n] for length, n in lengths.items()],
        },
        "cycles": {
            "mean_quality": ratios(quality @ np.arange(quality.shape[1]), total, 3),
            **{letter: ratios(base[:, code], total, 6) for code, letter in enumerate("acgt")},
            "unknown": ratios(total - base[:, :UNKNOWN_BASE].sum(1), total, 6),
        },
        "gc_percent_reads": counts.gc[mate].tolist(),
        "quality_bases": counts.quality[mate].sum(0).tolist(),
        "adapter": {name: {"reads": n, "fraction": ratio(n, reads)} for name, n in adapters},
        "poly_g": {"reads": int(counts.poly_g[mate]), "fraction": ratio(int(counts.poly_g[mate]), reads)},
    }


def _overlap(counts: Counts, pairs: int) -> dict[str, Any]:
    overlapping = int(counts.fragment.sum())
    return {
        "pairs": overlapping,
        "fraction": ratio(overlapping, pairs),
        "read_through_pairs": counts.read_through,
        "read_through_fraction": ratio(counts.read_through, pairs),
        "adapter_bases": counts.adapter_bases,
        "fragment_length_pairs": [[length, n] for length, n in enumerate(counts.fragment.tolist()) if n],
    }
