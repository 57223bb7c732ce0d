"""Published cases put into a real exome one by one, for `interpret.py`.

What the exome's own variants score does not depend on the phenotype, so that it is found once for each sex. For each case only the
surroundings of its own variants are interpreted, which gives the scores of the genes they lie in; with the case's phenotype scores the
ranks are then those of a whole interpretation. The first cases are interpreted whole as well, and a difference is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.findings import Finding, Interpretation, Request
from genopipe.interpret.normalise import trim
from genopipe.interpret.phenotype import load_scorer
from genopipe.interpret.ranking import combine, interpret
from genopipe.interpret.subject import load_subject

Place = tuple[str, int, str, str]
AROUND = 3_000_000
"""Bases around a case's variants within which the exome's own count with them: more than the longest gene."""
NOWHERE = (float("inf"), float("inf"))


class SpikedExome:
    """Gives the rank of a gene by variants and by both, with a case's variants put into the exome."""

    def __init__(self, exome: list[str], evidence: EvidenceSet, folder: Path) -> None:
        self.exome, self.evidence, self.folder = exome, evidence, folder
        self.sample = next(line for line in exome if line.startswith("#CHROM")).split("\t")[-1]
        self.background = cache(self._background)

    def ranks(self, packet: dict[str, Any], gene: str) -> tuple[float, float]:
        """The ranks by shared work."""
        found = self._interpreted(packet, around=True)
        own = {_trimmed(place) for place in _own(packet)}
        touched = {name for name, hits in _hits(found).items() if any(_trimmed(_place(found, row)) in own for row in hits)}
        scores = self.background(packet["subject"].get("sex", "UNKNOWN_SEX"))
        variant = {name: score for name, score in scores.items() if name not in touched}
        variant |= {finding.gene: finding.variant_score or 0.0 for finding in found.findings if finding.gene in touched}
        if gene not in variant:
            return NOWHERE
        scorer = load_scorer(self.evidence)
        observed, excluded = ([scorer.ontology.resolve(term) for term in terms] for terms in _terms(found))
        by_gene = dict(zip(scorer.annotations.genes, np.round(scorer.score(observed, excluded), 6), strict=True))
        both = {name: round(combine(float(by_gene.get(name, 0.0)), score, "genopipe", posterior=0), 6) for name, score in variant.items()}
        return mean_rank(variant, gene), mean_rank(both, gene)

    def whole_ranks(self, packet: dict[str, Any], gene: str) -> tuple[float, float]:
        """The ranks by a whole interpretation."""
        findings = self._interpreted(packet, around=False).findings
        known = {finding.gene: finding for finding in findings}
        if gene not in known:
            return NOWHERE
        return mean_rank({finding.gene: finding.variant_score or 0.0 for finding in findings}, gene), known[gene].rank

    def _background(self, sex: str) -> dict[str, float]:
        case = {"subject": {"id": self.sample, "sex": sex}, "phenotypicFeatures": [{"type": {"id": "HP:0001250"}}]}
        findings: tuple[Finding, ...] = self._run(case, self.exome).findings
        return {finding.gene: finding.variant_score or 0.0 for finding in findings}

    def _interpreted(self, packet: dict[str, Any], *, around: bool) -> Interpretation:
        own = _own(packet)
        kept = [line for line in self.exome if line.startswith("#") or (place_of(line) not in own and (not around or _near(line, own)))]
        added = [
            "\t".join((c, str(p), ".", r, a, "500", "PASS", ".", "GT:AD:DP:GQ", f"{gt}:20,20:40:99")) for (c, p, r, a), gt in own.items()
        ]
        case = {"subject": packet["subject"] | {"id": self.sample}, "phenotypicFeatures": packet["phenotypicFeatures"]}
        return self._run(case, [*kept, *added])

    def _run(self, case: dict[str, Any], lines: list[str]) -> Interpretation:
        (self.folder / "case.json").write_text(json.dumps(case))
        (self.folder / "spiked.vcf").write_text("\n".join(lines) + "\n")
        return interpret(Request(load_subject(self.folder / "case.json"), self.evidence, self.folder / "spiked.vcf"))


def mean_rank(scores: dict[str, float], gene: str) -> float:
    """The rank of a gene by score, the highest first, ties at their mean."""
    own, every = scores[gene], np.fromiter(scores.values(), np.float64)
    return float((every > own).sum() + ((every == own).sum() + 1) / 2)


def case_variants(packet: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    """The variants of a published case, and the genotype of each."""
    for interpretation in packet["interpretations"]:
        for genomic in interpretation["diagnosis"]["genomicInterpretations"]:
            told = genomic["variantInterpretation"]["variationDescriptor"]
            record = told["vcfRecord"]
            genotype = "0/1" if told["allelicState"]["label"] == "heterozygous" else "1/1"
            yield (record["chrom"], int(record["pos"]), record["ref"].upper(), record["alt"].upper()), genotype


def place_of(line: str) -> Place:
    """Contig, position from 1, REF and ALT of a line."""
    contig, position, _, ref, alt = line.split("\t", 5)[:5]
    return contig, int(position), ref.upper(), alt.upper()


def _own(packet: dict[str, Any]) -> dict[Place, str]:
    return dict(case_variants(packet))


def _trimmed(place: Place) -> Place:
    contig, position, ref, alt = place
    return contig, *trim(position, ref, alt)


def _near(line: str, own: dict[Place, str]) -> bool:
    contig, position = line.split("\t", 2)[:2]
    return any(contig == other[0] and abs(int(position) - other[1]) <= AROUND for other in own)


def _terms(found: Interpretation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return found.request.subject.observed, found.request.subject.excluded


def _hits(found: Interpretation) -> dict[str, list[int]]:
    assert found.trace is not None
    return {gene: list(hits) for gene, hits in found.trace.hits.items()}


def _place(found: Interpretation, row: int) -> Place:
    variants = found.variants
    assert variants is not None
    return variants.contig[row], int(variants.position[row]) + 1, variants.ref[row], variants.alt[row]
