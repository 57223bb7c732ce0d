"""Where each read may lie: candidates from seeds, laid on the genome without gaps, and extended with gaps where that could gain.

In order, for a batch of reads: the seed kernel names candidate diagonals; every candidate gets its best ungapped stretch; those that a
gap could improve become jobs of the extension kernel, 128 side by side; what comes to lie on the same place twice is dropped. Rescue, which
looks for a read near its mate, adds candidates by the same jobs.

No alignment leaves its contig. A candidate over the border of contigs belongs to the contig that its best stretch lies in, is extended
there, and what lies beyond the border is clipped.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels import extend as extension
from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.kernels.seed import MAX_CANDIDATES, candidates
from genopipe.kernels.ungapped import END_BONUS, MATCH, MISMATCH, best_stretch, mismatches, pack_read
from genopipe.model import Genome, Reads

if TYPE_CHECKING:
    from genopipe.align.index import SeedIndex

LONGEST_READ = 512
"""Bases. The working space of the kernels and the byte that numbers a read's seeds are sized for it."""

READ_WORDS = (LONGEST_READ + 31) // 32
"""Words of the longest read at two bits a base."""

SLOTS_OF_PAIRS = MAX_CANDIDATES + 4
"""Places of a whole read: the candidates of its seeds, and four for those found by rescue."""

SLOTS = SLOTS_OF_PAIRS + 2
"""Places kept for each read: with those of a clipped part at either end."""

FULL_LENGTH_MISMATCHES = 5
"""A candidate other than the best that fits from end to end with so few mismatches is not extended: a gap would hardly gain."""


class Bases(NamedTuple):
    """Sequences to place that are no reads of their own; as in `model.Reads`."""

    base: NDArray[np.uint8]
    base_start: NDArray[np.int64]


class Target(NamedTuple):
    """The genome as the kernels take it: `model.Genome` without names.

    contig_start, contig_end  (contigs) int64
    alternative               (contigs) bool: where a place counts only for reads without one elsewhere
    """

    packed: NDArray[np.uint64]
    unknown_start: NDArray[np.int64]
    unknown_end: NDArray[np.int64]
    contig_start: NDArray[np.int64]
    contig_end: NDArray[np.int64]
    alternative: NDArray[np.bool_]


class Placements(NamedTuple):
    """Places of the reads of a batch, SLOTS a read; genome positions are those of the concatenated genome.

    n            (reads) int32: slots in use
    crowded      (reads) uint8: 1 where there are more places as good as those kept
    diagonal     (reads, SLOTS) int64: where the read begins by most of its seeds
    low, high    (reads, SLOTS) int64: lowest and highest diagonal by the seeds
    reverse      (reads, SLOTS) uint8: 1 for the reverse strand
    vote         (reads, SLOTS) int32: seeds that agree
    score        (reads, SLOTS) int32: alignment score with end bonuses; -1 where dropped
    start, end   (reads, SLOTS) int64: aligned stretch of the genome; until a candidate is aligned, an empty one in the contig it
                 belongs to
    clip_start, clip_end  (reads, SLOTS) int32: bases clipped at the left and right end of the alignment
    cigar_at     (reads, SLOTS) int64: first operation in `cigar`, -1 for an alignment without gaps
    cigar_n      (reads, SLOTS) int32
    """

    n: NDArray[np.int32]
    crowded: NDArray[np.uint8]
    diagonal: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    reverse: NDArray[np.uint8]
    vote: NDArray[np.int32]
    score: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    clip_start: NDArray[np.int32]
    clip_end: NDArray[np.int32]
    cigar_at: NDArray[np.int64]
    cigar_n: NDArray[np.int32]


class Jobs(NamedTuple):
    """Extensions to do: read, slot, and the width of the band each needs."""

    read: NDArray[np.int32]
    slot: NDArray[np.int32]
    width: NDArray[np.int32]


def target_of(genome: Genome, alternative: Collection[str] = ()) -> Target:
    """The arrays of `genome` for the kernels; `alternative` are names of contigs."""
    contig_start = np.array([contig.start for contig in genome.contigs], np.int64)
    contig_end = contig_start + np.array([contig.length for contig in genome.contigs], np.int64)
    unknown_start, unknown_end = np.asarray(genome.unknown_start), np.asarray(genome.unknown_end)
    is_alternative = np.array([contig.name in alternative for contig in genome.contigs], np.bool_)
    return Target(np.asarray(genome.packed), unknown_start, unknown_end, contig_start, contig_end, is_alternative)


