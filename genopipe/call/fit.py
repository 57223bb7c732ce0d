"""`genopipe fit`: what the caller must know of a sample before it calls, learnt from a sample of its reads.

Stretches of `CELL` bases are taken in an order that only the reference decides (a hash of contig and position, the autosomes first), until
`WANTED_BASES` read bases were seen, so that the cost does not grow with the genome, and neither threads nor regions change what is learnt.
Of each come the errors of the bases, the indel errors in repeats, and the depth. Some more of X and Y tell the sex.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.call.gap_errors import gap_counts, learn_gap_rates
from genopipe.call.input import Input, open_input
from genopipe.call.model import MILLION, Model, SexChromosomes, reference_digest, write_model
from genopipe.call.ploidy import is_autosomal, is_mitochondrial, is_pseudoautosomal, sex_chromosome
from genopipe.call.pool import in_order
from genopipe.call.recalibration import learn
from genopipe.call.regions import differing_sites, find_regions
from genopipe.call.settings import DEFAULT, Settings
from genopipe.call.view import View, view
from genopipe.errors import BadInput
from genopipe.formats.bam_reader import read_stretch
from genopipe.formats.genome import fetch, load_genome
from genopipe.formats.known_sites import KnownSites, open_known_sites
from genopipe.kernels.assembly import LONGEST_UNIT, MOST_UNITS
from genopipe.kernels.recalibration import N_CONTEXTS, N_CYCLES, N_QUALITIES, count_differences
from genopipe.model import Contig, Genome
from genopipe.progress import log

CELL, SPACING = 4_096, 16_384
"""Stretches are quarters of the intervals of a BAM index: first one quarter of all of them, then the next."""
WANTED_BASES = 1 << 24
MOST_CELLS = 1 << 15
SEX_CELLS = 256
DEEPEST = 1_000
_LEAST_DEPTH = 6
_LEAST_BASES = 4_096
_LEAST_COMPARED, _MOST_DIFFERING = 10_000, 0.2
_LEAST_ALONE, _NEARLY_ALL, _BASES_AN_ERROR = 15, 85, 500
_CAP_DEPTHS, _LEAST_CAP, _MOST_CAP = 8, 250, 1_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of a contig; `bam_contig` is the contig's row in the BAM."""

    contig: Contig
    bam_contig: int
    start: int
    end: int


_ARRAYS = ("by_cycle", "by_context", "gaps", "depth", "alone")


@dataclass(slots=True)
class Counts:
    """What cells showed.

    by_cycle, by_context  as in `count_differences`
    gaps                  as in `gap_counts`
    depth                 (`DEEPEST` + 1) int64: known reference bases by depth, the last one and deeper together
    alone                 bases at places where nearly all show one other allele, and those of them that are the reference's
    bases                 read bases
    compared, differing   those of them on known reference bases, and how many of these differ, variants and all
    """

    by_cycle: NDArray[np.int64] = field(default_factory=lambda: np.zeros((N_QUALITIES, N_CYCLES, 2), np.int64))
    by_context: NDArray[np.int64] = field(default_factory=lambda: np.zeros((N_QUALITIES, N_CONTEXTS, 2), np.int64))
    gaps: NDArray[np.int64] = field(default_factory=lambda: np.zeros((LONGEST_UNIT + 1, MOST_UNITS + 1, 2), np.int64))
    depth: NDArray[np.int64] = field(default_factory=lambda: np.zeros(DEEPEST + 1, np.int64))
    alone: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    bases: int = 0
    compared: int = 0
    differing: int = 0

    def __getstate__(self) -> tuple[Any, ...]:
        """Without zeros, which nearly all are."""
        arrays = [getattr(self, name).reshape(-1) for name in _ARRAYS]
        return [(where, array[where]) for array in arrays for where in [np.flatnonzero(array)]], self.bases, self.compared, self.differing

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        Counts.__init__(self, bases=state[1], compared=state[2], differing=state[3])
        for name, (where, values) in zip(_ARRAYS, state[0], strict=True):
            getattr(self, name).reshape(-1)[where] = values

    def add(self, other: Counts) -> None:
        for name in _ARRAYS:
            mine = getattr(self, name)
            mine += getattr(other, name)
        self.bases += other.bases
        self.compared += other.compared
        self.differing += other.differing


def fit(
    reference: Path,
    bam_path: Path,
    output: Path,
    *,
    sample: str | None = None,
    known_sites: Path | None = None,
    accept_other_digests: bool = False,
    threads: int = 1,
) -> None:
    """Writes the model of one sample. Raises BadInput for a BAM that is damaged, unsorted, unindexed or of another reference."""
    genome = load_genome(reference)
    reads = open_input(reference, genome, bam_path, sample=sample, accept_other_digests=accept_other_digests)
    known = open_known_sites(known_sites, genome) if known_sites is not None else None
    write_model(fit_model(genome, reads, known=known, threads=threads), output)


