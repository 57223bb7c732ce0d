"""In which order the records of a realigned BAM stand, told by as few bytes as can be.

Records are numbered by rows, the order of the pool. An order is the row of each record. It is predicted by a rule: that of the pool, by
position, by position and strand, by read name as `samtools sort -n` does, by read name as text. The rule that is followed most is kept,
with the steps in its order from record to record where they are not 1.

A rule is broken at least as often as a record stands before the one that comes before it; so most rules need not be tried. What is tried is
sorted in temporary files (`genopipe.archive.sorted_rows`): 16 to 40 bytes for each record.

Source: samtools 1.16, bam_sort.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.fastq_text import hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, Offsets, whole
from genopipe.archive.realigned_core import CONTIG, FLAG, POSITION, fields
from genopipe.archive.sorted_rows import Column, Rows, SortedRows, by_place, pieces
from genopipe.archive.workshop import Workshop
from genopipe.kernels.compiled import kernel

RULES = ("pool", "position", "position_strand", "name", "name_text")
_NUMBERS = 3
_COLUMNS = 4 + _NUMBERS
_MOST_PREFIXES = 1 << 14
_REVERSE = 0x10
_MATE = 0xC0
_SIGN = 1 << 31
_LEVEL = 19
_FAR = 255

Numbers = NDArray[np.int64]


class RecordKeys:
    """What the rules sort by, for all records, in the order in which they are seen.

    Of a name, the numbers at its end (up to three, colons between) and the text before them.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._folder = workshop.folder
        self._kept = Column(workshop.folder, np.uint32, _COLUMNS)
        self._known: dict[int, int] = {}
        self._text: list[bytes] = []

    def __len__(self) -> int:
        return len(self._kept)

    def see(self, batch: Batch) -> None:
        """Notes the next records."""
        value, out = fields(batch), np.zeros((len(batch), _COLUMNS), np.uint32)
        end, hashes = np.empty(len(batch), np.int64), np.empty(len(batch), np.uint64)
        _names(batch.byte, batch.start, out[:, 4:], end, hashes)
        out[:, 0] = value[:, CONTIG].astype(np.int32).view(np.uint32)
        out[:, 1] = value[:, POSITION].astype(np.int32).view(np.uint32) ^ np.uint32(_SIGN)
        out[:, 2] = value[:, FLAG].astype(np.uint8)
        out[:, 3] = self._numbered(batch, end, hashes)
        self._kept.add(out)

    def can_follow(self, rule: str) -> bool:
        """False where the names are of too many kinds."""
        return not rule.startswith("name") or len(self._text) <= _MOST_PREFIXES

    def columns(self, rule: str, rows: Column | None = None) -> Iterator[list[Rows]]:
        """Of some records at a time, columns that sort by a rule, their rows behind: those given, or as they were seen."""
        ranks = self._ranks(rule) if rule.startswith("name") else np.empty(0, np.int64)
        for first, end in pieces(len(self)):
            keys = self._kept.read(first, end - first).astype(np.uint64)
            row = np.arange(first, end) if rows is None else rows.read(first, end - first)
            yield [*_sort_keys(rule, keys, ranks), row.astype(np.uint64)]

    def predicted(self, rule: str, rows: Column | None = None) -> SortedRows:
        """All records in the order of a rule: the columns it sorts by, the row, and of rows that are given, where the record was seen."""
        table, first = None, 0
        for columns in self.columns(rule, rows):
            if rows is not None:
                columns.append(np.arange(first, first + len(columns[0]), dtype=np.uint64))
            table = table or SortedRows(self._folder, len(columns))
            table.add(*columns)
            first += len(columns[0])
        return table or SortedRows(self._folder, 1)

    def _numbered(self, batch: Batch, end: Offsets, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """A number for the text before the numbers of each name."""
        if len(self._text) > _MOST_PREFIXES:
            return np.zeros(len(batch), np.int32)
        unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        for key, r in zip(unique.tolist(), first.tolist(), strict=True):
            if key not in self._known:
                self._known[key] = len(self._text)
                self._text.append(batch.byte[batch.start[r] + 4 + CORE_BYTES : end[r]].tobytes())
        return np.array([self._known[key] for key in unique.tolist()], np.int32)[inverse]

    def _ranks(self, rule: str) -> Numbers:
        """The rank of each text before the numbers."""
        natural = rule == "name"
        order = sorted(range(len(self._text)), key=lambda i: _natural(self._text[i]) if natural else [self._text[i]])
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return rank


def keep_record_order(rows: Column, keys: RecordKeys, shop: Workshop) -> dict[str, Any]:
    """Stores what is needed to make the order again: `rows` has the row of each record, `keys` has seen the records as they stand."""
    broken = {rule: _broken(rule, rows, keys) for rule in RULES if keys.can_follow(rule)}
    best: tuple[int, int, Column] | None = None
    for rule in sorted(broken, key=lambda rule: broken[rule]):
        if best is None or broken[rule] <= best[0]:
            steps = _steps(keys.predicted(rule, rows), shop) if broken[rule] else Column(shop.folder, np.int64)
            tried = _count(steps), RULES.index(rule), steps
            best = tried if best is None else min(best, tried, key=lambda one: one[:2])
    assert best is not None
    return {"rule": RULES[best[1]], "steps": _keep_steps(best[2], shop) if best[0] else None}


def kept_places(kept: dict[str, Any], keys: RecordKeys, shop: Workshop) -> Column:
    """Where each record stands; `keys` has seen the records in the order of rows."""
    table = SortedRows(shop.folder, 2)
    for chunk, place in zip(keys.predicted(kept["rule"]).chunks(), _places(kept["steps"], len(keys), shop), strict=True):
        table.add(chunk[:, -1], place)
    return by_place(table, len(keys), shop.folder)


def _places(steps: str | None, n: int, shop: Workshop) -> Iterator[NDArray[Any]]:
    """Where the records stand that follow each other by the rule."""
    if steps is None:
        yield from (np.arange(first, end) for first, end in pieces(n))
        return
    followed, first = SortedRows(shop.folder, 2), 0
    for place in _kept_steps(steps, n, shop):
        followed.add(place, np.arange(first, first + len(place)))
        first += len(place)
    yield from (chunk[:, 1] for chunk in followed.chunks())


def _sort_keys(rule: str, keys: Rows, ranks: Numbers) -> list[Rows]:
    contig, position, flag, prefix, *number = keys.T
    half = np.uint64(32)
    if rule == "pool":
        return []
    if rule.startswith("position"):
        strand = [flag & np.uint64(_REVERSE)] if rule == "position_strand" else []
        return [contig << half | position, *strand]
    rank, mate = ranks[prefix.astype(np.int64)].astype(np.uint64), flag & np.uint64(_MATE)
    if rule == "name":
        return [rank << half | number[0], number[1] << half | number[2], mate]
    text = [_as_text(column) for column in number]
    return [rank << np.uint64(40) | text[0], text[1], text[2] << np.uint64(8) | mate]


def _broken(rule: str, rows: Column, keys: RecordKeys) -> int:
    """How many records stand behind one that the rule puts behind them."""
    n, last = 0, np.empty((0, 0), np.uint64)
    for columns in keys.columns(rule, rows):
        table = np.column_stack(columns)
        table = np.concatenate((last, table)) if len(last) else table
        n += _descents(table)
        last = table[-1:]
    return n


def _steps(predicted: SortedRows, shop: Workshop) -> Column:
    """The steps in the order of a rule from record to record, less 1."""
    ranks, steps, first, last = SortedRows(shop.folder, 2), Column(shop.folder, np.int64), 0, -1
    for chunk in predicted.chunks():
        ranks.add(chunk[:, -1], np.arange(first, first + len(chunk)))
        first += len(chunk)
    for chunk in ranks.chunks():
        rank = chunk[:, 1].astype(np.int64)
        steps.add(np.diff(rank, prepend=last) - 1)
        last = int(rank[-1])
    return steps


def _count(steps: Column) -> int:
    return sum(int(np.count_nonzero(chunk)) for chunk in steps.chunks())


def _natural(text: bytes) -> list[tuple[int, int, bytes]]:
    """A key that sorts numbers in a text by their value."""
    parts = re.findall(rb"\d+|\D", text)
    return [(0, int(part), b"") if part.isdigit() else (1, 0, part) for part in parts]


def _as_text(number: Rows) -> Rows:
    """Numbers that sort as the decimal text of `number` with a colon behind it."""
    value, digits = number.astype(np.int64), np.full(len(number), 1)
    for power in range(1, 10):
        digits += value >= 10**power
    out = np.zeros(len(number), np.int64)
    for i in range(10):
        digit = np.where(i < digits, value // 10 ** np.maximum(digits - 1 - i, 0) % 10, 10)
        out = out * 11 + digit
    return out.astype(np.uint64)


def _keep_steps(steps: Column, shop: Workshop) -> str:
    """One byte for a small step; 255 and eight bytes apart, plane by plane, for a large one."""
    far, path = Column(shop.folder, np.uint64), shop.folder / "steps"
    for chunk in steps.chunks():
        folded = _folded(chunk)
        far.add(folded[folded >= _FAR])
    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=len(steps) + 8 * len(far))
    with open(path, "wb") as target:
        for chunk in steps.chunks():
            target.write(compressor.compress(np.minimum(_folded(chunk), _FAR).astype(np.uint8).tobytes()))
        for plane in range(8):
            for chunk in far.chunks():
                target.write(compressor.compress((chunk >> np.uint64(8 * plane)).astype(np.uint8).tobytes()))
        target.write(compressor.flush())
    return shop.store.put_file(path)


def _folded(steps: Numbers) -> Rows:
    return (steps << 1 ^ steps >> 63).astype(np.uint64)


def _kept_steps(digest: str, n: int, shop: Workshop) -> Iterator[Numbers]:
    """Where each record stands in the order of the rule, some at a time."""
    with shop.store.open(digest) as packed, TemporaryFile(dir=shop.folder) as plain:
        zstandard.ZstdDecompressor().copy_stream(packed, plain)
        n_far, seen, last = (plain.tell() - n) // 8, 0, -1
        for first, end in pieces(n):
            plain.seek(first)
            folded = np.frombuffer(plain.read(end - first), np.uint8).astype(np.int64)
            far = np.flatnonzero(folded == _FAR)
            planes = []
            for plane in range(8):
                plain.seek(n + plane * n_far + seen)
                planes.append(np.frombuffer(plain.read(len(far)), np.uint8))
            folded[far] = np.ascontiguousarray(np.array(planes).T).view("<i8").reshape(-1)
            seen += len(far)
            place = last + np.cumsum((folded >> 1 ^ -(folded & 1)) + 1)
            last = int(place[-1])
            yield place


@kernel
def _descents(table: Rows) -> int:
    """How many rows are less than the one before."""
    n = 0
    for i in range(1, len(table)):
        column = 0
        while column < table.shape[1] - 1 and table[i - 1, column] == table[i, column]:
            column += 1
        n += table[i, column] < table[i - 1, column]
    return n


@kernel
def _names(byte: Bytes, start: Offsets, number: NDArray[np.uint32], end: Offsets, hashes: NDArray[np.uint64]) -> None:
    """The numbers at the end of each name, the last of them last, where the text before them ends, and its hash."""
    for r in range(len(end)):
        first = start[r] + 4 + CORE_BYTES
        at = first + byte[start[r] + 12] - 1
        for i in range(_NUMBERS):
            power, digits = whole(1), at
            while digits > first and at - digits < 9 and ord("0") <= byte[digits - 1] <= ord("9"):
                digits -= 1
                number[r, _NUMBERS - 1 - i] += (byte[digits] - ord("0")) * power
                power *= 10
            last = digits == at
            at = digits
            if last or i == _NUMBERS - 1 or at - 1 <= first or byte[at - 1] != ord(":") or not ord("0") <= byte[at - 2] <= ord("9"):
                break
            at -= 1
        end[r] = at
        hashes[r] = hash_name(byte, first, at)
