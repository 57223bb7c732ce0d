"""How long evidence takes to add: a frequency VCF like gnomAD's, a VCF like ClinVar's and the predictors' tables, as JSON.

    benchmarks/evidence.py [--records N] [--work DIR] [--output benchmarks/results/evidence.json]

Everything is generated: N sites with 200 INFO keys of some 4 kB each, 2 N records like ClinVar's, and 10 N rows of each table. CPU seconds
of each, and records in one of them, without the start of a program, which is what adding the first few records takes:

add     `genopipe evidence add`, all of it: read, checked, sorted, written, digests taken
pysam   the values that are kept, asked of htslib record by record, and the same table written: how the VCFs were read at first
peer    `bcftools query` printing the values that are kept, where it is installed
floor   inflating the file

`gnomad_genomes_hours` is what that makes of the 759 million records of gnomAD v4.1's genomes, if they are as long as these. The tables by
pysam are compared with those that were added.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import Used, options, program_version, report, used, versions, work_folder

from genopipe.formats.bgzf import BgzfWriter
from genopipe.interpret.evidence_digest import records_digest

GENOPIPE = (sys.executable, "-m", "genopipe")
GNOMAD_GENOMES = 759_000_000
"""Records of gnomAD v4.1's genomes."""
FEW = 100
POPULATIONS = ("afr", "ami", "amr", "asj", "eas", "fin", "mid", "nfe", "remaining", "sas")
OTHERS = ("CGT", "AGT", "ACT", "ACG")
PIECE = 1000
TAILS = 500
"""How many different ends of INFO are drawn; they come again only far beyond what deflate looks back."""
EFFECTS = ("missense_variant|MODERATE", "synonymous_variant|LOW", "intron_variant|MODIFIER", "stop_gained|HIGH")


