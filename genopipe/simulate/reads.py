"""Reads of a person as two FASTQ files, and, when asked for, where each came from.

Fragments are drawn from all haplotypes together, each by its depth, so the reads come in random order as from a sequencer. Everything is
made in batches; the result does not depend on their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.bgzf import BgzfWriter
from genopipe.outputs import whole_file
from genopipe.simulate.draws import Draws, stream_key
from genopipe.simulate.haplotypes import DEPTH_UNIT, Haplotype
from genopipe.simulate.sequencer import READ_LENGTH, places_on_cell, sequence_pairs, write_records

BATCH = 16_384
DUPLICATES_16 = 1311
"""Share of pairs that are copies of an earlier one, in units of 2^-16: 2 %."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """A batch of pairs; the arrays are those of `sequencer.sequence_pairs`, `cell` is lane, tile, x and y."""

    base: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    place: NDArray[np.int64]
    kept: NDArray[np.bool_]
    cell: NDArray[np.int64]


def count_pairs(haplotypes: Sequence[Haplotype]) -> int:
    """Pairs that give the haplotypes their depths."""
    return int(sum(haplotype.depth * len(haplotype.base) for haplotype in haplotypes) // (DEPTH_UNIT * 2 * READ_LENGTH))


def simulate_pairs(haplotypes: Sequence[Haplotype], *, seed: int, sample: str, duplicates_16: int = DUPLICATES_16) -> Iterator[Pairs]:
    """All pairs of a person, in batches of `BATCH`."""
    key = np.uint64(stream_key(seed, "reads", sample))
    flat = np.concatenate([haplotype.base for haplotype in haplotypes])
    start = np.cumsum([0, *(len(haplotype.base) for haplotype in haplotypes)])
    weight = np.cumsum([haplotype.depth * len(haplotype.base) for haplotype in haplotypes])
    circular = np.array([haplotype.circular for haplotype in haplotypes])
    n_pairs = count_pairs(haplotypes)
    for first in range(0, n_pairs, BATCH):
        n = min(BATCH, n_pairs - first)
        base = np.empty((n, 2, READ_LENGTH), np.uint8)
        quality, place, kept = np.empty_like(base), np.empty((n, 4), np.int64), np.empty(n, bool)
        sequence_pairs(first, n, key, duplicates_16, weight, start, circular, flat, base, quality, place, kept)
        yield Pairs(base, quality, place, kept, places_on_cell(first, n, n_pairs, key))


def simulate_reads(
    haplotypes: Sequence[Haplotype], r1: Path, r2: Path, *, seed: int = 1, sample: str = "donor", positions: Path | None = None
) -> None:
    """Writes the reads of a person to two FASTQ files, bgzip-compressed.

    `positions` gets a line for each pair, tab-separated: read name, contig, 0-based reference position of the leftmost base of mate 1 and
    its strand, the same of mate 2.
    """
    before = f"@{_instrument(seed)}:".encode()
    with ExitStack() as stack:
        writers = [stack.enter_context(BgzfWriter(stack.enter_context(whole_file(path)))) for path in (r1, r2)]
        told = stack.enter_context(open(stack.enter_context(whole_file(positions)), "w")) if positions else None
        for pairs in simulate_pairs(haplotypes, seed=seed, sample=sample):
            for mate, writer in enumerate(writers):
                writer.write(_records(pairs, mate, before, _index(seed, sample)))
            if told is not None:
                told.writelines(_position_lines(pairs, haplotypes, before[1:].decode()))


def _instrument(seed: int) -> str:
    """Instrument, run and flow cell, all invented; one run for all samples of a seed."""
    return f"GPSIM1:{seed % 1000}:FDEMO{stream_key(seed, 'flow cell') % 1000:03d}"


def _index(seed: int, sample: str) -> str:
    """The two index reads of a sample."""
    draws = Draws(seed, "index", sample)
    first, second = ("".join("ACGT"[i] for i in draws.below(4, 8)) for _ in range(2))
    return f"{first}+{second}"


def _records(pairs: Pairs, mate: int, before: bytes, index: str) -> bytes:
    after = f" {mate + 1}:N:0:{index}\n".encode()
    longest = len(before) + 40 + len(after) + 2 * READ_LENGTH + 4
    out = np.empty(len(pairs.kept) * longest, np.uint8)
    header, trailer = np.frombuffer(before, np.uint8), np.frombuffer(after, np.uint8)
    written = write_records(mate, pairs.cell, pairs.kept, pairs.base, pairs.quality, header, trailer, out)
    return out[:written].tobytes()


def _position_lines(pairs: Pairs, haplotypes: Sequence[Haplotype], before: str) -> Iterator[str]:
    reference = np.empty((len(pairs.kept), 2), np.int64)
    for i, haplotype in enumerate(haplotypes):
        of_it = pairs.place[:, 0] == i
        reference[of_it] = haplotype.reference_position(pairs.place[of_it, 1:3])
    for row in np.flatnonzero(pairs.kept).tolist():
        contig, reverse = haplotypes[pairs.place[row, 0]].contig, pairs.place[row, 3]
        strands = "-+" if reverse else "+-"
        name = before + ":".join(map(str, pairs.cell[row].tolist()))
        yield f"{name}\t{contig}\t{reference[row, 0]}\t{strands[0]}\t{reference[row, 1]}\t{strands[1]}\n"
