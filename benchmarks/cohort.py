"""Generated people for the benchmarks of the catalogue and of re-analysis: VCFs drawn from real sites, written fast."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv

from genopipe.formats.bgzf import BgzfWriter

HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads of each allele">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">
"""
GENOTYPES = pa.array(["0/1:15,16:31:99", "1/1:0,30:30:90"])
Sites = pa.Table
"""Columns contig, position (from 1), ref, alt; sorted."""


def exome_sites(vcf: Path) -> Sites:
    """The sites of a VCF with one ALT."""
    rows = []
    with gzip.open(vcf, "rt") as source:
        for line in source:
            if not line.startswith("#"):
                contig, position, _, ref, alt = line.split("\t", 5)[:5]
                if "," not in alt:
                    rows.append({"contig": contig, "position": int(position), "ref": ref, "alt": alt})
    return pa.Table.from_pylist(rows)


def write_person(path: Path, sample: str, sites: Sites, draw: np.random.Generator) -> None:
    """A VCF, by BGZF where its name says so, in which one person carries all `sites`, two in three of them in one copy."""
    n = len(sites)
    constant = {name: pa.array([value] * n) for name, value in (("id", "."), ("qual", "60"), ("filter", "PASS"), ("info", "."))}
    table = pa.table(
        {
            **{name: sites[name] for name in ("contig", "position")},
            "id": constant["id"],
            **{name: sites[name] for name in ("ref", "alt")},
            **{name: constant[name] for name in ("qual", "filter", "info")},
            "format": pa.array(["GT:AD:DP:GQ"] * n),
            "sample": GENOTYPES.take(pa.array((draw.random(n) < 1 / 3).astype(np.int64))),
        }
    )
    contigs = "".join(f"##contig=<ID={name}>\n" for name in dict.fromkeys(sites["contig"].to_pylist()))
    text = pa.BufferOutputStream()
    pc_csv.write_csv(table, text, pc_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none"))
    columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", sample])
    with BgzfWriter(path) if path.suffix == ".gz" else open(path, "wb") as out:
        out.write(f"{HEADER}{contigs}{columns}\n".encode())
        out.write(text.getvalue().to_pybytes())
