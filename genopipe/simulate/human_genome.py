"""A genome as large and as repetitive as ours, made one contig at a time: what an aligner has to stand at full size.

A contig is made in this order: background, interspersed repeats (old families first, so that young copies lie inside old ones), satellite
array, short tandem repeats, segmental duplications, unknown ends. Families have subfamilies, each a little further from the one before, and
its copies are the more diverged the older it is. Duplications are pieces of one hidden sequence that all contigs copy from, so that a piece
has relatives on its own contig and on others. While a contig is made, bit 3 of a base code marks a repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.model import UNKNOWN_BASE
from genopipe.outputs import whole_file
from genopipe.progress import progress
from genopipe.simulate.draws import GOLDEN, Draws, mix, stream_key
from genopipe.simulate.sequence import ContigPlan, RepeatFamily, Sequence, background, diverged
from genopipe.simulate.tables import write_contig

HUMAN_LENGTH = 3_100_000_000
SMALLEST = 2_000_000
"""Bases below which the contigs cannot hold the features of a large genome."""

SHARES = (
    *(2490, 2422, 1983, 1902, 1815, 1708, 1593, 1451, 1384, 1338, 1351, 1333, 1144, 1070, 1020, 903, 833, 804, 586, 644, 467, 508),
    *(1560, 572),
)
"""Lengths of the human chromosomes 1 to 22, X and Y, in units of 100 kb. Source: Genome Reference Consortium, GRCh38."""

FAMILIES = (
    (RepeatFamily("long", 6000, 300, True, 20), 24),
    (RepeatFamily("terminal", 450, 130, False, 0), 12),
    (RepeatFamily("transposon", 1100, 45, True, 0), 8),
    (RepeatFamily("short", 300, 210, False, 24), 30),
)
"""Families and how many subfamilies each has. Shares are before younger copies hide older ones: half of the genome is left repetitive."""

YOUNGEST, OLDEST = 30, 170
"""Mean divergence, in thousandths, of copies of the youngest and the oldest subfamily; one copy has three to five quarters of it."""

SUBFAMILY_STEP = 8
"""Thousandths by which a subfamily differs from the one before."""

DUPLICATED = 50
"""Thousandths of a contig that are segmental duplications."""

HIDDEN = 15
"""Length of the sequence that duplications are copied from, in thousandths of the genome: three copies of a piece are usual."""

SATELLITE = 10
"""Thousandths of a contig that are one array of a satellite."""

TANDEM_SPACING = 1200
MONOMER, MONOMERS = 171, 12
REPEAT = np.uint8(8)
_KNOWN = np.uint8(3)


def plan_human(genome_length: int = HUMAN_LENGTH) -> tuple[ContigPlan, ...]:
    """24 contigs with the relative sizes of ours. Raises BadInput for a genome below `SMALLEST` bases."""
    if genome_length < SMALLEST:
        raise BadInput(f"a genome of {genome_length:,} bases", wanted=f"at least {SMALLEST:,}", do="Ask for a larger one.")
    names = [*(f"chr{i}" for i in range(1, 23)), "chrX", "chrY"]
    kinds = ["autosome"] * 22 + ["x", "y"]
    unknown_end = min(10_000, genome_length // 2000)
    plans = zip(names, SHARES, kinds, strict=True)
    return tuple(ContigPlan(name, genome_length * share // sum(SHARES), kind, unknown_end) for name, share, kind in plans)


def human_contigs(genome_length: int = HUMAN_LENGTH, *, seed: int = 1) -> Iterator[Sequence]:
    """The contigs of the genome, one after another; the same seed and length give the same contigs."""
    subfamilies = _subfamilies(seed)
    hidden_plan = ContigPlan("hidden", max(genome_length * HIDDEN // 1000, 100_000), "autosome")
    hidden = _repetitive(hidden_plan, subfamilies, seed)
    satellite = _satellite(Draws(seed, "satellite"))
    for plan in plan_human(genome_length):
        code = _repetitive(plan, subfamilies, seed)
        start, size = plan.length * 2 // 5, plan.length * SATELLITE // 1000
        _fill_array(code[start : start + size], satellite, _key(seed, "array", plan.name))
        tandem = _scatter_tandem(code, len(code) // TANDEM_SPACING, _key(seed, "tandem", plan.name))
        _duplicate(code, hidden, plan.length * DUPLICATED // 1000, _key(seed, "duplication", plan.name))
        code[: plan.unknown_end] = code[plan.length - plan.unknown_end :] = UNKNOWN_BASE
        yield Sequence(plan, code & np.uint8(7), code >= REPEAT, tandem, ())


def written(contigs: Iterable[Sequence], fasta: Path) -> Iterator[Sequence]:
    """Passes contigs on and writes each to `fasta`, which is whole when all have been taken."""
    with whole_file(fasta) as partial, open(partial, "wb") as file, progress("genome", unit="bases") as bases:
        for sequence in contigs:
            write_contig(sequence, file)
            bases.advance(sequence.plan.length)
            yield sequence


def _key(*name: str | int) -> np.uint64:
    return np.uint64(stream_key(*name))


def _repetitive(plan: ContigPlan, subfamilies: list[tuple[RepeatFamily, NDArray[np.uint8], int]], seed: int) -> NDArray[np.uint8]:
    """Background and interspersed repeats."""
    code = background(Draws(seed, "human", plan.name), plan.length)
    for number, (family, consensus, age) in enumerate(subfamilies):
        wanted = plan.length * family.share // 1000
        _scatter(code, consensus, wanted, age, family.truncated, family.tail, _key(seed, "repeats", plan.name, number))
    return code


def _subfamilies(seed: int) -> list[tuple[RepeatFamily, NDArray[np.uint8], int]]:
    """Family with the subfamily's own share, consensus and age of all subfamilies, the oldest first."""
    made = []
    for family, n in FAMILIES:
        draws = Draws(seed, "family", family.name)
        consensus = background(draws, family.length)
        for i in range(n):
            age = OLDEST - (OLDEST - YOUNGEST) * i // (n - 1)
            made.append((replace(family, share=family.share // n), consensus | REPEAT, age))
            consensus = diverged(consensus, SUBFAMILY_STEP, draws)
    return sorted(made, key=lambda subfamily: -subfamily[2])


def _satellite(draws: Draws) -> NDArray[np.uint8]:
    """One unit of higher order: monomers that are a quarter away from each other."""
    monomer = background(draws, MONOMER)
    return np.concatenate([diverged(monomer, 150, draws) for _ in range(MONOMERS)]) | REPEAT


@njit(inline="always")
def _draw(key, which):  # type: ignore[no-untyped-def]
    return mix(key + np.uint64(which) * GOLDEN)


@njit(inline="always")
def _below(draw, bound):  # type: ignore[no-untyped-def]
    return np.int64(((draw >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def _write_copy(source, reverse, thousandths, key, target):  # type: ignore[no-untyped-def]
    """Writes a copy of `source` at the beginning of `target` until one of them ends; gives the bases written. That share of its bases is
    substituted; a twentieth as many are lost, and as many doubled."""
    made = 0
    chance = np.uint64(thousandths * 65536 // 1000)
    for i in range(len(source)):
        if made + 2 > len(target):
            break
        code = source[len(source) - 1 - i] ^ _KNOWN if reverse else source[i]
        draw = _draw(key, i + 16)
        if draw & np.uint64(0xFFFF) < chance:
            shift = np.uint8(1 + (draw >> np.uint64(40)) % np.uint64(3))
            code = (code & REPEAT) | ((code + shift) & _KNOWN)
        fate = (draw >> np.uint64(16)) & np.uint64(0xFFFF)
        if fate * np.uint64(20) < chance:
            continue
        target[made] = code
        made += 1
        if fate * np.uint64(10) < chance:
            target[made] = code
            made += 1
    return made


@njit(cache=True, nogil=True)
def _scatter(code, consensus, wanted, age, truncated, tail, key):  # type: ignore[no-untyped-def]
    """Writes copies of a subfamily over a contig until they hold `wanted` bases; most copies of a truncated family have lost their
    beginning, and a tail is a run of A of up to that length."""
    whole = np.empty(len(consensus) + tail, np.uint8)
    whole[: len(consensus)] = consensus
    whole[len(consensus) :] = REPEAT
    number = 0
    while wanted > 0:
        own = _draw(key, number)
        number += 1
        first = 0
        if truncated and _below(_draw(own, 1), 8) > 0:
            first = len(consensus) - 120 - _below(_draw(own, 2), len(consensus) * 2 // 5 - 120)
        last = len(whole) - _below(_draw(own, 3), tail + 1)
        divergence = min(200, max(20, age * (750 + _below(_draw(own, 4), 501)) // 1000))
        place = _below(_draw(own, 5), len(code))
        # The last copy reaches over what is wanted: as much is taken off at the first.
        wanted -= last - first if number > 1 else last - first + _below(_draw(own, 7), last - first)
        _write_copy(whole[first:last], _below(_draw(own, 6), 2) == 1, divergence, own, code[place:])


@njit(cache=True, nogil=True)
def _fill_array(target, unit, key):  # type: ignore[no-untyped-def]
    """Fills `target` with copies of `unit`, 2 % diverged, one after another."""
    made = 0
    number = 0
    while made + 2 < len(target):
        made += _write_copy(unit, False, 20, _draw(key, number), target[made:])
        number += 1


@njit(cache=True, nogil=True)
def _scatter_tandem(code, n, key):  # type: ignore[no-untyped-def]
    """Writes `n` short tandem repeats of 10 to 69 bases; gives place and period of each, (n, 2) int64."""
    made = np.empty((n, 2), np.int64)
    for number in range(n):
        own = _draw(key, number)
        place = _below(_draw(own, 1), len(code) - 100)
        period = max(1, _below(_draw(own, 2), 8) - 1)
        made[number, 0], made[number, 1] = place, period
        size = 10 + _below(_draw(own, 3), 15 if period == 1 else 60)
        motif = _draw(own, 4)
        for i in range(size):
            letter = np.uint8((motif >> np.uint64(2 * (i % period))) & np.uint64(_KNOWN))
            code[place + i] = (np.uint8(0) if period == 1 and letter < 3 else letter) | REPEAT
    return made


@njit(cache=True, nogil=True)
def _duplicate(code, hidden, wanted, key):  # type: ignore[no-untyped-def]
    """Copies pieces of `hidden` over the contig, half of 1 to 10 and half of 1 to 50 kb (shorter in a small genome), 0.5 to 5 % diverged:
    two copies of one piece are 1 to 10 % apart."""
    number = 0
    largest = min(50_000, len(hidden) // 4, len(code) // 20)
    while wanted > 0:
        own = _draw(key, number)
        number += 1
        size = 1000 + _below(_draw(own, 1), (largest if _below(_draw(own, 2), 2) else min(10_000, largest)) - 1000)
        first = _below(_draw(own, 3), len(hidden) - size)
        place = _below(_draw(own, 4), len(code) - size)
        divergence = 5 + _below(_draw(own, 5), 46)
        wanted -= size
        _write_copy(hidden[first : first + size], _below(_draw(own, 6), 2) == 1, divergence, own, code[place:])
