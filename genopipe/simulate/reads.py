"""Reads of a person as two FASTQ files, and, when asked for, where each came from.

Fragments are drawn from all haplotypes together, each by its depth, so the reads come in random order as from a sequencer. Everything is
made in batches; the result does not depend on their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
    """A batch of pairs; `base`, `quality` and `kept` are those of `sequencer.sequence_pairs`.

    place (pairs, 4) int64: contig, reference position of the leftmost base of mate 1 and of mate 2, 1 where mate 1 is reversed
    cell  (pairs, 4) int64: lane, tile, x and y
    """

    base: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    place: NDArray[np.int64]
    kept: NDArray[np.bool_]
    cell: NDArray[np.int64]


def count_pairs(haplotypes: Sequence[Haplotype]) -> int:
    """Pairs that give the haplotypes their depths."""
    return int(sum(haplotype.depth * len(haplotype.base) for haplotype in haplotypes) // (DEPTH_UNIT * 2 * READ_LENGTH))


class Fragments:
    """The pairs that haplotypes give, any stretch of them at any time: pair i is a function of the key and of i."""

    def __init__(self, haplotypes: Sequence[Haplotype], key: np.uint64, *, duplicates_16: int = DUPLICATES_16) -> None:
        self._haplotypes, self._key, self._duplicates_16 = haplotypes, key, duplicates_16
        self._flat = np.concatenate([haplotype.base for haplotype in haplotypes])
        self._start = np.cumsum([0, *(len(haplotype.base) for haplotype in haplotypes)])
        self._weight = np.cumsum([haplotype.depth * len(haplotype.base) for haplotype in haplotypes])
        self._circular = np.array([haplotype.circular for haplotype in haplotypes])

    def pairs(self, first: int, cell: NDArray[np.int64]) -> Pairs:
        """As many pairs as there are cells, from pair `first` on; the contig in `place` is the number of the haplotype."""
        n = len(cell)
        base = np.empty((n, 2, READ_LENGTH), np.uint8)
        quality, place, kept = np.empty_like(base), np.empty((n, 4), np.int64), np.empty(n, bool)
        known = (self._duplicates_16, self._weight, self._start, self._circular, self._flat)
        sequence_pairs(first, n, self._key, *known, base, quality, place, kept)
        for i, haplotype in enumerate(self._haplotypes):
            of_it = place[:, 0] == i
            place[of_it, 1:3] = haplotype.reference_position(place[of_it, 1:3])
        return Pairs(base, quality, place, kept, cell)


def simulate_reads(
    haplotypes: Sequence[Haplotype], r1: Path, r2: Path, *, seed: int = 1, sample: str = "donor", positions: Path | None = None
) -> None:
    """Writes the reads of a person to two FASTQ files, bgzip-compressed.

    `positions` gets a line for each pair, tab-separated: read name, contig, 0-based reference position of the leftmost base of mate 1 and
    its strand, the same of mate 2.
    """
    key = np.uint64(stream_key(seed, "reads", sample))
    fragments, n_pairs = Fragments(haplotypes, key), count_pairs(haplotypes)
    stretches = ((first, min(BATCH, n_pairs - first)) for first in range(0, n_pairs, BATCH))
    pairs = (fragments.pairs(first, places_on_cell(first, n, n_pairs, key)) for first, n in stretches)
    with read_files(r1, r2, positions, Origin(seed, sample, [haplotype.contig for haplotype in haplotypes])) as write:
        for batch in pairs:
            write(batch)


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose reads they are: `contigs` are the names that the first column of `Pairs.place` numbers."""

    seed: int
    sample: str
    contigs: Sequence[str]


@contextmanager
def read_files(r1: Path, r2: Path, positions: Path | None, origin: Origin) -> Iterator[Callable[[Pairs], None]]:
    """A function that adds a batch to two FASTQ files and, where `positions` is given, to the table of where the pairs came from."""
    before, index = f"@{_instrument(origin.seed)}:".encode(), _index(origin.seed, origin.sample)
    with ExitStack() as stack:
        writers = [stack.enter_context(BgzfWriter(stack.enter_context(whole_file(path)))) for path in (r1, r2)]
        told = stack.enter_context(open(stack.enter_context(whole_file(positions)), "w")) if positions else None

        def write(pairs: Pairs) -> None:
            for mate, writer in enumerate(writers):
                writer.write(_records(pairs, mate, before, index))
            if told is not None:
                told.writelines(_position_lines(pairs, origin.contigs, before[1:].decode()))

        yield write


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


def _position_lines(pairs: Pairs, contigs: Sequence[str], before: str) -> Iterator[str]:
    for row in np.flatnonzero(pairs.kept).tolist():
        which, first, second, reverse = pairs.place[row].tolist()
        strands = "-+" if reverse else "+-"
        name = before + ":".join(map(str, pairs.cell[row].tolist()))
        yield f"{name}\t{contigs[which]}\t{first}\t{strands[0]}\t{second}\t{strands[1]}\n"
