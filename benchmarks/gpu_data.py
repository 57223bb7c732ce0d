"""Genome and reads for benchmarks/gpu.py, made by simulate/ in as many processes as there are cores. Needs neither a GPU nor files."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.simulate.draws import stream_key
from genopipe.simulate.sequence import ContigPlan, make_sequence
from genopipe.simulate.sequencer import READ_LENGTH, sequence_pairs

CONTIG = 100_000_000 // 32 * 32
"""Bases of a contig, a multiple of 32: each is made by one process."""


@dataclass(frozen=True)
class Simulated:
    """A genome without unknown bases, and reads of it.

    packed    (words + 1) uint64: the genome as in `model.Genome`, and one word more
    length    bases of the genome
    base      (reads, READ_LENGTH) uint8: codes
    quality   (reads, READ_LENGTH) uint8: phred
    position  (reads) int64: leftmost genome position
    reverse   (reads) uint8: 1 where the read is the reverse complement of the genome
    """

    packed: NDArray[np.uint64]
    length: int
    base: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    position: NDArray[np.int64]
    reverse: NDArray[np.uint8]

    @property
    def base_start(self) -> NDArray[np.int64]:
        """Where each read begins in `base.ravel()`."""
        return np.arange(len(self.base) + 1, dtype=np.int64) * READ_LENGTH


def simulate(length: int, n_reads: int, *, seed: int) -> Simulated:
    """A genome of about `length` bases, repeats included, and about `n_reads` reads from all of it: pairs in random order, mates
    beside each other."""
    n_contigs = max(1, -(-length // CONTIG))
    bases = length // n_contigs // 32 * 32
    tasks = [(number, bases, n_reads // n_contigs // 2, seed) for number in range(n_contigs)]
    processes = min(len(os.sched_getaffinity(0)), n_contigs)
    if processes == 1:
        return _joined(map(_contig, tasks), seed)
    _contig((0, 1 << 20, 10, seed))  # compiled once, for all processes
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return _joined(pool.imap(_contig, tasks), seed)


def _contig(task: tuple[int, int, int, int]) -> Simulated:
    """Contig `number` of so many bases, with so many pairs of reads, positions counted from its own first base."""
    number, length, n_pairs, seed = task
    code = make_sequence(ContigPlan(f"chr{number + 1}", length, "autosome"), seed=seed).base
    base = np.empty((n_pairs, 2, READ_LENGTH), np.uint8)
    quality, place, kept = np.empty_like(base), np.empty((n_pairs, 4), np.int64), np.empty(n_pairs, bool)
    key = np.uint64(stream_key(seed, "reads", str(number)))
    whole = (np.array([length]), np.array([0, length]), np.array([False]), code)
    sequence_pairs(0, n_pairs, key, 0, *whole, base, quality, place, kept)
    reverse = np.stack((place[:, 3], 1 - place[:, 3]), axis=1).astype(np.uint8)
    reads = (array[kept].reshape(-1, *array.shape[2:]) for array in (base, quality, place[:, 1:3], reverse))
    return Simulated(_packed(code), length, *reads)


def _packed(code: NDArray[np.uint8]) -> NDArray[np.uint64]:
    words = np.zeros((len(code) + 31) // 32, np.uint64)
    for i in range(32):
        part = code[i::32]
        words[: len(part)] |= part.astype(np.uint64) << np.uint64(2 * i)
    return words


def _joined(contigs: Iterable[Simulated], seed: int) -> Simulated:
    """One genome of all contigs, their pairs shuffled."""
    made = list(contigs)
    offset = np.cumsum([0, *(contig.length for contig in made)])
    position = np.concatenate([contig.position + start for contig, start in zip(made, offset[:-1], strict=True)])
    pair = np.random.default_rng(seed).permutation(len(position) // 2)
    order = (2 * pair[:, None] + np.arange(2)).ravel()

    def gathered(name: str) -> Any:
        return np.concatenate([getattr(contig, name) for contig in made])[order]

    packed = np.concatenate([*(contig.packed for contig in made), np.zeros(1, np.uint64)])
    return Simulated(packed, int(offset[-1]), gathered("base"), gathered("quality"), position[order], gathered("reverse"))
