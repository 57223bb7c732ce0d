"""Which pair of named alleles explains a gene's genotypes: the diplotype.

Every pair of names is tried. A pair explains the genotypes when at each position its two alleles are the two that are there, and within a
phase set the same name stands for the same copy. A position without a call drops out of all definitions. Among the pairs that explain
everything those with the highest score are given; a name scores the number of positions it defines among those that were seen, the
reference all of them. Names that the missing positions hide cannot be told from others and are listed.

Source: PharmCAT, Named Allele Matcher, its documentation of matching and scoring.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genopipe.interpret.pgx.definitions import GeneDefinition, NamedAllele, Position
from genopipe.interpret.pgx.genotypes import UNDOCUMENTED, Call

OTHER_IS_REFERENCE = frozenset({"CACNA1S", "DPYD", "G6PD", "NUDT15", "RYR1", "TPMT"})
"""Genes in which an allele that no definition knows counts as the reference; elsewhere nothing is called."""


@dataclass(frozen=True, slots=True)
class Match:
    """What was found for a gene.

    diplotypes    the pairs with the highest score; single names where there is one copy
    score         of each of them
    phased        whether the order of all alleles was known
    missing       positions without a call
    not_excluded  names that only missing positions would tell from the reference
    notes         what a reader has to know
    """

    diplotypes: tuple[tuple[str, ...], ...]
    score: int
    phased: bool
    missing: tuple[Position, ...]
    not_excluded: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeenGene:
    """A gene as far as it was seen: its positions with a call, the calls, and the names with what they want there."""

    definition: GeneDefinition
    positions: tuple[Position, ...]
    calls: tuple[Call, ...]
    names: tuple[NamedAllele, ...]
    missing: tuple[Position, ...]
    not_excluded: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def copies(self) -> int:
        return max((len(call.alleles) for call in self.calls), default=0)

    @property
    def phased(self) -> bool:
        """Whether the copies of all positions are in a known order: at most one differs, or all that do are of one phase set."""
        differing = [call.block for call in self.calls if not call.same]
        return len(differing) < 2 or (None not in differing and len(set(differing)) == 1)


def see(definition: GeneDefinition, calls: Mapping[Position, Call]) -> SeenGene:
    """The gene without the positions that have no call."""
    kept = [i for i, position in enumerate(definition.positions) if position in calls]
    positions = tuple(definition.positions[i] for i in kept)
    names = [NamedAllele(name.name, name.reference, tuple(name.wanted[i] for i in kept)) for name in definition.alleles]
    told, notes = _known([calls[position] for position in positions], positions, definition.gene)
    return SeenGene(
        definition,
        positions,
        tuple(told),
        tuple(name for name in names if name.reference or any(name.wanted)),
        tuple(position for position in definition.positions if position not in calls),
        tuple(name.name for name in names if not name.reference and not any(name.wanted)),
        tuple(notes),
    )


def _known(calls: list[Call], positions: Sequence[Position], gene: str) -> tuple[list[Call], list[str]]:
    """The calls, alleles that no definition knows made the reference where the gene allows it."""
    notes = [
        f"an undocumented allele at {place.name}" for call, place in zip(calls, positions, strict=True) if UNDOCUMENTED in call.alleles
    ]
    if gene not in OTHER_IS_REFERENCE:
        return calls, notes
    return [Call(tuple(max(allele, 0) for allele in call.alleles), call.block) for call in calls], [
        note + " is taken for the reference" for note in notes
    ]


def match(seen: SeenGene) -> Match:
    """The diplotypes of a gene."""
    notes = list(seen.notes)
    unseen = seen.definition.required & {position.start for position in seen.missing}
    if not seen.positions:
        notes.append("no position of the gene is in the file")
    if unseen:
        notes.append("a position that the gene cannot be called without is missing")
    if not seen.positions or unseen or any(UNDOCUMENTED in call.alleles for call in seen.calls):
        return _match(seen, [], notes)
    found = _singles(seen) if seen.copies == 1 else _pairs(seen)
    best = max((score for score, _ in found), default=0)
    tied = sorted({_core(seen.definition, names) for score, names in found if score == best}, key=lambda names: [natural(n) for n in names])
    if not found:
        notes.append("no pair of named alleles explains the genotypes")
    elif len(tied) > 1:
        tied = _prefer(seen, tied, notes)
    return _match(seen, tied, notes, best)


def _match(seen: SeenGene, diplotypes: list[tuple[str, ...]], notes: list[str], score: int = 0) -> Match:
    return Match(tuple(diplotypes), score, seen.phased, seen.missing, seen.not_excluded, tuple(notes))


def _core(definition: GeneDefinition, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names without the number of the suballele, in their natural order."""
    return tuple(sorted((definition.core_name.get(name, name) for name in names), key=natural))


def _prefer(seen: SeenGene, tied: list[tuple[str, ...]], notes: list[str]) -> list[tuple[str, ...]]:
    labels = {"/".join(names): names for names in tied}
    pick = seen.definition.preferred.get(frozenset(labels))
    if pick is None or seen.phased:
        return tied
    notes.append(f"unphased; {pick} is the more frequent of {', '.join(labels)}")
    return [labels[pick]]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts *2 before *10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def allows(name: NamedAllele, position: int, allele: int) -> bool:
    """Whether `name` has `allele` at a position, which is the reference where it leaves the position open."""
    wanted = name.wanted[position]
    return allele == 0 if wanted is None else allele in wanted


def score(name: NamedAllele) -> int:
    """The number of positions that a name defines."""
    return len(name.wanted) if name.reference else sum(wanted is not None for wanted in name.wanted)


def _singles(seen: SeenGene) -> list[tuple[int, tuple[str, ...]]]:
    calls = list(enumerate(seen.calls))
    return [(score(name), (name.name,)) for name in seen.names if all(allows(name, i, call.alleles[0]) for i, call in calls)]


def _pairs(seen: SeenGene) -> list[tuple[int, tuple[str, ...]]]:
    """All pairs that explain the genotypes, with their scores."""
    plain = [(i, call.alleles[0]) for i, call in enumerate(seen.calls) if call.same]
    names = [name for name in seen.names if all(allows(name, i, allele) for i, allele in plain)]
    differing = [(i, call) for i, call in enumerate(seen.calls) if not call.same]
    return [
        (score(one) + score(other), (one.name, other.name))
        for at, one in enumerate(names)
        for other in names[at:]
        if _explains(one, other, differing)
    ]


def _explains(one: NamedAllele, other: NamedAllele, differing: Sequence[tuple[int, Call]]) -> bool:
    order: dict[str, set[bool]] = {}
    for i, call in differing:
        first, second = call.alleles
        ways = {way for way, (a, b) in ((False, (first, second)), (True, (second, first))) if allows(one, i, a) and allows(other, i, b)}
        block = call.block if call.block is not None else f"alone {i}"
        order[block] = order.get(block, {False, True}) & ways
        if not order[block]:
            return False
    return True
