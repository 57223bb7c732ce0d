"""Entries of a temporary file in another order: dealt into buckets of some megabytes, each of which is sorted in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.plain_bam import Bytes, Offsets
from genopipe.kernels.compiled import allocating

BUCKET_BYTES = 64 << 20
MOST_BUCKETS = 256
_STEP = 1 << 19

Numbers = NDArray[np.int64]


def rearranged(spool: IO[bytes], size: Offsets, row: Numbers, folder: Path) -> Iterator[tuple[Bytes, Offsets]]:
    """Entries in the order of their rows, some megabytes at a time: their bytes, and where each begins, with the end.

    `spool` holds them one after another, of `size` bytes each; `row` says where each belongs, from 0, each once; -1 leaves it out.
    """
    bucket = _buckets(size, row)
    spool.seek(0)
    if bucket.max(initial=0) == 0:
        kept = np.flatnonzero(row >= 0)
        yield _selected(np.frombuffer(spool.read(), np.uint8), size, kept[np.argsort(row[kept])])
        return
    with ExitStack() as stack:
        files = [stack.enter_context(TemporaryFile(dir=folder)) for _ in range(int(bucket.max()) + 1)]
        _deal(spool, size, bucket, files)
        for b, file in enumerate(files):
            file.seek(0)
            mine = bucket == b
            yield _selected(np.frombuffer(file.read(), np.uint8), size[mine], np.argsort(row[mine]))


def _buckets(size: Offsets, row: Numbers) -> Numbers:
    """The bucket of each entry, -1 for those left out: consecutive rows, of about as many bytes."""
    kept = row >= 0
    by_row = np.zeros(int(kept.sum()), np.int64)
    by_row[row[kept]] = size[kept]
    before = np.cumsum(by_row) - by_row
    each = max(BUCKET_BYTES, int(by_row.sum()) // MOST_BUCKETS + 1)
    bucket = np.full(len(row), -1, np.int64)
    bucket[kept] = (before // each)[row[kept]]
    return bucket


def _deal(spool: IO[bytes], size: Offsets, bucket: Numbers, files: Sequence[IO[bytes]]) -> None:
    """Copies each entry to the file of its bucket."""
    first = 0
    while first < len(size):
        within = int(np.searchsorted(np.cumsum(size[first : first + _STEP]), BUCKET_BYTES)) + 1
        sizes, buckets = size[first : first + within], bucket[first : first + within]
        packed = np.frombuffer(spool.read(int(sizes.sum())), np.uint8)
        for b in np.unique(buckets[buckets >= 0]):
            files[b].write(_selected(packed, sizes, np.flatnonzero(buckets == b))[0].tobytes())
        first += within


def _selected(packed: Bytes, size: Offsets, which: Numbers) -> tuple[Bytes, Offsets]:
    """Some entries, one after another, and where each begins."""
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    new_start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size[which])))
    out = np.empty(int(new_start[-1]), np.uint8)
    _select(packed, start, which, out)
    return out, new_start


@allocating
def _select(packed: Bytes, start: Offsets, which: Numbers, out: Bytes) -> None:
    at = 0
    for i in which:
        size = start[i + 1] - start[i]
        out[at : at + size] = packed[start[i] : start[i + 1]]
        at += size
