"""Local assembly: the detours that reads take around a reference stretch, and how two sequences line up.

Reads and reference are cut into k-mers, joined where they follow one another (a de Bruijn graph). A detour leaves the reference at one of
its k-mers, goes over k-mers that the reference lacks, each step seen in enough reads, and joins the reference again. Events closer
together than k come out as one detour, so that what stands on one haplotype stays together.

Source: Pevzner, Tang, Waterman, An Eulerian path approach to DNA fragment assembly, PNAS 98 (2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAX_K = 31
_MAX_DETOURS = 24
_MAX_STEPS = 20_000

_HOMOPOLYMER_GAPS = (2.9e-5, 2.9e-5, 2.9e-5, 2.9e-5, 4.3e-5, 1.1e-4, 2.4e-4, 5.7e-4, 1.0e-3, 1.4e-3)
_GAP_RATE_STEP = 4.3e-4
_HIGHEST_GAP_RATE = 3e-2
MOST_UNITS = 80
LONGEST_UNIT = 4


def _gap_rates() -> NDArray[np.float64]:
    beyond = [1.4e-3 + _GAP_RATE_STEP * n for n in range(1, MOST_UNITS - len(_HOMOPOLYMER_GAPS) + 1)]
    by_units = [_HOMOPOLYMER_GAPS[0], *_HOMOPOLYMER_GAPS, *(min(rate, _HIGHEST_GAP_RATE) for rate in beyond)]
    return np.tile(np.array(by_units), (LONGEST_UNIT + 1, 1))


GAP_RATE = _gap_rates()
"""(bases of the unit, number of units) chance of an indel error in a tandem repeat, before anything is learnt of the sample.

