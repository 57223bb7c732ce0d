"""Sorted BAM records that stay in memory: what is asked of an indexed BAM, without the file.

The records lie in any order; their rows in sorted order, and the genome position of each, stand in the place of an index. A stretch is
given as the bytes that a BAM would hold from there on.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.bam_index import Bam, read_groups_of, with_digests
from genopipe.kernels.compiled import kernel
from genopipe.model import Contig

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class HeldRecords:
    """Records and their order.

    record   (bytes) uint8: the records as in a BAM
    start    (records + 1) int64: where each begins in `record`
    order    (records) int64: their rows, sorted
    key      (records) int64: position in the concatenated genome of each, sorted; that of unmapped ones is behind the genome
    longest  bases of the genome that no record spans more of
    """

    record: NDArray[np.uint8]
    start: NDArray[np.int64]
    order: NDArray[np.int64]
    key: NDArray[np.int64]
    contigs: Sequence[Contig]
    longest: int

    def bam(self, text: str, name: Path) -> Bam:
        """The records as a BAM with this header; `name` is what messages call it."""
        lengths = [(contig.name, contig.length) for contig in self.contigs]
        border = [np.searchsorted(self.key, (contig.start, contig.start + contig.length)) for contig in self.contigs]
        has_reads = tuple(bool(last > first) for first, last in border)
        return Bam(name, with_digests(text, lengths), read_groups_of(text), (), has_reads, held=self)

    def pieces(self, contig: int, start: int) -> Iterator[bytes]:
        """The bytes from the first record on that may overlap `start` of a contig."""
        first_base = self.contigs[contig].start
        row = int(np.searchsorted(self.key, first_base + max(start - self.longest, 0)))
        while row < len(self.order):
            size = np.cumsum(_sizes(self.start, self.order[row : row + (_PIECE >> 5)]))
            n = max(int(np.searchsorted(size, _PIECE)), 1)
            piece = np.empty(int(size[n - 1]), np.uint8)
            _gather(self.record, self.start, self.order[row : row + n], piece)
            yield piece.tobytes()
            row += n


def _sizes(start: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    sizes: NDArray[np.int64] = start[rows + 1] - start[rows]
    return sizes


@kernel
def _gather(record, start, rows, out):
    at = 0
    for row in rows:
        for i in range(start[row], start[row + 1]):
            out[at] = record[i]
            at += 1
