"""The kernels on a GPU: for each function of the lanes one that launches its CUDA source, on arrays of the device.

Results are those of the lanes, bit for bit; the specification stands there. Every function takes the `device.Gpu` first, and device arrays
like those that the function of the lanes takes as host arrays; what the lanes are given to fill is returned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.device.sources import Source
from genopipe.kernels import extend as extension
from genopipe.kernels import genotype, pairhmm, pileup, seed, ungapped
from genopipe.model import Alignments

LONGEST_READ = 512
"""Bases of a read that the kernels have room for."""

PAIRS_AT_ONCE = 1 << 14
"""Pairs of read and haplotype: 16 lanes each fill a large card, and their working space is some 100 MB."""

BYTES_OF_KEY = 48
"""Taken by the sorting of a key of 8 bytes: keys and rows twice, and working space."""

THREADS = 128
WARPS_OF_BLOCK = THREADS // 32
SEEDS_OF_READ = min(LONGEST_READ // 3, seed.MAX_SEEDS)

_FOLDER = Path(__file__).resolve().parent


def _source(name: str, **defines: int | str) -> Source:
    return Source(_FOLDER / name, tuple(sorted(defines.items())))


def _unsigned(value: Any) -> str:
    return f"{int(value):#x}ull"


EXTEND = _source("extend.cu", NARROW=extension.NARROW, WIDE=extension.WIDE, **extension.CUDA_DEFINES)
SEED = _source(
    "seed.cu",
    MAX_READ=LONGEST_READ,
    MULTIPLIER=_unsigned(seed._MULTIPLIER),
    ORDER=_unsigned(seed._ORDER),
    DIAGONAL_OFFSET=seed._DIAGONAL_OFFSET,
    REVERSE_BIT=seed._REVERSE_BIT,
    K=seed.K,
    S=seed.S,
    HASH_BITS=seed.HASH_BITS,
    MAX_SEEDS=seed.MAX_SEEDS,
    MAX_HITS=seed.MAX_HITS,
    MAX_CANDIDATES=seed.MAX_CANDIDATES,
    USUAL_OCCURRENCES=seed.USUAL_OCCURRENCES,
    REPEAT_OCCURRENCES=seed.REPEAT_OCCURRENCES,
    FEW_SEEDS=seed.FEW_SEEDS,
    LARGEST_GAP=seed.LARGEST_GAP,
)
UNGAPPED = _source(
    "ungapped.cu",
    MAX_READ=LONGEST_READ,
    **{name: getattr(ungapped, name) for name in ("MATCH", "MISMATCH", "UNKNOWN", "END_BONUS")},
)
PAIRHMM = _source("pairhmm.cu", ROWS=10)
PILEUP = _source(
    "pileup.cu",
    MIN_BASE_QUALITY=pileup.MIN_BASE_QUALITY,
    DELETION_QUALITY=pileup.DELETION_QUALITY,
    MIN_CLIP=pileup.MIN_CLIP,
    MOST_SHARED=2000,
)
GENOTYPE = _source("genotype.cu", HALF=pileup.HALF)


class Index(NamedTuple):
    """A seed index on the device; see `seed.lookup`."""

    entry: Any
    bucket: Any
    bucket_bits: int


class Candidates(NamedTuple):
    """What `seed.candidates` fills: (reads, slots) arrays, of which MAX_CANDIDATES columns are used, and (reads) arrays."""

    diagonal: Any
    low: Any
    high: Any
    reverse: Any
    vote: Any
    n_candidate: Any
    crowded: Any


class Seeds(NamedTuple):
    """The seeds of reads: (reads, SEEDS_OF_READ) arrays, of which `n` (reads) columns are used; first and count as in `seed.lookup`."""

    seed: Any
    where: Any
    first: Any
    count: Any
    n: Any


class Extended(NamedTuple):
    """What `extend.extend` fills for n reads, and the trace as (rows, words, n) uint32: six cells a word, as `extend.cu` says."""

    score: Any
    best_row: Any
    best_band: Any
    trace: Any


def blocks(n: int) -> tuple[int, int]:
    """A grid of a thread for each of n rows."""
    return (n + THREADS - 1) // THREADS, THREADS


def warp_blocks(gpu: Gpu, n: int) -> tuple[int, int]:
    """A grid whose warps take the n rows in turn."""
    return (min(n, gpu.warps) + WARPS_OF_BLOCK - 1) // WARPS_OF_BLOCK, THREADS


def candidates(gpu: Gpu, base: Any, base_start: Any, index: Index, *, slots: int = seed.MAX_CANDIDATES) -> Candidates:
    """The places each read may come from, best first; see `seed.candidates`. No read is longer than LONGEST_READ."""
    xp, n = gpu.xp, len(base_start) - 1
    diagonal, low, high = (xp.empty((n, slots), np.int64) for _ in range(3))
    reverse, vote = xp.empty((n, slots), np.uint8), xp.empty((n, slots), np.int32)
    found = Candidates(diagonal, low, high, reverse, vote, xp.zeros(n, np.int32), xp.zeros(n, np.uint8))
    if n:
        grid = warp_blocks(gpu, n)
        scratch = xp.empty(grid[0] * WARPS_OF_BLOCK * seed.MAX_HITS * 7 // 2, np.uint64)
        of_index = (index.entry, index.bucket, np.int32(index.bucket_bits))
        gpu.launch(SEED, "candidates", grid, base, base_start, np.int64(n), *of_index, np.int32(slots), scratch, *found)
    return found


def seeds(gpu: Gpu, base: Any, base_start: Any, index: Index) -> Seeds:
    """The seeds of each read and where their entries stand in the index; see `seed.syncmers` and `seed.lookup`."""
    xp, n = gpu.xp, len(base_start) - 1
    shape = (n, SEEDS_OF_READ)
    found = Seeds(
        xp.empty(shape, np.uint64), xp.empty(shape, np.int16), xp.empty(shape, np.uint32), xp.empty(shape, np.int32), xp.zeros(n, np.int32)
    )
    if n:
        of_index = (index.entry, index.bucket, np.int32(index.bucket_bits))
        gpu.launch(SEED, "seeds", warp_blocks(gpu, n), base, base_start, np.int64(n), *of_index, *found)
    return found


def build_index(gpu: Gpu, packed: Any, known: Sequence[tuple[int, int]], *, bucket_bits: int | None = None) -> Index:
    """The sorted index of the seeds of a genome; see `seed`. `packed` has a word behind its last base; `known` are runs of known bases.

    As many buckets as give each two to four seeds, unless `bucket_bits` says otherwise (at least `seed.PARTITION_BITS`).
    """
    xp, n_partitions = gpu.xp, 1 << seed.PARTITION_BITS
    firsts = [(start, end - seed.K + 1) for start, end in known if end - start >= seed.K]
    stretches = [(blocks(end - start), np.int64(start), np.int64(end)) for start, end in firsts]
    count = xp.zeros(n_partitions, np.uint64)
    for grid, start, end in stretches:
        gpu.launch(SEED, "count_seeds", grid, packed, start, end, count)
    border = np.concatenate((np.zeros(1, np.int64), np.cumsum(gpu.host(count).astype(np.int64))))
    following, entry = xp.asarray(border[:-1].astype(np.uint64)), xp.empty(int(border[-1]), np.uint64)
    for grid, start, end in stretches:
        gpu.launch(SEED, "scatter_seeds", grid, packed, start, end, following, entry)
    bits = bucket_bits or max(seed.PARTITION_BITS, max(len(entry), 1).bit_length() - 2)
    bucket = xp.empty((1 << bits) + 1, np.uint32)
    of_partition = 1 << bits - seed.PARTITION_BITS
    first_key = xp.arange(of_partition, dtype=np.uint64) << np.uint64(64 - bits + seed.PARTITION_BITS if bits > seed.PARTITION_BITS else 0)
    for i, (begin, stop) in enumerate(zip(border[:-1].tolist(), border[1:].tolist(), strict=True)):
        bucket[i * of_partition : (i + 1) * of_partition] = begin
        if stop > begin:
            entry[begin:stop] = xp.sort(entry[begin:stop])
            bucket[i * of_partition : (i + 1) * of_partition] += xp.searchsorted(entry[begin:stop], first_key).astype(np.uint32)
    bucket[-1] = len(entry)
    return Index(entry, bucket, bits)


def lay(gpu: Gpu, base: Any, base_start: Any, packed: Any, *, candidate: tuple[Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Mismatches, and score, start and end of the best stretch, of reads laid on the genome `packed`: (n) int32 each; see `ungapped`.

    candidate  read (n) int32, reverse (n) uint8, and the genome position of the read's first base (n) int64, none over an end of the genome
    """
    n = len(candidate[0])
    n_mismatches, score, start, end = (gpu.xp.empty(n, np.int32) for _ in range(4))
    if n:
        of_genome = (packed, np.int64(len(packed)))
        gpu.launch(UNGAPPED, "lay", blocks(n), base, base_start, *candidate, np.int64(n), *of_genome, n_mismatches, score, start, end)
    return n_mismatches, score, start, end