def fit_model(genome: Genome, reads: Input, *, known: KnownSites | None = None, threads: int = 1, settings: Settings = DEFAULT) -> Model:
    """The model of a sample. Raises BadInput for damaged reads, and for those of another reference."""

    def look(cell: Cell) -> Counts:
        return _look(genome, reads, cell, known, settings)

    seen, autosomal = Counts(), np.zeros(DEEPEST + 1, np.int64)
    with in_order(cells_of(genome, reads.row), look, threads) as looked_at:
        for cell, counts in looked_at:
            seen.add(counts)
            if is_autosomal(cell.contig):
                autosomal += counts.depth
            if seen.bases >= WANTED_BASES:
                break
    if not seen.bases:
        log.warning("%s: no read counts as evidence, so nothing can be called", reads.bam.path)
    _check_likeness(reads, seen)
    depth = middle_depth(autosomal)
    chromosomes = _sex_chromosomes(genome, reads, autosomal, threads=threads, settings=settings)
    foreign = contamination(*seen.alone.tolist())
    if foreign:
        log.warning("%s: other people's reads are among the sample's: at least %.1f %%", reads.bam.path, 100 * foreign / MILLION)
    told = f"depth {depth}" if depth else f"depth {middle_depth(seen.depth)} of all contigs, none of which is an autosome with reads"
    log.info("learnt from %s bases: %s, sex %s", f"{seen.bases:,}", told, chromosomes.sex or "not clear")
    cap = min(max(_CAP_DEPTHS * (depth or middle_depth(seen.depth)), _LEAST_CAP), _MOST_CAP)
    learnt = learn(seen.by_cycle, seen.by_context), learn_gap_rates(seen.gaps)
    digests = reference_digest(genome), reads.bam.digest
    return Model(reads.sample, *digests, known is not None, seen.bases, depth, cap, foreign, chromosomes, *learnt)


def _check_likeness(reads: Input, seen: Counts) -> None:
    """Raises BadInput where so many bases differ that the reads are of another reference, though its contigs have the same lengths."""
    if seen.compared >= _LEAST_COMPARED and seen.differing > _MOST_DIFFERING * seen.compared:
        raise BadInput(
            f"{100 * seen.differing // seen.compared} % of the bases differ from the reference",
            wanted="reads aligned to this reference",
            do="Give the reference that the reads were aligned to.",
            path=reads.bam.path,
        )


def cells_of(genome: Genome, row: dict[str, int]) -> list[Cell]:
    """All cells in the order they are taken: autosomes, other contigs, mitochondria; quarter by quarter; then by hash."""
    contig, start, rank = (np.concatenate(parts) for parts in zip(*_starts(genome, row), strict=True)) if row else _nothing()
    quarter = start % SPACING // CELL
    order = np.lexsort((_hash(genome, contig, start), quarter, rank))[:MOST_CELLS]
    found = ((genome.contigs[i], at) for i, at in zip(contig[order].tolist(), start[order].tolist(), strict=True))
    return [Cell(here, row[here.name], at, min(at + CELL, here.length)) for here, at in found]


def _nothing() -> tuple[NDArray[np.int64], ...]:
    return tuple(np.zeros(0, np.int64) for _ in range(3))


