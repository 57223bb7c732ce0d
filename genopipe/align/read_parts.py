"""Which bases of a read a place of `Placements` holds, as the read was sequenced."""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np

from genopipe.kernels.compiled import inner


@inner
def first_base(p, read, slot):
    """The first aligned base of the read as it was sequenced."""
    return np.int64(p.clip_end[read, slot] if p.reverse[read, slot] else p.clip_start[read, slot])


@inner
def last_base(p, read, slot, length):
    """One past the last aligned base of the read as it was sequenced."""
    return length - np.int64(p.clip_start[read, slot] if p.reverse[read, slot] else p.clip_end[read, slot])


@inner
def same_part(start, end, other_start, other_end):
    """True where two stretches of a read share at least half of the shorter one."""
    shared = min(end, other_end) - max(start, other_start)
    return 2 * shared >= min(end - start, other_end - other_start)