def order(gpu: Gpu, key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of host keys in ascending order, equal ones as they come; sorted on the device, in runs where memory is short."""
    at_once = max(gpu.room(BYTES_OF_KEY), 1)
    runs = [gpu.host(gpu.xp.argsort(gpu.xp.asarray(key[i : i + at_once]), kind="stable")) + i for i in range(0, len(key), at_once)]
    rows = np.concatenate([np.zeros(0, np.int64), *runs])
    return rows if len(runs) < 2 else rows[np.argsort(key[rows], kind="stable")]


def trace_words(width: int) -> int:
    """Words of a row of the trace of a band."""
    return (width + 5) // 6


def extend(gpu: Gpu, query: Any, window: Any, length: Any, *, width: int) -> Extended:
    """Aligns n reads to their windows; see `extend.extend`. query (rows, n), window (rows + width, n) uint8, length (n) int16."""
    xp, n = gpu.xp, len(length)
    score, row, band = (xp.empty(n, np.int16) for _ in range(3))
    trace = xp.empty((len(query), trace_words(width), n), np.uint32)
    entry = {extension.NARROW: "extend_narrow", extension.WIDE: "extend_wide"}[width]
    if n:
        gpu.launch(EXTEND, entry, blocks(n), query, window, length, np.int64(n), score, row, band, trace)
    return Extended(score, row, band, trace)


def trace_back(gpu: Gpu, extended: Extended, length: Any, *, width: int) -> tuple[Any, Any, Any]:
    """CIGARs (n, MAX_OPERATIONS) uint32, how many operations each has (n) int32, and window columns (n) int32; see `extend.trace_back`.

    Reads whose score is not positive have no operations.
    """
    xp, n = gpu.xp, len(length)
    cigar, operations, column = xp.empty((n, extension.MAX_OPERATIONS), np.uint32), xp.empty(n, np.int32), xp.empty(n, np.int32)
    placed = (extended.score, extended.best_row, extended.best_band)
    if n:
        gpu.launch(
            EXTEND, "trace_back", blocks(n), extended.trace, length, *placed, np.int64(n), np.int32(width), cigar, operations, column
        )
    return cigar, operations, column


def forward(gpu: Gpu, reads: tuple[Any, Any, Any], haplotypes: tuple[Any, Any, Any], *, pairs: tuple[Any, Any], longest: int) -> Any:
    """Forward sums of the pairs, (pairs) float32; see `pairhmm.forward`. `longest` is the length of the longest haplotype."""
    xp, n = gpu.xp, len(pairs[0])
    edge, total = xp.empty((n, 2 * longest), np.float32), xp.empty(n, np.float32)
    tables = (xp.asarray(pairhmm.MATCH), xp.asarray(pairhmm.MISMATCH))
    numbers = (np.int64(n), np.int64(2 * longest), pairhmm.START, pairhmm._CONTINUE, pairhmm.GAP_EXTENSION, pairhmm.TINY)
    gpu.launch(PAIRHMM, "pairhmm_forward", blocks(16 * n), *reads, *haplotypes, *pairs, *tables, *numbers, edge, total)
    return total


def likelihoods(
    gpu: Gpu,
    reads: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]],
    haplotypes: tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]],
    *,
    pair_read: NDArray[np.int64],
    pair_haplotype: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Cost of each pair of read and haplotype; takes and gives host arrays, as `pairhmm.likelihoods`."""
    cost, columns = np.empty(len(pair_read), np.int32), np.diff(haplotypes[2])
    longest = int(columns.max(initial=0))
    at_once = PAIRS_AT_ONCE
    # neighbours share a warp, which takes as many steps as the longer one needs
    order = np.lexsort((columns[pair_haplotype], np.diff(reads[2])[pair_read]))
    with gpu.stream():
        there = [gpu.xp.asarray(array) for array in (*reads, *haplotypes, pair_read[order], pair_haplotype[order])]
        for first in range(0, len(order), at_once):
            part = slice(first, first + at_once)
            pairs = there[6][part], there[7][part]
            total = gpu.host(forward(gpu, tuple(there[:3]), tuple(there[3:6]), pairs=pairs, longest=longest))
            given = np.empty(len(total), np.int32)
            pairhmm.milli_phred(total, columns[pair_haplotype[order[part]]], given)
            cost[order[part]] = given
    return cost


class Stretches(NamedTuple):
    """Stretches whose reads, and whose bases, lie one after another.

    read, base  (stretches + 1) int64: the first of each among those of all
    start       (stretches + 1) int64: position of its first base on its contig; the last is none
    there       (3, stretches + 1) int64: the same on the device
    """

    read: NDArray[np.int64]
    base: NDArray[np.int64]
    start: NDArray[np.int64]
    there: Any

    @property
    def told(self) -> tuple[Any, np.int64]:
        """What kernels are told of them."""
        return self.there, np.int64(len(self.read) - 1)


def stretches(gpu: Gpu, read: NDArray[np.int64], base: NDArray[np.int64], start: NDArray[np.int64]) -> Stretches:
    """The same, told to the device."""
    return Stretches(read, base, start, gpu.xp.asarray(np.stack((read, base, start))))


def fit_tables() -> NDArray[np.uint64]:
    """(3, 256): costs of a base that fits, is mixed, is misfit, by quality."""
    return np.stack((pileup.FIT, pileup.MIXED, pileup.MISFIT)).view(np.uint64)


def count_once(gpu: Gpu, reads: Alignments, here: Stretches) -> tuple[Any, Any]:
    """Qualities in which overlapping mates count once, and the row of each read's overlapping mate; see `pileup.count_once`."""
    xp, n = gpu.xp, len(reads)
    order = xp.argsort(reads.name_hash, kind="stable")
    quality, mate = reads.quality.copy(), xp.full(n, -1, np.int64)
    placed = (reads.name_hash, reads.position, reads.end, reads.cigar, reads.cigar_start, reads.base, reads.base_start)
    if n:
        gpu.launch(PILEUP, "settle_mates", blocks(n), order, np.int64(n), *here.told, *placed, quality, mate)
    return quality, mate


def pile(gpu: Gpu, reads: Alignments, reference: Any, here: Stretches, *, n_indels: int, tables: Any) -> pileup.Pileup:
    """The pileups of the reads of stretches over their `reference` (codes), one after another; see `pileup.pile`. Arrays are the device's.

    n_indels  insertions and deletions of the reads; rows of those that begin outside of their stretch are zero, and come last
    tables    `fit_tables` there
    """
    xp, n, n_reads = gpu.xp, len(reference), len(reads)
    quality, mate = count_once(gpu, reads, here)
    count, fit = xp.zeros((n, 8), np.int32), xp.zeros((n, 3), np.int64)
    depth, deleted, clipped = (xp.zeros(n, np.int32) for _ in range(3))
    indel = xp.zeros((n_indels, 4), np.int64)
    if n_reads:
        indels = xp.empty(n_reads, np.int32)
        of_reads = (reads.position, reads.cigar, reads.cigar_start)
        gpu.launch(PILEUP, "count_indels", blocks(n_reads), np.int64(n_reads), *here.told, *of_reads, indels)
        end = xp.cumsum(indels, dtype=np.int64)
        placed = (reads.position, reads.flag, reads.mapping_quality, reads.cigar, reads.cigar_start, reads.base, reads.base_start)
        seen = (quality, mate, reads.end, reference, tables, end, indels, count, depth, deleted, clipped, fit, indel)
        gpu.launch(PILEUP, "walk", blocks(n_reads), np.int64(n_reads), *here.told, *placed, *seen)
    return pileup.Pileup(0, count, depth, deleted, clipped, fit, indel, quality, mate)


def mark_sites(gpu: Gpu, seen: tuple[Any, Any, Any, Any], *, min_support: int, shares: tuple[float, float]) -> Any:
    """Where counts, depth and clips differ from the reference; see `pileup.mark_sites`."""
    n = len(seen[3])
    mark = gpu.xp.empty(n, np.uint8)
    limits = (np.int32(min_support), np.float64(shares[0]), np.float64(shares[1]))
    if n:
        gpu.launch(PILEUP, "mark_sites", blocks(n), *seen, np.int64(n), *limits, mark)
    return mark


def pair_costs(gpu: Gpu, cost: Any) -> Any:
    """Cost of all fragments given each pair of haplotypes, (haplotypes, haplotypes) int64; see `genotype.pair_costs`."""
    xp = gpu.xp
    by_haplotype, together = xp.ascontiguousarray(cost.T), xp.asarray(genotype.TOGETHER)
    n, n_fragments = by_haplotype.shape
    out = xp.empty((n, n), np.int64)
    sizes = (np.int64(n), np.int64(n_fragments), together, np.int64(len(together)))
    gpu.launch(GENOTYPE, "pair_costs", blocks(n * n), by_haplotype, *sizes, out)
    return out
