"""Which read of a pool stands in which row of a FASTQ: found at a put, told again at a get.

At a put the reads of the pool and the rows of the FASTQ are sorted by name together, and looked through once: a read and a row of the same
name are one where bases and qualities agree too. What was found is brought into the order of the rows. At a get the order of the templates
is made again from names alone; reads of the other mate find their template by sorting again.

All tables lie in temporary files, and take some 64 MB of memory each. Of 900 million reads of 150 bases, mates of 450 million pairs, a put
has at most 14 GB on disk for the reads of the pool and 49 GB for the rows of a file, a get 36 GB; then the reads of the mate, 34 GB with
eight levels of quality and 80 GB with all (`genopipe.archive.rearranged`). `check_space` asks for 67 GB and 102 GB.

Source: sort-merge join, Knuth, The Art of Computer Programming 3, section 5.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.alignments import decoded_pool
from genopipe.archive.containers import containers
from genopipe.archive.fastq_text import Rows, row_keys
from genopipe.archive.orders import POOL_ORDER, KeptOrder
from genopipe.archive.plain_bam import Batch
from genopipe.archive.pool_reads import ReadNames, name_numbers, read_keys, read_names
from genopipe.archive.sorted_rows import ASKS, Column, SortedRows, answers, by_place
from genopipe.archive.workshop import Workshop
from genopipe.errors import BadEnvironment
from genopipe.kernels.compiled import kernel

PUT_BYTES_A_READ = 75
GET_BYTES_A_READ = 20
GET_BYTES_A_BASE = 1.25
_MATES = 3
_NUMBER_SHIFT = np.uint64(22)
_CONTENT_SHIFT = np.uint64(42)
_NONE = (1 << 40) - 1

Table = NDArray[np.uint64]


class NotInPool(Exception):
    """The pool does not hold these reads."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A CRAM whose reads can be looked up.

    content  the part of a manifest that names it
    reads    sorted by name: the hash of the name; the mate, the number among the reads of this mate, a hash of bases and qualities
    count    reads of each mate, of 0 for single reads
    """

    content: dict[str, Any]
    reads: SortedRows
    count: list[int]


@dataclass(frozen=True, slots=True)
class Found:
    """A FASTQ in a pool: which mate it has, the mate whose reads number the templates, and the template of each row."""

    mate: int
    numbered_by: int
    order: Column


class FastqRows:
    """The rows of a FASTQ, to be found in a pool. `names` has the numbers in their names."""

    def __init__(self, folder: Path) -> None:
        self.names = Column(folder, np.uint32, 5)
        self.sorted = SortedRows(folder, 2)

    def see(self, rows: Rows) -> None:
        """Notes the next rows."""
        name, content = row_keys(rows)
        number = np.arange(len(self.names), len(self.names) + len(rows), dtype=np.uint64)
        self.sorted.add(name, ASKS | number << _NUMBER_SHIFT | content >> _CONTENT_SHIFT)
        self.names.add(name_numbers(rows))


def look_into(pool: dict[str, Any], batches: Iterable[Batch], folder: Path) -> Pool:
    """The reads of a pool by name."""
    reads, count = SortedRows(folder, 2), [0] * _MATES
    for keys in map(read_keys, batches):
        number = np.empty(len(keys.mate), np.uint64)
        for mate in range(_MATES):
            mine = keys.mate == mate
            number[mine] = np.arange(count[mate], count[mate] + int(mine.sum()))
            count[mate] += int(mine.sum())
        packed = keys.mate.astype(np.uint64) << np.uint64(62) | number << _NUMBER_SHIFT | keys.content >> _CONTENT_SHIFT
        reads.add(keys.name, packed)
    return Pool({"cram": pool["cram"], "reference": pool["reference"]}, reads, count)


def find_rows(rows: FastqRows, pool: Pool, folder: Path) -> Found:
    """Where the rows of a FASTQ stand in a pool. Raises NotInPool where one is not there, or they are of several mates."""
    found, read, state = SortedRows(folder, 3), np.zeros((_MATES, 3), np.uint64), np.array([0, 0, 0, 7, 1], np.uint64)
    for chunk in rows.sorted.chunks(pool.reads):
        out = np.empty_like(chunk, shape=(len(chunk), 3))
        n = _find(chunk, read, state, out)
        if n < 0:
            raise NotInPool
        found.add(*out[:n].T)
    mates, all_have_first = int(state[3]), bool(state[4])
    if not mates or not len(found):
        raise NotInPool
    mate = (mates & -mates).bit_length() - 1
    as_pool = mate == 2 and len(found) == pool.count[2] and _ascends(found)
    base = mate if mate != 2 or as_pool or not all_have_first else 1
    order = Column(folder, np.int64)
    for chunk in found.chunks():
        order.add(chunk[:, 1 if base == 1 else 2])
    return Found(mate, base, order)


def in_pool_order(content: dict[str, Any]) -> bool:
    """True when the rows of a view are all reads of its mate as they stand in the pool."""
    return bool(content["order"] == POOL_ORDER and content["mate"] == content["numbered_by_mate"])


def rows_of_reads(content: dict[str, Any], shop: Workshop) -> Column:
    """The row of each read of the mate in a view, -1 for those that are not in the FASTQ."""
    mate, base = content["mate"], content["numbered_by_mate"]
    order, names = KeptOrder(content["order"], shop), {number: Column(shop.folder, np.uint64) for number in {mate, base}}
    for batch in decoded_pool(content["pool"], shop, names_only=True).batches():
        keys: ReadNames = read_names(batch)
        order.see(keys.number[keys.mate == base])
        for number, column in names.items():
            column.add(keys.name[keys.mate == number])
    by_template, first = SortedRows(shop.folder, 2), 0
    for template in order.numbers():
        by_template.add(template, np.arange(first, first + len(template)))
        first += len(template)
    rows = by_place(by_template, len(names[base]), shop.folder)
    del order, by_template  # and their files, which are large
    return rows if mate == base else _rows_of_mates(names[base], rows, names[mate], shop.folder)


def check_space(pool: dict[str, Any], shop: Workshop, *, bytes_a_read: float, bytes_a_base: float = 0) -> None:
    """Raises BadEnvironment where the disk for temporary files is too small for the reads of a pool."""
    with open(shop.local(pool["cram"]), "rb") as cram:
        needed = int(sum(bytes_a_read * part.n_records + bytes_a_base * part.n_bases for part in containers(cram)))
    free = shutil.disk_usage(shop.folder).free
    if free < needed:
        raise BadEnvironment(
            f"{free >> 20:,} MB are free for temporary files",
            wanted=f"at least {needed >> 20:,} MB for the reads of this sample",
            do="Free space on this disk, or use another one.",
            path=shop.folder.parent,
        )


def _ascends(found: SortedRows) -> bool:
    """True when the rows stand as the reads of their own mate."""
    first = 0
    for chunk in found.chunks():
        if (chunk[:, 2] != np.arange(first, first + len(chunk), dtype=np.uint64)).any():
            return False
        first += len(chunk)
    return True


def _rows_of_mates(templates: Column, rows: Column, mates: Column, folder: Path) -> Column:
    """The row of each mate by the name of its template."""
    table, first = SortedRows(folder, 2), 0
    for name, row in zip(templates.chunks(), rows.chunks(), strict=True):
        table.add(name[row >= 0], row[row >= 0])
    for name in mates.chunks():
        table.add(name, ASKS | np.arange(first, first + len(name), dtype=np.uint64))
        first += len(name)
    return answers(table, len(mates), folder)


@kernel
def _find(chunk: Table, read: Table, state: Table, out: Table) -> int:
    """Looks through reads and rows by name; gives how many rows were found, -1 when one was not.

    chunk  reads and rows as in `Pool.reads`, rows last
    read   (3, 3) of each mate of the present name: whether it is there, its number, its content
    state  (5) the present name, whether there is one, whether it had a row; mates that all rows may be of, whether all have a first mate
    out    (rows, 3) the row, the number of the first mate, that of the row's own read
    """
    n = 0
    for i in range(len(chunk)):
        name, packed = chunk[i]
        if name != state[0] or state[1] == 0:
            state[0], state[1], state[2] = name, 1, 0
            read[:, 0] = 0
        kind, number, content = packed >> np.uint64(62), packed >> _NUMBER_SHIFT & np.uint64(_NONE), packed & np.uint64((1 << 22) - 1)
        if kind < _MATES:
            if read[kind, 0] == 0:
                read[kind, 0], read[kind, 1], read[kind, 2] = 1, number, content
            continue
        mates = np.uint64(0)
        for mate in range(_MATES):
            if read[mate, 0] == 1 and read[mate, 2] == content:
                mates |= np.uint64(1) << np.uint64(mate)
        if mates == 0 or state[2] == 1:
            return -1
        state[2], state[3] = 1, state[3] & mates
        if read[1, 0] == 0:
            state[4] = 0
        out[n, 0], out[n, 1], out[n, 2] = number, read[1, 1], read[2, 1] if mates & np.uint64(4) else read[0, 1]
        n += 1
    return n
