from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pysam
import pytest
from click.testing import CliRunner

from genopipe.cli.align import align
from genopipe.cli.reference import reference


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference made by the command, and three reads."""
    path = tmp_path_factory.mktemp("commands")
    sequence = "".join(np.random.default_rng(1).choice(list("ACGT"), 5000))
    (path / "ref.fa").write_text(f">c1\n{sequence}\n")
    (path / "reads.fastq").write_text("".join(f"@r{i}\n{sequence[i * 100 : i * 100 + 90]}\n+\n{'I' * 90}\n" for i in range(3)))
    built = CliRunner().invoke(reference, ["build", str(path / "ref.fa"), "-o", str(path / "ref"), "--name", "small"])
    assert built.exit_code == 0, built.output
    return path


def arguments(folder: Path, output: str, *more: str) -> list[str]:
    return ["--reference", str(folder / "ref"), "--sample", "S1", "-o", str(folder / output), *more]


def test_reads_of_a_file_become_a_bam(folder: Path) -> None:
    done = CliRunner().invoke(
        align, arguments(folder, "x.bam", "-1", str(folder / "reads.fastq"), "--library", "L9", "--read-group", "lane1")
    )
    assert done.exit_code == 0, done.output
    with pysam.AlignmentFile(str(folder / "x.bam")) as file:
        assert file.header.to_dict()["RG"] == [{"ID": "lane1", "SM": "S1", "LB": "L9", "PL": "ILLUMINA"}]
        assert [(record.reference_start, record.get_tag("RG")) for record in file] == [(0, "lane1"), (100, "lane1"), (200, "lane1")]


def test_reads_of_standard_input_become_a_bam(folder: Path) -> None:
    command = [sys.executable, "-m", "genopipe", "align", *arguments(folder, "stdin.bam", "-1", "-")]
    with open(folder / "reads.fastq", "rb") as reads:
        done = subprocess.run(command, stdin=reads, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert pysam.AlignmentFile(str(folder / "stdin.bam")).count() == 3


@pytest.mark.parametrize("more", [["-2", "R2", "-2", "R2"], ["-2", "R2", "--interleaved"]])
def test_lanes_that_do_not_match_are_a_usage_error(folder: Path, more: list[str]) -> None:
    reads = str(folder / "reads.fastq")
    done = CliRunner().invoke(align, arguments(folder, "y.bam", "-1", reads, *(reads if word == "R2" else word for word in more)))
    assert done.exit_code == 2
    assert "give -2 as often as -1" in done.output


def test_a_missing_reference_is_a_usage_error(folder: Path) -> None:
    done = CliRunner().invoke(
        align, ["--reference", "nowhere", "-1", str(folder / "reads.fastq"), "--sample", "S", "-o", str(folder / "y.bam")]
    )
    assert done.exit_code == 2
    assert "nowhere" in done.output


def test_a_lane_that_is_given_twice_is_a_usage_error(folder: Path) -> None:
    reads = str(folder / "reads.fastq")
    done = CliRunner().invoke(align, arguments(folder, "y.bam", "-1", reads, "-1", reads))
    assert done.exit_code == 2
    assert "is given twice" in done.output


def test_a_sample_name_that_is_a_path_is_refused(folder: Path) -> None:
    given = arguments(folder, "z.bam", "-1", str(folder / "reads.fastq"))
    done = CliRunner().invoke(align, ["../up" if word == "S1" else word for word in given])
    assert done.exit_code == 1
    assert "the sample name '../up' is not allowed" in str(done.exception)
    assert not (folder / "z.bam").exists()


def test_a_platform_that_the_specification_does_not_know_is_a_usage_error(folder: Path) -> None:
    done = CliRunner().invoke(align, arguments(folder, "y.bam", "-1", str(folder / "reads.fastq"), "--platform", "illumina-ish"))
    assert done.exit_code == 2
    assert "'illumina-ish' is not one of" in done.output


def test_adapters_are_cut_off_and_counted_on_request(folder: Path) -> None:
    fragment = (folder / "ref.fa").read_text().splitlines()[1][1000:1060]
    mate = fragment[::-1].translate(str.maketrans("ACGT", "TGCA"))
    (folder / "pair.fastq").write_text("".join(f"@p\n{read}AGATCGGAAG\n+\n{'I' * 70}\n" for read in (fragment, mate)))
    given = arguments(folder, "trimmed.cram", "-1", str(folder / "pair.fastq"), "--interleaved", "--trim-adapters")
    done = CliRunner().invoke(align, given)
    assert done.exit_code == 0, done.output
    assert (folder / "trimmed.trimming.tsv").read_text().splitlines()[1] == "1\t1\t20"
    with pysam.AlignmentFile(str(folder / "trimmed.cram"), reference_filename=str(folder / "ref" / "genome.fa.gz")) as file:
        assert [record.cigarstring for record in file] == ["60M", "60M"]


def test_reads_are_not_replaced_by_their_alignments(folder: Path) -> None:
    reads = folder / "reads.bam"
    with pysam.AlignmentFile(str(reads), "wb", header=pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6"}})):
        pass
    before = reads.read_bytes()
    done = CliRunner().invoke(align, arguments(folder, "reads.bam", "-1", str(reads)))
    assert (done.exit_code, reads.read_bytes()) == (1, before)
    assert "the output is the input" in str(done.exception)
