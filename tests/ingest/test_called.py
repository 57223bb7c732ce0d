"""Variants are counted as `bcftools stats` counts them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from genopipe.errors import BadInput
from genopipe.ingest.called import measure_called
from tests.ingest.documents import read_valid

HEAD = "##fileformat=VCFv4.2\n##FILTER=<ID=Low,Description=x>\n##contig=<ID=chr1>\n##contig=<ID=chrX>\n"
HEAD += "##FORMAT=<ID=GT,Number=1,Type=String,Description=x>\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n"
RECORDS = """\
chr1\t10\t.\tA\tG\t9\tPASS\t.\tGT\t0/1\t1/1
chr1\t20\t.\tA\tT\t9\tPASS\t.\tGT\t1|1\t0/0
chr1\t30\t.\tAC\tA\t9\tPASS\t.\tGT\t0/1\t./.
chr1\t40\t.\tC\tT,G\t9\t.\t.\tGT\t1/2\t0/1
chr1\t50\t.\tC\tT\t9\tLow\t.\tGT\t0/1\t0/1
chrX\t10\t.\tC\tT\t9\tPASS\t.\tGT\t0/1\t1
"""


def write(path: Path, records: str) -> Path:
    path.write_text(HEAD + COLUMNS + records)
    return path


def test_each_sample_is_counted(tmp_path: Path) -> None:
    found = measure_called(write(tmp_path / "a.vcf", RECORDS), tmp_path / "a.json")["samples"]
    read_valid(tmp_path / "a.json", "called")
    assert found["S1"] == {"snvs": 4, "indels": 1, "heterozygous": 3, "homozygous": 1, "titv": 1.0, "het_hom": 3.0}
    assert found["S2"] == {"snvs": 2, "indels": 0, "heterozygous": 1, "homozygous": 1, "titv": None, "het_hom": 1.0}


def test_genotypes_of_few_reads_are_left_out(tmp_path: Path) -> None:
    """A depth that is not told, by the record or for the sample, is held against nobody."""
    depths = ("GT:DP\t0/1:10\t1/1:9", "DP:GT\t12:0/1\t.:0/1", "GT:DP\t1/1\t0/1:0", "GT\t1/1\t0/1")
    records = "".join(f"chr1\t{i}\t.\tA\tG\t9\tPASS\t.\t{values}\n" for i, values in enumerate(depths, 1))
    found = measure_called(write(tmp_path / "a.vcf", records), tmp_path / "a.json")["samples"]
    assert [(one["heterozygous"], one["homozygous"]) for one in found.values()] == [(2, 2), (2, 0)]


def test_the_counts_are_those_of_bcftools(tmp_path: Path, data: Path) -> None:
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    vcf = tmp_path / "two_alleles.vcf"  # of two alternatives in one genotype, bcftools counts one
    subprocess.run(["bcftools", "view", "-M2", str(data / "na12878_chr21" / "truth.vcf.gz"), "-o", str(vcf)], check=True)
    [ours] = measure_called(vcf, tmp_path / "a.json")["samples"].values()
    command = ["bcftools", "stats", "-s", "-", "-f", "PASS,.", str(vcf)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    [counts] = [line.split("\t") for line in lines if line.startswith("PSC\t")]  # nRefHom, nNonRefHom, nHets, nTs, nTv, nIndels
    assert ours["snvs"] == int(counts[6]) + int(counts[7])
    assert ours["titv"] == pytest.approx(int(counts[6]) / int(counts[7]), abs=1e-3)


@pytest.mark.parametrize(
    "record, message",
    [
        ("chr1\t1\t.\tA\tG\t9\tPASS\t.\tGT\t0/1\n", r"a\.vcf:7: 10 columns; wanted 11"),
        ("chr1\t1\t.\tA\tG\t9\tPASS\t.\tDP\t1\t1\n", r"a\.vcf:7: a record without GT"),
        ("chr1\t1\t.\tA\tG\t9\tPASS\t.\tGT\t0/3\t0/0\n", r"a\.vcf:7: the genotype '0/3'"),
    ],
)
def test_a_broken_record_is_told_with_its_line(tmp_path: Path, record: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        measure_called(write(tmp_path / "a.vcf", record), tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_a_vcf_without_samples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").write_text(HEAD + COLUMNS.split("\tFORMAT")[0] + "\n")
    with pytest.raises(BadInput, match="no sample in it"):
        measure_called(tmp_path / "a.vcf", tmp_path / "a.json")
