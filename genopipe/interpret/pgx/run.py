"""Pharmacogenomics of one sample: every defined gene named, looked up and written as `pgx.json` and `pgx.html`.

CYP2D6 and the HLA genes are never named from a VCF: copies, hybrids and near-identical neighbours hide in it. They come as outside calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.interpret.pgx.definitions import GeneDefinition, Position, read_definitions
from genopipe.interpret.pgx.genotypes import Genotypes, read_genotypes
from genopipe.interpret.pgx.guidance import Answer, Note, notes_for, read_guidance
from genopipe.interpret.pgx.lowest_function import GENES as WORST_COUNTS
from genopipe.interpret.pgx.lowest_function import match_worst
from genopipe.interpret.pgx.matching import Match, SeenGene, match, natural, see
from genopipe.interpret.pgx.mitochondria import GENE as MT_RNR1
from genopipe.interpret.pgx.mitochondria import RAISED, WARNING, look
from genopipe.interpret.pgx.mitochondria import positions as mitochondrial_positions
from genopipe.interpret.pgx.outside_calls import OutsideCall, read_outside_calls
from genopipe.interpret.pgx.phenotypes import PhenotypeTable, read_phenotypes
from genopipe.interpret.pgx.report import page
from genopipe.interpret.pgx.source import tables_folder
from genopipe.outputs import make_folder, whole_file, write_json

OUTSIDE_ONLY = ("CYP2D6", "HLA-A", "HLA-B")
RS4149056 = 21_178_615 - 1
"""c.521T>C of SLCO1B1, 0-based on chr12 of GRCh38."""


@dataclass(slots=True)
class GeneResult:
    """What is told of a gene. `pairs` are the names that phenotypes are looked up by, one for each of `labels`."""

    gene: str
    source: str
    labels: list[str] = field(default_factory=list)
    pairs: list[tuple[str, ...]] = field(default_factory=list)
    phenotypes: list[str | None] = field(default_factory=list)
    scores: list[str | None] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    not_excluded: list[str] = field(default_factory=list)
    function: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warning: str | None = None
    phased: bool | None = None
    inferred: bool = False
    share: dict[str, float | None] = field(default_factory=dict)
    keys: list[str | None] = field(default_factory=list)
    drugs: list[Note] = field(default_factory=list)

    @property
    def answer(self) -> Answer:
        """What the gene answers to a recommendation; of the mitochondrion's the worst."""
        told = zip_longest(self.phenotypes, self.scores, self.keys)
        keys = [frozenset(key for key in of_one if key is not None) for of_one in told]
        n = 1 if self.gene == MT_RNR1 else len(self.pairs)
        return Answer(self.pairs[:n], keys[:n])

    def document(self) -> dict[str, Any]:
        """The entry of `pgx.json`. Phenotype and score are those of all diplotypes alike, else null."""
        return {
            "diplotypes": self.labels,
            "phenotype": _agreed(self.phenotypes),
            "activity_score": _number(_agreed(self.scores)),
            "missing": self.missing,
            "not_excluded": self.not_excluded,
            "function": self.function,
            "by_diplotype": [
                {"diplotype": label, "phenotype": phenotype, "activity_score": _number(score)}
                for label, phenotype, score in zip(self.labels, self.phenotypes, self.scores, strict=True)
            ],
            "inferred": self.inferred,
            "notes": self.notes,
            "phased": self.phased,
            "source": self.source,
            "warning": self.warning,
            "share": self.share,
            "drugs": [asdict(note) | {"implications": list(note.implications)} for note in self.drugs],
        }


def pharmacogenomics(
    variants: Path, definitions: Path, output: Path, *, sample: str | None = None, outside_calls: Path | None = None
) -> dict[str, GeneResult]:
    """Names the alleles of `sample` (the only one when None) and writes `pgx.json` and `pgx.html` in `output`.

    `definitions` is the folder of a PharmCAT release, or a locked evidence set that holds one.

    Raises BadInput for damaged tables or calls, and for variants of another build or sample.
    """
    with tables_folder(definitions) as (folder, origin):
        genes, tables, guidance = read_definitions(folder), read_phenotypes(folder), read_guidance(folder)
    outside = read_outside_calls(outside_calls) if outside_calls is not None else {}
    names = mitochondrial_positions(tables[MT_RNR1].function if MT_RNR1 in tables else {})
    named = [definition for gene, definition in sorted(genes.items()) if gene not in OUTSIDE_ONLY]
    genotypes = read_genotypes(variants, [place for definition in named for place in definition.positions] + list(names), sample)
    if not genotypes.call:
        raise BadInput(
            "none of the definitions' positions is in the file",
            wanted="a gVCF, or a VCF that has them",
            do="Give the gVCF made by `genopipe call --gvcf`.",
            path=variants,
        )
    results = [_mitochondrial(names, genotypes, variants, tables.get(MT_RNR1))]
    results += [_named(definition, genotypes, tables.get(definition.gene)) for definition in named]
    results += [GeneResult(gene, "none", notes=["cannot be called from a VCF; give an outside call"]) for gene in OUTSIDE_ONLY]
    told = {result.gene: result for result in results}
    for call in outside.values():
        told[call.gene] = _outside(call, told.get(call.gene), tables.get(call.gene))
    for note in notes_for(guidance, {gene: result.answer for gene, result in told.items()}):
        for gene in note.wanted:
            told[gene].drugs.append(note)
    versions = sorted({definition.version for definition in genes.values()} | {table.version for table in tables.values()})
    _write(told, [*versions, *origin], genotypes.sample, output)
    return told


