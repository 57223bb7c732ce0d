"""Reads of a donor spread thinly over a genome too large to be held: the contigs pass one after another, the reads come out mixed.

Which contig a pair comes from is drawn first. Each contig is then turned into the donor's two haplotypes, its pairs are sequenced, and they
wait in a file until the last contig is done; then all are written in the order of their numbers, as a sequencer would.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.model import UNKNOWN_BASE
from genopipe.outputs import make_folder, temporary_folder
from genopipe.simulate.draws import Draws, stream_key
from genopipe.simulate.haplotypes import DEPTH_UNIT, Haplotype
from genopipe.simulate.human_genome import SHARES
from genopipe.simulate.reads import BATCH, Fragments, Origin, Pairs, read_files
from genopipe.simulate.sequence import Sequence
from genopipe.simulate.sequencer import READ_LENGTH, places_on_cell

SITE_SPACING = 667
"""Bases between the donor's variants; each haplotype carries two of three, so that it differs at one site in 1,000 bases."""

INDEL_SHARE = 9
"""One site in so many is an insertion or deletion."""

LONGEST_INDEL = 30
SAMPLE = "donor"


def donor_haplotypes(sequence: Sequence, *, seed: int) -> list[Haplotype]:
    """Both copies of a contig with the donor's variants: a third on both, a third on each alone."""
    draws = Draws(seed, "donor", sequence.plan.name)
    n = sequence.plan.length // SITE_SPACING
    position = np.unique(draws.below(sequence.plan.length - 2 * LONGEST_INDEL, n))
    size = np.zeros(len(position), np.int64)
    indel = draws.chance(1, INDEL_SHARE, len(position))
    length = 1 + draws.below(LONGEST_INDEL, len(position)) * draws.below(LONGEST_INDEL, len(position)) // LONGEST_INDEL
    size[indel] = np.where(draws.chance(1, 2, len(position)), length, -length)[indel]
    shift = 1 + draws.below(3, len(position)).astype(np.uint8)
    carrier = draws.below(3, len(position))
    return [_haplotype(sequence, position, size, np.where(carrier == copy, 0, shift)) for copy in (1, 2)]


def _haplotype(sequence: Sequence, position: NDArray[np.int64], size: NDArray[np.int64], shift: NDArray[np.uint8]) -> Haplotype:
    base = np.empty(len(sequence.base) + int(size[size > 0].sum()), np.uint8)
    block = np.empty((2 * len(position) + 1, 3), np.int64)
    made, blocks = _apply(sequence.base, position, size, shift, base, block)
    start, reference, step = block[:blocks].T.copy()
    return Haplotype(sequence.plan.name, base[:made], DEPTH_UNIT, False, start, reference, step)


@njit(cache=True, nogil=True)
def _apply(base, position, size, shift, out, block):  # type: ignore[no-untyped-def]
    """Copies `base` with variants to `out` and notes its blocks (start, reference, step); gives bases and blocks.

    size   (sites) int64: 0 where the base at `position` is another, otherwise bases inserted (doubling what follows) or lost after it
    shift  (sites) uint8: how the base changes; 0 where the haplotype does not carry the site
    """
    block[0] = 0, 0, 1
    blocks, made, taken = 1, 0, 0
    for i in range(len(position)):
        place = position[i]
        if shift[i] == 0 or place < taken or base[place : place + 1 + abs(size[i])].max() >= UNKNOWN_BASE:
            continue
        n = place + 1 - taken
        out[made : made + n] = base[taken : place + 1]
        made += n
        taken = place + 1
        if size[i] == 0:
            out[made - 1] = (base[place] + shift[i]) % 4
        elif size[i] > 0:
            out[made : made + size[i]] = base[taken : taken + size[i]]
            block[blocks] = made, place, 0
            made += size[i]
            block[blocks + 1] = made, taken, 1
            blocks += 2
        else:
            taken -= size[i]
            block[blocks] = made, taken, 1
            blocks += 1
    n = len(base) - taken
    out[made : made + n] = base[taken:]
    return made + n, blocks


@dataclass(frozen=True, slots=True)
class Target:
    """Where the reads go, and where each came from."""

    r1: Path
    r2: Path
    positions: Path


def simulate_spread_reads(contigs: Iterable[Sequence], n_pairs: int, target: Target, *, seed: int = 1) -> None:
    """Writes `n_pairs` pairs of a donor of the genome `human_contigs` gives; files as in `reads.simulate_reads`.

    Pairs that would hold unknown bases are left out. Memory: a contig and its two haplotypes; disk: 600 bytes a pair beside `target.r1`.
    """
    contig = np.searchsorted(np.cumsum(SHARES), Draws(seed, "spread").below(sum(SHARES), n_pairs), "right")
    place, kept = np.empty((n_pairs, 4), np.int64), np.empty(n_pairs, bool)
    with temporary_folder(make_folder(target.r1.parent), prefix=".reads-") as folder:
        read = np.memmap(folder / "reads", np.uint8, "w+", shape=(n_pairs, 2, 2, READ_LENGTH))
        names = []
        for number, sequence in enumerate(contigs):
            names.append(sequence.plan.name)
            _sequence_contig(sequence, np.flatnonzero(contig == number), number, (read, place, kept), seed=seed)
        _write_mixed(read, place, kept, target, Origin(seed, SAMPLE, names))


_Waiting = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]


def _sequence_contig(sequence: Sequence, rows: NDArray[np.int64], number: int, waiting: _Waiting, *, seed: int) -> None:
    """Sequences the pairs `rows`, which come from this contig, the `number`-th."""
    read, place, kept = waiting
    fragments = Fragments(donor_haplotypes(sequence, seed=seed), np.uint64(stream_key(seed, "spread", sequence.plan.name)))
    for first in range(0, len(rows), BATCH):
        some = rows[first : first + BATCH]
        pairs = fragments.pairs(first, np.empty((len(some), 4), np.int64))
        read[some, 0], read[some, 1] = pairs.base, pairs.quality
        place[some], kept[some] = pairs.place, pairs.kept
        place[some, 0] = number


def _write_mixed(read: NDArray[np.uint8], place: NDArray[np.int64], kept: NDArray[np.bool_], target: Target, origin: Origin) -> None:
    key, n_pairs = np.uint64(stream_key(origin.seed, "spread", origin.sample)), len(kept)
    with read_files(target.r1, target.r2, target.positions, origin) as write:
        for first in range(0, n_pairs, BATCH):
            rows = slice(first, min(first + BATCH, n_pairs))
            cell = places_on_cell(first, rows.stop - first, n_pairs, key)
            write(Pairs(np.ascontiguousarray(read[rows, 0]), np.ascontiguousarray(read[rows, 1]), place[rows], kept[rows], cell))
