"""A BAM as another alignment of reads that are in the archive: what the new records say otherwise than those of the pool, and their order.

At a put every record finds its base, the pool's record of the same read: a primary record by name and mate, another one also by its place.
The BAM's records are brought into the order of their bases, and told by them container by container of the pool
(`genopipe.archive.realigned_records`). The streams of a container are compressed one by one and laid one after another into one object,
after the header; an index tells where, and what the records cover, so that a region needs no more than its own. The order in which the
records stood is kept by `genopipe.archive.record_orders`. Bases, qualities and names cost nothing. Some reads that the pool has not may be
among them; these are kept whole, beside the record before them.

A get decodes the pool, makes the records, and brings them into their order by a temporary file. Memory: some 50 bytes for each record, and
some megabytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.alignments import decoded_pool, packed_header, unpacked_header
from genopipe.archive.containers import containers, make_index, stretches
from genopipe.archive.fastq_text import hash_bytes, hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, Offsets, PlainBam, Records, whole
from genopipe.archive.read_rows import NotInPool
from genopipe.archive.realigned_columns import Group, groups
from genopipe.archive.realigned_core import CONTIG, POSITION, cigars, fields, spans
from genopipe.archive.realigned_records import QUALITY_BYTES, SEQUENCE_BYTES, Memory, note, recall
from genopipe.archive.rearranged import Numbers, Part, rearranged
from genopipe.archive.record_orders import RecordKeys, keep_record_order, kept_record_order
from genopipe.archive.workshop import Workshop
from genopipe.kernels.compiled import kernel

MOST_OTHER_READS = 0.05
MOST_GIVEN = 0.05
"""Share of the bytes of records that may be bases and qualities other than the pool's."""
MOST_TOGETHER = 1 << 10
"""Reads that the pool has not and that are kept beside one of its records; more go on beside the next."""
_NOT_PRIMARY = 0x900
SPOOL_BYTES = 256 << 20
_PART = 1 << 15

Hashes = NDArray[np.uint64]
Pieces = Callable[[], Iterator[bytes]]


def describe_realigned(pieces: Pieces, pool: dict[str, Any], shop: Workshop) -> dict[str, Any]:
    """Stores what makes a plain BAM of a pool of its reads, and gives the content part of its manifest.

    Raises NotInPool where too many reads are not there, NotBam for what cannot be told.
    """
    base = _bases(_read_keys(PlainBam(pieces()).batches()), _read_keys(decoded_pool(pool, shop).batches()))
    order = np.lexsort((base.rank, base.record))
    row = np.empty(len(order), np.int64)
    row[order] = np.arange(len(order))
    keys, path, cram = RecordKeys(), shop.folder / "columns", shop.local(pool["cram"])
    with open(cram, "rb") as source:
        n_records = [container.n_records for container in containers(source)]
    with open(path, "wb") as target:
        decoded = decoded_pool(pool, shop)
        frame = [target.write(packed_header(PlainBam(pieces()).header, decoded.header))]
        covered = [stretches(0, *np.empty((3, 0), np.int64))]
        for part, rows in _write(decoded, n_records[1:], _in_rows(pieces, row, shop.folder), base, target):
            frame.append(target.tell() - sum(frame))
            keys.see(rows)
            covered.append(_covered(part, rows))
    index = make_index(cram, path, frame, covered=np.concatenate(covered))
    return {
        "kind": "realigned",
        "pool": {"cram": pool["cram"], "reference": pool["reference"]},
        "columns": shop.store.put_file(path),
        "order": keep_record_order(row, keys, shop.store),
        "index": shop.store.put_bytes(index.encode()),
    }


