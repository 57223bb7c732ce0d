"""Reads as the sequencer gave them, from the records of a BAM, aligned or not; pairs are brought together by name.

Secondary and supplementary records are left out, for they repeat bases. Records of reads on the reverse strand are turned back. The mates
of a pair may stand anywhere: a read waits for its mate, and when too many wait they go to files, one for each range of name hashes, which
are looked through at the end. So pairs come in the order of their second record, those that waited long at the end. How much may wait is a
constant, for the order must not depend on the machine.

Source: SAM format specification, sections 1.4 (FLAG) and 4.2.4 (SEQ encoding).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bam_stream import BamStream, int32
from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.kernels.stretches import gathered
from genopipe.model import BASES, Reads
from genopipe.outputs import writing

MOST_WAITING = 64 << 20
"""Bytes of records that wait for their mates in memory."""

_PARTITIONS = 256
_NIBBLES = b"=ACMGRSVTWYHKDBN"
_NO_BASE = 255
_FOLLOWS, _PAIRED, _LAST, _BAD_NUMBER, _CLIPPED, _NO_LETTER = (1 << bit for bit in range(6))
_FRAME = struct.Struct("<qq")
_ONE_MATE = "Give a file with every read of a pair once, both in it."


def _code_table() -> NDArray[np.uint8]:
    """(2, 16) uint8: the code of each nibble, as it stands and complemented (the four bits, one for each base, in reverse)."""
    code = [_NO_BASE if letter == ord("=") else BASES.index(letter) for letter in _NIBBLES]
    return np.array([code, [code[int(f"{nibble:04b}"[::-1], 2)] for nibble in range(16)]], np.uint8)


_CODE = _code_table()


@dataclass(frozen=True, slots=True)
class Held:
    """Records: their bytes, where each begins (records + 1), and the 0-based number of each in the file."""

    record: NDArray[np.uint8]
    start: NDArray[np.int64]
    number: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, rows: NDArray[np.int64]) -> Held:
        """Some of the records, copied."""
        return Held(*gathered(self.record, self.start, rows), self.number[rows])

    def name(self, row: int) -> str:
        at = int(self.start[row])
        return self.record[at + 36 : at + 35 + int(self.record[at + 12])].tobytes().decode(errors="replace")


_NONE = Held(np.empty(0, np.uint8), np.zeros(1, np.int64), np.empty(0, np.int64))


def sequenced(stream: BamStream, folder: Path) -> Iterator[tuple[Held, bool]]:
    """The reads of a BAM, some thousands of records at a time, and whether they are pairs, mates side by side, first mates first.

    Raises BadInput for paired and single reads in one file, a read without its mate or that stands twice, and one that has lost bases.
    """
    paired: bool | None = None
    pairing = _Pairing(stream.path, folder)
    for batch in stream.batches():
        held = Held(batch.byte, batch.start, batch.first + np.arange(len(batch)))
        _, traits = _described(held.record, held.start)
        held, traits = held.take(np.flatnonzero(traits & _FOLLOWS == 0)), traits[traits & _FOLLOWS == 0]
        if paired is None and len(held):
            paired = bool(traits[0] & _PAIRED)
        _check(stream.path, held, traits, bool(paired))
        yield (pairing.add(held), True) if paired else (held, False)
    for rest in pairing.rest():
        yield rest, True


def reads_of(held: Held, *, paired: bool) -> Reads:
    """Records as reads."""
    n_bases = _lengths(held.record, held.start)
    name_length = held.record[held.start[:-1] + 12].astype(np.int32) - 1
    header_start, base_start = (np.concatenate((np.zeros(1, np.int64), np.cumsum(size, dtype=np.int64))) for size in (name_length, n_bases))
    header, base, quality = (np.empty(size, np.uint8) for size in (header_start[-1], base_start[-1], base_start[-1]))
    _fill(held.record, held.start, _CODE, header, header_start, base, quality, base_start)
    return Reads(paired, header, header_start, name_length, base, quality, base_start)


def _check(path: Path, held: Held, traits: NDArray[np.int64], paired: bool) -> None:
    for wrong, came, wanted, do in (
        (_CLIPPED, "is hard-clipped: bases are lost", "primary records with all bases", "Give the file from before the clipping."),
        (_NO_LETTER, "has the base '='", "letters for all bases", "Write the bases out with samtools fillmd."),
        (_BAD_NUMBER, "is of a pair but neither its first nor its second read", "pairs of two reads", "Correct the flags."),
    ):
        bad = np.flatnonzero(traits & wrong)
        if len(bad):
            raise _error(path, held, int(bad[0]), came, wanted, do)
    other = np.flatnonzero((traits & _PAIRED != 0) != paired)
    if len(other):
        kinds = ("single", "paired") if paired else ("paired", "single")
        came = f"is {kinds[0]}, those before are {kinds[1]}"
        raise _error(path, held, int(other[0]), came, "paired or single reads, not both", "Align them apart.")


def _error(path: Path, held: Held, row: int, came: str, wanted: str, do: str) -> BadInput:
    return BadInput(f"record {int(held.number[row]) + 1:,}: the read {held.name(row)!r} {came}", wanted=wanted, do=do, path=path)


class _Pairing:
    """Keeps reads until their mates come."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._waiting = _NONE
        self._spilled = False

    def add(self, held: Held) -> Held:
        """The pairs that are complete with these records."""
        held = _joined([self._waiting, held])
        pairs, self._waiting = self._split(held)
        if len(self._waiting.record) > MOST_WAITING:
            self._spill()
        return pairs

    def rest(self) -> Iterator[Held]:
        """The pairs that waited too long; raises BadInput where any read has no mate."""
        if self._spilled:
            self._spill()
        for part in self._parts():
            pairs, alone = self._split(part)
            if len(alone):
                first = int(np.argmin(alone.number))
                raise _error(self._path, alone, first, "has no mate in the file", "both reads of every pair", _ONE_MATE)
            yield pairs

    def _split(self, held: Held) -> tuple[Held, Held]:
        key, traits = _described(held.record, held.start)
        mate = np.full(len(held), -1, np.int64)
        twice = _find_mates(held.record, held.start, key, np.argsort(key, kind="stable"), traits & _LAST != 0, mate)
        if twice >= 0:
            raise _error(self._path, held, twice, "stands twice", "every read once", _ONE_MATE)
        later = np.flatnonzero((mate >= 0) & (mate < np.arange(len(held))))
        last = traits[later] & _LAST != 0
        rows = np.stack([np.where(last, mate[later], later), np.where(last, later, mate[later])], 1)
        return held.take(rows.ravel()), held.take(np.flatnonzero(mate < 0))

    def _spill(self) -> None:
        part = (_described(self._waiting.record, self._waiting.start)[0] >> np.uint64(40)) % np.uint64(_PARTITIONS)
        for number in np.unique(part).tolist():
            held = self._waiting.take(np.flatnonzero(part == number))
            with writing(self._file(number)), open(self._file(number), "ab") as out:
                out.write(_FRAME.pack(len(held), len(held.record)))
                out.writelines(array.tobytes() for array in (held.start, held.number, held.record))
        self._waiting, self._spilled = _NONE, True

    def _parts(self) -> Iterator[Held]:
        if not self._spilled:
            yield self._waiting
            return
        for number in range(_PARTITIONS):
            if self._file(number).exists():
                yield _joined(list(_frames(self._file(number))))
                self._file(number).unlink()

    def _file(self, number: int) -> Path:
        return self._folder / f"waiting-{number}"


