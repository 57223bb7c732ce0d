"""In which order the records of a realigned BAM stand, told by as few bytes as can be.

Records are numbered by rows, the order of the pool. An order is the row of each record. It is predicted by a rule: that of the pool, by
position, by position and strand, by read name as `samtools sort -n` does, by read name as text. The rule that is followed most is kept,
with the steps in its order from record to record where they are not 1.

Source: samtools 1.16, bam_sort.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.fastq_text import hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, Offsets, whole
from genopipe.archive.realigned_core import CONTIG, FLAG, POSITION, fields
from genopipe.kernels.compiled import kernel
from genopipe.store import Store

RULES = ("pool", "position", "position_strand", "name", "name_text")
_NUMBERS = 3
_MOST_PREFIXES = 1 << 14
_REVERSE = 0x10
_MATE = 0xC0
_LEVEL = 19

Numbers = NDArray[np.int64]


class RecordKeys:
    """What the rules sort by, for all rows.

    Of a name, the numbers at its end (up to three, colons between) and the text before them.
    """

    def __init__(self) -> None:
        self._contig = [np.empty(0, np.uint32)]
        self._position = [np.empty(0, np.int32)]
        self._flag = [np.empty(0, np.uint8)]
        self._number = [np.empty((0, _NUMBERS), np.uint32)]
        self._prefix = [np.empty(0, np.int32)]
        self._known: dict[int, int] = {}
        self._text: list[bytes] = []

    def see(self, batch: Batch) -> None:
        """Notes the next rows."""
        value = fields(batch)
        self._contig.append(value[:, CONTIG].astype(np.int32).view(np.uint32))
        self._position.append(value[:, POSITION].astype(np.int32))
        self._flag.append(value[:, FLAG].astype(np.uint8))
        number, end = np.zeros((len(batch), _NUMBERS), np.uint32), np.empty(len(batch), np.int64)
        hashes = np.empty(len(batch), np.uint64)
        _names(batch.byte, batch.start, number, end, hashes)
        self._number.append(number)
        self._prefix.append(self._numbered(batch, end, hashes))

    def predicted(self, rule: str) -> Numbers | None:
        """The rows in the order of a rule, ties as in the pool; None where the rule cannot be followed."""
        contig, position, flag = np.concatenate(self._contig), np.concatenate(self._position), np.concatenate(self._flag)
        if rule == "pool":
            return np.arange(len(contig))
        if rule == "position":
            return np.lexsort((position, contig))
        if rule == "position_strand":
            return np.lexsort((flag & _REVERSE, position, contig))
        if len(self._text) > _MOST_PREFIXES:
            return None
        number = np.concatenate(self._number)
        keys = [_as_text(number[:, i]) if rule == "name_text" else number[:, i] for i in range(_NUMBERS)]
        return np.lexsort((flag & _MATE, *keys[::-1], self._ranks(rule)[np.concatenate(self._prefix)]))

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


def keep_record_order(order: Numbers, keys: RecordKeys, store: Store) -> dict[str, Any]:
    """Stores what is needed to make `order`, the row of each record, again."""
    best, best_steps, fewest = "", order, len(order) + 1
    for rule in RULES:
        predicted = keys.predicted(rule)
        if predicted is None:
            continue
        rank = np.empty(len(order), np.int64)
        rank[predicted] = np.arange(len(order))
        steps = np.diff(rank[order], prepend=-1) - 1
        if (wrong := int(np.count_nonzero(steps))) < fewest:
            best, best_steps, fewest = rule, steps, wrong
    return {"rule": best, "steps": store.put_bytes(_packed(best_steps)) if fewest else None}


def kept_record_order(kept: dict[str, Any], keys: RecordKeys, store: Store) -> Numbers:
    """The row of each record again."""
    predicted = keys.predicted(kept["rule"])
    assert predicted is not None
    if kept["steps"] is None:
        return predicted
    steps = _unpacked(store.read(kept["steps"]), len(predicted))
    return predicted[np.cumsum(steps + 1) - 1]


def _natural(text: bytes) -> list[tuple[int, int, bytes]]:
    """A key that sorts numbers in a text by their value."""
    parts = re.findall(rb"\d+|\D", text)
    return [(0, int(part), b"") if part.isdigit() else (1, 0, part) for part in parts]


def _as_text(number: NDArray[np.uint32]) -> Numbers:
    """Numbers that sort as the decimal text of `number` with a colon behind it."""
    value, digits = number.astype(np.int64), np.full(len(number), 1)
    for power in range(1, 10):
        digits += value >= 10**power
    out = np.zeros(len(number), np.int64)
    for i in range(10):
        digit = np.where(i < digits, value // 10 ** np.maximum(digits - 1 - i, 0) % 10, 10)
        out = out * 11 + digit
    return out


def _packed(steps: Numbers) -> bytes:
    """One byte for a small step; 255 and eight bytes apart for a large one."""
    folded = steps << 1 ^ steps >> 63
    code, far = np.minimum(folded, 255).astype(np.uint8), folded[folded >= 255].astype("<u8")
    planes = np.ascontiguousarray(far.view(np.uint8).reshape(-1, 8).T)
    return zstandard.ZstdCompressor(level=_LEVEL).compress(code.tobytes() + planes.tobytes())


def _unpacked(packed: bytes, n: int) -> Numbers:
    byte = np.frombuffer(zstandard.ZstdDecompressor().decompress(packed), np.uint8)
    folded, planes = byte[:n].astype(np.int64), byte[n:].reshape(8, -1)
    folded[folded == 255] = np.ascontiguousarray(planes.T).view("<i8")[:, 0]
    return folded >> 1 ^ -(folded & 1)


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
