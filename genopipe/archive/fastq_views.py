"""A FASTQ as a view of a pool: which reads of an archived CRAM, in which order, with what else in their headers.

At a put each row is looked up among the primary records (`genopipe.archive.read_rows`); when all are there, and of one mate, the order is
kept by `genopipe.archive.orders` and the rest of the headers as one compressed text. R1 and R2 share the order: it is that of the
templates. A FASTQ without such a pool becomes one: its reads are written as unaligned CRAM 3.1, and it is a view of that, in pool order.

At a get the names in the CRAM are decoded first, for the row of each read; then the CRAM as a whole, and its reads are brought into the
order of the rows. Where that is the order of the CRAM, they are written as they come. Memory: less than a gigabyte, however many reads;
tables and reads lie in temporary files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import IO, Any

import numpy as np
import zstandard
from numba import njit

from genopipe.archive.alignments import decoded_pool
from genopipe.archive.fastq_text import FastqText, NotFastq, Rows, rests, row_keys
from genopipe.archive.orders import keep_order
from genopipe.archive.plain_bam import Bytes, Offsets
from genopipe.archive.pool_reads import ENTRY_HEAD, entries, unaligned_records
from genopipe.archive.read_rows import (
    GET_BYTES_A_BASE,
    GET_BYTES_A_READ,
    PUT_BYTES_A_READ,
    FastqRows,
    Pool,
    check_space,
    find_rows,
    in_pool_order,
    look_into,
    rows_of_reads,
)
from genopipe.archive.rearranged import Part, rearranged
from genopipe.archive.sorted_rows import Column
from genopipe.archive.workshop import Workshop
from genopipe.formats.htslib import encode_cram
from genopipe.store import Store

_LEVEL = 19
_HEADER = b"@HD\tVN:1.6\tSO:unsorted\tGO:query\n"
_ROWS_AT_A_TIME = 1 << 14

Pieces = Callable[[], Iterator[bytes]]


def open_pool(content: dict[str, Any], shop: Workshop) -> Pool:
    """Decodes a CRAM once for the keys of its reads. Raises BadEnvironment where their table, and those of a FASTQ, find no space."""
    check_space(content, shop, bytes_a_read=PUT_BYTES_A_READ)
    return look_into(content, decoded_pool(content, shop).batches(), shop.folder)


def make_pool(mates: list[Pieces], shop: Workshop, *, profile: str) -> dict[str, Any]:
    """Stores the reads of one FASTQ, or of two with the same names, as unaligned CRAM, and gives the content that names it.

    Raises NotFastq or HtslibFailed where that cannot be.
    """
    cram = shop.folder / "reads.cram"
    encode_cram(_unaligned_bam(mates), cram, reference=None, profile=profile)
    return {"cram": shop.store.put_file(cram), "reference": None}


def describe_view(pieces: Pieces, pool: Pool, *, shop: Workshop) -> dict[str, Any]:
    """Stores order and header rests of a FASTQ whose reads are in `pool`, and gives the content part of its manifest.

    Raises NotInPool when a read is not there, NotFastq for text of another form.
    """
    text, found, plain = FastqText(pieces()), FastqRows(shop.folder), _Rests()
    rest = shop.folder / "rest"
    with open(rest, "wb") as target, zstandard.ZstdCompressor(level=_LEVEL).stream_writer(target, closefd=False) as packed:
        for rows in text.batches():
            found.see(rows)
            packed.write(plain.see(rests(rows)))
    view = find_rows(found, pool, shop.folder)
    return {
        "kind": "reads",
        "pool": pool.content,
        "mate": view.mate,
        "numbered_by_mate": view.numbered_by,
        "order": keep_order(view.order, found.names, n_templates=pool.count[view.numbered_by], shop=shop),
        "rest": {"same": plain.same} if plain.same is not None else {"each": shop.store.put_file(rest)},
        "repeats_header": bool(text.repeats_header),
        "ends_with_newline": text.ends_with_newline,
    }


def plain_reads(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The FASTQ text again, in pieces. Raises BadEnvironment where temporary files find no space."""
    text = b""
    with _rest_source(content, shop.store) as source:
        lines = _Lines(content["rest"].get("same"), source)
        for packed, start in _in_rows(content, shop):
            for first in range(0, len(start) - 1, _ROWS_AT_A_TIME):
                if text:
                    yield text
                text = _text(packed, start[first : first + _ROWS_AT_A_TIME + 1], lines, content["repeats_header"])
    yield text if content["ends_with_newline"] else text[:-1]


def _in_rows(content: dict[str, Any], shop: Workshop) -> Iterator[tuple[Bytes, Offsets]]:
    """The reads of the mate packed in the order of the rows, and where each begins, with the end."""
    if in_pool_order(content):
        for batch in decoded_pool(content["pool"], shop).batches():
            packed, size = entries(batch, content["mate"])
            yield packed, np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
        return
    share = 0.5 if content["mate"] else 1
    check_space(content["pool"], shop, bytes_a_read=GET_BYTES_A_READ, bytes_a_base=share * GET_BYTES_A_BASE)
    rows = rows_of_reads(content, shop)
    yield from rearranged(_parts(content, rows, shop), len(rows), shop.folder)


