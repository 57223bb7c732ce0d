"""Carried ALTs by column, against htslib record by record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.vcf_genotypes import open_vcf

HEADER = """##fileformat=VCFv4.2
##contig=<ID=1>
##contig=<ID=2>
##FILTER=<ID=low,Description="x">
##FORMAT=<ID=GT,Number=1,Type=String,Description="x">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="x">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="x">
"""
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
Row = tuple[Any, ...]


def carried(path: Path) -> set[Row]:
    found = set()
    for _, by_sample in open_vcf(path).carried():
        for sample, table in by_sample.items():
            found |= {(sample, *row.values()) for row in table.to_pylist()}
    return found


def by_htslib(path: Path) -> Iterator[Row]:
    """The same, written plainly."""
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            for name, call in record.samples.items():
                alleles = [allele for allele in call.allele_indices or () if allele is not None]
                for allele in {allele for allele in alleles if allele}:
                    depths = call.get("AD") or ()
                    yield (
                        name,
                        record.contig,
                        record.start,
                        record.ref.upper(),
                        record.alleles[allele].upper(),
                        alleles.count(allele),
                        len(alleles),
                        call.get("DP"),
                        depths[allele] if allele < len(depths) else None,
                        call.get("GQ"),
                        set(record.filter.keys()) <= {"PASS"},
                    )


@st.composite
def vcfs(draw: st.DrawFn) -> str:
    samples = draw(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=3, unique=True))
    lines = [HEADER + "\t".join([COLUMNS, *samples])]
    for number in range(draw(st.integers(0, 6))):
        alts = draw(st.lists(st.sampled_from(["A", "cg", "<DEL>", "*", "GT"]), min_size=1, max_size=3, unique=True))
        keys = ["GT", *draw(st.permutations(["AD", "DP", "GQ"]))[: draw(st.integers(0, 3))]]
        calls = [draw(call(keys, len(alts))) for _ in samples]
        words = ["1" if number < 3 else "2", str(10 + number), ".", draw(st.sampled_from(["A", "t", "CG"])), ",".join(alts), "5"]
        lines.append("\t".join([*words, draw(st.sampled_from(["PASS", ".", "low"])), ".", ":".join(keys), *calls]))
    return "\n".join(lines) + "\n"


@st.composite
def call(draw: st.DrawFn, keys: list[str], n_alts: int) -> str:
    allele = st.sampled_from([*map(str, range(n_alts + 1)), "."])
    number = st.sampled_from(["0", "7", "31", "."])
    values = {
        "GT": draw(st.sampled_from("/|")).join(draw(st.lists(allele, min_size=1, max_size=3))),
        "AD": draw(st.one_of(st.just("."), st.lists(number, min_size=n_alts + 1, max_size=n_alts + 1).map(",".join))),
        "DP": draw(number),
        "GQ": draw(number),
    }
    return ":".join(values[key] for key in keys[: draw(st.integers(1, len(keys)))])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=vcfs())
def test_carried_alts_are_those_that_htslib_reads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_text(text)
    assert carried(path) == set(by_htslib(path))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=vcfs(), at=st.integers(0, 10_000), what=st.sampled_from(["", "\t", "\n", ":", "x", "\0", "é", "9"]))
def test_a_damaged_vcf_is_read_or_told(text: str, at: int, what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    at %= len(text)
    path.write_text(text[:at] + what + text[at + 1 :])
    try:
        carried(path)
    except BadInput as told:
        assert str(path) in str(told)


def test_a_file_without_samples_has_nothing_carried(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").write_text(HEADER + "\t".join(COLUMNS.split("\t")[:8]) + "\n1\t5\t.\tA\tC\t.\t.\t.\n")
    assert carried(tmp_path / "a.vcf") == set()


FAULTS = [
    ("##fileformat=BED\n" + COLUMNS + "\tS\n", "this is no VCF"),
    (HEADER + COLUMNS + "\tS\tS\n", "a sample stands there twice"),
    (HEADER, "no header line"),
    (HEADER + COLUMNS + "\tS\n1\t-5\t.\tA\tC\t.\t.\t.\tGT\t0/1\n", "10: POS '-5'"),
    (HEADER + COLUMNS + "\tS\n1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/2\n", "10: allele 2 in a genotype of S"),
    (HEADER + COLUMNS + "\tS\n1\t5\t.\tA\tC\t.\t.\t.\tGT\n", "10: 9 columns"),
]


@pytest.mark.parametrize("text, told", FAULTS)
def test_what_is_no_vcf_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.vcf").write_text(text)
    with pytest.raises(BadInput, match=re.escape(told)):
        carried(tmp_path / "a.vcf")
