"""Entries in another order than they come in, in bounded memory.

What fits 64 MB is sorted there. More is dealt to a temporary file by stretches of rows, some 32 MB each, compressed; each stretch is then
read back and sorted, or dealt again where it is larger than thought. The file has no name: nothing stays behind when a process is killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.plain_bam import Bytes, Offsets
from genopipe.archive.sorted_rows import Column
from genopipe.kernels.compiled import kernel

HELD_BYTES = 64 << 20
BUCKET_BYTES = 32 << 20
MOST_BUCKETS = 4096
_LEVEL = 1

Numbers = NDArray[np.int64]
Part = tuple[Bytes, Offsets, Numbers]
"""Entries one after another, the size of each, and the row of each: where it belongs; -1 leaves it out."""


def rearranged(parts: Iterable[Part], n_rows: int, folder: Path, *, first: int = 0) -> Iterator[tuple[Bytes, Offsets]]:
    """Entries in the order of their rows, some megabytes at a time: their bytes, and where each begins, with the end.

    Rows are `n_rows` numbers from `first` on, each of one entry.
    """
    source = iter(parts)
    held, size = [], 0
    while (size <= HELD_BYTES or n_rows <= 1) and (part := next(source, None)) is not None:
        held.append(part)
        size += len(part[0])
    if size <= HELD_BYTES or n_rows <= 1:
        yield _in_rows(held)
        return
    seen = sum(len(part[1]) for part in held)
    each = -(-n_rows // max(2, min(MOST_BUCKETS, n_rows * size // seen // BUCKET_BYTES)))
    dealt = _Dealt(folder, first, each, -(-n_rows // each))
    for part in held:
        dealt.add(part)
    held.clear()
    for part in source:
        dealt.add(part)
    for bucket in range(dealt.n_buckets):
        yield from rearranged(dealt.parts(bucket), min(each, n_rows - bucket * each), folder, first=first + bucket * each)


class Spool:
    """Entries as they come, compressed in a temporary file, until their rows are known."""

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  closed with the last reference
        self._frames: list[tuple[int, int]] = []

    def __del__(self) -> None:
        self._file.close()

    def add(self, byte: Bytes, size: Offsets) -> None:
        """Keeps entries and the size of each."""
        packed = zstandard.ZstdCompressor(level=_LEVEL).compress(np.concatenate((size.view(np.uint8), byte)).tobytes())
        self._frames.append((len(size), self._file.write(packed)))

    def parts(self, row: Column) -> Iterator[Part]:
        """The entries, with their rows."""
        self._file.seek(0)
        first = 0
        for n, size in self._frames:
            plain = np.frombuffer(zstandard.ZstdDecompressor().decompress(self._file.read(size)), np.uint8)
            yield plain[8 * n :], plain[: 8 * n].view(np.int64), row.read(first, n)
            first += n


class _Dealt:
    """Entries by stretches of `each` rows from `first` on, in one file: deals of some megabytes, each in the order of the stretches."""

    def __init__(self, folder: Path, first: int, each: int, n_buckets: int) -> None:
        self.n_buckets, self._first, self._each = n_buckets, first, each
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  closed with the last reference
        self._pending: list[Part] = []
        self._n_pending = 0
        self._deals: list[Offsets] = []

    def __del__(self) -> None:
        self._file.close()

    def add(self, part: Part) -> None:
        """Takes entries; what was added last is dealt when a stretch is asked for."""
        self._pending.append(part)
        self._n_pending += len(part[0])
        if self._n_pending >= HELD_BYTES:
            self._deal()

    def parts(self, bucket: int) -> Iterator[Part]:
        """The entries of one stretch."""
        self._deal()
        decompressor = zstandard.ZstdDecompressor()
        for place in self._deals:
            if place[bucket + 1] > place[bucket]:
                self._file.seek(place[bucket])
                plain = decompressor.decompress(self._file.read(int(place[bucket + 1] - place[bucket])))
                n = int(np.frombuffer(plain, np.int64, 1)[0])
                size, row = np.frombuffer(plain, np.int64, 2 * n, offset=8).reshape(2, n)
                yield np.frombuffer(plain, np.uint8, offset=8 + 16 * n), size, row

    def _deal(self) -> None:
        if not self._pending:
            return
        byte, size, row = (np.concatenate(arrays) for arrays in zip(*self._pending, strict=True))
        self._pending, self._n_pending = [], 0
        bucket = np.where(row >= 0, (row - self._first) // self._each, self.n_buckets)
        order = np.argsort(bucket, kind="stable")
        end = np.searchsorted(bucket[order], np.arange(self.n_buckets + 1))
        start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
        compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._file.seek(0, 2)
        place = [self._file.tell()]
        for b in range(self.n_buckets):
            which = order[end[b] : end[b + 1]]
            if len(which):
                head = np.concatenate(([len(which)], size[which], row[which]))
                self._file.write(compressor.compress(head.tobytes() + _selected(byte, start, which)[0].tobytes()))
            place.append(self._file.tell())
        self._deals.append(np.array(place))


def _in_rows(parts: list[Part]) -> tuple[Bytes, Offsets]:
    """The entries of all parts in the order of their rows."""
    nothing = (np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64))
    byte, size, row = (np.concatenate(arrays) for arrays in zip(nothing, *parts, strict=True))
    kept = np.flatnonzero(row >= 0)
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    return _selected(byte, start, kept[np.argsort(row[kept], kind="stable")])


def _selected(byte: Bytes, start: Offsets, which: Numbers) -> tuple[Bytes, Offsets]:
    """Some entries, one after another, and where each begins."""
    new_start = np.concatenate((np.zeros(1, np.int64), np.cumsum(start[which + 1] - start[which])))
    out = np.empty(int(new_start[-1]), np.uint8)
    _select(byte, start, which, out)
    return out, new_start


@kernel
def _select(byte: Bytes, start: Offsets, which: Numbers, out: Bytes) -> None:
    at = 0
    for i in which:
        for k in range(start[i], start[i + 1]):
            out[at] = byte[k]
            at += 1