def _named(definition: GeneDefinition, genotypes: Genotypes, table: PhenotypeTable | None) -> GeneResult:
    seen = see(definition, genotypes.call)
    result = GeneResult(definition.gene, "variants")
    if definition.gene in WORST_COUNTS:
        activity = table.activity if table is not None else {}
        worst = match_worst(seen, lambda name: activity.get(name, float("inf")))
        found, result.inferred = worst.match, worst.inferred
        result.pairs = [worst.pair] if worst.pair is not None else []
        result.labels = ["/".join(names) for names in found.diplotypes]
    else:
        found = match(seen)
        result.pairs = list(found.diplotypes)
        result.labels = [_label(pair, table) for pair in result.pairs]
    _describe(result, found, genotypes)
    _look_up(result, table)
    if definition.gene == "SLCO1B1" and not result.labels:
        _by_rs4149056(result, seen, table)
    return result


def _describe(result: GeneResult, found: Match, genotypes: Genotypes) -> None:
    result.phased = found.phased
    result.missing = [f"{place.name}: {genotypes.missing[place]}" for place in found.missing]
    result.not_excluded = sorted(found.not_excluded, key=natural)
    result.notes += found.notes


def _label(pair: tuple[str, ...], table: PhenotypeTable | None) -> str:
    """The diplotype as the phenotype table spells it, else in natural order."""
    meaning = table.look_up(pair) if table is not None else None
    return meaning.label if meaning is not None else "/".join(pair)


def _look_up(result: GeneResult, table: PhenotypeTable | None) -> None:
    meanings = [table.look_up(pair) if table is not None else None for pair in result.pairs]
    result.phenotypes = [meaning.phenotype if meaning is not None else None for meaning in meanings]
    result.scores = [meaning.activity_score if meaning is not None else None for meaning in meanings]
    result.keys = [meaning.lookup_key if meaning is not None else None for meaning in meanings]
    if table is None and result.pairs:
        result.notes.append("no phenotype table of this gene is among the definitions")
    elif table is not None:
        result.function = {name: table.function[name] for pair in result.pairs for name in pair if name in table.function}


def _by_rs4149056(result: GeneResult, seen: SeenGene, table: PhenotypeTable | None) -> None:
    """SLCO1B1 without a diplotype is told by c.521T>C alone.

    Source: CPIC guideline for statins; PharmCAT, Gene Definition Exceptions.
    """
    calls = [call for position, call in zip(seen.positions, seen.calls, strict=True) if position.start == RS4149056]
    if not calls or any(allele not in (0, 1) for allele in calls[0].alleles):
        return
    pair = tuple(sorted(("*1", "*5")[allele] for allele in calls[0].alleles))
    meaning = table.look_up(pair) if table is not None else None
    if meaning is not None:
        result.pairs, result.keys = [pair], [meaning.lookup_key]
    told = f"; as {'/'.join(pair)}: {meaning.phenotype}" if meaning is not None else ""
    result.notes.append(f"by rs4149056 alone: {'/'.join('TC'[allele] for allele in calls[0].alleles)}{told}")


def _mitochondrial(
    names: Mapping[Position, tuple[str, ...]], genotypes: Genotypes, variants: Path, table: PhenotypeTable | None
) -> GeneResult:
    seen = look(names, genotypes, variants)
    decisive = [place.name for place, others in names.items() if set(others) & set(RAISED) and place in seen.missing]
    result = GeneResult(MT_RNR1, "variants", warning=seen.warning, share=dict(seen.found), notes=list(seen.notes))
    result.missing = [f"{place.name}: {genotypes.missing.get(place, 'another sequence')}" for place in seen.missing]
    found = sorted(seen.found, key=lambda name: (name not in RAISED, natural(name)))
    if found or not decisive:
        result.labels, result.pairs = found or ["Reference"], [(name,) for name in found or ["Reference"]]
        _look_up(result, table)
        worst = result.phenotypes[0]
        result.phenotypes = [worst or RAISED.get(found[0] if found else "") for _ in result.labels]
        result.scores = [None for _ in result.labels]
    return result


def _outside(call: OutsideCall, own: GeneResult | None, table: PhenotypeTable | None) -> GeneResult:
    result = GeneResult(call.gene, "outside call")
    core = tuple(sorted((re.sub(r"^(\*\d+)\.\d+$", r"\1", name) for name in call.names), key=natural))
    if call.gene == MT_RNR1:
        core = tuple(name if name.startswith("m.") or name == "Reference" else f"m.{name}" for name in core)
        result.share, result.missing = (own.share, own.missing) if own is not None else ({}, [])
        result.warning = WARNING if set(core) & set(RAISED) or (own is not None and own.warning) else None
    if core:
        result.pairs, result.labels = [core], [_label(core, table)]
        _look_up(result, table)
        result.phenotypes = [call.phenotype or result.phenotypes[0]]
        result.scores = [call.activity_score or result.scores[0]]
    if own is not None and own.labels and own.labels != result.labels:
        result.notes.append(f"the variants say {', '.join(own.labels)}; the outside call is taken")
    return result


def _agreed(values: list[str | None]) -> str | None:
    return values[0] if len(set(values)) == 1 else None


def _number(score: str | None) -> float | str | None:
    return float(score) if score is not None and re.fullmatch(r"\d+(\.\d+)?", score) else score


def _write(told: Mapping[str, GeneResult], versions: list[str], sample: str, output: Path) -> None:
    make_folder(output)
    documents = {gene: told[gene].document() for gene in _order(told)}
    with whole_file(output / "pgx.html") as partial:
        partial.write_text(page(documents, sample=sample, versions=versions), encoding="utf-8")
    write_json(output / "pgx.json", documents)


def _order(told: Mapping[str, GeneResult]) -> Iterator[str]:
    """MT-RNR1 first, then what was named, then the others."""
    yield MT_RNR1
    yield from sorted((gene for gene in told if gene != MT_RNR1), key=lambda gene: (not told[gene].labels, gene))
