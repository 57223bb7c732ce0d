"""A family's VCF read by columns says what htslib says record by record.

Oracle: every record and call as pysam gives it, interpreted one by one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pysam.bcftools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.interpret.normalise import is_sequence, trim
from genopipe.interpret.results import genotype
from genopipe.interpret.variants import Variants, read_variants

SAMPLES = ("KID", "MUM", "DAD")
HEADER = "\n".join(
    [
        "##fileformat=VCFv4.3",
        "##contig=<ID=1,length=1000>",
        "##contig=<ID=X,length=1000>",
        '##FILTER=<ID=LOW,Description="x">',
        '##INFO=<ID=DB,Number=0,Type=Flag,Description="x">',
        '##INFO=<ID=DNM,Number=1,Type=Float,Description="x">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">',
        '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="x">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">',
        '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="x">',
        '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="x">',
        '##FORMAT=<ID=DNM,Number=1,Type=Integer,Description="x">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *SAMPLES]),
    ]
)
NUMBER = st.sampled_from([".", "0", "7", "33", "99"])
ALLELES = st.sampled_from(["A,C", "A,G,T", "AC,A", "A,AT,<NON_REF>", "ACG,TCG,A", "A,*", "A,<DEL>", "A,.", "at,a", "CAA,CA,C", "R,A"])


@st.composite
def records(draw: st.DrawFn) -> str:
    ref, *alts = draw(ALLELES).split(",")
    alts = [] if alts == ["."] else alts
    allele = st.sampled_from([".", *map(str, range(len(alts) + 1))])
    keys = ["GT", *draw(st.permutations(["AD", "DP", "GQ", "PS", "DNM"]))][: draw(st.integers(1, 6))]

    def call() -> str:
        mark = draw(st.sampled_from("/|"))
        values = {"GT": mark.join(draw(st.lists(allele, min_size=1, max_size=3)))}
        values |= {key: draw(NUMBER) for key in keys[1:]}
        values["AD"] = ",".join(draw(NUMBER) for _ in range(len(alts) + 1)) if draw(st.booleans()) else "."
        told = [values[key] for key in keys]
        return ":".join(told[: draw(st.integers(1, len(told)))])

    fixed = [
        draw(st.sampled_from(["1", "X"])),
        str(draw(st.integers(1, 60))),
        ".",
        ref,
        ",".join(alts) or ".",
        ".",
        draw(st.sampled_from(["PASS", ".", "LOW"])),
    ]
    return "\t".join([*fixed, draw(st.sampled_from([".", "DB", "DNM=0.75", "DB;DNM=0.5"])), ":".join(keys), *(call() for _ in SAMPLES)])


def told_by_htslib(path: Path) -> dict[tuple[str, int, str, str], dict[str, Any]]:
    found: dict[tuple[str, int, str, str], dict[str, Any]] = {}
    with pysam.VariantFile(str(path)) as file:
        for number, record in enumerate(file):
            calls = [record.samples[name] for name in SAMPLES]
            for allele in sorted({index for index in calls[0].allele_indices or () if index}):
                ref, alt = record.ref.upper(), record.alleles[allele].upper()
                if not (is_sequence(ref) and is_sequence(alt)) or ref == alt:
                    continue
                place = (record.contig, *trim(record.start, ref, alt))
                row: dict[str, Any] = {"record": number, "passed": set(record.filter.keys()) <= {"PASS"}, "in_dbsnp": "DB" in record.info}
                phred = calls[0].get("DNM")
                row["new"] = 1 - 10 ** (-phred / 10) if phred is not None else record.info.get("DNM", float("nan"))
                row["calls"] = [call_by_htslib(call, allele) for call in calls]
                found.setdefault(place, row)
    return found


def call_by_htslib(call: Any, allele: int) -> tuple[int, ...]:
    indices = call.allele_indices
    if not indices or (None in indices and allele not in indices):
        return (-1, 0, -1, -1, -1, -1, 0, False)
    depths = list(call.get("AD") or ())
    known = bool(depths) and depths[0] is not None
    depth = call.get("DP")
    if depth is None:
        depth = sum(value or 0 for value in depths) if known else -1
    of_allele = depths[allele] if len(depths) > allele and depths[allele] is not None else -1
    phased = call.phased and len(indices) == 2 and indices.count(allele) == 1 and None not in indices
    quality = call.get("GQ")
    return (
        indices.count(allele),
        len(indices),
        depth,
        of_allele,
        -1 if quality is None else quality,
        indices.index(allele) if phased else -1,
        (call.get("PS") or 0) if phased else 0,
        any(index not in (0, allele) for index in indices),
    )


def check(variants: Variants, expected: dict[tuple[str, int, str, str], dict[str, Any]]) -> None:
    names = ("alt_count", "ploidy", "depth", "alt_depth", "genotype_quality", "haplotype", "phase_set", "other_allele")
    assert sorted(expected) == sorted(zip(variants.contig, variants.position.tolist(), variants.ref, variants.alt, strict=True))
    for row in range(len(variants)):
        wanted = expected[variants.contig[row], int(variants.position[row]), variants.ref[row], variants.alt[row]]
        for name in ("record", "passed", "in_dbsnp"):
            assert getattr(variants, name)[row] == wanted[name], name
        assert variants.new[row] == pytest.approx(wanted["new"], rel=1e-6, nan_ok=True)
        for sample, call in enumerate(wanted["calls"]):
            assert tuple(getattr(variants, name)[row, sample] for name in names) == call


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), min_size=1, max_size=12), st.booleans())
def test_columns_say_what_records_say(tmp_path_factory: pytest.TempPathFactory, lines: list[str], binary: bool) -> None:
    folder = tmp_path_factory.mktemp("vcf")
    path = folder / "family.vcf"
    path.write_text("\n".join([HEADER, *sorted(lines, key=lambda line: line[0])]) + "\n")
    expected = told_by_htslib(path)
    if binary:
        pysam.bcftools.view("-Ob", "-o", str(folder / "family.bcf"), str(path), catch_stdout=False)
        path = folder / "family.bcf"
    check(read_variants(path, SAMPLES), expected)


def test_rows_come_in_the_order_of_contigs_positions_and_alleles(tmp_path: Path) -> None:
    call = "\tGT\t1/2\t0/0\t0/0\n"
    rows = ["X\t9\t.\tA\tT,C\t.\t.\t.", "1\t50\t.\tG\tC,A\t.\t.\t.", "1\t7\t.\tG\tC,A\t.\t.\t.", "1\t5\t.\tCAA\tC,CA\t.\t.\t."]
    (tmp_path / "a.vcf").write_text(HEADER + "\n" + "".join(row + call for row in rows))
    variants = read_variants(tmp_path / "a.vcf", SAMPLES)
    assert [variants.name(row) for row in range(len(variants))] == [
        "X-9-A-C", "X-9-A-T", "1-5-CA-C", "1-5-CAA-C", "1-7-G-A", "1-7-G-C", "1-50-G-A", "1-50-G-C",
    ]  # fmt: skip
    assert variants.end.tolist() == [9, 9, 6, 7, 7, 7, 50, 50]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("1\tx\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t0/0", r"a\.vcf:14: POS 'x'; wanted a whole number"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/2\t0/0\t0/0", r"a\.vcf:14: a genotype with an allele that ALT does not list"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\tAB", r"a\.vcf:14: genotype 'AB'"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/1", r"a\.vcf:14: 10 columns; wanted 12"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tDP:GT\t9:0/1\t9:0/0\t9:0/0", r"a\.vcf:14: FORMAT DP:GT; wanted GT as the first key"),
        ("", r"a\.vcf:14: POS ''"),
    ],
)
def test_a_damaged_record_is_told_with_its_line(tmp_path: Path, row: str, fault: str) -> None:
    (tmp_path / "a.vcf").write_text(HEADER + f"\n{row}\n1\t6\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t0/0\n")
    with pytest.raises(BadInput, match=fault):
        read_variants(tmp_path / "a.vcf", SAMPLES)


def test_a_half_called_genotype_has_the_copy_that_was_called(tmp_path: Path) -> None:
    """One copy seen, the other unknown: neither two copies nor nothing; and it is written as it came."""
    (tmp_path / "a.vcf").write_text(HEADER + "\n1\t6\t.\tA\tC\t.\t.\t.\tGT\t./1\t1|.\t./0\n")
    variants = read_variants(tmp_path / "a.vcf", SAMPLES)
    assert variants.alt_count.tolist() == [[1, 1, -1]] and variants.ploidy.tolist() == [[2, 2, 0]]
    assert [genotype(variants, 0, column) for column in range(3)] == ["./1", "./1", "./."]


def test_records_without_genotypes_are_refused_where_none_has_any(tmp_path: Path) -> None:
    """A header may promise what no record holds; one record without GT among others is a call that is missing."""
    without, with_gt = "1\t5\t.\tA\tC\t.\t.\t.\tDP\t9\t9\t9\n", "1\t6\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t0/0\n"
    (tmp_path / "a.vcf").write_text(f"{HEADER}\n{without}{with_gt}")
    assert len(read_variants(tmp_path / "a.vcf", SAMPLES)) == 1
    (tmp_path / "a.vcf").write_text(f"{HEADER}\n{without}")
    with pytest.raises(BadInput, match=r"a\.vcf: no genotypes .FORMAT GT.; wanted a VCF with GT"):
        read_variants(tmp_path / "a.vcf", SAMPLES)


@settings(max_examples=80)
@given(st.text(alphabet="1X\t0/|.:ACGT,<>9=;\n", max_size=200))
def test_whatever_stands_there_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("vcf") / "a.vcf"
    path.write_text(HEADER + "\n1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t0/0\n" + text)
    try:
        variants = read_variants(path, SAMPLES)
    except BadInput:
        return
    assert len(variants) >= 1
    assert np.isin(variants.ploidy, range(100)).all()
