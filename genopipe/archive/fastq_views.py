"""A FASTQ as a view of a pool: which reads of an archived CRAM, in which order, with what else in their headers.

At a put each row is looked up by its content among the primary records; when all are there, and of one mate, the order is kept by
`genopipe.archive.orders` and the rest of the headers as one compressed text. R1 and R2 share the order: it is that of the templates. A
FASTQ without such a pool becomes one: its reads are written as unaligned CRAM 3.1, and it is the view of that in its own order.

At a get the reads of the mate are packed into a temporary file while the CRAM is decoded, and written in the order of the rows. Memory:
some 50 bytes for each read of the pool, and some megabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import numpy as np
import zstandard
from numba import njit
from numpy.typing import NDArray

from genopipe.archive.alignments import decoded_pool
from genopipe.archive.fastq_text import FastqText, NotFastq, Rows, rests, row_keys
from genopipe.archive.orders import Numbers, keep_order, kept_order
from genopipe.archive.plain_bam import Bytes, Offsets
from genopipe.archive.pool_reads import ENTRY_HEAD, PoolKeys, entries, pool_keys, unaligned_records
from genopipe.archive.rearranged import rearranged
from genopipe.archive.workshop import Workshop
from genopipe.formats.htslib import encode_cram
from genopipe.store import Store

SPOOL_BYTES = 256 << 20
_LEVEL = 19
_HEADER = b"@HD\tVN:1.6\tSO:unsorted\tGO:query\n"

Pieces = Callable[[], Iterator[bytes]]


class NotInPool(Exception):
    """The pool does not hold these reads."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A CRAM whose reads can be looked up. `content` is the part of a manifest that names it; `place` sorts `keys.content`."""

    content: dict[str, Any]
    keys: PoolKeys
    place: Numbers


def open_pool(content: dict[str, Any], shop: Workshop) -> Pool:
    """Decodes a CRAM once for the keys of its reads."""
    keys = pool_keys(decoded_pool(content, shop).batches())
    return Pool({"cram": content["cram"], "reference": content["reference"]}, keys, np.argsort(keys.content, kind="stable"))


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
    text = FastqText(pieces())
    found: list[Numbers] = []
    rest = shop.folder / "rest"
    with open(rest, "wb") as target, zstandard.ZstdCompressor(level=_LEVEL).stream_writer(target, closefd=False) as packed:
        plain = _Rests()
        for rows in text.batches():
            found.append(_look_up(pool, row_keys(rows)[1]))
            packed.write(plain.see(rests(rows)))
    places = np.concatenate([np.empty(0, np.int64), *found])
    mate, base, order, template = _templates(pool.keys, places)
    return {
        "kind": "reads",
        "pool": pool.content,
        "mate": mate,
        "numbered_by_mate": base,
        "order": keep_order(order, pool.keys, template=template, store=shop.store),
        "rest": {"same": plain.same} if plain.same is not None else {"each": shop.store.put_file(rest)},
        "repeats_header": bool(text.repeats_header),
        "ends_with_newline": text.ends_with_newline,
    }


def plain_reads(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The FASTQ text again, in pieces."""
    with SpooledTemporaryFile(SPOOL_BYTES, dir=str(shop.folder)) as spool:
        keys, size = _spool(content, shop, spool)
        row = _rows(content, keys, shop.store)
        assert len(row) == len(size)
        text = b""
        with _rest_source(content, shop.store) as source:
            lines = _Lines(content["rest"].get("same"), source)
            for packed, start in rearranged(spool, size, row, shop.folder):
                if text:
                    yield text
                text = _text(packed, start, lines, content["repeats_header"])
        yield text if content["ends_with_newline"] else text[:-1]


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


def _look_up(pool: Pool, content: NDArray[np.uint64]) -> Numbers:
    """Places of rows among the keys. Raises NotInPool."""
    if not len(pool.place):
        raise NotInPool
    rank = np.searchsorted(pool.keys.content, content, sorter=pool.place)
    place = pool.place[np.minimum(rank, len(pool.place) - 1)]
    if (pool.keys.content[place] != content).any():
        raise NotInPool
    return place


def _templates(keys: PoolKeys, places: Numbers) -> tuple[int, int, Numbers, Numbers]:
    """Mate of the rows, mate that numbers the templates, order, and the place of each template. Raises NotInPool."""
    if not len(places) or (keys.mate[places] != keys.mate[places[0]]).any():
        raise NotInPool
    mate = int(keys.mate[places[0]])
    for base in (1, mate) if mate == 2 else (mate,):
        template = np.flatnonzero(keys.mate == base)
        order = _numbered(keys, places, template)
        if order is not None:
            return mate, base, order, template
    raise NotInPool


def _numbered(keys: PoolKeys, places: Numbers, template: Numbers) -> Numbers | None:
    """For each place the number of its template by name; None when some have none, or two share one."""
    sorter = np.argsort(keys.name[template], kind="stable")
    names = keys.name[template]
    if not len(template):
        return None
    rank = np.minimum(np.searchsorted(names, keys.name[places], sorter=sorter), len(template) - 1)
    order = sorter[rank]
    if (names[order] != keys.name[places]).any() or len(np.unique(order)) != len(order):
        return None
    return order


def _spool(content: dict[str, Any], shop: Workshop, spool: IO[bytes]) -> tuple[PoolKeys, Offsets]:
    """Packs the reads of the mate into `spool`; gives the keys of all reads and the packed sizes."""
    sizes = [np.empty(0, np.int64)]

    def seen() -> Iterator[Any]:
        for batch in decoded_pool(content["pool"], shop).batches():
            packed, size = entries(batch, content["mate"])
            spool.write(packed.tobytes())
            sizes.append(size)
            yield batch

    keys = pool_keys(seen())
    return keys, np.concatenate(sizes)


def _rows(content: dict[str, Any], keys: PoolKeys, store: Store) -> Numbers:
    """The row of each read of the mate, -1 for those that are not in the FASTQ."""
    template = np.flatnonzero(keys.mate == content["numbered_by_mate"])
    order = kept_order(content["order"], keys, template=template, store=store)
    row_of_template = np.full(len(template), -1, np.int64)
    row_of_template[order] = np.arange(len(order))
    if content["mate"] == content["numbered_by_mate"]:
        return row_of_template
    places = np.flatnonzero(keys.mate == content["mate"])
    sorter = np.argsort(keys.name[template], kind="stable")
    rank = np.minimum(np.searchsorted(keys.name[template], keys.name[places], sorter=sorter), len(template) - 1)
    number = sorter[rank]
    return np.where(keys.name[template[number]] == keys.name[places], row_of_template[number], -1)


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
