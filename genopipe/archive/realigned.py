"""A BAM as another alignment of reads that are in the archive: what the new records say otherwise than those of the pool, and their order.

At a put every record finds its base, the pool's record of the same read: a primary record by name and mate, another one also by its place.
The BAM's records are brought into the order of their bases, and told by them batch by batch (`genopipe.archive.realigned_records`). The
streams of some batches are compressed one by one and laid one after another into one object, after the header. The order in which the
records stood is kept by `genopipe.archive.record_orders`. Bases, qualities and names cost nothing. Some reads that the pool has not may be
among them; these are kept whole.

A get decodes the pool, makes the records, and brings them into their order by a temporary file. Memory: some 50 bytes for each record, and
some megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.alignments import decoded_pool, packed_header, unpacked_header
from genopipe.archive.fastq_text import hash_bytes, hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, Offsets, PlainBam, Records, whole
from genopipe.archive.read_rows import NotInPool
from genopipe.archive.realigned_columns import GROUP_BYTES, Group, groups
from genopipe.archive.realigned_records import QUALITY_BYTES, SEQUENCE_BYTES, Memory, note, recall
from genopipe.archive.rearranged import Numbers, Part, rearranged
from genopipe.archive.record_orders import RecordKeys, keep_record_order, kept_record_order
from genopipe.archive.workshop import Workshop
from genopipe.kernels.compiled import kernel

MOST_OTHER_READS = 0.05
MOST_GIVEN = 0.05
"""Share of the bytes of records that may be bases and qualities other than the pool's."""
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
    keys, path = RecordKeys(), shop.folder / "columns"
    with open(path, "wb") as target:
        decoded = decoded_pool(pool, shop)
        target.write(packed_header(PlainBam(pieces()).header, decoded.header))
        _write(decoded, _in_rows(pieces, row, shop.folder), base, (target, keys))
    return {
        "kind": "realigned",
        "pool": {"cram": pool["cram"], "reference": pool["reference"]},
        "columns": shop.store.put_file(path),
        "order": keep_record_order(row, keys, shop.store),
    }


def plain_realigned(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The plain BAM again, in pieces."""
    decoded, keys = decoded_pool(content["pool"], shop), RecordKeys()
    with shop.store.open(content["columns"]) as source, SpooledTemporaryFile(SPOOL_BYTES, dir=str(shop.folder)) as spool:
        yield unpacked_header(source, decoded.header)
        sizes = [np.empty(0, np.int64)]
        as_pool = content["order"] == {"rule": "pool", "steps": None}
        for batch in _recalled(source, Records(decoded.batches())):
            if as_pool:
                yield batch.byte.tobytes()
                continue
            spool.write(batch.byte.tobytes())
            sizes.append(np.diff(batch.start))
            keys.see(batch)
        if not as_pool:
            order = kept_record_order(content["order"], keys, shop.store)
            place = np.empty(len(order), np.int64)
            place[order] = np.arange(len(order))
            yield from (part.tobytes() for part, _ in rearranged(_parts(spool, np.concatenate(sizes), place), len(place), shop.folder))


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
    return _Bases(np.maximum(record, 0), rank, len(pool[0]))


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


def _write(decoded: PlainBam, want: Iterator[Batch], base: _Bases, kept: tuple[BinaryIO, RecordKeys]) -> None:
    """Writes the groups of streams, and shows the records in the order of rows to the keys."""
    target, keys = kept
    count = np.bincount(base.record, minlength=base.n_pool)
    memory, records, group = Memory(), Records(want), Group()
    first = size = given = 0
    for batch in decoded.batches():
        times = count[first : first + len(batch)]
        rows = records.take(int(times.sum()))
        keys.see(rows)
        streams = note(rows, batch, np.repeat(np.arange(len(batch)), times), memory) if len(rows) else {}
        group.add(times, streams)
        first, size = first + len(batch), size + len(rows.byte)
        given += sum(len(streams.get(stream, b"")) for stream in (SEQUENCE_BYTES, QUALITY_BYTES))
        if given > MOST_GIVEN * size:
            raise NotInPool("the pool's reads have other bases or qualities")
        if group.size > GROUP_BYTES:
            group.write(target)
            group = Group()
    group.write(target)


def _recalled(source: BinaryIO, pool: Records) -> Iterator[Batch]:
    """The records in the order of rows."""
    memory = Memory()
    for n_batches, streams in groups(source):
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
