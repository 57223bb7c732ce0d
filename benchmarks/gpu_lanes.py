"""What benchmarks/gpu.py compares with: the lanes of the CPU on the same data, with as many threads as are asked for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from gpu_data import READ_LENGTH, Simulated
from numba import njit
from numpy.typing import NDArray

from genopipe.align.insert_size import InsertSize
from genopipe.kernels import extend as extension
from genopipe.kernels import on_gpu, pairhmm, pileup, seed
from genopipe.kernels.packed_alignments import Levels, Packed, Placed, Sequenced, pack
from genopipe.kernels.ungapped import best_stretch, mismatches, pack_read
from genopipe.model import Alignments, Contig, Genome, Reads

INSERT = InsertSize(low=150, high=650, mean=400, variance=6400, n_pairs=0)
"""About what simulate/ draws."""


def in_threads(work: Callable[[int, int], Any], n: int, step: int, threads: int) -> list[Any]:
    """What `work` gives for each stretch of `step` of n things, in order."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda first: work(first, min(first + step, n)), range(0, n, step)))


def joined(parts: list[tuple[NDArray[Any], ...]]) -> list[NDArray[Any]]:
    """Each array of the parts, one after another."""
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


@njit(nogil=True)
def _trace(trace, score, row, band, length, cigar, operations):  # type: ignore[no-untyped-def]
    for lane in range(len(score)):
        operations[lane] = extension.trace_back(trace, lane, row[lane], band[lane], length[lane], cigar)[0] if score[lane] > 0 else 0


def extended(query: NDArray[Any], window: NDArray[Any], length: NDArray[Any], *, threads: int) -> list[NDArray[Any]]:
    """Score, row, band and number of operations of every read; their number is a multiple of LANES."""
    rows, width = len(query), len(window) - len(query)

    def work(first: int, last: int) -> tuple[NDArray[Any], ...]:
        lanes = tuple(extension.aligned(extension.LANES, np.int16) for _ in range(6))
        ring = tuple(extension.aligned((extension.RING, extension.LANES), np.int16) for _ in range(2))
        trace = extension.aligned((rows, width, extension.LANES), np.uint8)
        cigar = np.empty(extension.MAX_OPERATIONS, np.uint32)
        score, row, band, operations = (np.empty(last - first, dtype) for dtype in (np.int16, np.int16, np.int16, np.int32))
        for at in range(0, last - first, extension.LANES):
            here, there = slice(at, at + extension.LANES), slice(first + at, first + at + extension.LANES)
            reads = (np.ascontiguousarray(query[:, there]), np.ascontiguousarray(window[:, there]), length[there])
            extension.extend(*reads, rows, width, lanes, ring, score[here], row[here], band[here], trace)
            _trace(trace, score[here], row[here], band[here], length[there], cigar, operations[here])
        return score, row, band, operations

    return joined(in_threads(work, query.shape[1], 32 * extension.LANES, threads))


def candidates(base: NDArray[np.uint8], index: tuple[Any, ...], *, threads: int) -> on_gpu.Candidates:
    """The candidates of reads of one length."""

    def work(first: int, last: int) -> on_gpu.Candidates:
        n, shape = last - first, (last - first, seed.MAX_CANDIDATES)
        places = (np.zeros(shape, np.int64) for _ in range(3))
        counts = (np.zeros(shape, np.uint8), np.zeros(shape, np.int32), np.zeros(n, np.int32), np.zeros(n, np.uint8))
        found = on_gpu.Candidates(*places, *counts)
        seed.candidates(base[first:last].ravel(), np.arange(n + 1) * READ_LENGTH, *index, *found)
        return found

    return on_gpu.Candidates(*joined(in_threads(work, len(base), 2048, threads)))


def same_candidates(found: on_gpu.Candidates, wanted: on_gpu.Candidates) -> bool:
    """Whether the slots in use are equal."""
    used = np.arange(found.vote.shape[1]) < wanted.n_candidate[:, None]
    columns = all(np.array_equal(ours[used], theirs[used]) for ours, theirs in zip(found[:5], wanted[:5], strict=True))
    return columns and all(np.array_equal(ours, theirs) for ours, theirs in zip(found[5:], wanted[5:], strict=True))


