"""Which columns of a decoded tile make the reads, indexes and molecular barcodes of a sample.

The segments of all samples of a lane are put together first, because samples may be cut differently: every cycle that one of them uses is
a column. Index reads that come from the other strand are turned, so that their columns stand in the direction of the sample sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.read_structure import Segment
from genopipe.kernels.read_text import PLUS


@dataclass(frozen=True, slots=True)
class Columns:
    """The cycles (from 0) of a lane's columns, which are complemented, and the column of each cycle."""

    cycles: tuple[int, ...]
    complemented: tuple[bool, ...]

    @property
    def of_cycle(self) -> dict[int, int]:
        return {cycle: column for column, cycle in enumerate(self.cycles)}


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of each read, of each index (by number of index read) and of each molecular barcode."""

    reads: tuple[NDArray[np.int64], ...]
    indexes: tuple[NDArray[np.int64], ...]
    umis: tuple[NDArray[np.int64], ...]


def columns_of(layouts: Iterable[Sequence[Segment]], reverse: frozenset[int]) -> Columns:
    """The columns for samples cut as `layouts` say; index reads in `reverse` are taken from the other strand."""
    cycles: dict[int, dict[int, None]] = {}
    for segments in layouts:
        for segment in segments:
            if segment.kind != "N":
                cycles.setdefault(segment.read, {}).update(dict.fromkeys(range(segment.start, segment.end)))
    ordered = [(cycle, read in reverse) for read in sorted(cycles) for cycle in sorted(cycles[read], reverse=read in reverse)]
    return Columns(tuple(cycle for cycle, _ in ordered), tuple(turned for _, turned in ordered))


def layout_of(segments: Sequence[Segment], columns: Columns, index_reads: Sequence[int]) -> Layout:
    """Where the reads, indexes and molecular barcodes of one way of cutting stand; `index_reads` are the run's reads that are indexes."""
    column = columns.of_cycle

    def by_read(kind: str) -> dict[int, NDArray[np.int64]]:
        chosen = [segment for segment in segments if segment.kind == kind]
        return {read: _columns(list(group), column) for read, group in groupby(chosen, key=lambda segment: segment.read)}

    indexes = by_read("I")
    return Layout(
        tuple(by_read("Y").values()),
        tuple(indexes.get(read, np.empty(0, np.int64)) for read in index_reads),
        tuple(_columns([segment], column) for segment in segments if segment.kind == "U"),
    )


def _columns(segments: list[Segment], column: Mapping[int, int]) -> NDArray[np.int64]:
    return np.array(sorted(column[cycle] for segment in segments for cycle in range(segment.start, segment.end)), np.int64)


def runs(columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """(runs, 2) int64: first and number of neighbouring columns."""
    cuts = np.flatnonzero(np.diff(columns) != 1) + 1
    return np.array([(part[0], len(part)) for part in np.split(columns, cuts) if len(part)], np.int64).reshape(-1, 2)


def joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The columns of several parts with a plus between them."""
    pieces = [piece for part in parts if len(part) for piece in (np.array([PLUS]), part)]
    return np.concatenate(pieces[1:]) if pieces else np.empty(0, np.int64)
