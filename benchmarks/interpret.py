"""Accuracy and speed of `genopipe interpret`, as JSON.

    benchmarks/interpret.py [--data DIR] [--tools DIR] [--output benchmarks/results/interpret.json]

Phenotype alone: published cases (phenopackets), their causal gene among all annotated genes, ties at mean rank, with the annotations of
2025 and of 2013/14; beside plain asymmetric Resnik as the independent `rank_baseline.py` computes it in the same run. The annotations of
2025 already hold most of these papers; those of 2013/14 hold nearly none. `excluded` also uses the terms that were found absent.

Disturbed: the same with the annotations of 2013/14 when terms are added that have nothing to do with the patient, replaced by a term above
them, or few; and undisturbed by the mode of inheritance and the number of terms. Terms are drawn from a fixed seed.

Spiked: published cases of GRCh37, the variants of each put into the Pfeiffer exome in turn, ranked by `interpret` itself (see `spike.py`);
ClinVar without the variants of all these cases. Beside the combined rank stand those by phenotype alone among all annotated genes, and by
variants alone. `--cases` takes that many, drawn by a digest of their ids, which also parts them into halves: what was chosen was chosen on
the first half.

Pfeiffer: the real exome with a known variant in FGFR2, by the command itself: GRCh37 coding exons without sequence (so no amino-acid
changes), ClinVar of 2016, constraint, no frequencies; once with all its variants, once without those it flags as known to dbSNP.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import re
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from measure import options, report, versions, work_folder
from spike import Place, SpikedExome, case_variants, place_of

from genopipe.interpret.evidence import EvidenceSet, Release, add, lock
from genopipe.interpret.findings import Request
from genopipe.interpret.ontology import INHERITANCE, Annotations, Ontology, load_phenotypes
from genopipe.interpret.phenotype import PhenotypeScorer, load_scorer
from genopipe.interpret.ranking import interpret
from genopipe.interpret.subject import load_subject

TABLES = {
    "2025": ("hpo/DERIVED_terms.tsv", "hpo/DERIVED_gene_to_phenotype.tsv"),
    "2013": ("hpo/hp-2014-03-18.obo", "hpo/genes_to_phenotype-2013.txt"),
}
METHODS = {"resnik": "resnik", "phenodigm": "phenodigm", "genopipe": "genopipe", "genopipe, excluded terms too": "genopipe"}
TOP = (1, 5, 10)
WAYS = ("phenotype alone", "variants alone", "both")
CHECKED = 12
"""Cases that are interpreted whole too, to see that shared work gives the same."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--cases", type=int, default=385, help="Cases put into the exome.")
    parser.add_argument("--only", choices=("phenotype_only", "disturbed", "pfeiffer", "spiked"), help="Measure this part alone.")
    arguments = parser.parse_args()
    with work_folder(arguments.work) as folder:
        parts = {
            "phenotype_only": lambda: {year: phenotype_only(year, arguments, folder / year) for year in TABLES},
            "disturbed": lambda: disturbed(arguments.data, folder / "disturbed"),
            "pfeiffer": lambda: pfeiffer(arguments.data, folder / "pfeiffer"),
            "spiked": lambda: spiked(arguments.data, folder / "spiked", arguments.cases),
        }
        result = {name: measure() for name, measure in parts.items() if arguments.only in (None, name)}
        result["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report(result, arguments, versions("numpy", "pandas", "pyarrow", "pysam"))


def phenotype_only(year: str, arguments: argparse.Namespace, store: Path) -> dict[str, Any]:
    """Shares of cases whose causal gene is among the first, by each method and by the baseline."""
    packets = arguments.data / "phenopackets" / "phenopackets-dev.tar.xz"
    evidence = phenotype_evidence(arguments.data, year, store)
    started = time.process_time()
    ontology, annotations = load_phenotypes(evidence)
    scorer = PhenotypeScorer(ontology, annotations)
    loaded = time.process_time() - started
    cases = list(published_cases(packets, ontology, annotations))
    result: dict[str, Any] = {"cases": len(cases), "genes": len(annotations.genes), "load_seconds": round(loaded, 2)}
    result["seconds_per_case"] = seconds_per_case(scorer, cases[:100])
    scorer.resnik, scorer.phenodigm = cache(scorer.resnik), cache(scorer.phenodigm)  # type: ignore[method-assign]
    for name, method in METHODS.items():
        absent = "excluded" in name
        ranks = [rank(scorer.score(observed, excluded if absent else (), method=method), gene) for observed, excluded, gene in cases]
        result[name] = shares(ranks)
    result["baseline"] = baseline(arguments.tools, year, packets)
    return result


def disturbed(data: Path, store: Path) -> dict[str, Any]:
    """Shares of cases whose causal gene is among the first, where the phenotype is told worse, and by groups of cases as they are told."""
    ontology, annotations = load_phenotypes(phenotype_evidence(data, "2013", store))
    scorer = PhenotypeScorer(ontology, annotations)
    scorer.resnik, scorer.phenodigm = cache(scorer.resnik), cache(scorer.phenodigm)  # type: ignore[method-assign]
    cases = list(published_cases(data / "phenopackets" / "phenopackets-dev.tar.xz", ontology, annotations))
    ranks: dict[str, dict[str, list[float]]] = {}
    for name, disturb in disturbances(ontology, annotations).items():
        told = [disturb(observed) for observed, _, _ in cases]
        ranks[name] = {
            method: [rank(scorer.score(terms, method=method), gene) for terms, (_, _, gene) in zip(told, cases, strict=True)]
            for method in ("resnik", "genopipe")
        }
    groups: dict[str, list[int]] = {}
    for number, (observed, _, gene) in enumerate(cases):
        modes = sorted(set().union(*(INHERITANCE[term] for term in annotations.inheritance.get(annotations.genes[gene], ()))))
        n_terms = next(
            name for most, name in ((1, "1"), (3, "2 to 3"), (6, "4 to 6"), (10, "7 to 10"), (10**6, "11 or more")) if len(observed) <= most
        )
        for group in (f"{n_terms} terms", f"known for {' and '.join(modes) or 'no mode'}"):
            groups.setdefault(group, []).append(number)
    as_told = ranks["as they are"]
    return {
        "cases": len(cases),
        "disturbed": {name: {method: shares(of_method) for method, of_method in by_method.items()} for name, by_method in ranks.items()},
        "groups": {
            name: {"cases": len(rows)} | {method: shares([as_told[method][row] for row in rows]) for method in as_told}
            for name, rows in sorted(groups.items())
        },
    }


def disturbances(ontology: Ontology, annotations: Annotations) -> dict[str, Callable[[list[int]], list[int]]]:
    """Ways to tell a phenotype worse."""
    draw = random.Random(7)
    known = sorted({int(term) for term in annotations.own})

    def above(term: int) -> int:
        near = [int(other) for other in ontology.ancestors(term) if other != term and annotations.information[other] > 0]
        return max(near, key=lambda other: (annotations.information[other], other), default=term)

    return {
        "as they are": lambda observed: observed,
        "half as many unrelated terms more": lambda observed: sorted({*observed, *draw.sample(known, max(1, len(observed) // 2))}),
        "as many unrelated terms more": lambda observed: sorted({*observed, *draw.sample(known, len(observed))}),
        "each replaced by the closest term above": lambda observed: sorted({above(term) for term in observed}),
        "three of the terms": lambda observed: draw.sample(observed, min(3, len(observed))),
        "one of the terms": lambda observed: draw.sample(observed, 1),
    }


def seconds_per_case(scorer: PhenotypeScorer, cases: list[tuple[list[int], list[int], int]]) -> float:
    started = time.process_time()
    for observed, excluded, _ in cases:
        scorer.score(observed, excluded)
    return round((time.process_time() - started) / len(cases), 4)


def phenotype_evidence(data: Path, year: str, store: Path) -> EvidenceSet:
    for kind, file in zip(("hpo", "hpo-annotations"), TABLES[year], strict=True):
        add(store, kind, data / file, release=Release(kind, year, "2026-01-01", "HPO", None))
    return lock(store, "phenotype")


def published_cases(packets: Path, ontology: Ontology, annotations: Annotations) -> Iterator[tuple[list[int], list[int], int]]:
    """(observed, excluded, causal gene) of each case that has usable terms and a gene with annotations."""
    with tarfile.open(packets) as archive:
        for member in archive:
            if not member.name.endswith(".json"):
                continue
            stream = archive.extractfile(member)
            assert stream is not None
            try:
                case = json.load(stream)
            except ValueError:
                continue
            observed, excluded = (terms(case, ontology, excluded=excluded) for excluded in (False, True))
            gene = next(causal_genes(case), None)
            if observed and gene in annotations.number:
                yield observed, excluded, annotations.number[str(gene)]


def terms(case: dict[str, Any], ontology: Ontology, *, excluded: bool) -> list[int]:
    ids = (feature["type"]["id"] for feature in case.get("phenotypicFeatures", ()) if bool(feature.get("excluded")) == excluded)
    current = {ontology.renamed.get(term, term) for term in ids}
    return sorted(ontology.number[term] for term in current if term in ontology.number)


def causal_genes(case: dict[str, Any]) -> Iterator[str]:
    for interpretation in case.get("interpretations", ()):
        for genomic in interpretation.get("diagnosis", {}).get("genomicInterpretations", ()):
            context = genomic.get("variantInterpretation", {}).get("variationDescriptor", {}).get("geneContext", {})
            if context.get("symbol"):
                yield context["symbol"]


def rank(score: np.ndarray, gene: int) -> float:
    return float((score > score[gene]).sum() + ((score == score[gene]).sum() + 1) / 2)


def shares(ranks: list[float]) -> dict[str, float]:
    return {f"top_{k}": round(float(np.mean(np.array(ranks) <= k)), 4) for k in TOP}


def baseline(tools: Path, year: str, packets: Path) -> dict[str, float]:
    command = [sys.executable, str(tools / "rank_baseline.py"), year, str(packets)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"cases": int(re.findall(r": (\d+) cases", told)[0])} | {
        f"top_{k}": float(share) for k, share in re.findall(r"top-(\d+) ([\d.]+)", told)
    }


def exome_evidence(data: Path, folder: Path, *, left_out: frozenset[Place] = frozenset()) -> EvidenceSet:
    """What is at hand for exomes of GRCh37, ClinVar without `left_out`."""
    folder.mkdir()
    with gzip.open(data / "clinvar" / "clinvar-2016-09-10.GRCh37.vcf.gz", "rt") as source:
        (folder / "clinvar.vcf").write_text("".join(line for line in source if line.startswith("#") or place_of(line) not in left_out))
    files = {
        "coding-exons": data / "gene_models" / "refseq_union_cds.GRCh37.bed.gz",
        "hpo": data / TABLES["2025"][0],
        "hpo-annotations": data / TABLES["2025"][1],
        "clinvar": folder / "clinvar.vcf",
        "constraint": data / "constraint" / "gnomad.v2.1.1.gene-constraints.tsv",
    }
    for kind, file in files.items():
        add(folder / "evidence", kind, file, release=Release(kind, "1", "2026-01-01", "see source", "GRCh37"))
    return lock(folder / "evidence", "exome")


def pfeiffer(data: Path, folder: Path) -> dict[str, Any]:
    """Where FGFR2 stands, and how long the whole interpretation takes after the evidence is loaded from disk."""
    evidence = exome_evidence(data, folder)
    subject = load_subject(data / "exome" / "cli_test_resources" / "pfeiffer-phenopacket.json")
    result: dict[str, Any] = {}
    for name, keep_known in (("all variants", True), ("without those known to dbSNP", False)):
        vcf = folder / f"{keep_known}.vcf"
        with gzip.open(data / "exome" / "Pfeiffer.vcf.gz", "rt") as source:
            vcf.write_text("".join(line for line in source if keep_known or line.startswith("#") or ";DB;" not in line))
        started = time.process_time()
        found = interpret(Request(subject, evidence, vcf))
        seconds = round(time.process_time() - started, 2)
        result[name] = {finding.gene: finding.rank for finding in found.findings if finding.gene == "FGFR2"}
        result[name] |= {"genes_ranked": len(found.findings), "cpu_seconds": seconds}
    return result


def spiked(data: Path, folder: Path, n_cases: int) -> dict[str, Any]:
    """Shares of cases whose gene is among the first: by phenotype alone, by variants alone, and by both."""
    packets = [json.loads(path.read_text()) for path in sorted((data / "phenopackets" / "pheval_lirical").rglob("*.json"))]
    evidence = exome_evidence(data, folder, left_out=frozenset(place for packet in packets for place, _ in case_variants(packet)))
    with gzip.open(data / "exome" / "Pfeiffer.vcf.gz", "rt") as source:
        exome = source.read().splitlines()
    spiked_exome = SpikedExome(exome, evidence, folder)
    ranks: dict[str, dict[str, list[float]]] = {half: {way: [] for way in WAYS} for half in ("first half", "second half")}
    chosen = sorted(packets, key=digest)[:n_cases]
    for number, packet in enumerate(chosen):
        half, gene = ranks["first half" if int(digest(packet), 16) % 2 == 0 else "second half"], next(causal_genes(packet))
        by_variants = spiked_exome.ranks(packet, gene)
        if number < CHECKED and by_variants != (whole := spiked_exome.whole_ranks(packet, gene)):
            raise SystemExit(f"{packet['id']}: {by_variants} by shared work, {whole} by itself")
        for way, place in zip(WAYS, (phenotype_rank(packet, gene, load_scorer(evidence)), *by_variants), strict=True):
            half[way].append(place)
    both = {way: [place for half in ranks.values() for place in half[way]] for way in WAYS}
    groups = {"all": both} | ranks
    return {"cases": len(chosen), "interpreted_whole_too": min(CHECKED, len(chosen))} | {
        name: {way: shares(of_way) for way, of_way in group.items()} for name, group in groups.items()
    }


def digest(packet: dict[str, Any]) -> str:
    return hashlib.sha256(packet["id"].encode()).hexdigest()


def phenotype_rank(packet: dict[str, Any], gene: str, scorer: PhenotypeScorer) -> float:
    """The rank of the gene among all annotated ones by phenotype alone; infinite for one without annotations."""
    if gene not in scorer.annotations.number:
        return float("inf")
    observed, excluded = (terms(packet, scorer.ontology, excluded=excluded) for excluded in (False, True))
    return rank(np.round(scorer.score(observed, excluded), 6), scorer.annotations.number[gene])


if __name__ == "__main__":
    main()