def forward(reads: tuple[Any, ...], haplotypes: tuple[Any, ...], n: int, *, threads: int) -> NDArray[np.float32]:
    """Forward sums of the first n pairs, of which each has its own read and haplotype."""

    def work(first: int, last: int) -> tuple[NDArray[np.float32]]:
        pair, total = np.arange(first, last), np.empty(last - first, np.float32)
        pairhmm.forward(*reads, *haplotypes, pair, pair, pairhmm.MATCH, pairhmm.MISMATCH, total)
        return (total,)

    return joined(in_threads(work, n, 256, threads))[0]


@njit(nogil=True)
def _lay(base, first, packed, position, reverse, n_mismatches, score, start, end):  # type: ignore[no-untyped-def]
    words = (READ_LENGTH + 31) // 32
    word, unknown, mismatch = np.empty(words, np.uint64), np.empty(words, np.uint64), np.empty(words, np.uint64)
    for k in range(len(score)):
        pack_read(base, (first + k) * READ_LENGTH, READ_LENGTH, np.int64(reverse[first + k]), word, unknown)
        n_mismatches[k] = mismatches(word, unknown, READ_LENGTH, packed, position[first + k], mismatch)
        score[k], start[k], end[k] = best_stretch(mismatch, unknown, READ_LENGTH)


def laid(data: Simulated, n: int, *, threads: int) -> list[NDArray[np.int32]]:
    """Mismatches, score, start and end of the first n reads where they come from."""
    base = data.base.ravel()

    def work(first: int, last: int) -> tuple[NDArray[np.int32], ...]:
        out = tuple(np.empty(last - first, np.int32) for _ in range(4))
        _lay(base, first, data.packed, data.position, data.reverse, *out)
        return out

    return joined(in_threads(work, n, 4096, threads))


def codes(data: Simulated) -> NDArray[np.uint8]:
    """The genome, a code a base."""
    position = np.arange(data.length)
    return (data.packed[position >> 5] >> (2 * (position & 31)).astype(np.uint64) & np.uint64(3)).astype(np.uint8)