def sites_header() -> str:
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=chr21,length=46709983>"]
    for key, number, kind in (*((key, "A" if key[:2] != "AN" else "1", kind) for key, kind in _keys()), ("vep", ".", "String")):
        lines.append(f'##INFO=<ID={key},Number={number},Type={kind},Description="x">')
    return "\n".join([*lines, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"])


def _keys() -> list[tuple[str, str]]:
    groups = ["", "_XX", "_XY", *(f"_{p}{sex}" for p in POPULATIONS for sex in ("", "_XX", "_XY")), "_raw", "_grpmax"]
    kinds = {"AC": "Integer", "AN": "Integer", "AF": "Float", "nhomalt": "Integer"}
    keys = [(name + group, kind) for group in groups for name, kind in kinds.items()]
    return keys + [(f"{name}_{i}", "Float") for name in ("faf95", "faf99", "age_hist", "cadd", "phylop") for i in range(12)]


def _tail(draw: np.random.Generator) -> str:
    """The INFO of one site after AC, AN, AF and nhomalt of all; most groups have nobody with it."""
    values = []
    for key, kind in _keys()[4:]:
        some = draw.random() < 0.25
        count = draw.integers(140_000, 152_000) if key[:2] == "AN" else some * draw.integers(0, 1_600)
        values.append(f"{key}={count if kind == 'Integer' else f'{some * 10 ** draw.uniform(-6, -1):.5e}'}")
    effect = EFFECTS[int(draw.integers(len(EFFECTS)))]
    told = f"{effect}|GENE{draw.integers(1e4)}|ENSG{draw.integers(1e9)}|Transcript|ENST{draw.integers(1e9)}|c.{draw.integers(1e4)}A>G||"
    return ";".join(values) + f";vep={told},{told}"


def write_sites(path: Path, n: int) -> None:
    """Sites like gnomAD's."""
    draw = np.random.default_rng(1)
    tails = [_tail(draw) for _ in range(TAILS)]
    with BgzfWriter(path, threads=2) as file:
        file.write(sites_header().encode())
        for position, ref, alt in _places(draw, n):
            total = 152_000 - int(draw.integers(3_000))
            count = int(10 ** draw.uniform(0, 4.5))
            head = f"AC={count};AN={total};AF={count / total:.5e};nhomalt={count * count // (4 * total)};"
            info = head + tails[int(draw.integers(TAILS))]
            file.write(f"chr21\t{position}\trs{position}\t{ref}\t{alt}\t{draw.integers(99999)}\tPASS\t{info}\n".encode())


def _places(draw: np.random.Generator, n: int) -> Iterator[tuple[int, str, str]]:
    """Position, REF and ALT; one in twelve is an insertion or deletion."""
    bases = "ACGT"
    position = 5_000_000
    for step, base, other, longer in zip(*(draw.integers(1, top, n).tolist() for top in (7, 5, 4, 25)), strict=True):
        position += step
        ref, alt = bases[base - 1], bases[(base - 1 + other) % 4]
        yield position, *((ref, ref + alt) if longer == 1 else (ref + alt, ref) if longer == 2 else (ref, alt))


CLINVAR = ("Pathogenic", "Likely_pathogenic", "Uncertain_significance", "Likely_benign", "Benign/Likely_benign", "not_provided")
STATUS = ("criteria_provided,_single_submitter", "criteria_provided,_multiple_submitters,_no_conflicts", "no_assertion_criteria_provided")


def write_clinvar(path: Path, n: int) -> None:
    """Records like ClinVar's of today."""
    draw = np.random.default_rng(2)
    keys = ("ALLELEID", "CLNDISDB", "CLNDN", "CLNHGVS", "CLNREVSTAT", "CLNSIG", "CLNVC", "CLNVCSO", "GENEINFO", "MC", "ORIGIN")
    lines = ["##fileformat=VCFv4.1", *(f'##INFO=<ID={key},Number=.,Type=String,Description="x">' for key in keys)]
    with BgzfWriter(path, threads=2) as file:
        file.write("\n".join([*lines, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"]).encode())
        for position, ref, alt in _places(draw, n):
            chosen = draw.integers(0, 1 << 16, 6).tolist()
            disease = f"MONDO:MONDO:{chosen[0]:07},MedGen:C{chosen[0]:07},OMIM:{chosen[1]}"
            info = f"ALLELEID={position};CLNDISDB={disease}|MedGen:C3661900;CLNDN=Syndrome_{chosen[0]},_type_{chosen[1] % 9}|not_provided;"
            info += f"CLNHGVS=NC_000021.9:g.{position}{ref}>{alt};CLNREVSTAT={STATUS[chosen[2] % 3]};CLNSIG={CLINVAR[chosen[3] % 6]};"
            info += f"CLNVC=single_nucleotide_variant;CLNVCSO=SO:0001483;GENEINFO=GENE{chosen[4] % 300}:{chosen[4] % 300};"
            info += "MC=SO:0001583|missense_variant;ORIGIN=1"
            file.write(f"21\t{position}\t{position}\t{ref}\t{alt}\t.\t.\t{info}\n".encode())


TABLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "cadd": (
        "## CADD GRCh38-v1.7\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n",
        lambda v: f"21\t{v[0]}\t{v[1]}\t{v[2]}\t{v[3]:.6f}\t{v[4]:.3f}",
    ),
    "revel": (
        "chr,hg19_pos,grch38_pos,ref,alt,aaref,aaalt,REVEL,Ensembl_transcriptid\n",
        lambda v: f"21,{v[0] + 9},{v[0]},{v[1]},{v[2]},M,T,{v[3]:.3f},ENST00000335137;ENST00000641515",
    ),
    "alphamissense": (
        "#CHROM\tPOS\tREF\tALT\tgenome\tuniprot_id\ttranscript_id\tprotein_variant\tam_pathogenicity\tam_class\n",
        lambda v: f"chr21\t{v[0]}\t{v[1]}\t{v[2]}\thg38\tQ8NH21\tENST00000335137.4\tV2L\t{v[3]:.4f}\tlikely_benign",
    ),
    "spliceai": (
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
        lambda v: f"21\t{v[0]}\t.\t{v[1]}\t{v[2]}\t.\t.\tSpliceAI={v[2]}|ABC1|{v[3]:.2f}|0.00|{v[3] / 2:.2f}|0.00|-3|27|12|-40",
    ),
}


def write_table(path: Path, kind: str, n: int) -> None:
    """A predictor's table: the three changes of each base."""
    header, line = TABLES[kind]
    draw = np.random.default_rng(3)
    score = draw.random(n).tolist()
    base = draw.integers(0, 4, n // 3 + 1).tolist()
    with BgzfWriter(path, threads=2) as file:
        file.write(header.encode())
        for start in range(0, n, PIECE):
            rows = range(start, min(start + PIECE, n))
            values = ((5_000_000 + i // 3, "ACGT"[base[i // 3]], OTHERS[base[i // 3]][i % 3], score[i], 50 * score[i]) for i in rows)
            file.write("".join(line(value) + "\n" for value in values).encode())


BY_RECORD = """
import sys
from itertools import islice
import pyarrow as pa, pyarrow.parquet as pq, pysam
from genopipe.interpret.evidence_variants import CLINVAR, FREQUENCY, significance, stars
keys = ("AF_grpmax", "AF_afr", "AF_amr", "AF_eas", "AF_nfe", "AF_sas")
def value(record, key, number):
    if key not in record.info:
        return None
    told = record.info[key]
    return told[number] if isinstance(told, tuple) else told
def frequency(record, number):
    af = value(record, "AF", number)
    shares = [share for key in keys if (share := value(record, key, number)) is not None]
    return {"af": af, "af_max": max([af, *shares]), "homozygotes": value(record, "nhomalt", number)}
def clinvar(record, number):
    text = {key: ",".join(told) if isinstance(told, tuple) else str(told) for key, told in record.info.items()}
    return {"accession": record.id, "significance": significance(text["CLNSIG"]), "stars": stars(text["CLNREVSTAT"]),
        "conditions": text["CLNDN"].replace("_", " "), "gene": text["GENEINFO"].split(":")[0]}
def rows(file, describe):
    for record in file:
        for number, alt in enumerate(record.alts):
            place = {"contig": record.contig.removeprefix("chr"), "position": record.start, "ref": record.ref, "alt": alt}
            yield place | describe(record, number)
source, target, kind = sys.argv[1:]
schema, describe = {"frequency": (FREQUENCY, frequency), "clinvar": (CLINVAR, clinvar)}[kind]
with pysam.VariantFile(source, drop_samples=True) as file, pq.ParquetWriter(target, schema, compression="zstd") as writer:
    told = rows(file, describe)
    while some := list(islice(told, 1 << 16)):
        writer.write_table(pa.Table.from_pylist(some, schema=schema))
"""
INFLATE = """
import sys
from pathlib import Path
from genopipe.formats.inflate import inflated
for piece in inflated(Path(sys.argv[1])):
    pass
"""
ASKED = {
    "frequency": r"%CHROM\t%POS\t%REF\t%ALT\t%AF\t%AC\t%AN\t%AF_grpmax\t%AF_afr\t%AF_amr\t%AF_eas\t%AF_nfe\t%AF_sas\t%nhomalt\n",
    "clinvar": r"%CHROM\t%POS\t%ID\t%REF\t%ALT\t%CLNSIG\t%CLNREVSTAT\t%CLNDN\t%GENEINFO\n",
}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    arguments = parser.parse_args()
    with work_folder(arguments.work) as folder:
        result = {kind: measured(folder, kind, n) for kind, n in sizes(arguments.records).items()}
    hours = GNOMAD_GENOMES / result["frequency"]["add_records_a_cpu_second"] / 3600
    result["gnomad_genomes_hours"] = round(hours, 2)
    peer = program_version("bcftools", "--version", line="bcftools")
    report(result, arguments, versions("numpy", "pyarrow", "pysam", "isal", "numba") | {"bcftools": peer})


def sizes(n: int) -> dict[str, int]:
    return {"frequency": n, "clinvar": 2 * n} | dict.fromkeys(TABLES, 10 * n)


def written(folder: Path, kind: str, n: int) -> Path:
    """The generated file of a kind."""
    path = folder / f"{kind}-{n}.gz"
    if not path.exists():
        if kind in TABLES:
            write_table(path, kind, n)
        else:
            {"frequency": write_sites, "clinvar": write_clinvar}[kind](path, n)
    return path


def measured(folder: Path, kind: str, n: int) -> dict[str, Any]:
    file, few = written(folder, kind, n), written(folder, kind, FEW)
    taken = {"add": (added(folder, kind, few), added(folder, kind, file))}
    taken["floor"] = tuple(used(sys.executable, "-c", INFLATE, path) for path in (few, file))
    if kind in ASKED:
        table = folder / f"{kind}.parquet"
        taken["pysam"] = tuple(used(sys.executable, "-c", BY_RECORD, path, table, kind) for path in (few, file))
        check_same(folder / "E", table, kind)
        if shutil.which("bcftools"):
            taken["peer"] = tuple(used("bcftools", "query", "-f", ASKED[kind], path) for path in (few, file))
    result: dict[str, Any] = {
        "records": n,
        "compressed_mb": file.stat().st_size >> 20,
        "peak_resident_mb": taken["add"][1].peak_bytes >> 20,
    }
    for name, (start, all_) in taken.items():
        seconds = max(all_.cpu_seconds - start.cpu_seconds, 0.01)
        result |= {f"{name}_cpu_seconds": round(seconds, 2), f"{name}_records_a_cpu_second": round((n - FEW) / seconds)}
    return result


def added(folder: Path, kind: str, file: Path) -> Used:
    """What adding a file to a new evidence folder took."""
    shutil.rmtree(folder / "E", ignore_errors=True)
    release = ("--name", kind, "--version", "1", "--date", "2026-01-01", "--licence", "CC0", "--assembly", "GRCh38")
    return used(*GENOPIPE, "evidence", "add", kind, file, *release, "--store", folder / "E")


def check_same(store: Path, table: Path, kind: str) -> None:
    """Stops when the data set that was added is another one than the table."""
    manifest = json.loads((store / "datasets" / f"{kind}@1.json").read_text())
    if records_digest(table) != manifest["digest"]:
        raise SystemExit(f"{kind}: the data set differs from what htslib says")


if __name__ == "__main__":
    main()
