"""A BAM as another alignment of reads that are in the archive: what the new records say otherwise than those of the pool, and their order.

At a put every record finds its base, the pool's record of the same read: a primary record by name and mate, another one also by its place.
The BAM's records are brought into the order of their bases, and told by them container by container of the pool
(`genopipe.archive.realigned_records`). The streams of a container are compressed one by one and laid one after another into one object,
after the header; an index tells where, and what the records cover, so that a region needs no more than its own. The order in which the
records stood is kept by `genopipe.archive.record_orders`. Bases, qualities and names cost nothing. Some reads that the pool has not may be
among them; these are kept whole, beside the record before them.

A get decodes the pool, makes the records, and brings them into their order. Memory: less than a gigabyte, however many records; tables and
records lie in temporary files: at most 100 bytes for each record, and each record twice, compressed, for which `SPACE` asks.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.alignments import decoded_pool, packed_header, unpacked_header
from genopipe.archive.containers import containers, make_index, stretches
from genopipe.archive.plain_bam import Batch, PlainBam, Records
from genopipe.archive.read_rows import NotInPool, check_space
from genopipe.archive.realigned_columns import Group, groups
from genopipe.archive.realigned_core import CONTIG, POSITION, cigars, fields, spans
from genopipe.archive.realigned_records import QUALITY_BYTES, SEQUENCE_BYTES, Memory, note, recall
from genopipe.archive.realigned_rows import Times, find_bases
from genopipe.archive.rearranged import Part, Spool, rearranged
from genopipe.archive.record_orders import RecordKeys, keep_record_order, kept_places
from genopipe.archive.sorted_rows import Column
from genopipe.archive.workshop import Workshop

MOST_GIVEN = 0.05
"""Share of the bytes of records that may be bases and qualities other than the pool's."""

SPACE = {"bytes_a_read": 160, "bytes_a_base": 1.6}
"""On the disk for temporary files, at a put and at a get."""

Hashes = NDArray[np.uint64]
Pieces = Callable[[], Iterator[bytes]]


def describe_realigned(pieces: Pieces, pool: dict[str, Any], shop: Workshop) -> dict[str, Any]:
    """Stores what makes a plain BAM of a pool of its reads, and gives the content part of its manifest.

    Raises NotInPool where too many reads are not there, NotBam for what cannot be told, BadEnvironment where temporary files find no space.
    """
    check_space(pool, shop, **SPACE)
    keys, path, cram = RecordKeys(shop), shop.folder / "columns", shop.local(pool["cram"])
    base = find_bases(_seen(PlainBam(pieces()).batches(), keys), decoded_pool(pool, shop).batches(), shop.folder)
    with open(cram, "rb") as source:
        n_records = [container.n_records for container in containers(source)]
    with open(path, "wb") as target:
        decoded = decoded_pool(pool, shop)
        frame = [target.write(packed_header(PlainBam(pieces()).header, decoded.header))]
        covered = [stretches(0, *np.empty((3, 0), np.int64))]
        for part, rows in _write(decoded, n_records[1:], _in_rows(pieces, base.row, shop.folder), Times(base.record), target):
            frame.append(target.tell() - sum(frame))
            covered.append(_covered(part, rows))
    index = make_index(cram, path, frame, covered=np.concatenate(covered))
    return {
        "kind": "realigned",
        "pool": {"cram": pool["cram"], "reference": pool["reference"]},
        "columns": shop.store.put_file(path),
        "order": keep_record_order(base.row, keys, shop),
        "index": shop.store.put_bytes(index.encode()),
    }


def plain_realigned(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The plain BAM again, in pieces. Raises BadEnvironment where temporary files find no space."""
    check_space(content["pool"], shop, **SPACE)
    decoded = decoded_pool(content["pool"], shop)
    with shop.store.open(content["columns"]) as source:
        yield unpacked_header(source, decoded.header)
        batches = _recalled(source, Records(decoded.batches()), fresh="index" in content)
        if content["order"] == {"rule": "pool", "steps": None}:
            yield from (batch.byte.tobytes() for batch in batches)
        else:
            yield from arranged(batches, content["order"], shop)


def arranged(batches: Iterable[Batch], kept: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """Records that come in the order of rows, in pieces, in the order that is kept."""
    keys, spool = RecordKeys(shop), Spool(shop.folder)
    for batch in _seen(batches, keys):
        spool.add(batch.byte[batch.start[0] : batch.start[-1]], np.diff(batch.start))
    places = kept_places(kept, keys, shop)
    yield from (part.tobytes() for part, _ in rearranged(spool.parts(places), len(places), shop.folder))


def recalled_part(frame: bytes, records: Batch) -> bytes:
    """The records of a container's group, in the order of rows, from those that the pool has and their frame of the columns."""
    return b"".join(batch.byte.tobytes() for batch in _recalled(io.BytesIO(frame), Records([records]), fresh=True))


def _seen(batches: Iterable[Batch], keys: RecordKeys) -> Iterator[Batch]:
    """The same batches, after they were shown to the keys."""
    for batch in batches:
        keys.see(batch)
        yield batch


def _in_rows(pieces: Pieces, row: Column, folder: Path) -> Iterator[Batch]:
    """The records of the new alignment in the order of their rows."""
    for byte, start in rearranged(_parts(PlainBam(pieces()).batches(), row), len(row), folder):
        yield Batch(byte, start)


def _parts(batches: Iterable[Batch], row: Column) -> Iterator[Part]:
    first = 0
    for batch in batches:
        yield batch.byte[batch.start[0] : batch.start[-1]], np.diff(batch.start), row.read(first, len(batch))
        first += len(batch)


def _write(
    decoded: PlainBam, n_records: list[int], want: Iterator[Batch], times_of: Times, target: BinaryIO
) -> Iterator[tuple[int, Batch]]:
    """Writes the group of each container of the pool; gives its number and its records in the order of rows."""
    pool, records = Records(decoded.batches()), Records(want)
    size = given = 0
    for part, n in enumerate(n_records, 1):
        batch, times, group = pool.take(n), times_of.take(n), Group()
        rows = records.take(int(times.sum()))
        streams = note(rows, batch, np.repeat(np.arange(n), times), Memory()) if len(rows) else {}
        if n:
            group.add(times, streams)
            group.write(target)
        size += len(rows.byte)
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
