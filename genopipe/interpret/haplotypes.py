"""Variants of one codon on one copy, read together: what they write is what the cell reads, not what each would write alone.

Only where the copies are known: two copies of both, two copies of one beside the other, or both on the same copy by read phase. A common
neighbour counts as well as a rare one. Codons that an intron divides are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.gff import Transcript
from genopipe.interpret.codon import Reading
from genopipe.interpret.consequence import Consequence, consequence_of
from genopipe.interpret.hgvs import Change, change_of, coding_name, protein_name
from genopipe.interpret.normalise import Fetch
from genopipe.interpret.sequence import bases_of
from genopipe.interpret.transcripts import Model
from genopipe.interpret.variants import UNPHASED, Variants
from genopipe.model import Genome

_TERM = {"missense": "missense_variant", "synonymous": "synonymous_variant", "lost": "stop_gained"}
_OF_PROTEIN = frozenset({*_TERM.values(), "stop_lost", "stop_retained_variant", "start_lost", "start_retained_variant"})


@dataclass(frozen=True, slots=True)
class Together:
    """The rows of variants read together, as one `change` of the contig, and the consequence of it."""

    rows: tuple[int, ...]
    change: Change
    consequence: Consequence


def read_together(
    variants: Variants,
    called: Mapping[int, Mapping[str, Consequence]],
    transcripts: Mapping[str, Transcript],
    *,
    well_called: NDArray[np.bool_],
    genome: Genome,
) -> dict[int, dict[str, Together]]:
    """By row and gene symbol, for the `called` variants that share a codon and a copy with others of the proband."""
    found: dict[int, dict[str, Together]] = {}
    for row, genes in called.items():
        near = [other for other in _neighbours(variants, row) if well_called[other] and _same_copy(variants, row, other)]
        for gene, consequence in genes.items() if near else ():
            transcript = transcripts.get(consequence.transcript)
            fetch = bases_of(genome, variants.contig[row])
            if transcript is not None and (together := _together(variants, (row, *near), transcript, consequence, fetch)) is not None:
                found.setdefault(row, {})[gene] = together
    return found


def _neighbours(variants: Variants, row: int) -> Iterator[int]:
    """Substitutions within two bases of one; rows are sorted by contig and position."""
    if not _substitution(variants, row):
        return
    for step in (-1, 1):
        other = row + step
        while 0 <= other < len(variants) and variants.contig[other] == variants.contig[row] and _distance(variants, row, other) <= 2:
            if _substitution(variants, other) and variants.position[other] != variants.position[row]:
                yield other
            other += step


def _distance(variants: Variants, row: int, other: int) -> int:
    return abs(int(variants.position[row]) - int(variants.position[other]))


def _substitution(variants: Variants, row: int) -> bool:
    return not variants.structural[row] and len(variants.ref[row]) == len(variants.alt[row]) <= 3


def _same_copy(variants: Variants, row: int, other: int) -> bool:
    if any(variants.alt_count[which, 0] == variants.ploidy[which, 0] for which in (row, other)):
        return True
    haplotypes = int(variants.haplotype[row, 0]), int(variants.haplotype[other, 0])
    same_set = variants.phase_set[row, 0] == variants.phase_set[other, 0]
    return UNPHASED not in haplotypes and haplotypes[0] == haplotypes[1] and bool(same_set)


def _together(variants: Variants, rows: Sequence[int], transcript: Transcript, alone: Consequence, fetch: Fetch) -> Together | None:
    """Of several rows those that lie in the codon of the first."""
    own = change_of(int(variants.position[rows[0]]), variants.ref[rows[0]], variants.alt[rows[0]])
    reading = Reading(transcript, lambda _: fetch)
    codon = reading.effect(own).codon
    shared = tuple(sorted(row for row in rows if codon >= 0 and reading.effect(_change(variants, [row], fetch)).codon == codon))
    if len(shared) < 2:
        return None
    change = _change(variants, shared, fetch)
    effect = reading.effect(change)
    if effect.kind not in _TERM or len({int(variants.position[row]) for row in shared}) < len(shared):
        return None
    terms = {_TERM[effect.kind], *(term for term in alone.terms if term not in _OF_PROTEIN)}
    model = Model(transcript, fetch)
    mitochondrial = variants.key[rows[0]] == "MT"
    named = replace(
        consequence_of(transcript, terms),
        hgvs_c=coding_name(model, change),
        hgvs_p=protein_name(model, change, mitochondrial=mitochondrial),
    )
    return Together(shared, change, named)


def _change(variants: Variants, rows: Sequence[int], fetch: Fetch) -> Change:
    """The substitutions as one."""
    changes = [change_of(int(variants.position[row]), variants.ref[row], variants.alt[row]) for row in rows]
    start, end = min(change.start for change in changes), max(change.end for change in changes)
    bases = list(fetch(start, end))
    for change in changes:
        bases[change.start - start : change.end - start] = change.inserted
    return Change(start, end, "".join(bases))