class Workspace:
    """The extension kernel's working space for one thread."""

    def __init__(self) -> None:
        lanes, rows = extension.LANES, LONGEST_READ
        self.query = extension.aligned((rows, lanes), np.uint8)
        self.window = extension.aligned((rows + extension.WIDE, lanes), np.uint8)
        self.length = extension.aligned(lanes, np.int16)
        self.lanes = tuple(extension.aligned(lanes, np.int16) for _ in range(6))
        self.ring = tuple(extension.aligned((extension.RING, lanes), np.int16) for _ in range(2))
        self.result = tuple(extension.aligned(lanes, np.int16) for _ in range(3))
        self.trace = extension.aligned(rows * extension.WIDE * lanes, np.uint8)
        self._placements = empty_placements(0)

    def placements(self, n: int) -> Placements:
        """Room for `n` reads that is used again for the next batch: fresh memory would cost page faults."""
        if n > len(self._placements.n):
            self._placements = empty_placements(n + n // 4)
        return Placements._make(array[:n] for array in self._placements)

    def arguments(self) -> tuple[Any, ...]:
        """In the order `_extend_jobs` takes them."""
        return self.query, self.window, self.length, self.lanes, self.ring, self.result, self.trace


def place(reads: Reads, index: SeedIndex, target: Target, placements: Placements, work: Workspace) -> NDArray[np.uint32]:
    """Fills `placements` with the scored candidates of every read, and gives the operations of their CIGARs."""
    seed(reads, index, placements)
    return lay(reads, target, placements, np.empty(0, np.uint32), work)


def seed(reads: Reads | Bases, index: SeedIndex, placements: Placements) -> None:
    """Fills `placements` with the candidates by seeds."""
    found = (placements.diagonal, placements.low, placements.high, placements.reverse, placements.vote, placements.n, placements.crowded)
    candidates(reads.base, reads.base_start, index.entry, index.bucket, index.bucket_bits, *found)


def lay(reads: Reads | Bases, target: Target, placements: Placements, cigar: NDArray[np.uint32], work: Workspace) -> NDArray[np.uint32]:
    """Aligns the candidates in `placements` and gives `cigar` with their operations added."""
    jobs = Jobs(*(np.empty(len(placements.n) * SLOTS, np.int32) for _ in range(3)))
    n_jobs = _score_ungapped(reads.base, reads.base_start, target, placements, jobs, np.empty((5, READ_WORDS), np.uint64))
    cigar = run_jobs(reads, target, placements, jobs, n_jobs, cigar, work)
    _drop_repeated(placements)
    return cigar


def empty_placements(n: int) -> Placements:
    """Room for the places of `n` reads."""
    types: list[Any] = [
        np.int64,
        np.int64,
        np.int64,
        np.uint8,
        np.int32,
        np.int32,
        np.int64,
        np.int64,
        np.int32,
        np.int32,
        np.int64,
        np.int32,
    ]
    return Placements(np.zeros(n, np.int32), np.zeros(n, np.uint8), *(np.empty((n, SLOTS), dtype) for dtype in types))


def run_jobs(
    reads: Reads | Bases,
    target: Target,
    placements: Placements,
    jobs: Jobs,
    n_jobs: int,
    cigar: NDArray[np.uint32],
    work: Workspace,
) -> NDArray[np.uint32]:
    """Extends the first `n_jobs` jobs and gives `cigar` with their operations added."""
    read, slot, width = (array[:n_jobs] for array in jobs)
    length = reads.base_start[read + 1] - reads.base_start[read]
    for band in (extension.NARROW, extension.WIDE):
        rows = np.flatnonzero(width == band)
        if not len(rows):
            continue
        rows = rows[np.argsort(length[rows], kind="stable")]
        grown = np.empty(len(cigar) + len(rows) * extension.MAX_OPERATIONS, np.uint32)
        grown[: len(cigar)] = cigar
        used = _extend_jobs(
            reads.base, reads.base_start, target, placements, read[rows], slot[rows], band, grown, len(cigar), *work.arguments()
        )
        cigar = grown[:used]
    return cigar


@inner
def contig_of(target, position):
    """The contig a position lies in or behind."""
    low, high = 0, len(target.contig_start)
    while high - low > 1:
        middle = (low + high) >> 1
        if target.contig_start[middle] <= position:
            low = middle
        else:
            high = middle
    return low


@inner
def touches_unknown(target, start, end):
    """True where `start` to `end` holds unknown bases or leaves its contig."""
    contig = contig_of(target, max(start, 0))
    if start < target.contig_start[contig] or end > target.contig_end[contig]:
        return True
    low, high = 0, len(target.unknown_end)
    while low < high:
        middle = (low + high) >> 1
        if target.unknown_end[middle] <= start:
            low = middle + 1
        else:
            high = middle
    return low < len(target.unknown_start) and target.unknown_start[low] < end


@inner
def _home(base, begin, length, reverse, target, first):
    """The contig that a read which begins at `first` belongs to: of those it reaches over, the one with the best stretch without gaps."""
    home = contig_of(target, max(first, 0))
    contig = home
    best = 0
    while contig < len(target.contig_start) and target.contig_start[contig] < first + length:
        low, high = max(first, target.contig_start[contig]), min(first + length, target.contig_end[contig])
        if contig == home and high - low == length:
            break
        score = 0
        for position in range(low, high):
            c = base[begin + length - 1 - (position - first)] if reverse else base[begin + position - first]
            g = np.int64((target.packed[position >> 5] >> np.uint64(2 * (position & 31))) & np.uint64(3))
            score = score + MATCH if c < 4 and (3 - c if reverse else c) == g else max(score - MISMATCH, 0)
            if score > best:
                best, home = score, contig
        contig += 1
    return home


@kernel
def _score_ungapped(base, base_start, target, placements, jobs, words):
    """Lays every candidate on the genome without gaps and names those to extend; gives how many these are.

    words  (5, READ_WORDS) uint64: working space
    """
    word, unknown, mismatch = words[:2], words[2:4], words[4]
    p = placements
    n_jobs = np.int64(0)
    for read in range(len(base_start) - 1):
        begin = base_start[read]
        length = base_start[read + 1] - begin
        packed_strand = 0
        best = -1
        best_exact = False
        for slot in range(p.n[read]):
            strand = np.int64(p.reverse[read, slot])
            if not (packed_strand >> strand) & 1:
                pack_read(base, begin, length, strand, word[strand], unknown[strand])
                packed_strand |= 1 << strand
            first = p.diagonal[read, slot]
            p.score[read, slot] = 0
            p.cigar_at[read, slot] = -1
            p.cigar_n[read, slot] = 0
            p.clip_start[read, slot] = p.clip_end[read, slot] = 0
            exact = settled = False
            if not touches_unknown(target, first, first + length):
                n_mismatches = mismatches(word[strand], unknown[strand], length, target.packed, first, mismatch)
                score, start, end = best_stretch(mismatch, unknown[strand], length)
                p.score[read, slot] = score
                p.start[read, slot], p.end[read, slot] = first + start, first + end
                p.clip_start[read, slot], p.clip_end[read, slot] = start, length - end
                settled = start == 0 and end == length and n_mismatches <= FULL_LENGTH_MISMATCHES
                exact = settled and n_mismatches <= 1
            else:
                home = _home(base, begin, length, strand, target, first)
                p.start[read, slot] = p.end[read, slot] = max(first, target.contig_start[home])
            if not settled and p.vote[read, slot] * 2 >= p.vote[read, 0]:
                n_jobs = _add_job(p, jobs, n_jobs, read, slot)
            elif best < 0 or p.score[read, slot] > p.score[read, best]:
                best = slot
                best_exact = exact
        if best >= 0 and not best_exact:
            n_jobs = _add_job(p, jobs, n_jobs, read, best)
    return n_jobs


@inner
def _add_job(p, jobs, n_jobs, read, slot):
    jobs.read[n_jobs] = read
    jobs.slot[n_jobs] = slot
    spread = p.high[read, slot] - p.low[read, slot]
    jobs.width[n_jobs] = extension.NARROW if spread <= extension.NARROW // 2 else extension.WIDE
    return n_jobs + 1


@inner
def _fill_lane(base, begin, length, reverse, target, contig, window_start, columns, query, window, lane):
    for i in range(length):
        c = base[begin + length - 1 - i] if reverse else base[begin + i]
        query[i, lane] = 4 if c > 3 else (3 - c if reverse else c)
    first, last = target.contig_start[contig], target.contig_end[contig]
    for j in range(columns):
        position = window_start + j
        if position < first or position >= last:
            window[j, lane] = extension.BEYOND
        else:
            window[j, lane] = (target.packed[position >> 5] >> np.uint64(2 * (position & 31))) & np.uint64(3)
    if touches_unknown(target, max(window_start, first), min(window_start + columns, last)):
        for run in range(len(target.unknown_start)):
            run_start = max(target.unknown_start[run], first) - window_start
            run_end = min(target.unknown_end[run], last) - window_start
            for j in range(max(run_start, 0), min(run_end, columns)):
                window[j, lane] = extension.UNKNOWN_GENOME


@allocating
def _extend_jobs(base, base_start, target, p, job_read, job_slot, width, cigar, used, query, window, length, lanes, ring, result, trace):
    """Extends the jobs 128 at a time and writes what they gave into the placements; gives the operations used."""
    score, best_row, best_band = result
    window_start = np.empty(extension.LANES, np.int64)
    for first in range(0, len(job_read), extension.LANES):
        n = min(extension.LANES, len(job_read) - first)
        rows = np.int64(0)
        for lane in range(n):
            read = job_read[first + lane]
            rows = max(rows, base_start[read + 1] - base_start[read])
        for lane in range(extension.LANES):
            length[lane] = 0
            if lane >= n:
                continue
            read, slot = job_read[first + lane], job_slot[first + lane]
            bases = base_start[read + 1] - base_start[read]
            middle = (p.low[read, slot] + p.high[read, slot]) >> 1
            contig = contig_of(target, p.start[read, slot])
            window_start[lane] = middle - width // 2
            length[lane] = bases
            _fill_lane(
                base, base_start[read], bases, p.reverse[read, slot], target, contig, window_start[lane], bases + width, query, window, lane
            )
        cells = trace[: rows * width * extension.LANES].reshape((rows, width, extension.LANES))
        extension.extend(query, window, length, rows, width, lanes, ring, score, best_row, best_band, cells)
        for lane in range(n):
            read, slot = job_read[first + lane], job_slot[first + lane]
            if score[lane] < p.score[read, slot] or score[lane] <= 0:
                continue
            operations, column = extension.trace_back(cells, lane, best_row[lane], best_band[lane], length[lane], cigar[used:])
            p.score[read, slot] = score[lane]
            p.start[read, slot] = window_start[lane] + column
            p.end[read, slot] = p.start[read, slot]
            p.clip_start[read, slot] = cigar[used] >> 4 if cigar[used] & 15 == extension.CIGAR_CLIP else 0
            last = used + operations - 1
            p.clip_end[read, slot] = cigar[last] >> 4 if cigar[last] & 15 == extension.CIGAR_CLIP else 0
            for k in range(used, used + operations):
                operation = cigar[k] & 15
                if operation == extension.CIGAR_MATCH or operation == extension.CIGAR_DELETION:
                    p.end[read, slot] += cigar[k] >> 4
            p.cigar_at[read, slot] = used
            p.cigar_n[read, slot] = operations
            used += operations
    return used


@kernel
def drop_repeated_of(p, read):
    """Drops, of places that share strand and start or end, all but the best."""
    for a in range(p.n[read]):
        for b in range(a + 1, p.n[read]):
            same = p.start[read, a] == p.start[read, b] or p.end[read, a] == p.end[read, b]
            if same and p.reverse[read, a] == p.reverse[read, b] and p.score[read, a] >= 0 and p.score[read, b] >= 0:
                if p.score[read, b] > p.score[read, a]:
                    p.score[read, a] = -1
                else:
                    p.score[read, b] = -1


@kernel
def _drop_repeated(p):
    for read in range(len(p.n)):
        drop_repeated_of(p, read)


assert LONGEST_READ + 2 * END_BONUS < 1 << 15
