"""Contigs with the features that make real ones hard: changing GC content, few CpG, interspersed and tandem repeats, a segmental
duplication, unknown ends.

A contig is made in this order: background, old repeats, tandem repeats, duplications, unknown ends. Each contig has its own streams of
random numbers, so that one can be made alone, and a large genome one contig at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.model import UNKNOWN_BASE
from genopipe.simulate.draws import Draws

C, G, T = 1, 2, 3
CHUNK = 1 << 20
GC_WINDOW = 4096
DUPLICATION_SPACING = 150_000
TANDEM_SPACING = 2500


@dataclass(frozen=True, slots=True)
class ContigPlan:
    """What is wanted of one contig: `kind` is autosome, x, y or mitochondrion; `unknown_end` bases at each end are N."""

    name: str
    length: int
    kind: str
    unknown_end: int = 0


@dataclass(frozen=True, slots=True)
class Sequence:
    """One contig of the reference.

    base        (bases) uint8: base codes, 4 where unknown
    repeat      (bases) bool: part of a repeat, lower case in the FASTA
    tandem      (tandem repeats, 2) int64: where each begins, and its period
    duplication starts and ends of segments that occur twice
    """

    plan: ContigPlan
    base: NDArray[np.uint8]
    repeat: NDArray[np.bool_]
    tandem: NDArray[np.int64]
    duplication: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RepeatFamily:
    """An interspersed repeat: `share` in thousandths of a contig; `truncated` copies have lost a part of their beginning."""

    name: str
    length: int
    share: int
    truncated: bool
    tail: int


REPEAT_FAMILIES = (
    RepeatFamily("long", 5400, 110, True, 20),
    RepeatFamily("terminal", 450, 40, False, 0),
    RepeatFamily("transposon", 1100, 20, True, 0),
    RepeatFamily("short", 300, 100, False, 24),
)


def plan_contigs(genome_length: int) -> tuple[ContigPlan, ...]:
    """Autosomes (two, up to 22 in a large genome), chrX and chrY of together about `genome_length` bases, and chrM."""
    n_autosomes = min(22, max(2, genome_length // 10_000_000))
    x_share, y_share = (16, 6) if n_autosomes == 2 else (5, 2)
    weight = [100 - 80 * i // n_autosomes for i in range(n_autosomes)]
    autosomal = genome_length * (100 - x_share - y_share) // 100
    plans = [(f"chr{i + 1}", "autosome", autosomal * weight[i] // sum(weight)) for i in range(n_autosomes)]
    plans += [("chrX", "x", genome_length * x_share // 100), ("chrY", "y", genome_length * y_share // 100)]
    unknown_end = min(10_000, genome_length // 400)
    return (*(ContigPlan(name, length, kind, unknown_end) for name, kind, length in plans), ContigPlan("chrM", 16_500, "mitochondrion"))


def make_sequence(plan: ContigPlan, *, seed: int) -> Sequence:
    """The contig of a plan."""
    draws = Draws(seed, "sequence", plan.name)
    base = background(draws, plan.length)
    repeat = np.zeros(plan.length, bool)
    tandem = np.empty((0, 2), np.int64)
    duplication: list[tuple[int, int]] = []
    if plan.kind != "mitochondrion":
        for family in REPEAT_FAMILIES:
            _scatter(base, repeat, family, seed=seed, draws=Draws(seed, "repeats", plan.name, family.name))
        tandem = _add_tandem_repeats(base, repeat, Draws(seed, "tandem", plan.name))
        duplication = _duplicate(base, repeat, plan, Draws(seed, "duplication", plan.name))
    for end in (slice(0, plan.unknown_end), slice(plan.length - plan.unknown_end, plan.length)):
        base[end], repeat[end] = UNKNOWN_BASE, False
    return Sequence(plan, base, repeat, tandem, tuple(duplication))


def background(draws: Draws, length: int) -> NDArray[np.uint8]:
    """Random bases whose GC content changes from window to window between 35 and 53 %, with a fifth of the CpG that chance would give."""
    base = np.empty(length, np.uint8)
    for start in range(0, length, CHUNK):
        n = min(CHUNK, length - start)
        level = (350 + draws.below(90, CHUNK // GC_WINDOW) + draws.below(90, CHUNK // GC_WINDOW)) * 32768 // 1000
        bits = draws.raw((n + 3) // 4).astype("<u8").view("<u2")[:n].astype(np.int64)
        is_gc = (bits & 32767) < np.repeat(level, GC_WINDOW)[:n]
        base[start : start + n] = np.where(is_gc, C + (bits >> 15), T * (bits >> 15))
    _deplete_cpg(draws, base)
    return base


def _deplete_cpg(draws: Draws, base: NDArray[np.uint8]) -> None:
    """Turns four of five CpG into TpG or CpA, as the decay of methylated cytosines does."""
    site = np.flatnonzero((base[:-1] == C) & (base[1:] == G))
    fate = draws.below(10, len(site))
    base[site[fate < 4]] = T
    base[site[(fate >= 4) & (fate < 8)] + 1] = 0


def _scatter(base: NDArray[np.uint8], repeat: NDArray[np.bool_], family: RepeatFamily, *, seed: int, draws: Draws) -> None:
    """Writes copies of a family over the contig until they make up its share."""
    consensus = background(Draws(seed, "repeat family", family.name), family.length)
    wanted = len(base) * family.share // 1000
    while wanted > 0:
        copy = _copy_of(consensus, family, draws)
        if len(copy) >= len(base) // 4:
            copy = copy[-len(base) // 8 :]
        start = draws.one(0, len(base) - len(copy))
        base[start : start + len(copy)] = copy
        repeat[start : start + len(copy)] = True
        wanted -= len(copy)


def _copy_of(consensus: NDArray[np.uint8], family: RepeatFamily, draws: Draws) -> NDArray[np.uint8]:
    """One copy, 2 to 20 % away from its consensus, on either strand."""
    copy = consensus
    if family.truncated and draws.happens(7, 8):
        copy = copy[-draws.one(120, family.length * 2 // 5) :]
    if family.tail:
        copy = np.concatenate([copy, np.zeros(draws.one(8, family.tail), np.uint8)])
    copy = diverged(copy, draws.one(20, 201), draws)
    return (T - copy)[::-1] if draws.happens(1, 2) else copy


def diverged(base: NDArray[np.uint8], thousandths: int, draws: Draws) -> NDArray[np.uint8]:
    """A copy with that share of its bases substituted, and a tenth as many lost."""
    substituted = draws.chance(thousandths, 1000, len(base))
    shifted = (base + 1 + draws.below(3, len(base)).astype(np.uint8)) % 4
    lost = draws.chance(thousandths, 10_000, len(base))
    return np.where(substituted & (base < UNKNOWN_BASE), shifted, base).astype(np.uint8)[~lost]


def _add_tandem_repeats(base: NDArray[np.uint8], repeat: NDArray[np.bool_], draws: Draws) -> NDArray[np.int64]:
    """Homopolymers and short tandem repeats, 8 to 60 bases long, one in about `TANDEM_SPACING` bases; gives place and period of each."""
    n = len(base) // TANDEM_SPACING
    place = draws.below(len(base) - 64, n)
    period = np.array([1, 1, 1, 2, 2, 2, 3, 4, 4, 5])[draws.below(10, n)]
    length = np.where(period == 1, 8 + draws.below(15, n), 12 + draws.below(48, n))
    for start, unit, size in zip(place.tolist(), period.tolist(), length.tolist(), strict=True):
        base[start : start + size] = np.resize(_motif(unit, draws), size)
        repeat[start : start + size] = True
    return np.stack([place, period], axis=1)


def _motif(period: int, draws: Draws) -> NDArray[np.int64]:
    """What a tandem repeat repeats: A or T in a homopolymer, otherwise at least two different bases."""
    if period == 1:
        return np.array([T * draws.one(0, 2)])
    motif = draws.below(4, period)
    motif[1] = (motif[0] + draws.one(1, 4)) % 4
    return motif


def _duplicate(base: NDArray[np.uint8], repeat: NDArray[np.bool_], plan: ContigPlan, draws: Draws) -> list[tuple[int, int]]:
    """Copies segments of 6 to 30 kb, 1.5 % diverged, to another place of the contig: one in `DUPLICATION_SPACING` bases."""
    segments: list[tuple[int, int]] = []
    for _ in range(plan.length // DUPLICATION_SPACING):
        size = min(30_000, max(6000, plan.length // 100))
        source, target = sorted(draws.one(plan.unknown_end, plan.length - plan.unknown_end - size) for _ in range(2))
        if target - source < 2 * size or any(start < target + size and source < end for start, end in segments):
            source, target = plan.length // 5, plan.length * 3 // 5
            if segments:
                continue
        copy = diverged(base[source : source + size], 15, draws)
        base[target : target + len(copy)] = copy
        repeat[target : target + len(copy)] = repeat[source : source + len(copy)]
        segments += [(source, source + size), (target, target + len(copy))]
    return segments
