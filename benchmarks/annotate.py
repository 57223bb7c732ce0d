"""A whole genome against a frequency table of human size: time and memory, as JSON.

    benchmarks/annotate.py [--variants 5000000] [--rows 100000000] [--work DIR] [--output benchmarks/results/annotate.json]

Everything is generated: a table of allele frequencies over the contigs of GRCh38, a trio's VCF with that many variants of the child, 98
of 100 of them in the table, and gene models of 20,000 genes; ontology and annotations are those of the evaluation data. Measured are CPU
seconds and largest resident memory of

floor      reading the columns of the table that the join needs, and inflating the VCF
annotate   reading the VCF and joining it with the table
genome     `genopipe interpret`, all steps, results written
exome      the same for the variants in coding exons

The frequencies that the join finds are compared with those that the variants were drawn with. Disk: about 2 GB.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measure import options, report, step, versions, work_folder

from genopipe.formats.bgzf import BgzfWriter
from genopipe.interpret import evidence
from genopipe.interpret.evidence import Release, add, lock
from genopipe.interpret.evidence_sorted import write_sorted
from genopipe.interpret.evidence_variants import FREQUENCY

GENOPIPE = (sys.executable, "-m", "genopipe")
PEOPLE = ("KID", "MUM", "DAD")
N_GENES, EXONS, EXON_BASES, EXON_EVERY = 20_000, 10, 160, 4_000
KNOWN, COMMON = 0.98, 0.97
"""Share of the child's variants that the table has, and of these, share that is more frequent than 2 %."""
SUFFIX = ["", *(a for a in "ACGT"), *(a + b for a in "ACGT" for b in "ACGT"), *(a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT")]
ALLELES = [base + suffix for suffix in SUFFIX for base in "ACGT"]

READ_FLOOR = """
import sys, isal.igzip
import pyarrow.parquet as pq
table = pq.ParquetFile(sys.argv[1])
for group in range(table.metadata.num_row_groups):
    table.read_row_group(group, columns=["position", "ref", "alt", "af_max", "homozygotes"], use_threads=False)
with isal.igzip.open(sys.argv[2]) as lines:
    while lines.read(1 << 20):
        pass
"""
ANNOTATE = """
import sys
from pathlib import Path
import numpy as np
from genopipe.interpret.annotate import annotate
from genopipe.interpret.evidence import open_set
from genopipe.interpret.variants import read_variants
variants = read_variants(Path(sys.argv[1]), ["KID", "MUM", "DAD"])
known = annotate(variants, open_set(Path(sys.argv[2])))
print(len(variants), int((~np.isnan(known.frequency)).sum()), repr(float(np.nansum(known.frequency))))
"""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--variants", type=int, default=5_000_000)
    parser.add_argument("--rows", type=int, default=100_000_000)
    arguments = parser.parse_args()
    with work_folder(arguments.work) as folder:
        drawn = generated(folder, arguments)
        result = {"generated": drawn, **measured(folder, drawn)}
    report(result, arguments, versions("numpy", "pyarrow", "pysam", "isal"))


def contigs() -> dict[str, int]:
    """Length of the nuclear contigs of GRCh38."""
    known = json.loads((Path(__file__).resolve().parent.parent / "reference" / "GRCh38.json").read_text())["contigs"]
    return {contig["names"][1]: contig["length"] for contig in known[:24]}


def generated(folder: Path, arguments: Any) -> dict[str, Any]:
    """Makes table, VCFs and evidence set unless the folder has them; gives what the join has to find."""
    note = folder / "drawn.json"
    if not note.exists():
        drawing = Drawing(folder, arguments.variants, arguments.rows)
        evidence.VARIANT_KINDS["frequency"] = drawing.write
        (folder / "none").touch()
        release = Release("frequency", "1", "2026-01-01", "CC0", "GRCh38")
        add(folder / "E", "frequency", folder / "none", release=release)
        for kind, file in others(folder, arguments.data).items():
            add(folder / "E", kind, file, release=Release(kind, "1", "2026-01-01", "CC0", "GRCh38"))
        lock(folder / "E", "set")
        write_case(folder)
        note.write_text(json.dumps(drawing.drawn))
    drawn: dict[str, Any] = json.loads(note.read_text())
    return drawn


class Drawing:
    """Draws contig by contig the table's records and, among them, the variants of the child."""

    def __init__(self, folder: Path, n_variants: int, n_rows: int) -> None:
        self.folder, self.n_variants, self.n_rows = folder, n_variants, n_rows
        self.draw = np.random.default_rng(7)
        self.drawn: dict[str, Any] = {"table_rows": 0, "variants": 0, "in_table": 0, "frequencies": 0.0, "exome_variants": 0}

    def write(self, sources: Sequence[Path], target: Path, *, assembly: str, genome: object) -> int:
        del assembly, genome
        with BgzfWriter(self.folder / "genome.vcf.gz", threads=2, level=1) as whole, BgzfWriter(self.folder / "exome.vcf.gz") as exome:
            for file in (whole, exome):
                file.write(header().encode())
            return write_sorted(sources, lambda _: self._tables(whole, exome), target, FREQUENCY)

    def _tables(self, whole: BgzfWriter, exome: BgzfWriter) -> Iterator[pa.Table]:
        total = sum(contigs().values())
        for contig, length in contigs().items():
            table = self._table(length, round(self.n_rows * length / total))
            self._write_variants(contig, length, table, round(self.n_variants * length / total), whole, exome)
            self.drawn["table_rows"] += len(table)
            yield table.add_column(0, "contig", pa.array([contig.removeprefix("chr")]).take(np.zeros(len(table), np.int64)))

    def _table(self, length: int, n: int) -> pa.Table:
        """One in twelve is an insertion or deletion; one in ten is more frequent than a percent."""
        drawn = np.unique(self.draw.integers(10_000, length - 10_000, round(1.05 * n)))
        position = np.sort(self.draw.choice(drawn, n, replace=False)).astype(np.int32)
        base, other = position % 4, (position + self.draw.integers(1, 4, n)) % 4
        suffix = np.where(self.draw.random(n) < 1 / 12, self.draw.integers(1, len(SUFFIX), n), 0)
        deletion = self.draw.random(n) < 0.5
        ref = base + 4 * np.where(deletion, suffix, 0)
        alt = np.where(suffix == 0, other, base + 4 * np.where(deletion, 0, suffix))
        af = 10 ** np.where(self.draw.random(n) < 0.1, self.draw.uniform(-2, 0, n), self.draw.uniform(-6, -2, n))
        words = pa.array(ALLELES)
        columns: dict[str, Any] = {"position": position, "ref": words.take(ref), "alt": words.take(alt), "af": af, "af_max": af}
        return pa.table(columns | {"homozygotes": (af * af * 70_000).astype(np.int32)})

    def _write_variants(self, contig: str, length: int, table: pa.Table, n: int, whole: BgzfWriter, exome: BgzfWriter) -> None:
        """Most out of the table, mostly common ones; the others beside it."""
        common = np.flatnonzero(table["af"].to_numpy() > 0.02)
        n_known = round(KNOWN * n)
        n_common = min(round(COMMON * n_known), len(common))
        rare = self.draw.integers(0, len(table), n_known - n_common)
        known = np.unique(np.concatenate([self.draw.choice(common, n_common, replace=False), rare]))
        new = self.draw.integers(10_000, length - 10_000, n - n_known).astype(np.int32)
        new = np.setdiff1d(new, table["position"].to_numpy())
        words = pa.array(ALLELES)
        mine = table.select(["position", "ref", "alt"]).take(known)
        ours: dict[str, Any] = {"position": new, "ref": words.take(new % 4), "alt": words.take((new + 1) % 4)}
        both = pa.concat_tables([mine, pa.table(ours)])
        both = both.take(np.argsort(both["position"].to_numpy(), kind="stable"))
        lines = self._lines(contig, both)
        whole.write("".join(lines.to_pylist()).encode())
        coding = lines.filter(pa.array(in_exons(both["position"].to_numpy())))
        exome.write("".join(coding.to_pylist()).encode())
        frequencies = float(table["af"].take(known).to_numpy().sum())
        for name, more in (
            ("variants", len(both)),
            ("in_table", len(known)),
            ("frequencies", frequencies),
            ("exome_variants", len(coding)),
        ):
            self.drawn[name] += more

    def _lines(self, contig: str, variants: pa.Table) -> Any:
        calls = pa.array([f"\t{a}:30,25:55:99:600,0,700\t{b}:30,28:58:99:600,0,700\t{c}:40,20:60:99:600,0,700\n" for a, b, c in _GENOTYPES])
        call = calls.take(self.draw.integers(0, len(calls), len(variants)))
        place = pc.cast(pc.add(variants["position"].combine_chunks(), 1), pa.string())
        ref, alt = (variants[name].combine_chunks() for name in ("ref", "alt"))
        info = "50\tPASS\tAC=2;AF=0.33;AN=6;DP=173;FS=0.0;MQ=60;QD=12.1;SOR=0.7\tGT:AD:DP:GQ:PL"
        start = pc.binary_join_element_wise(contig, place, ".", ref, alt, info, "\t")
        return pc.binary_join_element_wise(start, call, "")


_GENOTYPES = [("0/1", "0/1", "0/0"), ("0/1", "0/0", "0/1"), ("1/1", "0/1", "0/1"), ("0|1", "0|0", "1|0")]


def header() -> str:
    """Of the trio's VCFs."""
    kinds = (("GT", "1", "String"), ("AD", "R", "Integer"), ("DP", "1", "Integer"), ("GQ", "1", "Integer"), ("PL", "G", "Integer"))
    lines = ["##fileformat=VCFv4.3", *(f"##contig=<ID={name},length={length}>" for name, length in contigs().items())]
    lines += [f'##FORMAT=<ID={key},Number={number},Type={kind},Description="{key}">' for key, number, kind in kinds]
    infos = ("AC", "AF", "AN", "DP", "FS", "MQ", "QD", "SOR")
    lines += [f'##INFO=<ID={key},Number=1,Type=Float,Description="{key}">' for key in infos]
    return "\n".join([*lines, "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *PEOPLE])]) + "\n"


def gene_starts(length: int) -> range:
    """Where genes begin on a contig: evenly over the genome."""
    return range(100_000, length - 100_000, sum(contigs().values()) // N_GENES)


def in_exons(position: Any) -> Any:
    """True in coding exons, which are at the same places on every contig."""
    every = sum(contigs().values()) // N_GENES
    within = (position - 100_000) % every
    return (position >= 100_000) & (within < EXONS * EXON_EVERY) & (within % EXON_EVERY < EXON_BASES)


def others(folder: Path, data: Path) -> dict[str, Path]:
    """Files of the other kinds: gene models named by the genes of the annotations, and these."""
    annotations = data / "hpo/DERIVED_gene_to_phenotype.tsv"
    symbols = sorted({line.split("\t")[1] for line in annotations.read_text().splitlines()})
    with open(folder / "genes.bed", "w") as out:
        number = 0
        for contig, length in contigs().items():
            for start in gene_starts(length):
                gene = symbols[number] if number < len(symbols) else f"G{number}"
                number += 1
                for exon in range(EXONS):
                    at = start + exon * EXON_EVERY
                    out.write(f"{contig}\t{at}\t{at + EXON_BASES}\t{gene}\t0\t{'+-'[number % 2]}\n")
    return {"coding-exons": folder / "genes.bed", "hpo": data / "hpo/DERIVED_terms.tsv", "hpo-annotations": annotations}


def write_case(folder: Path) -> None:
    """A newborn with seizures and low tone, both parents healthy."""
    features = [{"type": {"id": term}} for term in ("HP:0001250", "HP:0001252", "HP:0001263", "HP:0000252")]
    persons = [{"familyId": "F", "individualId": person, "sex": sex, "affectedStatus": status} for person, sex, status in _PERSONS]
    persons[0] |= {"maternalId": "MUM", "paternalId": "DAD"}
    proband = {"id": "case", "subject": {"id": "KID", "sex": "FEMALE"}, "phenotypicFeatures": features}
    (folder / "case.json").write_text(json.dumps({"id": "case", "proband": proband, "pedigree": {"persons": persons}}))


_PERSONS = (("KID", "FEMALE", "AFFECTED"), ("MUM", "FEMALE", "UNAFFECTED"), ("DAD", "MALE", "UNAFFECTED"))


def measured(folder: Path, drawn: dict[str, Any]) -> dict[str, Any]:
    """Time and memory of each step, and whether the join found what it had to."""
    (table,) = (path for path in (folder / "E" / "objects").rglob("*") if path.is_file() and pq.ParquetFile(path).schema_arrow == FREQUENCY)
    vcf, chosen = folder / "genome.vcf.gz", folder / "E" / "set"
    result = {"floor": step(folder / "floor.json", sys.executable, "-c", READ_FLOOR, table, vcf).figures()}
    annotated = step(folder / "annotate.json", sys.executable, "-c", ANNOTATE, vcf, chosen, output=folder / "found.txt")
    found = (folder / "found.txt").read_text().split()
    right = int(found[0]) == drawn["variants"] and int(found[1]) == drawn["in_table"]
    right = right and abs(float(found[2]) - drawn["frequencies"]) < 1e-6 * drawn["frequencies"]
    result["annotate"] = annotated.figures() | {"found_what_was_drawn": right, "variants_in_table": int(found[1])}
    for name in ("genome", "exome"):
        words = ("interpret", "--variants", folder / f"{name}.vcf.gz", "--case", folder / "case.json", "--evidence", chosen)
        result[name] = step(folder / f"{name}.json", *GENOPIPE, *words, "-o", folder / name, log=folder / f"{name}.log").figures()
        result[name]["variants_kept"] = json.loads((folder / name / "findings.json").read_text())["variants_kept"]
    return result


if __name__ == "__main__":
    main()
