"""The table of duplicates, one row a library, in the form of Picard's DuplicationMetrics, which MultiQC finds by its content and reads.

MultiQC takes the name of the sample from `INPUT=` and only the first row; so libraries without reads get none, and the largest comes first.

Source: the documentation of Picard's DuplicationMetrics; the size of a library from E. Lander and M. Waterman, Genomics 2:231 (1988).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.align.duplicates import HALF_PAIRS, OPTICAL_PAIRS, PAIRS, SINGLE
from genopipe.align.fragment_ends import FOLLOWERS, PAIRED_READS, SINGLE_READS, UNMAPPED_READS

_HEAD = (
    "## htsjdk.samtools.metrics.StringHeader\n# genopipe, in the form of picard.sam.markduplicates.MarkDuplicates INPUT={sample}\n\n"
    "## METRICS CLASS\tpicard.sam.DuplicationMetrics\n"
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the metrics file says about one library; pairs of which both reads have a place."""

    library: str
    single_reads: int
    pairs: int
    followers: int
    unmapped_reads: int
    single_duplicates: int
    pair_duplicates: int
    optical_pairs: int

    @property
    def reads(self) -> int:
        """Reads that have a place."""
        return self.single_reads + 2 * self.pairs

    @property
    def duplication(self) -> float:
        """Share of the reads that are duplicates."""
        return (self.single_duplicates + 2 * self.pair_duplicates) / self.reads if self.reads else 0.0


def duplicates_path(output: Path) -> Path:
    """Where the duplicate metrics of `output` go."""
    return output.with_suffix(".duplicates.tsv")


def metrics_of(library: tuple[str, ...], examined: NDArray[np.int64], found: NDArray[np.int64]) -> list[Metrics]:
    """One for each library that has reads, the largest first; counts as from `fragment_ends.ends` and `Finder.find`."""
    rows = [
        Metrics(
            name,
            int(seen[SINGLE_READS]),
            int(seen[PAIRED_READS]) // 2,
            int(seen[FOLLOWERS]),
            int(seen[UNMAPPED_READS]),
            int(copies[SINGLE]),
            int(copies[PAIRS]) + int(copies[HALF_PAIRS]) // 2,
            int(copies[OPTICAL_PAIRS]),
        )
        for name, seen, copies in zip(library, examined, found, strict=True)
        if seen.any()
    ]
    return sorted(rows, key=lambda row: -row.reads)


def write_metrics(metrics: list[Metrics], sample: str, target: Path) -> None:
    """Writes the metrics file."""
    rows = [_columns(row) for row in metrics]
    table = ["\t".join(_columns(Metrics("", 0, 0, 0, 0, 0, 0, 0))), *("\t".join(row.values()) for row in rows)]
    target.write_text(_HEAD.format(sample=sample) + "\n".join(table) + "\n\n")


def _columns(row: Metrics) -> dict[str, str]:
    size = library_size(row.pairs - row.optical_pairs, row.pairs - row.pair_duplicates)
    return {
        "LIBRARY": row.library,
        "UNPAIRED_READS_EXAMINED": str(row.single_reads),
        "READ_PAIRS_EXAMINED": str(row.pairs),
        "SECONDARY_OR_SUPPLEMENTARY_RDS": str(row.followers),
        "UNMAPPED_READS": str(row.unmapped_reads),
        "UNPAIRED_READ_DUPLICATES": str(row.single_duplicates),
        "READ_PAIR_DUPLICATES": str(row.pair_duplicates),
        "READ_PAIR_OPTICAL_DUPLICATES": str(row.optical_pairs),
        "PERCENT_DUPLICATION": f"{row.duplication:.6f}",
        "ESTIMATED_LIBRARY_SIZE": "" if size is None else str(size),
    }


def library_size(pairs: int, unique: int) -> int | None:
    """Distinct molecules of a library from which `pairs` were drawn and `unique` seen; None where no pair was drawn twice.

    The X of unique / X = 1 - exp(-pairs / X), by bisection of X / unique; in decimals, which are the same on every machine.
    """
    if pairs <= unique or unique <= 0:
        return None

    def too_small(factor: Decimal) -> bool:
        return 1 / factor - 1 + (-pairs / (factor * unique)).exp() > 0

    low, high = Decimal(1), Decimal(100)
    while too_small(high):
        high *= 10
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return int(unique * (low + high) / 2)
