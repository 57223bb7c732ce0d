"""TBI: where in a sorted, compressed VCF the records over a stretch of the genome lie.

`add` takes the text as it is written; one pass over its bytes finds what an index must know of each line. Offsets are those of the plain
text until the file is whole, and virtual ones then.

Source: the tabix index file format; SAM/BAM format specification, section 5.1 (bins and the linear index).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bai import INTERVAL_BITS, LONGEST_CONTIG, ContigIndex
from genopipe.formats.bgzf import BgzfWriter
from genopipe.kernels.compiled import inner, kernel

_PIECE = 1 << 20
_VCF = 2
_LEVELS = ((14, 4681), (17, 585), (20, 73), (23, 9), (26, 1))
"""Bits of a bin's bases, and its number on each level but the uppermost."""


class TbiBuilder:
    """Collects the index of a VCF whose header takes the first `offset` bytes."""

    def __init__(self, offset: int) -> None:
        self._contigs: dict[str, ContigIndex] = {}
        self._place = "", 0
        self._held, self._offset = bytearray(), offset

    def add(self, lines: bytes) -> None:
        """Adds whole lines of sorted records. Raises ValueError where they are not, BadInput where the index cannot hold them."""
        self._held += lines
        if len(self._held) >= _PIECE:
            self._look()

    def write(self, target: Path, vcf: BgzfWriter) -> None:
        """Writes the index of `vcf`, which is closed."""
        self._look()
        names = b"".join(name.encode() + b"\0" for name in self._contigs)
        parts = [b"TBI\x01", struct.pack("<8i", len(self._contigs), _VCF, 1, 2, 0, ord("#"), 0, len(names)), names]
        for contig in self._contigs.values():
            parts += contig.packed(vcf)
        with BgzfWriter(target) as file:
            file.write(b"".join((*parts, struct.pack("<Q", 0))))

    def _look(self) -> None:
        """Takes in what is held."""
        text = np.frombuffer(bytes(self._held), np.uint8)
        place = np.empty((np.count_nonzero(text == ord("\n")), 5), np.int64)
        _find(text, place)
        start = np.append(place[:, 0], len(text)) + self._offset
        bounds = np.flatnonzero(place[:, 4]).tolist()
        for first, last in pairwise([*bounds, len(place)]):
            name = text[place[first, 0] : place[first, 1]].tobytes().decode()
            self._add(name, place[first:last, 2], place[first:last, 3], start[first : last + 1])
        self._offset += len(text)
        self._held.clear()

    def _add(self, name: str, begin: NDArray[np.int64], end: NDArray[np.int64], start: NDArray[np.int64]) -> None:
        """Adds records of one contig; `start` is one longer, where each begins in the file."""
        if end.max() > LONGEST_CONTIG:
            wanted = f"positions up to {LONGEST_CONTIG:,}, which a .tbi can hold"
            raise BadInput(f"a record ends at {name}:{int(end.max()):,}", wanted=wanted, do="Split the contig in the reference.")
        came_before = name != self._place[0] and name in self._contigs
        if came_before or (np.diff(begin, prepend=self._place[1] if name == self._place[0] else 0) < 0).any():
            raise ValueError(f"records of {name} are not sorted")
        self._place = name, int(begin[-1])
        contig = self._contigs.setdefault(name, ContigIndex([]))
        contig.counts[0] += len(begin)
        bins = _bins(begin, end)
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        last = np.append(first[1:], len(bins))
        for bin_, low, high in zip(bins[first].tolist(), start[first].tolist(), start[last].tolist(), strict=True):
            contig.add_chunk(bin_, low, high)
        _fill_linear(contig.linear, begin >> INTERVAL_BITS, (end - 1) >> INTERVAL_BITS, start)


def _fill_linear(linear: list[int], first: NDArray[np.int64], last: NDArray[np.int64], start: NDArray[np.int64]) -> None:
    """Adds the intervals that records are the first to reach; an interval below one that was reached is never reached later."""
    reached = np.maximum.accumulate(np.append(len(linear) - 1, last))
    for row in np.flatnonzero(np.diff(reached)).tolist():
        linear += [-1] * (int(first[row]) - len(linear))
        linear += [int(start[row])] * (int(last[row]) + 1 - len(linear))


def _bins(begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest bin that holds each."""
    bins = np.zeros(len(begin), np.int64)
    for shift, number in reversed(_LEVELS):
        bins = np.where(begin >> shift == (end - 1) >> shift, number + (begin >> shift), bins)
    return bins


@inner
def _number(text, at):
    """The digits from there on."""
    value = 0
    while at < len(text) and 48 <= text[at] <= 57:
        value = 10 * value + np.int64(text[at]) - 48
        at += 1
    return value


@inner
def _is_end(text, at):
    """Whether INFO has END= there."""
    return text[at] == 69 and text[at + 1] == 78 and text[at + 2] == 68 and text[at + 3] == 61


@inner
def _is_same(text, one, other, length):
    n = 0
    while n < length and text[one + n] == text[other + n]:
        n += 1
    return n == length


@kernel
def _find(text, place):
    """Fills (lines, 5): where a line begins, where its contig's name ends, begin and end of the record, and whether the contig is another
    one than before. The end is that of REF, or what END= says where that lies further on."""
    at = 0
    for row in range(len(place)):
        start, column, field = at, 0, at
        while text[at] != 10:
            if text[at] == 9:
                if column == 0:
                    place[row, 1] = at
                elif column == 1:
                    place[row, 2] = max(_number(text, field) - 1, 0)
                elif column == 3:
                    place[row, 3] = place[row, 2] + at - field
                column += 1
                field = at + 1
            elif column == 7 and (at == field or text[at - 1] == 59) and at + 4 < len(text) and _is_end(text, at):
                place[row, 3] = max(place[row, 3], _number(text, at + 4))
            at += 1
        place[row, 0] = start
        length = place[row, 1] - start
        before = place[row - 1, 0]
        place[row, 4] = row == 0 or place[row - 1, 1] - before != length or not _is_same(text, before, start, length)
        at += 1