Source: the first ten numbers and the growth beyond them are those in the source text of the program Dindel (ReadIndelErrorModel.hpp, seen
in the copy that HapMuC keeps), whose model Albers et al. describe in Genome Research 21 (2011) 961. The use is our own: Dindel multiplies
by the length, here the whole run has this chance and its bases share it, repeats of longer units count by their number of units, and the
growth ends at `_HIGHEST_GAP_RATE`. `genopipe fit` puts what a sample shows in their place."""


@dataclass(frozen=True, slots=True)
class Detour:
    """A way around part of the reference: after its first `leave` bases come `base`, then the reference from `join` on.

    support  reads over the weakest step
    """

    leave: int
    base: bytes
    join: int
    support: int


def detours(base: NDArray[np.uint8], start: NDArray[np.int64], *, k: int, min_support: int) -> list[Detour]:
    """The detours around sequence 0 (the reference) that the other sequences take; codes above 3 break a sequence.

    None come out where the reference repeats a k-mer.
    """
    assert k <= MAX_K, k
    found = np.empty((_MAX_DETOURS, 4), np.int64)
    longest = int(start[1]) + 400
    spelled = np.empty((_MAX_DETOURS, longest), np.uint8)
    n = _find_detours(base, start, k, min_support, found, spelled)
    return [Detour(int(a), spelled[i, :length].tobytes(), int(b), int(s)) for i, (a, length, b, s) in enumerate(found[:n])]


@njit(cache=True, nogil=True)
def _find_detours(base, start, k, min_support, found, spelled):  # type: ignore[no-untyped-def]
    size = 64
    while size < 2 * len(base):
        size *= 2
    slot_kmer = np.empty(size, np.uint64)
    slot_node = np.full(size, -1, np.int32)
    node_place = np.full(len(base) + 1, -1, np.int64)
    edge = np.zeros((len(base) + 1, 4), np.int32)
    target = np.full((len(base) + 1, 4), -1, np.int32)
    n_nodes = 0
    keep = np.uint64((1 << (2 * k)) - 1)
    n_reference = start[1] - start[0] - k + 1
    if n_reference < 2:
        return 0
    place_node = np.empty(n_reference, np.int64)
    for row in range(len(start) - 1):
        kmer = np.uint64(0)
        length = 0
        before = -1
        for at in range(start[row], start[row + 1]):
            code = base[at]
            if code > 3:
                length = 0
                before = -1
                continue
            kmer = ((kmer << np.uint64(2)) | np.uint64(code)) & keep
            length += 1
            if length < k:
                continue
            slot = np.int64((kmer * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)) & (size - 1)
            while slot_node[slot] >= 0 and slot_kmer[slot] != kmer:
                slot = (slot + 1) & (size - 1)
            if slot_node[slot] < 0:
                slot_node[slot] = n_nodes
                slot_kmer[slot] = kmer
                n_nodes += 1
            node = slot_node[slot]
            if row == 0:
                if node_place[node] >= 0:
                    return 0
                node_place[node] = at - k + 1
                place_node[at - k + 1] = node
            if before >= 0:
                if row > 0:
                    edge[before, code] += 1
                target[before, code] = node
            before = node
        if row == 0 and n_nodes != n_reference:
            return 0
    n_found = 0
    longest = spelled.shape[1]
    path_node = np.empty(longest + 1, np.int64)
    path_tried = np.empty(longest + 1, np.int64)
    path_base = np.empty(longest + 1, np.uint8)
    path_support = np.empty(longest + 1, np.int64)
    on_path = np.zeros(n_nodes, np.uint8)
    for place in range(n_reference):
        steps = 0
        from_here = 0
        depth = 0
        path_node[0] = place_node[place]
        path_tried[0] = 0
        path_support[0] = 1 << 30
        while depth >= 0:
            steps += 1
            node = path_node[depth]
            best = -1
            for code in range(4):
                if path_tried[depth] >> code & 1 or edge[node, code] < min_support:
                    continue
                # a detour begins with a step that the reference does not make
                if depth == 0 and place + 1 < n_reference and target[node, code] == place_node[place + 1]:
                    continue
                if best < 0 or edge[node, code] > edge[node, best]:
                    best = code
            if best < 0 or steps > _MAX_STEPS or depth >= longest:
                on_path[node] = 0
                depth -= 1
                continue
            path_tried[depth] |= 1 << best
            following = target[node, best]
            if on_path[following]:
                continue
            path_base[depth] = best
            support = min(path_support[depth], edge[node, best])
            if node_place[following] >= 0:
                if n_found < len(found) and from_here < 8:
                    found[n_found, 0] = place + k
                    found[n_found, 1] = depth + 1
                    found[n_found, 2] = node_place[following] + k
                    found[n_found, 3] = support
                    for i in range(depth + 1):
                        spelled[n_found, i] = path_base[i]
                    n_found += 1
                    from_here += 1
                continue
            on_path[node] = 1
            depth += 1
            path_node[depth] = following
            path_tried[depth] = 0
            path_support[depth] = support
    return n_found


@njit(cache=True, nogil=True)
def gap_chance(base, rates, out):  # type: ignore[no-untyped-def]
    """Fills `out` (bases) float32: the chance that a gap opens after each base, by the tandem repeat (unit of 1 to 4 bases) it is in."""
    n = len(base)
    for i in range(n):
        out[i] = rates[1, 1]
    for unit in range(1, LONGEST_UNIT + 1):
        at = 0
        while at + unit < n:
            end = at + unit
            while end < n and base[end] == base[end - unit] and base[end] < 4:
                end += 1
            units = (end - at) // unit
            if units >= (2 if unit == 1 else 3):
                share = np.float32(rates[unit, min(units, MOST_UNITS)] / (units + 1))
                for i in range(max(at - 1, 0), end):
                    out[i] = max(out[i], share)
                at = end - unit + 1
            else:
                at += 1


_MATCH, _MISMATCH, _OPEN, _EXTEND = 2, -5, -8, -1
_FAR = -1_000_000


@njit(cache=True, nogil=True)
def line_up(reference, other, out):  # type: ignore[no-untyped-def]
    """Fills `out` (steps) uint8 with the best global alignment and returns the number of steps.

    0 both advance, 1 only `other` (an insertion), 2 only `reference` (a deletion).

    Affine gaps (Gotoh, J Mol Biol 162, 1982); of equal alignments the one whose gaps lie further left.
    """
    n, m = len(reference), len(other)
    best = np.full((n + 1, m + 1), _FAR, np.int32)
    gap_other = np.full((n + 1, m + 1), _FAR, np.int32)
    gap_reference = np.full((n + 1, m + 1), _FAR, np.int32)
    best[0, 0] = 0
    for i in range(n + 1):
        for j in range(m + 1):
            if i > 0:
                gap_reference[i, j] = max(best[i - 1, j] + _OPEN, gap_reference[i - 1, j]) + _EXTEND
            if j > 0:
                gap_other[i, j] = max(best[i, j - 1] + _OPEN, gap_other[i, j - 1]) + _EXTEND
            score = best[i, j]
            if i > 0 and j > 0:
                score = best[i - 1, j - 1] + (_MATCH if reference[i - 1] == other[j - 1] else _MISMATCH)
            best[i, j] = max(score, max(gap_other[i, j], gap_reference[i, j]))
    i, j, steps, state = n, m, 0, 0
    while i > 0 or j > 0:
        if state == 0:
            if i > 0 and j > 0 and best[i, j] == best[i - 1, j - 1] + (_MATCH if reference[i - 1] == other[j - 1] else _MISMATCH):
                out[steps] = 0
                steps += 1
                i -= 1
                j -= 1
                continue
            state = 1 if best[i, j] == gap_other[i, j] else 2
        out[steps] = state
        steps += 1
        if state == 1:
            if gap_other[i, j] != gap_other[i, j - 1] + _EXTEND:
                state = 0
            j -= 1
        else:
            if gap_reference[i, j] != gap_reference[i - 1, j] + _EXTEND:
                state = 0
            i -= 1
    for step in range(steps // 2):
        out[step], out[steps - 1 - step] = out[steps - 1 - step], out[step]
    return steps
