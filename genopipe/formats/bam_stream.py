"""A BAM from its first byte to its last: the header, then batches of whole records, from a file or from standard input.

Nothing is assumed about the order of the records, and no index is needed. Every record is checked to fit its own length before it is given.

Source: SAM/BAM format specification, sections 1.3 (header) and 4.2 (BAM).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.bam import ReadGroup
from genopipe.formats.bam_index import bad_bam
from genopipe.formats.bgzf import read_blocks
from genopipe.formats.inflate import STANDARD_INPUT, inflated
from genopipe.kernels.compiled import allocating, inner

BATCH_BYTES = 4 << 20
MAGIC = b"BAM\1"
_MAKE_AGAIN = "Copy or make the file again."


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole records.

    byte    (bytes) uint8: writable
    start   (records + 1) int64: where each begins in `byte`, with its block_size
    first   how many records came before
    """

    byte: NDArray[np.uint8]
    start: NDArray[np.int64]
    first: int = 0

    def __len__(self) -> int:
        return len(self.start) - 1

    def part(self, first: int, last: int) -> Batch:
        """The records first to last."""
        return Batch(self.byte, self.start[first : last + 1], self.first + first)


@dataclass(frozen=True, slots=True)
class HeaderGroup(ReadGroup):
    """The @RG line of a file, kept as it is; what it does not say is empty."""

    text: str

    def __post_init__(self) -> None:
        """No check: what a file says of its own reads is kept, also where a read group made here could not say it."""

    def line(self) -> str:
        return self.text


class BamStream:
    """One BAM being read; `text` is its header, `contigs` the names and lengths that records refer to.

    Raises BadInput for what is no whole BAM.
    """

    def __init__(self, path: Path, pieces: Iterable[bytes]) -> None:
        self.path = path
        self._pieces = iter(pieces)
        self._rest, self._ahead = b"", memoryview(b"")
        self.header = self._read_header()
        length = struct.unpack_from("<i", self.header, 4)[0]
        self.text = self.header[8 : 8 + length].rstrip(b"\0").decode(errors="replace")
        self.contigs = contigs_of(self.header)
        self.n_records = 0

    def header_lines(self, kind: str) -> list[str]:
        """The header's lines of one kind, such as `@RG`."""
        return [line for line in self.text.splitlines() if line.startswith(kind + "\t")]

    def read_groups(self) -> list[ReadGroup]:
        """The read groups in the order of the header."""
        return [_read_group(line) for line in self.header_lines("@RG")]

    def batches(self) -> Iterator[Batch]:
        """All records, some megabytes at a time."""
        while len(content := self._with_more(bytearray(self._rest), BATCH_BYTES)) > len(self._rest):
            byte = np.frombuffer(content, np.uint8)
            start, used, sound = _starts(byte)
            if len(start) > 1:
                yield Batch(byte[:used], start, self.n_records)
                self.n_records += len(start) - 1
            if not sound:
                raise self.bad(f"record {self.n_records + 1:,} contradicts its own length", "a sound BAM", _MAKE_AGAIN)
            self._rest = bytes(memoryview(content)[used:])
        if self._rest:
            raise self.bad(f"record {self.n_records + 1:,} is cut short", "a whole BAM", _MAKE_AGAIN)

    def bad(self, came: str, wanted: str, do: str) -> Exception:
        """The error for what is no whole BAM."""
        return bad_bam(self.path, came, wanted, do)

    def _read_header(self) -> bytes:
        head = bytearray()
        end = 8 + self._head_number(head, 4)
        n_contigs, end = self._head_number(head, end), end + 4
        for _ in range(n_contigs):
            end += 8 + self._head_number(head, end)
        self._need(head, end)
        return bytes(head)

    def _head_number(self, head: bytearray, at: int) -> int:
        self._need(head, at + 4)
        number = int.from_bytes(head[at : at + 4], "little", signed=True)
        if number < 0 or head[:4] != MAGIC:
            raise self.bad("the header cannot be read", "a BAM header", "Give a BAM made by an aligner.")
        return number

    def _need(self, head: bytearray, size: int) -> None:
        if len(self._with_more(head, size - len(head))) < size:
            raise self.bad("the file ends inside its header", "a whole BAM", _MAKE_AGAIN)

    def _with_more(self, content: bytearray, size: int) -> bytearray:
        """`content` with `size` more bytes, or what there is: so batches do not depend on the pieces."""
        while size > 0:
            while not self._ahead and (piece := next(self._pieces, None)) is not None:
                self._ahead = memoryview(piece)
            if not self._ahead:
                break
            content += self._ahead[:size]
            self._ahead, size = self._ahead[size:], size - len(self._ahead)
        return content


def fields_of(line: str) -> dict[str, str]:
    """The fields of a header line by their two letters."""
    return {field[:2]: field[3:] for field in line.split("\t")[1:]}


def _read_group(line: str) -> HeaderGroup:
    fields = fields_of(line)
    return HeaderGroup(fields.get("ID", ""), fields.get("SM", ""), fields.get("LB", ""), fields.get("PL", ""), line)


def open_stream(path: Path, *, threads: int = 1) -> BamStream:
    """The BAM at `path`; `-` is standard input."""
    if path == STANDARD_INPUT:
        return BamStream(path, inflated(path))
    return BamStream(path, (payload for _, payload in read_blocks(path, threads=threads)))


def contigs_of(header: bytes) -> tuple[tuple[str, int], ...]:
    """Name and length of each reference sequence in a plain BAM header."""
    at = 12 + struct.unpack_from("<i", header, 4)[0]
    contigs = []
    for _ in range(struct.unpack_from("<i", header, at - 4)[0]):
        (size,) = struct.unpack_from("<i", header, at)
        name, length = struct.unpack_from(f"<{size}si", header, at + 4)
        contigs.append((name.rstrip(b"\0").decode("latin-1"), length))
        at += 8 + size
    return tuple(contigs)


@inner
def int32(record, at):
    """The little-endian int32 at `at`."""
    word = np.uint32(0)
    for i in range(4):
        word |= np.uint32(record[at + i]) << np.uint32(8 * i)
    return np.int64(np.int32(word))


@allocating
def _starts(record):
    """Where whole records begin, with the end; the bytes they take; False where the next one contradicts its own length."""
    start = np.empty(len(record) // 36 + 2, np.int64)
    n = 0
    at = np.int64(0)
    sound = True
    while at + 36 <= len(record):
        size = int32(record, at)
        name_length = np.int64(record[at + 12])
        n_cigar = np.int64(record[at + 16]) | np.int64(record[at + 17]) << 8
        n_bases = int32(record, at + 20)
        needed = 32 + name_length + 4 * n_cigar + (n_bases + 1) // 2 + n_bases
        sound = name_length > 0 and n_bases >= 0 and size >= needed
        if not sound or at + 4 + size > len(record):
            break
        sound = record[at + 35 + name_length] == 0
        if not sound:
            break
        start[n] = at
        n += 1
        at += 4 + size
    start[n] = at
    return start[: n + 1].copy(), at, sound
