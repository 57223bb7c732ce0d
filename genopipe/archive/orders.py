"""In which order the rows of a FASTQ stand, told by as few bytes as can be.

Templates (pairs or single reads) are numbered by where they stand in the pool. An order is the number of the template of each row. Several
rules predict it from the names alone: the order of the pool, that of a sequencer (by the last numbers in the name: lane, tile, and x, y or
y, x), that of `samtools collate`. The rule that is wrong least is kept, with the rows where it is wrong; where none is of use, the numbers
themselves. A FASTQ of part of the pool adds one bit for each template.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.pool_reads import PoolKeys
from genopipe.store import Store

RULES = ("pool", "x_y", "y_x", "collate")
_COLLATE_FILES = 64
_LEVEL = 19

Numbers = NDArray[np.int64]


def keep_order(order: Numbers, keys: PoolKeys, *, template: Numbers, store: Store) -> dict[str, Any]:
    """Stores what is needed to make `order` again; `template` has the place in the pool's keys of each template."""
    member = np.zeros(len(template), np.bool_)
    member[order] = True
    members = None if member.all() else store.put_bytes(_packed(np.packbits(member)))
    wrong = {rule: np.flatnonzero(_predicted(rule, keys, template, member) != order) for rule in RULES}
    best = min(RULES, key=lambda rule: len(wrong[rule]))
    if 2 * len(wrong[best]) > len(order):
        return {"rule": "listed", "members": None, "listed": store.put_bytes(_planes(order)), "rows": None}
    if not len(wrong[best]):
        return {"rule": best, "members": members, "listed": None, "rows": None}
    listed, rows = order[wrong[best]], wrong[best]
    return {"rule": best, "members": members, "listed": store.put_bytes(_planes(listed)), "rows": store.put_bytes(_planes(rows))}


def kept_order(kept: dict[str, Any], keys: PoolKeys, *, template: Numbers, store: Store) -> Numbers:
    """The order again."""
    if kept["rule"] == "listed":
        return _numbers(store.read(kept["listed"]))
    member = np.ones(len(template), np.bool_)
    if kept["members"]:
        bits = np.frombuffer(_unpacked(store.read(kept["members"])), np.uint8)
        member = np.unpackbits(bits, count=len(template)).astype(np.bool_)
    order = _predicted(kept["rule"], keys, template, member)
    if kept["rows"]:
        order[_numbers(store.read(kept["rows"]))] = _numbers(store.read(kept["listed"]))
    return order


def _predicted(rule: str, keys: PoolKeys, template: Numbers, member: NDArray[np.bool_]) -> Numbers:
    """The members in the order of a rule; ties stay as in the pool."""
    order = np.flatnonzero(member)
    number, collate = keys.number[template[order]], keys.collate[template[order]]
    if rule == "collate":
        return order[np.lexsort((collate, collate % _COLLATE_FILES))]
    if rule == "pool":
        return order
    third, fourth = (2, 3) if rule == "x_y" else (3, 2)
    return order[np.lexsort((number[:, fourth], number[:, third], number[:, 1], number[:, 0]))]


def _planes(numbers: Numbers) -> bytes:
    """Numbers as compressed byte planes, the width of the largest first."""
    width = max(1, (int(numbers.max(initial=0)).bit_length() + 7) // 8)
    planes = numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T
    return bytes([width]) + _packed(np.ascontiguousarray(planes))


def _numbers(kept: bytes) -> Numbers:
    width = kept[0]
    planes = np.frombuffer(_unpacked(kept[1:]), np.uint8).reshape(width, -1)
    wide = np.zeros((planes.shape[1], 8), np.uint8)
    wide[:, :width] = planes.T
    return wide.view("<u8")[:, 0].astype(np.int64)


def _packed(array: NDArray[np.uint8]) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(array.tobytes())


def _unpacked(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(packed)
