"""By which record of a pool each record of another alignment is told, and in which rows these stand.

The base of a record is the pool's primary record of the same read, by name and mate; of a record that is not primary, the pool's at the
same place where there is one. A record of a read that the pool has not gets the base of the one before it; of many in a row, some each
get the next ones. Rows go by bases: the record's own first, others behind. All tables lie in temporary files
(`genopipe.archive.sorted_rows`): some 100 bytes for each record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.fastq_text import hash_bytes, hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, Offsets, whole
from genopipe.archive.read_rows import NotInPool
from genopipe.archive.sorted_rows import ASKS, Column, SortedRows, answers, by_place
from genopipe.kernels.compiled import kernel

MOST_OTHER_READS = 0.05
_NOT_PRIMARY = 0x900
MOST_TOGETHER = 16
"""Reads that the pool has not and that are kept beside one of its records; more go on beside the next."""

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bases:
    """row: (records) the row of each record of the new alignment; record: (rows) the pool's record by which each row is told."""

    row: Column
    record: Column


def find_bases(new: Iterable[Batch], pool: Iterable[Batch], folder: Path) -> Bases:
    """Raises NotInPool where too many reads are not there."""
    reads, places = SortedRows(folder, 2), SortedRows(folder, 2)
    n_pool = n_primary = 0
    for read, place in map(_hashes, pool):
        known, extra = np.arange(n_pool, n_pool + len(read)), place != 0
        reads.add(read[~extra], known[~extra])
        places.add(place[extra], known[extra])
        n_pool, n_primary = n_pool + len(read), n_primary + int(np.count_nonzero(~extra))
    if not n_primary:
        raise NotInPool("the pool has no reads")
    extras = Column(folder, np.uint8)
    for read, place in map(_hashes, new):
        asking, extra = ASKS | np.arange(len(extras), len(extras) + len(read), dtype=np.uint64), place != 0
        reads.add(read, asking)
        places.add(place[extra], asking[extra])
        extras.add(extra)
    at_place, of_read = (answers(table, len(extras), folder) for table in (places, reads))
    return _in_rows(_bases(at_place, of_read, n_pool), extras, folder)


class Times:
    """How many rows each record of the pool has, some records at a time."""

    def __init__(self, record: Column) -> None:
        self._chunks, self._rest, self._first = record.chunks(), np.empty(0, np.int64), 0

    def take(self, n: int) -> Numbers:
        """Of the next n records."""
        end = self._first + n
        while (not len(self._rest) or self._rest[-1] < end) and (more := next(self._chunks, None)) is not None:
            self._rest = np.concatenate((self._rest, more))
        here = int(np.searchsorted(self._rest, end))
        times = np.bincount(self._rest[:here] - self._first, minlength=n)
        self._rest, self._first = self._rest[here:], end
        return times


def _hashes(batch: Batch) -> tuple[Hashes, Hashes]:
    """Of each record a hash of name and mate, and one of its place as well, 0 for primary records."""
    read, place = np.empty(len(batch), np.uint64), np.empty(len(batch), np.uint64)
    _hash_reads(batch.byte, batch.start, read, place)
    return read, place


def _bases(at_place: Column, of_read: Column, n_pool: int) -> Iterator[tuple[Numbers, NDArray[np.bool_]]]:
    """The base of each record, and whether its read is not in the pool, some at a time."""
    missing = first = last = 0
    last_at = -1
    for place, read in zip(at_place.chunks(), of_read.chunks(), strict=True):
        record = np.where(place >= 0, place, read)
        none, at = record < 0, np.arange(first, first + len(record))
        before = np.maximum.accumulate(np.where(none, last_at, at))
        known = np.where(before < first, last, record[np.maximum(before - first, 0)])
        base = np.where(none, (known + (at - before) // MOST_TOGETHER) % n_pool, known)
        yield base, none
        last, last_at = int(known[-1]), int(before[-1])
        missing, first = missing + int(np.count_nonzero(none)), first + len(record)
    if missing > MOST_OTHER_READS * first:
        raise NotInPool("the pool has other reads")


def _in_rows(bases: Iterable[tuple[Numbers, NDArray[np.bool_]]], extras: Column, folder: Path) -> Bases:
    order, record, place = SortedRows(folder, 3), Column(folder, np.int64), SortedRows(folder, 2)
    for (base, none), extra in zip(bases, extras.chunks(), strict=True):
        order.add(base, np.where(none, 2, extra), np.arange(len(order), len(order) + len(base)))
    for chunk in order.chunks():
        place.add(chunk[:, 2], np.arange(len(record), len(record) + len(chunk)))
        record.add(chunk[:, 0])
    return Bases(by_place(place, len(extras), folder), record)


@kernel
def _hash_reads(byte: Bytes, start: Offsets, read: Hashes, place: Hashes) -> None:
    for r in range(len(read)):
        core = start[r] + 4
        flag = whole(byte[core + 14]) | whole(byte[core + 15]) << 8
        name_end = core + CORE_BYTES + byte[core + 8] - 1
        mate = 0 if not flag & 1 else 1 if flag & 0x40 else 2
        read[r] = hash_name(byte, core + CORE_BYTES, name_end) * np.uint64(3) + np.uint64(mate)
        place[r] = 0
        if flag & _NOT_PRIMARY:
            n_cigar = whole(byte[core + 12]) | whole(byte[core + 13]) << 8
            value = hash_bytes(read[r], byte, core, core + 8)
            place[r] = hash_bytes(value, byte, name_end + 1, name_end + 1 + 4 * n_cigar) | np.uint64(1)
