"""What `genopipe reanalyze` takes for many archived cases when ClinVar has a new release, as JSON.

    benchmarks/reanalyze.py [--data DIR] [--work DIR] [--cases N] [--output benchmarks/results/reanalyze.json]

Evidence of GRCh37: HPO and its gene annotations of 2025, coding exons, constraint, ClinVar of 2016, and a frequency table that has every
site of the Pfeiffer exome as common and 200,000 drawn places of coding exons as rare. The old set lacks one record in fifty of that
ClinVar, has another class for one in a hundred, and has one in two hundred that the new one lacks. A case is one person with 20,000 of the
exome's sites, 200 of the rare ones (so that one person in a thousand carries each), and five records of ClinVar, drawn from all; three to
six HPO terms that belong to one gene. One case in twenty carries, in the gene that its terms belong to, a variant that only the new set
calls pathogenic. Each is interpreted with the old set and archived; fifty people are drawn, and each stands for twenty cases under names
of their own.

Counted is the command from start to end, CPU time of all threads: the query database made from the catalogue, the sets compared, the cases
concerned found, ranked and told; then with the database there; then with all results there, which is the floor: start, comparison of the
sets and the search for cases.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cohort import Sites, exome_sites, write_person
from measure import options, report, used, versions, work_folder

from genopipe.archive.representations import PutOptions
from genopipe.cases.keep import keep
from genopipe.formats.bed import read_bed
from genopipe.interpret.evidence import EvidenceSet, Release, add, lock, open_set
from genopipe.interpret.findings import Request
from genopipe.interpret.phenotype import load_scorer
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import findings_document
from genopipe.interpret.subject import load_subject
from genopipe.outputs import write_json
from genopipe.provenance import sha256

_MAIN = "from genopipe.cli import main; main()"
COMMON, RARE, KNOWN = 20_000, 200, 5
N_RARE, N_PEOPLE = 200_000, 50
CLINVAR = "clinvar/clinvar-2016-09-10.GRCh37.vcf.gz"
EXONS = "gene_models/refseq_union_cds.GRCh37.bed.gz"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    arguments = parser.parse_args()
    with work_folder(arguments.work) as work:
        sites = exome_sites(arguments.data / "exome" / "Pfeiffer.vcf.gz")
        rare = rare_sites(arguments.data / EXONS, set(sites["contig"].to_pylist()))
        prepare_evidence(arguments.data, work, sites, rare)
        people = People(open_set(work / "evidence" / "old"), sites, rare, arguments.data)
        archive = work / f"archive-{arguments.cases}"
        for number in range(arguments.cases):
            people.archive(number, archive, work)
        result = {"variants_a_case": COMMON + RARE + KNOWN} | measured(archive, work)
    report(result, arguments, versions("duckdb", "pyarrow", "numpy"))


def measured(archive: Path, work: Path) -> dict[str, Any]:
    """Three runs: without a query database, with one and nothing else, and over the results of the one before."""
    out = work / "changes"
    shutil.rmtree(out, ignore_errors=True)
    (archive / "catalogue" / "cohort.duckdb").unlink(missing_ok=True)
    command = ["reanalyze", "--archive", archive, "--evidence", work / "evidence" / "new", "--since", work / "evidence" / "old", "-o", out]
    first = used(sys.executable, "-c", _MAIN, *command).figures()
    shutil.rmtree(out)
    runs = {"first": first, "with the database there": used(sys.executable, "-c", _MAIN, *command).figures()}
    runs["again"] = used(sys.executable, "-c", _MAIN, *command).figures()
    told = json.loads((out / "reanalysis.json").read_text())
    planted = sum(is_planted(number % N_PEOPLE) for number in range(told["cases_archived"]))
    found = sum(is_planted(int(case["case"].removeprefix("CASE")) % N_PEOPLE) for case in told["cases"])
    kinds = [change["change"] for case in told["cases"] for change in case["changes"]]
    figures = {key: told[key] for key in ("cases_archived", "cases_looked_at")} | {"cases_with_changes": len(told["cases"])}
    figures |= {"cases_planted": planted, "cases_planted_told": found}
    return figures | {"changes": {kind: kinds.count(kind) for kind in sorted(set(kinds))}} | runs


def prepare_evidence(data: Path, work: Path, sites: Sites, rare: Sites) -> None:
    """The sets `old` and `new`, made once."""
    store = work / "evidence"
    if (store / "new").exists():
        return
    work.mkdir(exist_ok=True)
    write_frequencies(work / "frequency.vcf", sites, rare)
    old, new = clinvar_releases(data / CLINVAR, work)
    same = {
        "coding-exons": data / EXONS,
        "hpo": data / "hpo" / "DERIVED_terms.tsv",
        "hpo-annotations": data / "hpo" / "DERIVED_gene_to_phenotype.tsv",
        "constraint": data / "constraint" / "gnomad.v2.1.1.gene-constraints.tsv",
        "frequency": work / "frequency.vcf",
    }
    for kind, file in same.items():
        add(store, kind, file, release=Release(kind, "1", "2026-01-01", "see source", "GRCh37"))
    for name, date, file in (("old", "2026-01-01", old), ("new", "2026-02-01", new)):
        add(store, "clinvar", file, release=Release("clinvar", name, date, "public domain", "GRCh37"))
        lock(store, name)


def write_frequencies(path: Path, common: Sites, rare: Sites) -> None:
    """Sites as frequent as common and rare ones are."""
    lines = ["##fileformat=VCFv4.2", '##INFO=<ID=AF,Number=A,Type=Float,Description="x">', "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    order = {name: i for i, name in enumerate(dict.fromkeys(common["contig"].to_pylist()))}
    sites = [(site, frequency) for table, frequency in ((common, 0.2), (rare, 0.0005)) for site in table.to_pylist()]
    for site, frequency in sorted(sites, key=lambda pair: (order[pair[0]["contig"]], pair[0]["position"])):
        lines.append(f"{site['contig']}\t{site['position']}\t.\t{site['ref']}\t{site['alt']}\t.\t.\tAF={frequency}")
    path.write_text("\n".join(lines) + "\n")


def rare_sites(exons: Path, contigs: set[str]) -> Sites:
    """Substitutions at drawn places of coding exons, sorted."""
    draw = np.random.default_rng(0)
    spans = [(span.contig, span.start, span.end) for span in read_bed(exons) if span.contig in contigs]
    length = np.array([end - start for _, start, end in spans], np.float64)
    chosen = draw.choice(len(spans), N_RARE, p=length / length.sum())
    bases = "ACGTA"
    drawn = {(spans[i][0], int(draw.integers(spans[i][1], spans[i][2])) + 1, int(draw.integers(4))) for i in chosen}
    rows = [{"contig": contig, "position": at, "ref": bases[base], "alt": bases[base + 1]} for contig, at, base in sorted(drawn)]
    return pa.Table.from_pylist(rows)


def clinvar_releases(source: Path, work: Path) -> tuple[Path, Path]:
    """ClinVar of 2016 with some records fewer and others, and ClinVar of 2016 without some of the others."""
    old, new = work / "clinvar-old.vcf", work / "clinvar-new.vcf"
    swapped = {"CLINICAL_SIGNIFICANCE=Uncertain_significance": "CLINICAL_SIGNIFICANCE=Pathogenic"}
    swapped |= {there: here for here, there in swapped.items()}
    with gzip.open(source, "rt") as lines, open(old, "w") as before, open(new, "w") as after:
        for number, line in enumerate(lines):
            if line.startswith("#"):
                before.write(line)
                after.write(line)
                continue
            if number % 50 != 3:
                other = next((line.replace(here, there) for here, there in swapped.items() if here in line), line)
                before.write(other if number % 100 == 7 else line)
            if number % 200 != 11:
                after.write(line)
    return old, new


def newly_pathogenic(source: Path) -> list[dict[str, Any]]:
    """The starred pathogenic substitutions that the old set lacks, with their genes."""
    rows = []
    with gzip.open(source, "rt") as lines:
        for number, line in enumerate(lines):
            if line.startswith("#") or number % 50 != 3 or "CLINICAL_SIGNIFICANCE=Pathogenic;REVIEW_STATUS=criteria_provided" not in line:
                continue
            contig, position, _, ref, alt, *_, info = line.rstrip("\n").split("\t")
            if len(ref) == len(alt) == 1:
                gene = dict(pair.split("=", 1) for pair in info.split(";") if "=" in pair)["SYMBOL"]
                rows.append({"contig": contig, "position": int(position), "ref": ref, "alt": alt, "gene": gene})
    return rows


def is_planted(number: int) -> bool:
    return number % 20 == 0


class People:
    """Draws cases, each from its own number."""

    def __init__(self, old: EvidenceSet, sites: Sites, rare: Sites, data: Path) -> None:
        self.old, self.common, self.rare = old, sites, rare
        self.known = exome_sites(data / CLINVAR)
        self.order = {name: i for i, name in enumerate(dict.fromkeys(sites["contig"].to_pylist()))}
        scorer = load_scorer(old)
        self.ids = scorer.ontology.ids
        annotations = scorer.annotations
        self.terms = {gene: found for i, gene in enumerate(annotations.genes) if len(found := annotations.terms_of(i)) >= 6}
        self.genes = list(self.terms)
        self.planted = [row for row in newly_pathogenic(data / CLINVAR) if row["gene"] in self.terms and row["contig"] in self.order]

    def archive(self, number: int, archive: Path, work: Path) -> None:
        """Interprets and archives one case, unless it is there."""
        name, person = f"CASE{number:04d}", number % N_PEOPLE
        folder = work / "cases" / name
        done = archive / "done" / name
        if done.exists():
            return
        self._write(person, name, folder)
        known = work / "cases" / f"CASE{person:04d}" / "findings.json"
        if not known.exists():
            request = Request(load_subject(folder / "case.yaml"), self.old, folder / f"{name}.vcf")
            write_json(known, findings_document(interpret(request), "2026-01-05T00:00:00Z"))
        document = json.loads(known.read_text())
        inputs = document["inputs"] | {"variants": sha256(folder / f"{name}.vcf")}
        write_json(folder / "findings.json", document | {"case": name, "inputs": inputs})
        keep(archive, [folder / f"{name}.vcf", folder / "findings.json"], PutOptions(), case=folder / "case.yaml")
        done.parent.mkdir(exist_ok=True)
        done.touch()

    def _write(self, person: int, name: str, folder: Path) -> None:
        """VCF and case file of a person under the name of a case."""
        draw = np.random.default_rng(person)
        folder.mkdir(parents=True, exist_ok=True)
        planted = self.planted[person % len(self.planted)] if is_planted(person) else None
        gene = planted["gene"] if planted else self.genes[draw.integers(len(self.genes))]
        terms = draw.choice(self.terms[gene], int(draw.integers(3, 7)), replace=False)
        write_person(folder / f"{name}.vcf", f"{name}-1", self._carried(draw, planted), draw)
        shown = ", ".join(self.ids[term] for term in terms)
        (folder / "r.fastq").touch()
        (folder / "case.yaml").write_text(
            f"case: {name}\nreference: r\nevidence: e\nproband: {{sample: {name}-1, sex: female, phenotypes: [{shown}]}}\n"
            f"reads:\n  - {{sample: {name}-1, r1: r.fastq}}\n"
        )

    def _carried(self, draw: np.random.Generator, planted: dict[str, Any] | None) -> Sites:
        drawn = [
            table.take(pa.array(draw.choice(len(table), n, replace=False)))
            for table, n in ((self.common, COMMON), (self.rare, RARE), (self.known, KNOWN))
        ]
        drawn += [pa.Table.from_pylist([planted]).drop_columns(["gene"])] if planted else []
        carried = pa.concat_tables(drawn)
        carried = carried.filter(pc.is_in(carried["contig"], pa.array(list(self.order))))
        place = pa.array([self.order[name] for name in carried["contig"].to_pylist()])
        ordered = carried.append_column("place", place).sort_by([("place", "ascending"), ("position", "ascending")])
        return ordered.drop_columns(["place"])


if __name__ == "__main__":
    main()
