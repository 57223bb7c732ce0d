"""Adapters read through into: fragments shorter than their reads, found because then both mates hold the whole fragment.

The mates of a pair are laid over each other at every possible fragment length. The length with the smallest share of mismatches wins, of
equal ones the longest; when it is shorter than a read, the read goes on into the adapter, and what lies behind the fragment is cut off. No
adapter sequence has to be known. Fragments shorter than the least overlap, and single reads, are left as they are: there the alignment
clips the adapter.

Source: the rule is the one usual for paired reads (S. Chen et al., fastp, Bioinformatics 34:i884, 2018, section 2.3).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.kernels.words import copy_bytes
from genopipe.model import Reads

LEAST_OVERLAP = 30
MOST_MISMATCHES = 5
"""Mismatches up to which mates overlap, if they are also at most a fifth of the overlap."""


COUNTS = ("PAIRS", "TRIMMED_PAIRS", "TRIMMED_BASES")
"""What is counted, in this order."""


def trimming_path(output: Path) -> Path:
    """Where the counts for `output` go."""
    return output.with_suffix(".trimming.tsv")


def write_counts(count: NDArray[np.int64], target: Path) -> None:
    """The counts as a table of one row."""
    target.write_text("\t".join(COUNTS) + "\n" + "\t".join(map(str, count.tolist())) + "\n")


def trim(reads: Reads) -> tuple[Reads, NDArray[np.int64]]:
    """The reads without what lies behind their fragments, and COUNTS."""
    if not reads.paired:
        return reads, np.zeros(len(COUNTS), np.int64)
    length = _fragment_ends(reads.base, reads.base_start)
    cut = np.diff(reads.base_start) - length
    count = np.array([len(reads) // 2, np.any(cut.reshape(-1, 2), 1).sum(), cut.sum()], np.int64)
    if not cut.any():
        return reads, count
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(length)))
    base, quality = (_kept(array, reads.base_start, start) for array in (reads.base, reads.quality))
    return replace(reads, base=base, quality=quality, base_start=start), count


@inner
def _mismatches(base, first, second, n_first, n_second, fragment, most):
    """Mismatches where the fragment has `fragment` bases: the first read's base i lies on the second one's base fragment - 1 - i."""
    low, high = max(0, fragment - n_second), min(n_first, fragment)
    n = 0
    for i in range(low, high):
        mine = base[first + i]
        n += mine > 3 or mine != 3 - base[second + fragment - 1 - i]
        if n > most:
            break
    return n


@allocating
def _fragment_ends(base, start):
    """Bases of each read that lie on its fragment."""
    length = np.diff(start)
    for pair in range(len(length) // 2):
        first, second = start[2 * pair], start[2 * pair + 1]
        n_first, n_second = length[2 * pair], length[2 * pair + 1]
        best, best_mismatches, best_overlap = np.int64(0), np.int64(1), np.int64(0)
        for fragment in range(n_first + n_second - LEAST_OVERLAP, LEAST_OVERLAP - 1, -1):
            overlap = min(n_first, fragment) - max(0, fragment - n_second)
            if overlap < LEAST_OVERLAP:
                continue
            most = min(MOST_MISMATCHES, overlap // 5)
            found = _mismatches(base, first, second, n_first, n_second, fragment, most)
            if found <= most and (best_overlap == 0 or found * best_overlap < best_mismatches * overlap):
                best, best_mismatches, best_overlap = fragment, found, overlap
        if best_overlap:
            length[2 * pair], length[2 * pair + 1] = min(n_first, best), min(n_second, best)
    return length


@kernel
def _copy(array, old_start, start, out):
    for read in range(len(start) - 1):
        copy_bytes(array, old_start[read], start[read + 1] - start[read], out, start[read])


def _kept(array: NDArray[np.uint8], old_start: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[np.uint8]:
    out = np.empty(start[-1], np.uint8)
    _copy(array, old_start, start, out)
    return out
