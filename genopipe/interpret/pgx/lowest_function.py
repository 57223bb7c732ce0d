"""Genes whose every variant counts: DPYD and RYR1, where a copy may carry several and the worst decides.

With the order of the copies known, each copy is named by all variants on it, and stands for its worst. Without it no diplotype can be
told; the two worst variants are taken to lie on different copies. HapB3 of DPYD is decided by its intronic variant, which does the harm;
only where that was not seen does the exonic one that marks it stand for it.

Source: PharmCAT, Gene Definition Exceptions (DPYD, RYR1); Amstutz et al., Clinical Pharmacology & Therapeutics 2018, for HapB3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from genopipe.interpret.pgx.genotypes import UNDOCUMENTED
from genopipe.interpret.pgx.matching import Match, SeenGene, natural

GENES = frozenset({"DPYD", "RYR1"})

HAPB3_INTRONIC, HAPB3_EXONIC = 97_579_893 - 1, 97_573_863 - 1
"""rs75017182 (c.1129-5923C>G) and rs56038477 (c.1236G>A), 0-based on chr1 of GRCh38."""

Worse = Callable[[str], float]
"""How well a named allele works; the least is the worst."""


@dataclass(frozen=True, slots=True)
class Worst:
    """The match, and the pair of names that stands for it where phenotypes are looked up; None where nothing was seen."""

    match: Match
    pair: tuple[str, ...] | None
    inferred: bool


def match_worst(seen: SeenGene, function: Worse) -> Worst:
    """The variants of a gene by copy, and its worst pair."""
    notes = [*seen.notes, *_hapb3(seen)]
    if not seen.positions:
        return Worst(_told(seen, [], [*notes, "no position of the gene is in the file"]), None, False)
    reference = next(name.name for name in seen.names if name.reference)
    copies = [_variants(seen, copy) for copy in range(seen.copies)]
    if seen.phased:
        shown = tuple(_label(on_copy, reference) for on_copy in copies)
        pair = tuple(min(on_copy or [reference], key=function) for on_copy in copies)
        return Worst(_told(seen, [_ordered(shown)], notes), _ordered(pair), False)
    found = sorted((name for on_copy in copies for name in on_copy), key=natural)
    pair = _ordered(tuple(sorted(found + [reference] * (2 - len(found)), key=function)[:2]))
    notes.append(f"unphased: {'; '.join(dict.fromkeys(found))}. The two worst are taken to lie on different copies")
    return Worst(_told(seen, [pair], notes), pair, True)


def _told(seen: SeenGene, diplotypes: Sequence[tuple[str, ...]], notes: list[str]) -> Match:
    return Match(tuple(diplotypes), 0, seen.phased, seen.missing, seen.not_excluded, tuple(notes))


def _ordered(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names, key=natural))


def _label(names: Sequence[str], reference: str) -> str:
    if len(names) < 2:
        return names[0] if names else reference
    return f"[{' + '.join(sorted(names, key=natural))}]"


def _variants(seen: SeenGene, copy: int) -> list[str]:
    """The names whose alleles are all on a copy, without those that a longer one includes, or that missing positions make alike."""
    whole = {name.name: sum(want is not None for want in name.wanted) for name in seen.definition.alleles}
    found: dict[str, frozenset[int]] = {}
    for name in seen.names:
        wanted = [(i, want) for i, want in enumerate(name.wanted) if want is not None]
        if not name.reference and all(_allele(seen, i, copy) in want for i, want in wanted):
            found[name.name] = frozenset(i for i, _ in wanted)
    return [
        name
        for name, places in found.items()
        if not any(places < others or (places == others and whole[other] < whole[name]) for other, others in found.items())
    ]


def _allele(seen: SeenGene, position: int, copy: int) -> int:
    """The allele on a copy; without phase, variants of the same name are taken to lie together."""
    alleles = seen.calls[position].alleles
    ordered = alleles if seen.phased else sorted(alleles)
    return ordered[copy] if copy < len(ordered) else UNDOCUMENTED


def _hapb3(seen: SeenGene) -> list[str]:
    """What is to be told of the exonic variant of HapB3 where the intronic one does not bear it out."""
    carried = {position.start: sum(map(bool, call.alleles)) for position, call in zip(seen.positions, seen.calls, strict=True)}
    if seen.definition.gene != "DPYD" or not carried.get(HAPB3_EXONIC):
        return []
    if HAPB3_INTRONIC not in carried:
        return ["HapB3 by its exonic variant c.1236G>A alone; the intronic c.1129-5923C>G was not seen"]
    if carried[HAPB3_EXONIC] > carried[HAPB3_INTRONIC]:
        return ["c.1236G>A without c.1129-5923C>G is not HapB3: the intronic variant decides"]
    return []
