"""What the reads of a region say about its haplotypes: one cost for each fragment and haplotype.

Reads are cut to the surroundings of the core, the haplotypes spelled over a little more, and every new pair of the two goes through the
pair-HMM, all regions of a window in one batch. A read may speak against a haplotype no louder than its mapping quality lets it; the two
mates of a pair speak as one fragment, again with a cap, so that what both show counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Haplotype, Stretch, spell
from genopipe.call.regions import Region
from genopipe.call.settings import Settings
from genopipe.call.view import View
from genopipe.kernels.assembly import gap_chance
from genopipe.kernels.genotype import copy_pieces, fragment_costs
from genopipe.kernels.pairhmm import likelihoods
from genopipe.kernels.pileup import cut
from genopipe.kernels.thinning import mixed
from genopipe.model import Alignments

_SHORTEST_PIECE = 10


@dataclass(slots=True)
class Evidence:
    """The cut reads of one region, its haplotypes so far, and their costs.

    base, quality   (bases) uint8 of the pieces; piece i begins at piece_start[i]
    fragment        (pieces) int64: row of the fragment that a piece belongs to
    cap             (pieces) int64: milli-phred by mapping quality
    reverse         (pieces) bool: strand
    span            (pieces, 2) int64: reference span of the whole read
    column          haplotype to its column in `cost`
    cost            (pieces, haplotypes) int32 milli-phred
    name_hash       (fragments) uint64
    gap_rate        (bases of the unit, number of units) float64: chance of an indel error in a repeat
    """

    region: Region
    stretch: Stretch
    base: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    piece_start: NDArray[np.int64]
    fragment: NDArray[np.int64]
    cap: NDArray[np.int64]
    reverse: NDArray[np.bool_]
    span: NDArray[np.int64]
    column: dict[Haplotype, int]
    cost: NDArray[np.int32]
    name_hash: NDArray[np.uint64]
    gap_rate: NDArray[np.float64]

    @property
    def n_fragments(self) -> int:
        return len(self.name_hash)

    def fragment_costs(self, haplotypes: list[Haplotype], settings: Settings) -> NDArray[np.int64]:
        """(fragments, haplotypes) int64: capped costs of the given haplotypes."""
        # caps are relative to the best haplotype seen, whichever are asked for
        column = np.array([self.column[haplotype] for haplotype in ((), *haplotypes)], np.int64)
        total = np.zeros((len(self.name_hash), len(column)), np.int64)
        fragment_costs(self.cost, column, self.cap, self.fragment, (settings.reference_cap, settings.read_cap), total)
        return total[:, 1:]


def gather_evidence(view: View, region: Region, *, longest: int, settings: Settings) -> Evidence:
    """The evidence of one region, without haplotypes yet. `longest` is the longest reference span of a read."""
    reads, stretch = view.reads, view.stretch.cut(region.start - settings.flank, region.end + settings.flank)
    low, high = region.start - settings.flank + settings.inset, region.end + settings.flank - settings.inset
    row = np.arange(*np.searchsorted(reads.position, (low - longest, high)))
    row = row[reads.end[row] > low]
    part = np.empty((len(row), 4), np.int64)
    cut(row, reads.position, reads.cigar, reads.cigar_start, low, high, part)
    used = (part[:, 1] - part[:, 0] >= _SHORTEST_PIECE) & (part[:, 2] < region.end) & (part[:, 3] > region.start)
    row, part = _fewer(reads, row[used], part[used], settings.max_fragments)
    piece_start = np.concatenate(([0], np.cumsum(part[:, 1] - part[:, 0])))
    base, quality = np.empty(piece_start[-1], np.uint8), np.empty(piece_start[-1], np.uint8)
    cap = reads.mapping_quality[row]
    copy_pieces(reads.base_start[row] + part[:, 0], cap, reads.base, reads.quality, piece_start, base, quality)
    name_hash, fragment = np.unique(reads.name_hash[row], return_inverse=True)
    reverse = (reads.flag[row] & 16) > 0
    empty = np.empty((len(row), 0), np.int32)
    caps, fragment = cap.astype(np.int64) * 1000, fragment.astype(np.int64)
    return Evidence(region, stretch, base, quality, piece_start, fragment, caps, reverse, part[:, 2:], {}, empty, name_hash, view.gap_rate)


def _fewer(reads: Alignments, row: NDArray[np.int64], part: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same rows, or where they hold more fragments than `most`, those of the lowest mixed name hashes."""
    if len(row) <= most:
        return row, part
    order = mixed(reads.name_hash[row])
    distinct = np.unique(order)
    if len(distinct) <= most:
        return row, part
    kept = order < distinct[most]
    return row[kept], part[kept]


def judge(work: list[tuple[Evidence, list[Haplotype]]]) -> None:
    """Adds the costs of the haplotypes that each evidence lacks, in one batch."""
    new = [(evidence, [h for h in dict.fromkeys(haplotypes) if h not in evidence.column]) for evidence, haplotypes in work]
    new = [(evidence, haplotypes) for evidence, haplotypes in new if haplotypes]
    if not new:
        return
    spelled = [np.frombuffer(spell(h, evidence.stretch), np.uint8) for evidence, haplotypes in new for h in haplotypes]
    rates = [evidence.gap_rate for evidence, haplotypes in new for _ in haplotypes]
    gap = [_gap_chances(base, rate) for base, rate in zip(spelled, rates, strict=True)]
    haplotype_start = np.concatenate(([0], np.cumsum([len(base) for base in spelled])))
    read_start = np.concatenate(([0], np.cumsum(np.concatenate([np.diff(evidence.piece_start) for evidence, _ in new]))))
    reads = (np.concatenate([e.base for e, _ in new]), np.concatenate([e.quality for e, _ in new]), read_start)
    pairs = _pairs(new)
    cost = likelihoods(reads, (np.concatenate(spelled), np.concatenate(gap), haplotype_start), pair_read=pairs[0], pair_haplotype=pairs[1])
    at = 0
    for evidence, haplotypes in new:
        n = len(evidence.fragment) * len(haplotypes)
        evidence.cost = np.concatenate((evidence.cost, cost[at : at + n].reshape(-1, len(haplotypes))), axis=1)
        for haplotype in haplotypes:
            evidence.column[haplotype] = len(evidence.column)
        at += n


def _pairs(new: list[tuple[Evidence, list[Haplotype]]]) -> NDArray[np.int64]:
    """(2, pairs): read and haplotype of every pair, in the order of regions, reads, haplotypes."""
    blocks, read, haplotype = [], 0, 0
    for evidence, haplotypes in new:
        n, m = len(evidence.fragment), len(haplotypes)
        blocks.append(np.stack((np.repeat(np.arange(read, read + n), m), np.tile(np.arange(haplotype, haplotype + m), n))))
        read, haplotype = read + n, haplotype + m
    return np.concatenate(blocks, axis=1)


def _gap_chances(base: NDArray[np.uint8], rate: NDArray[np.float64]) -> NDArray[np.float32]:
    out = np.empty(len(base), np.float32)
    gap_chance(base, rate, out)
    return out
