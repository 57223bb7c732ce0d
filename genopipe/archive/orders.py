"""In which order the rows of a FASTQ stand, told by as few bytes as can be.

Templates (pairs or single reads) are numbered by where they stand in the pool. An order is the number of the template of each row. Several
rules predict it from the names alone: the order of the pool, that of a sequencer (by the last numbers in the name: lane, tile, and x, y or
y, x), that of `samtools collate`. The rule that is wrong least is kept, with the rows where it is wrong; where none is of use, the numbers
themselves. A FASTQ of part of the pool adds one bit for each template.

A rule that is never wrong is seen at once, as the rows ascend in it. Only where there is none the rows are sorted by each of them, in
temporary files. In memory is one bit for each template.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.pool_reads import COLLATE
from genopipe.archive.sorted_rows import Column, Rows, SortedRows, pieces
from genopipe.archive.workshop import Workshop
from genopipe.kernels.compiled import kernel

RULES = ("pool", "x_y", "y_x", "collate")
POOL_ORDER = {"rule": "pool", "members": None, "listed": None, "rows": None}
_COLLATE_FILES = 64
_LEVEL = 19

Numbers = NDArray[np.int64]
NameNumbers = NDArray[np.uint32]
"""(reads, 5) of each name, see `genopipe.archive.pool_reads.name_numbers`."""


def keep_order(order: Column, names: Column, *, n_templates: int, shop: Workshop) -> dict[str, Any]:
    """Stores what is needed to make `order` again, the template of each row; `names` has the numbers in the names of the rows."""
    rule = next((rule for rule in RULES if _ascends(rule, order, names)), None)
    if rule is not None:
        return POOL_ORDER | {"rule": rule, "members": _keep_members(order, n_templates, shop)}
    rule, predicted, wrong = _least_wrong(order, names, shop.folder)
    if 2 * len(wrong) > len(order):
        return POOL_ORDER | {"rule": "listed", "listed": _keep_numbers(order, shop)}
    listed = Column(shop.folder, np.int64)
    for numbers, known in zip(order.chunks(), _last_column(predicted), strict=True):
        listed.add(numbers[numbers != known])
    kept = {"listed": _keep_numbers(listed, shop), "rows": _keep_numbers(wrong, shop)}
    return {"rule": rule, "members": _keep_members(order, n_templates, shop), **kept}


class KeptOrder:
    """An order that is kept: it is shown the names of all templates, and gives the template of each row."""

    def __init__(self, kept: dict[str, Any], shop: Workshop) -> None:
        self._kept, self._shop = kept, shop
        self._member = np.frombuffer(_unpacked(shop.store.read(kept["members"])), np.uint8) if kept["members"] else None
        self._predicted = SortedRows(shop.folder, _width(kept["rule"]))
        self._n_seen = 0

    def see(self, names: NameNumbers) -> None:
        """The numbers in the names of the next templates."""
        number = np.arange(self._n_seen, self._n_seen + len(names))
        self._n_seen += len(names)
        if self._kept["rule"] == "listed":
            return
        if self._member is not None:
            inside = (self._member[number >> 3] << (number & 7).astype(np.uint8) & 0x80) != 0
            number, names = number[inside], names[inside]
        self._predicted.add(*_sort_keys(self._kept["rule"], number, names))

    def numbers(self) -> Iterator[Numbers]:
        """The template of each row, once all were seen."""
        if self._kept["rule"] == "listed":
            yield from _kept_numbers(self._kept["listed"], self._shop)
            return
        predicted = _last_column(self._predicted)
        if not self._kept["rows"]:
            yield from predicted
            return
        yield from _mended(predicted, *(_kept_numbers(self._kept[part], self._shop) for part in ("rows", "listed")))


def _width(rule: str) -> int:
    return {"pool": 1, "listed": 1}.get(rule, 3 if rule in ("x_y", "y_x") else 2)


def _sort_keys(rule: str, number: Numbers, names: NameNumbers) -> tuple[NDArray[Any], ...]:
    """Columns that sort by a rule; ties stay as in the pool."""
    name = names.astype(np.uint64)
    if rule == "pool":
        return (number,)
    if rule == "collate":
        return name[:, COLLATE] % _COLLATE_FILES << np.uint64(32) | name[:, COLLATE], number
    third, fourth = (2, 3) if rule == "x_y" else (3, 2)
    return name[:, 0] << np.uint64(32) | name[:, 1], name[:, third] << np.uint64(32) | name[:, fourth], number


def _ascends(rule: str, order: Column, names: Column) -> bool:
    """True when the rows stand in the order of the rule."""
    last = None
    for number, name in zip(order.chunks(), names.chunks(), strict=True):
        keys = np.column_stack([column.astype(np.uint64) for column in _sort_keys(rule, number, name)])
        keys = keys if last is None else np.concatenate((last, keys))
        if not _rows_ascend(keys):
            return False
        last = keys[-1:]
    return True


def _least_wrong(order: Column, names: Column, folder: Path) -> tuple[str, SortedRows, Column]:
    """The rule that is wrong least, what it predicts, and the rows where it is wrong."""
    best: tuple[str, SortedRows, Column] | None = None
    for rule in RULES:
        predicted, wrong, first = SortedRows(folder, _width(rule)), Column(folder, np.int64), 0
        for number, name in zip(order.chunks(), names.chunks(), strict=True):
            predicted.add(*_sort_keys(rule, number, name))
        for number, known in zip(order.chunks(), _last_column(predicted), strict=True):
            wrong.add(first + np.flatnonzero(number != known))
            first += len(number)
        if best is None or len(wrong) < len(best[2]):
            best = rule, predicted, wrong
    assert best is not None
    return best


def _last_column(rows: SortedRows) -> Iterator[Numbers]:
    for chunk in rows.chunks():
        yield chunk[:, -1].astype(np.int64)


def _mended(predicted: Iterable[Numbers], rows: Iterable[Numbers], listed: Iterable[Numbers]) -> Iterator[Numbers]:
    """The prediction with other numbers in some rows, which ascend."""
    places, first = zip(rows, listed, strict=True), 0
    place = number = np.empty(0, np.int64)
    for chunk in predicted:
        while not len(place) or place[-1] < first + len(chunk):
            more = next(places, None)
            if more is None:
                break
            place, number = np.concatenate((place, more[0])), np.concatenate((number, more[1]))
        here = int(np.searchsorted(place, first + len(chunk)))
        chunk[place[:here] - first] = number[:here]
        place, number, first = place[here:], number[here:], first + len(chunk)
        yield chunk


def _keep_members(order: Column, n_templates: int, shop: Workshop) -> str | None:
    """The digest of one bit for each template, of the first in the highest; None where all are there."""
    if len(order) == n_templates:
        return None
    bits = np.zeros((n_templates + 7) // 8, np.uint8)
    for numbers in order.chunks():
        _mark(bits, numbers)
    return shop.store.put_bytes(zstandard.ZstdCompressor(level=_LEVEL).compress(bits.tobytes()))


def _keep_numbers(numbers: Column, shop: Workshop) -> str:
    """Numbers as compressed byte planes, the width of the largest first."""
    largest = max((int(chunk.max()) for chunk in numbers.chunks()), default=0)
    width = max(1, (largest.bit_length() + 7) // 8)
    path = shop.folder / "numbers"
    with open(path, "wb") as target:
        target.write(bytes([width]))
        compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=width * len(numbers))
        for plane in range(width):
            for chunk in numbers.chunks():
                target.write(compressor.compress((chunk >> 8 * plane).astype(np.uint8).tobytes()))
        target.write(compressor.flush())
    return shop.store.put_file(path)


def _kept_numbers(digest: str, shop: Workshop) -> Iterator[Numbers]:
    """The numbers again, `CHUNK` at a time, by way of a temporary file."""
    with shop.store.open(digest) as packed, TemporaryFile(dir=shop.folder) as planes:
        width = packed.read(1)[0]
        zstandard.ZstdDecompressor().copy_stream(packed, planes)
        n = planes.tell() // width
        for first, end in pieces(n):
            yield _from_planes(planes, n, width, slice(first, end))


def _from_planes(planes: IO[bytes], n: int, width: int, part: slice) -> Numbers:
    numbers = np.zeros(part.stop - part.start, np.int64)
    for plane in range(width):
        planes.seek(plane * n + part.start)
        numbers |= np.frombuffer(planes.read(len(numbers)), np.uint8).astype(np.int64) << 8 * plane
    return numbers


def _unpacked(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(packed)


@kernel
def _rows_ascend(rows: Rows) -> bool:
    for i in range(1, len(rows)):
        column = 0
        while column < rows.shape[1] - 1 and rows[i - 1, column] == rows[i, column]:
            column += 1
        if rows[i - 1, column] >= rows[i, column]:
            return False
    return True


@kernel
def _mark(bits: NDArray[np.uint8], numbers: Numbers) -> None:
    for number in numbers:
        bits[number >> 3] |= 0x80 >> (number & 7)