def _starts(genome: Genome, row: dict[str, int]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Contig, start and rank of the cells of every contig that the BAM has."""
    for i, contig in enumerate(genome.contigs):
        if contig.name in row:
            start = np.arange(0, contig.length, CELL)
            rank = 0 if is_autosomal(contig) else 2 if is_mitochondrial(contig) else 1
            yield np.full(len(start), i), start, np.full(len(start), rank)


def _hash(genome: Genome, contig: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Mixed bits of contig (by its digest, so that its name does not matter) and position. Source: Steele et al. (2014), SplitMix."""
    seed = np.array([int(here.md5[:16], 16) for here in genome.contigs], np.uint64)[contig]
    value = (seed ^ start.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    return value ^ (value >> np.uint64(31))


def _look(genome: Genome, reads: Input, cell: Cell, known: KnownSites | None, settings: Settings) -> Counts:
    """What one cell shows."""
    here = _view(genome, reads, cell, settings)
    if here is None:
        return Counts()
    usable = _usable(here, settings)
    if known is not None:
        usable[known.positions(cell.contig.name, cell.start, cell.end) - cell.start] = False
    by_cycle, by_context = count_differences(here.reads, here.reference, cell.start, usable)
    known_base = here.reference < 4
    count = here.pileup.count[known_base].reshape(-1, 4, 2).sum(axis=2)
    compared, same = int(count.sum()), int(count[np.arange(len(count)), here.reference[known_base]].sum())
    alone = np.zeros(2, np.int64) if is_mitochondrial(cell.contig) else _alone(count, here.reference[known_base])
    return Counts(by_cycle, by_context, gap_counts(here), _depths(here), alone, len(here.reads.base), compared, compared - same)


def _alone(count: NDArray[np.int64], reference: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(2) int64: what `Counts.alone` is, of bases by code (places, 4)."""
    depth, same, most = count.sum(axis=1), count[np.arange(len(count)), reference], count.max(axis=1)
    chosen = (depth >= _LEAST_ALONE) & (100 * most >= _NEARLY_ALL * depth) & (same < most)
    return np.array((depth[chosen].sum(), same[chosen].sum()), np.int64)


def contamination(bases: int, reference: int) -> int:
    """Share of other people's bases, at least so many in a million: those of the reference where the sample has none, less two standard
    deviations and what errors make."""
    sure = reference - 2 * math.sqrt(reference) - bases / _BASES_AN_ERROR
    return round(MILLION * sure / bases) if sure > 0 else 0


def _view(genome: Genome, reads: Input, cell: Cell, settings: Settings) -> View | None:
    """The cell as the reads show it; None where the reference is not known."""
    reference = fetch(genome, cell.contig.name, cell.start, cell.end)
    if not (reference < 4).any():
        return None
    found = read_stretch(
        reads.bam,
        cell.bam_contig,
        start=cell.start,
        end=cell.end,
        min_mapping_quality=settings.min_mapping_quality,
        read_groups=reads.read_groups,
        most_depth=DEEPEST,
    )
    return view(found, reference, cell.start)


def _usable(here: View, settings: Settings) -> NDArray[np.bool_]:
    """The bases where a difference is an error: known, deep enough, and with nothing that looks like a variant."""
    usable = (here.reference < 4) & (here.pileup.depth >= _LEAST_DEPTH)
    start = here.stretch.start
    usable[differing_sites(here, settings=settings)[0] - start] = False
    for region in find_regions(here, settings=settings)[0]:
        usable[max(region.start - start, 0) : max(region.end - start, 0)] = False
    return usable


def _depths(here: View) -> NDArray[np.int64]:
    return np.bincount(np.minimum(here.pileup.depth[here.reference < 4], DEEPEST), minlength=DEEPEST + 1)


def middle_depth(depth: NDArray[np.int64]) -> int:
    """Median depth of the bases that any fragment covers, 0 where there are none."""
    covered = np.cumsum(depth[1:])
    return int(np.searchsorted(covered, (covered[-1] + 1) // 2)) + 1 if covered[-1] else 0


def _sex_chromosomes(genome: Genome, reads: Input, autosomal: NDArray[np.int64], *, threads: int, settings: Settings) -> SexChromosomes:
    """What the depth of X and Y outside the pseudoautosomal regions says."""
    depth = {"X": np.zeros(DEEPEST + 1, np.int64), "Y": np.zeros(DEEPEST + 1, np.int64)}

    def look(cell: Cell) -> NDArray[np.int64]:
        here = _view(genome, reads, cell, settings)
        return np.zeros(DEEPEST + 1, np.int64) if here is None else _depths(here)

    with in_order(_sex_cells(genome, reads.row), look, threads) as looked_at:
        for cell, counts in looked_at:
            which = sex_chromosome(cell.contig)
            if which is not None:
                depth[which] += counts
    return judge_sex(autosomal, depth["X"], depth["Y"])


def _sex_cells(genome: Genome, row: dict[str, int]) -> list[Cell]:
    found = []
    for contig in genome.contigs:
        if sex_chromosome(contig) is not None and contig.name in row:
            start = np.arange(0, contig.length, CELL)
            order = np.argsort(_hash(genome, np.full(len(start), genome.contigs.index(contig)), start), kind="stable")
            inside = [at for at in start[order].tolist() if not is_pseudoautosomal(contig, at)]
            found += [Cell(contig, row[contig.name], at, min(at + CELL, contig.length)) for at in inside[:SEX_CELLS]]
    return found


def judge_sex(autosomal: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64]) -> SexChromosomes:
    """Depth of X and share of Y against the autosomes; counts of bases by depth. One copy of X is nearer to 50 % than to 100 %.

    Only bases with a tenth of the autosomes' middle depth count as covered, so that a captured sample is told by its targets.
    """
    middle = middle_depth(autosomal)
    if middle < 2 or min(autosomal.sum(), x.sum(), y.sum()) < _LEAST_BASES:
        return SexChromosomes()
    floor = max(middle // 10, 1)
    if not (x[floor:].any() or y[floor:].any()):  # reads of other contigs alone
        return SexChromosomes()
    autosomal_mean, autosomal_share = _covered(autosomal, floor)
    x_percent = round(100 * _covered(x, floor)[0] / autosomal_mean)
    y_percent = round(100 * _covered(y, floor)[1] / autosomal_share)
    if x_percent < 70 and y_percent >= 15:
        return SexChromosomes(x_percent, y_percent, "male")
    if x_percent >= 80 and y_percent < 15:
        return SexChromosomes(x_percent, y_percent, "female")
    return SexChromosomes(x_percent, y_percent)


def _covered(depth: NDArray[np.int64], floor: int) -> tuple[float, float]:
    """Mean depth of the bases that are covered, and the share of them."""
    covered = int(depth[floor:].sum())
    total = int((depth[floor:] * np.arange(floor, len(depth))).sum())
    return total / max(covered, 1), covered / int(depth.sum())
