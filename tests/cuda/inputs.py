"""Small genomes, indexes and reads for the kernels, made without the rest of the program."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels import seed as lanes

Codes = NDArray[np.uint8]


def repetitive(rng: np.random.Generator, n: int, *, copies: int = 60) -> Codes:
    """A random genome in which one element of 200 bases stands `copies` times, and one of 70 twice as often."""
    genome = rng.integers(0, 4, n).astype(np.uint8)
    for length, times in ((200, copies), (70, 2 * copies)):
        element = rng.integers(0, 4, length).astype(np.uint8)
        for start in rng.integers(0, n - length, times).tolist():
            genome[start : start + length] = element
    return genome


def index_of(genome: Codes, bits: int = 9) -> tuple[NDArray[np.uint64], NDArray[np.uint32], int]:
    """Entries, buckets and bucket bits of all seeds of a genome."""
    seed, position = np.empty(len(genome), np.uint64), np.empty(len(genome), np.int64)
    n = lanes.syncmers(genome, 0, len(genome), seed, position)
    seed, entry = seed[:n], (seed[:n] << np.uint64(32)) | position[:n].astype(np.uint64)
    order = np.lexsort((entry, seed >> np.uint64(32)))
    top = (seed[order] >> np.uint64(lanes.HASH_BITS + 1 - bits)).astype(np.int64)
    return entry[order], np.searchsorted(top, np.arange((1 << bits) + 1)).astype(np.uint32), bits


def reads_of(
    rng: np.random.Generator, genome: Codes, n: int, *, length: tuple[int, int] = (30, 250), error: float = 0.02
) -> tuple[Codes, NDArray[np.int64]]:
    """Reads of both strands with wrong and unknown bases, gaps, and some that come from nowhere: flat bases and where each begins."""
    reads = []
    for k in range(n):
        m = int(rng.integers(*length))
        start = int(rng.integers(0, len(genome) - m))
        read = genome[start : start + m].copy()
        if k % 4 == 1 and m > 60:
            read = np.delete(read, np.arange(m // 2, m // 2 + int(rng.integers(1, 12))))
        if k % 4 == 2 and m > 60:
            read = np.insert(read, m // 3, rng.integers(0, 4, int(rng.integers(1, 9))).astype(np.uint8))
        if k % 9 == 8:
            read = rng.integers(0, 4, m).astype(np.uint8)
        if rng.random() < 0.5:
            read = (3 - read)[::-1].copy() if read.max() < 4 else read
        wrong = rng.random(len(read)) < error
        read[wrong] = rng.integers(0, 5, int(wrong.sum()))
        reads.append(read)
    return np.concatenate(reads), np.concatenate(([0], np.cumsum([len(read) for read in reads]))).astype(np.int64)