def plain_realigned(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The plain BAM again, in pieces."""
    decoded = decoded_pool(content["pool"], shop)
    with shop.store.open(content["columns"]) as source:
        yield unpacked_header(source, decoded.header)
        batches = _recalled(source, Records(decoded.batches()), fresh="index" in content)
        if content["order"] == {"rule": "pool", "steps": None}:
            yield from (batch.byte.tobytes() for batch in batches)
        else:
            yield from arranged(batches, lambda keys: kept_record_order(content["order"], keys, shop.store), shop.folder)


def arranged(batches: Iterable[Batch], order: Callable[[RecordKeys], Numbers | None], folder: Path) -> Iterator[bytes]:
    """Records in pieces, in the order that is told by what the rules sort by: the row of each record."""
    keys, sizes = RecordKeys(), [np.empty(0, np.int64)]
    with SpooledTemporaryFile(SPOOL_BYTES, dir=str(folder)) as spool:
        for batch in batches:
            spool.write(batch.byte[batch.start[0] : batch.start[-1]].tobytes())
            sizes.append(np.diff(batch.start))
            keys.see(batch)
        row = order(keys)
        assert row is not None  # the rule was followed at the put, by more records
        place = np.empty(len(row), np.int64)
        place[row] = np.arange(len(row))
        yield from (part.tobytes() for part, _ in rearranged(_parts(spool, np.concatenate(sizes), place), len(place), folder))


def recalled_part(frame: bytes, records: Batch) -> bytes:
    """The records of a container's group, in the order of rows, from those that the pool has and their frame of the columns."""
    return b"".join(batch.byte.tobytes() for batch in _recalled(io.BytesIO(frame), Records([records]), fresh=True))


@dataclass(frozen=True, slots=True)
class _Bases:
    """Of each record of the new alignment: the record of the pool, and its rank among those with the same one; records in the pool."""

    record: Numbers
    rank: Numbers
    n_pool: int


def _read_keys(batches: Iterator[Batch]) -> tuple[Hashes, Hashes]:
    """Of each record a hash of name and mate, and one of its place as well, 0 for primary records."""
    parts = [(np.empty(0, np.uint64), np.empty(0, np.uint64))]
    for batch in batches:
        read, place = np.empty(len(batch), np.uint64), np.empty(len(batch), np.uint64)
        _hash_reads(batch.byte, batch.start, read, place)
        parts.append((read, place))
    reads, places = zip(*parts, strict=True)
    return np.concatenate(reads), np.concatenate(places)


def _bases(new: tuple[Hashes, Hashes], pool: tuple[Hashes, Hashes]) -> _Bases:
    """Raises NotInPool where too many reads are not there."""
    primary, other = np.flatnonzero(pool[1] == 0), np.flatnonzero(pool[1] != 0)
    by_read = _found(new[0], pool[0], primary)
    by_place = np.where(new[1] != 0, _found(new[1], pool[1], other), -1)
    record = np.where(by_place >= 0, by_place, by_read)
    if not len(primary) or (record < 0).mean() > MOST_OTHER_READS:
        raise NotInPool("the pool has other reads")
    rank = np.where(record < 0, 2, new[1] != 0)
    place = np.arange(len(record))
    before = np.maximum.accumulate(np.where(record < 0, 0, place))
    return _Bases((np.maximum(record[before], 0) + (place - before) // MOST_TOGETHER) % len(pool[0]), rank, len(pool[0]))


def _found(wanted: Hashes, among: Hashes, which: Numbers) -> Numbers:
    """For each hash the record among `which` that has it, -1 for none."""
    if not len(which):
        return np.full(len(wanted), -1, np.int64)
    sorter = which[np.argsort(among[which], kind="stable")]
    rank = np.minimum(np.searchsorted(among[sorter], wanted), len(sorter) - 1)
    return np.where(among[sorter[rank]] == wanted, sorter[rank], -1)


def _in_rows(pieces: Pieces, row: Numbers, folder: Path) -> Iterator[Batch]:
    """The records of the new alignment in the order of their rows."""
    with SpooledTemporaryFile(SPOOL_BYTES, dir=str(folder)) as spool:
        sizes = [np.empty(0, np.int64)]
        for batch in PlainBam(pieces()).batches():
            spool.write(batch.byte.tobytes())
            sizes.append(np.diff(batch.start))
        for byte, start in rearranged(_parts(spool, np.concatenate(sizes), row), len(row), folder):
            yield Batch(byte, start)


def _parts(spool: IO[bytes], size: Offsets, row: Numbers) -> Iterator[Part]:
    """The records of a temporary file, some megabytes at a time."""
    spool.seek(0)
    for first in range(0, len(size), _PART):
        sizes = size[first : first + _PART]
        yield np.frombuffer(spool.read(int(sizes.sum())), np.uint8), sizes, row[first : first + _PART]


def _write(decoded: PlainBam, n_records: list[int], want: Iterator[Batch], base: _Bases, target: BinaryIO) -> Iterator[tuple[int, Batch]]:
    """Writes the group of each container of the pool; gives its number and its records in the order of rows."""
    count = np.bincount(base.record, minlength=base.n_pool)
    pool, records = Records(decoded.batches()), Records(want)
    first = size = given = 0
    for part, n in enumerate(n_records, 1):
        batch, times, group = pool.take(n), count[first : first + n], Group()
        rows = records.take(int(times.sum()))
        streams = note(rows, batch, np.repeat(np.arange(n), times), Memory()) if len(rows) else {}
        if n:
            group.add(times, streams)
            group.write(target)
        first, size = first + n, size + len(rows.byte)
        given += sum(len(streams.get(stream, b"")) for stream in (SEQUENCE_BYTES, QUALITY_BYTES))
        if given > MOST_GIVEN * size:
            raise NotInPool("the pool's reads have other bases or qualities")
        yield part, rows


def _covered(part: int, rows: Batch) -> NDArray[np.void]:
    """The stretches of the records of a container."""
    value = fields(rows)
    start = value[:, POSITION]
    return stretches(part, value[:, CONTIG], start, np.maximum(spans(start, cigars(rows)).end, start + 1))


def _recalled(source: BinaryIO, pool: Records, *, fresh: bool) -> Iterator[Batch]:
    """The records in the order of rows. Each group begins with a `fresh` memory; older columns have one for all."""
    memory = Memory()
    for n_batches, streams in groups(source):
        memory = Memory() if fresh else memory
        for _ in range(n_batches):
            times = streams.times()
            batch = pool.take(len(times))
            if times.any():
                yield recall(batch, np.repeat(np.arange(len(batch)), times), memory, streams)


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