def alignments(data: Simulated) -> Alignments:
    """The reads where they come from, aligned from end to end, in order of position; two mates share a name."""
    order = np.argsort(data.position, kind="stable")
    n, position, reverse = len(order), data.position[order], data.reverse[order]
    turned = np.where(data.base < 4, 3 - data.base, data.base)[:, ::-1]
    base = np.where(data.reverse[:, None] == 1, turned, data.base)[order].astype(np.uint8)
    quality = np.where(data.reverse[:, None] == 1, data.quality[:, ::-1], data.quality)[order]
    start = np.arange(n + 1, dtype=np.int64)
    name = (np.arange(n, dtype=np.uint64) // np.uint64(2)) * np.uint64(0x9E3779B97F4A7C15)
    shared = (np.full(n, 60, np.uint8), name, np.full(n, READ_LENGTH << 4, np.uint32), start)
    return Alignments(
        position, position + READ_LENGTH, (16 * reverse).astype(np.uint16), *shared, base.ravel(), quality.ravel(), start * READ_LENGTH
    )


def piled(reads: Alignments, reference: NDArray[np.uint8]) -> pileup.Pileup:
    """The pileup over the whole reference, by one thread."""
    return pileup.pile(reads, reference, 0)


def target(data: Simulated) -> Any:
    """The genome as the aligner takes it, one contig without unknown bases."""
    from genopipe.align.placement import target_of

    nothing = np.zeros(0, np.int64)
    return target_of(Genome("simulated", (Contig("chr1", 0, data.length, "", ""),), data.packed, nothing, nothing))


def placed(data: Simulated, n: int) -> tuple[Sequenced, Placed]:
    """The first n reads as they came, and where they come from."""
    position, column = data.position[:n], np.zeros(n, np.int32)
    reads = Sequenced(
        data.base[:n].ravel(), data.quality[:n].ravel(), np.arange(n + 1, dtype=np.int64) * READ_LENGTH, np.arange(n).astype(np.uint64)
    )
    numbers = (np.full(n, 60, np.uint8), np.ones(n, np.uint8), data.reverse[:n], position, position + READ_LENGTH)
    return reads, Placed(column, *numbers, column, column, column, np.zeros(n, np.int64), np.zeros(0, np.uint32))


def held(packed: Packed, n: int, data: Simulated, gpu: Any = None) -> Any:
    """These reads as they are called from."""
    from genopipe.formats.held_alignments import AlignmentStore

    store = AlignmentStore(Path(), Levels(), memory=1 << 40, gpu=gpu)
    if gpu is not None:
        store.add_there(packed, 0)
    else:
        store.add(packed, 0, n)
    return store.held([Contig("chr1", 0, data.length, "", "")], READ_LENGTH, np.zeros(n // 8 + 1, np.uint8))


def unpacked(whole: Any, data: Simulated) -> list[NDArray[Any]]:
    """Bases, positions and flags of all reads."""
    pieces = list(whole.pieces(0, start=0, end=data.length, min_mapping_quality=0))
    return [np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("base", "position", "flag")]


def repacked(reads: Sequenced, where: Placed, n: int, data: Simulated) -> list[NDArray[Any]]:
    """The same of the first n reads, packed and unpacked by one thread."""
    few = Sequenced(reads.base[: n * READ_LENGTH], reads.quality[: n * READ_LENGTH], reads.base_start[: n + 1], reads.chance[:n])
    return unpacked(held(pack(few, Placed(*(array[:n] for array in where)), Levels(), paired=True, first_ordinal=0), n, data), data)


def fastq_text(data: Simulated, n: int, mate: int) -> NDArray[np.uint8]:
    """The first n reads of one mate as FASTQ; names of ten digits."""
    rows = np.arange(mate, n, 2)
    head, length = 12, READ_LENGTH
    out = np.full((len(rows), head + 2 * length + 5), ord("\n"), np.uint8)
    out[:, 0], out[:, 1], out[:, head + length + 2] = ord("@"), ord("S"), ord("+")
    for digit in range(head - 2):
        out[:, head - 1 - digit] = ord("0") + rows // 2 // 10**digit % 10
    out[:, head + 1 : head + 1 + length] = np.frombuffer(b"ACGTN", np.uint8)[data.base[rows]]
    out[:, head + length + 4 : head + 2 * length + 4] = data.quality[rows] + 33
    return out.ravel()


def pairs(data: Simulated, first: int, last: int) -> Reads:
    """The reads `first` to `last`, named by ten digits."""
    n, rows = last - first, np.arange(first, last) // 2
    header = (ord("0") + rows[:, None] // 10 ** np.arange(9, -1, -1) % 10).astype(np.uint8)
    start = np.arange(n + 1, dtype=np.int64)
    names = (header.ravel(), 10 * start, np.full(n, 10, np.int32))
    return Reads(True, *names, data.base[first:last].ravel(), data.quality[first:last].ravel(), start * READ_LENGTH)


def told(reads: Reads, where: Placed, data: Simulated) -> list[NDArray[Any]]:
    """The signatures of pairs, spread, and the borders of the partitions."""
    from genopipe.align.duplicates import by_ends
    from genopipe.align.fragment_ends import Libraries, signatures
    from genopipe.align.read_ends import ends_of_reads

    row = ends_of_reads(reads, where, target(data), Libraries.of([]), group=0, first_read=0, n_followers=0).row
    return [array for each in by_ends(signatures(row).signature) for array in each]


def chosen(data: Simulated, n: int, index: on_gpu.Index, *, threads: int) -> list[NDArray[Any]]:
    """Quality, second score and propriety of the first n reads, and start and end of their places; 0 for those without one."""
    from genopipe.align import pairing, placement, rescue

    where = target(data)

    def work(first: int, last: int) -> tuple[NDArray[Any], ...]:
        m, space = last - first, placement.Workspace()
        reads, p = pairs(data, first, last), placement.empty_placements(m)
        cigar = placement.place(reads, index, where, p, space)
        rescue.rescue(reads, where, p, cigar, INSERT, space)
        choice = pairing.choose(reads, where, p, INSERT)
        row, mapped = np.arange(m), choice.slot >= 0
        start, end = (np.where(mapped, column[row, choice.slot], 0) for column in (p.start, p.end))
        return choice.quality, choice.second, choice.proper, start, end

    return joined(in_threads(work, n, 2048, threads))