def _frames(path: Path) -> Iterator[Held]:
    with open(path, "rb") as file:
        while head := file.read(_FRAME.size):
            n, size = _FRAME.unpack(head)
            start, number = (np.frombuffer(file.read(8 * count), np.int64) for count in (n + 1, n))
            yield Held(np.frombuffer(file.read(size), np.uint8), start, number)


def _joined(parts: list[Held]) -> Held:
    record = np.concatenate([part.record for part in parts])
    size = np.concatenate([np.diff(part.start) for part in parts])
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    return Held(record, start, np.concatenate([part.number for part in parts]))


@allocating
def _described(record, start):
    """Name hashes and traits of records."""
    n = len(start) - 1
    key = np.empty(n, np.uint64)
    traits = np.zeros(n, np.int64)
    for i in range(n):
        at = start[i]
        name_length = np.int64(record[at + 12])
        n_cigar = np.int64(record[at + 16]) | np.int64(record[at + 17]) << 8
        flag = np.int64(record[at + 18]) | np.int64(record[at + 19]) << 8
        digest = np.uint64(14695981039346656037)
        for k in range(at + 36, at + 35 + name_length):
            digest = (digest ^ np.uint64(record[k])) * np.uint64(1099511628211)
        key[i] = digest ^ (digest >> np.uint64(29))
        if flag & 0x900:
            traits[i] = _FOLLOWS
            continue
        if flag & 1:
            traits[i] = _PAIRED | (_LAST if flag & 128 else 0) | (0 if (flag >> 6 & 1) != (flag >> 7 & 1) else _BAD_NUMBER)
        bases = at + 36 + name_length + 4 * n_cigar
        for k in range(n_cigar):
            if int32(record, at + 36 + name_length + 4 * k) & 15 == 5:
                traits[i] |= _CLIPPED
        for k in range(int32(record, at + 20)):
            if (record[bases + (k >> 1)] >> (0 if k & 1 else 4)) & 15 == 0:
                traits[i] |= _NO_LETTER
    return key, traits


@inner
def _same_name(record, one, other):
    same = record[one + 12] == record[other + 12]
    k = 36
    while same and k < 35 + np.int64(record[one + 12]):
        same = record[one + k] == record[other + k]
        k += 1
    return same


@kernel
def _find_mates(record, start, key, order, last, mate):
    """Fills the row of each read's mate; gives a row that stands twice, or -1."""
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and key[order[end]] == key[order[begin]]:
            end += 1
        for i in range(begin, end):
            for j in range(i + 1, end):
                a, b = order[i], order[j]
                if _same_name(record, start[a], start[b]):
                    if last[a] == last[b] or mate[a] >= 0 or mate[b] >= 0:
                        return max(a, b)
                    mate[a], mate[b] = b, a
        begin = end
    return -1


@allocating
def _lengths(record, start):
    out = np.empty(len(start) - 1, np.int64)
    for i in range(len(out)):
        out[i] = int32(record, start[i] + 20)
    return out


@kernel
def _fill(record, start, code, header, header_start, base, quality, base_start):
    for i in range(len(start) - 1):
        at = start[i] + 36
        n = base_start[i + 1] - base_start[i]
        n_cigar = np.int64(record[at - 20]) | np.int64(record[at - 19]) << 8
        for k in range(header_start[i + 1] - header_start[i]):
            header[header_start[i] + k] = record[at + k]
        bases = at + np.int64(record[start[i] + 12]) + 4 * n_cigar
        qualities = bases + (n + 1) // 2
        reverse = record[start[i] + 18] & 16 != 0
        step = -1 if reverse else 1
        to = base_start[i + 1] - 1 if reverse else base_start[i]
        for k in range(n):
            nibble = (record[bases + (k >> 1)] >> (0 if k & 1 else 4)) & 15
            base[to] = code[1 if reverse else 0, nibble]
            quality[to] = record[qualities + k]
            to += step