def _parts(content: dict[str, Any], rows: Column, shop: Workshop) -> Iterator[Part]:
    """The reads of the mate as they stand in the pool, and their rows."""
    first = 0
    for batch in decoded_pool(content["pool"], shop).batches():
        packed, size = entries(batch, content["mate"])
        yield packed, size, rows.read(first, len(size))
        first += len(size)


class _Rests:
    """Sees all header rests; `same` is the one they share, None when they differ or are no ASCII."""

    def __init__(self) -> None:
        self.same: str | None = None
        self._first: bytes | None = None

    def see(self, lines: bytes) -> bytes:
        """Notes whether the lines are all the same; gives them back."""
        first = lines[: lines.index(b"\n") + 1]
        if self._first is None:
            self._first = first
            self.same = first[:-1].decode("ascii") if first.isascii() else None
        if self.same is not None and lines != self._first * lines.count(b"\n"):
            self.same = None
        return lines


def _text(packed: Bytes, start: Offsets, lines: _Lines, repeats_header: bool) -> bytes:
    """Rows as text."""
    n = len(start) - 1
    rest = lines.take(n)
    out = np.empty(2 * (len(packed) + len(rest)) + 8 * n, np.uint8)
    used = _write_rows(packed, start, np.frombuffer(rest, np.uint8), repeats_header, out)
    return out[:used].tobytes()


def _rest_source(content: dict[str, Any], store: Store) -> Any:
    """The compressed header rests, to be read in pieces; an empty context where all are the same."""
    if "each" not in content["rest"]:
        return ExitStack()
    return zstandard.ZstdDecompressor().stream_reader(store.open(content["rest"]["each"]), closefd=True)


class _Lines:
    """Header rests, line by line in the order of rows."""

    def __init__(self, same: str | None, source: IO[bytes]) -> None:
        self.same, self.source = same, source
        self._rest = b""

    def take(self, n: int) -> bytes:
        """The next n lines."""
        if self.same is not None:
            return (self.same.encode() + b"\n") * n
        missing = n - self._rest.count(b"\n")
        pieces = [self._rest]
        while missing > 0 and (piece := self.source.read(1 << 20)):
            pieces.append(piece)
            missing -= piece.count(b"\n")
        text = b"".join(pieces)
        end = int(np.flatnonzero(np.frombuffer(text, np.uint8) == 10)[n - 1]) + 1 if n else 0
        self._rest = text[end:]
        return text[:end]


def _unaligned_bam(mates: list[Pieces]) -> Iterator[bytes]:
    yield b"BAM\1" + struct.pack("<i", len(_HEADER)) + _HEADER + struct.pack("<i", 0)
    batches = [FastqText(pieces()).batches() for pieces in mates]
    if len(batches) == 1:
        for rows in batches[0]:
            yield unaligned_records([rows])
        return
    for first, second in _paired(*batches):
        if (row_keys(first)[0] != row_keys(second)[0]).any():
            raise NotFastq("mates of other names")
        yield unaligned_records([first, second])


def _paired(one: Iterator[Rows], other: Iterator[Rows]) -> Iterator[tuple[Rows, Rows]]:
    """Batches of as many rows from both."""
    left, right = next(one, None), next(other, None)
    while left is not None and right is not None:
        n = min(len(left), len(right))
        yield left.part(0, n), right.part(0, n)
        left = left.part(n, len(left)) if n < len(left) else next(one, None)
        right = right.part(n, len(right)) if n < len(right) else next(other, None)
    if left is not None or right is not None:
        raise NotFastq("mates of other number")


@njit(cache=True, nogil=True)
def _copy(out: Bytes, at: int, byte: Bytes, start: int, end: int) -> int:
    for i in range(start, end):
        out[at + i - start] = byte[i]
    return at + end - start


@njit(cache=True, nogil=True)
def _write_rows(packed: Bytes, start: Offsets, rest: Bytes, repeats_header: bool, out: Bytes) -> int:
    at, line = 0, 0
    for i in range(len(start) - 1):
        name = start[i] + ENTRY_HEAD
        bases = name + packed[start[i] + 4]
        n = (start[i + 1] - bases) // 2
        line_end = line
        while rest[line_end] != 10:
            line_end += 1
        for letter in (ord("@"), ord("+")):
            out[at] = letter
            at += 1
            if letter == ord("@") or repeats_header:
                at = _copy(out, at, packed, name, bases)
                at = _copy(out, at, rest, line, line_end)
            out[at] = 10
            half = bases if letter == ord("@") else bases + n
            at = _copy(out, at + 1, packed, half, half + n)
            out[at] = 10
            at += 1
        line = line_end + 1
    return at
