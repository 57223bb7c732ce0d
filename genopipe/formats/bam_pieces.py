"""All records of a BAM in file order, as pieces of bytes that hold whole records only: for passes over a file that need no index.

Source: SAM/BAM format specification, section 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bam_index import bad_bam
from genopipe.formats.bgzf import is_bgzf, read_blocks

_FIXED = 36
"""Bytes of a record before its name, its size included."""

_PIECE = 4 << 20
_AGAIN = "Copy or make the file again."


class BamPieces:
    """A BAM being read: `text` is the header, `contigs` the name and length of each reference sequence.

    Raises BadInput for a file that is no BAM.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        if not path.is_file() or not is_bgzf(path):
            raise bad_bam(path, "the file is no BAM", "a BAM, compressed by BGZF", "Give a BAM made by an aligner or a sequencer.")
        self.path = path
        self._blocks = read_blocks(path, threads=threads)
        self._held = bytearray()
        try:
            self.text, self.contigs = self._header()
        except (ValueError, UnicodeDecodeError):
            raise bad_bam(path, "the header cannot be read", "a BAM header", _AGAIN) from None

    def pieces(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """Bytes, and where each whole record in them begins (at its size). Raises BadInput for a record that is not whole."""
        n_records, going_on = 0, True
        while going_on:
            going_on = self._hold(len(self._held) + _PIECE)
            buffer = np.frombuffer(bytes(self._held), np.uint8)
            offset, end, sound = record_offsets(buffer)
            n_records += len(offset)
            if not sound:
                raise self._fault(n_records + 1, "contradicts its own length")
            del self._held[:end]
            if len(offset):
                yield buffer, offset
        if self._held:
            raise self._fault(n_records + 1, "is cut short")

    def _fault(self, number: int, what: str) -> BadInput:
        return bad_bam(self.path, f"record {number:,} {what}", "a sound BAM", _AGAIN)

    def _header(self) -> tuple[str, tuple[tuple[str, int], ...]]:
        if self._take(4) != b"BAM\1":
            raise ValueError
        text = self._take(self._number()).rstrip(b"\0").decode()
        contigs = []
        for _ in range(self._number()):
            name = self._take(self._number())[:-1].decode()
            contigs.append((name, self._number()))
        return text, tuple(contigs)

    def _number(self) -> int:
        value: int = struct.unpack("<i", self._take(4))[0]
        if value < 0:
            raise ValueError(value)
        return value

    def _take(self, n: int) -> bytes:
        if not self._hold(n):
            raise ValueError(n)
        taken = bytes(self._held[:n])
        del self._held[:n]
        return taken

    def _hold(self, size: int) -> bool:
        """Reads on until `size` bytes are held; False where the file ends before."""
        while len(self._held) < size:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._held += block[1]
        return True


@njit(cache=True, nogil=True)
def int32_at(buffer: NDArray[np.uint8], at: int) -> int:
    """The little-endian int32 at a byte."""
    word = np.uint32(buffer[at]) | np.uint32(buffer[at + 1]) << 8 | np.uint32(buffer[at + 2]) << 16 | np.uint32(buffer[at + 3]) << 24
    return np.int64(np.int32(word))  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def record_offsets(buffer: NDArray[np.uint8]) -> tuple[NDArray[np.int64], int, bool]:
    """(records) int64: where each whole record begins; the byte behind the last of them; False where the next one contradicts itself."""
    offset = np.empty(len(buffer) // _FIXED + 1, np.int64)
    n = at = 0
    while at + _FIXED <= len(buffer):
        size = int32_at(buffer, at)
        n_cigar = np.int64(buffer[at + 16]) | np.int64(buffer[at + 17]) << 8
        n_bases = int32_at(buffer, at + 20)
        if n_bases < 0 or buffer[at + 12] == 0 or size < 32 + np.int64(buffer[at + 12]) + 4 * n_cigar + (n_bases + 1) // 2 + n_bases:
            return offset[:n], at, False
        if at + 4 + size > len(buffer):
            break
        offset[n] = at
        n += 1
        at += 4 + size
    return offset[:n], at, True
