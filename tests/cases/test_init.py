"""`genopipe init` reads samples and lanes off file names and writes a case file that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from genopipe.cases.init import find_reads, write_case
from genopipe.config import load_case
from genopipe.errors import BadInput
from tests.ingest.runs import make_run

NAMES = {
    "S1_S1_L001_R1_001.fastq.gz": ("S1", 1),
    "S1_R1.fq": ("S1", 1),
    "baby-2_1.fastq": ("baby-2", 1),
    "T.7_S12_L004_R1_001.fastq.gz": ("T-7", 4),
}


@pytest.mark.parametrize("name", NAMES)
def test_sample_and_lane_are_read_off_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    [files] = find_reads(tmp_path)
    assert (files.sample, files.lane) == NAMES[name]


def test_the_case_file_names_every_lane_and_can_be_read(tmp_path: Path) -> None:
    reads = tmp_path / "reads"
    reads.mkdir()
    for name in ("A_L001_R1.fq", "A_L001_R2.fq", "A_L002_R1.fq", "A_L002_R2.fq", "B_R1.fq", "B_R2.fq"):
        (reads / name).touch()
    write_case(reads, tmp_path / "case.yaml")
    case = load_case(tmp_path / "case.yaml")
    assert [(files.sample, files.lane) for files in case.reads] == [("A", 1), ("A", 2), ("B", 1)]
    assert case.proband.sample == "A"
    assert case.family[0].sample == "B"


def test_a_run_folder_becomes_a_case_that_can_be_read(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    write_case(tmp_path / "run", tmp_path / "case.yaml")
    assert "run_folder: run   # samples of its sheet: A, B, C\n" in (tmp_path / "case.yaml").read_text()
    case = load_case(tmp_path / "case.yaml")
    assert case.run_folder == tmp_path / "run"
    assert [(files.sample, files.lane) for files in case.reads] == [("A", 1), ("A", 2)]


def test_a_family_of_four_has_two_parents_and_reads_of_another(tmp_path: Path) -> None:
    """Reads that no barcode claimed are nobody's; whoever is no parent needs a pedigree, and stands in a comment until then."""
    for sample in ("A", "B", "C", "D", "Undetermined_S0"):
        (tmp_path / f"{sample}_L001_R1_001.fastq.gz").touch()
    write_case(tmp_path, tmp_path / "case.yaml")
    case = load_case(tmp_path / "case.yaml")
    assert [(one.sample, one.relation) for one in case.family] == [("B", "mother"), ("C", "father")]
    assert case.samples == ("A", "B", "C")
    assert "# - {sample: D, lane: 1, r1: D_L001_R1_001.fastq.gz}   # of neither parent" in (tmp_path / "case.yaml").read_text()


def test_every_key_that_may_be_added_stands_in_a_comment(tmp_path: Path) -> None:
    """With the comment signs gone the file is still a case; `pedigree`, `sample_sheet` and the like stand in place of other keys."""
    (tmp_path / "A_R1.fq").touch()
    write_case(tmp_path, tmp_path / "case.yaml")
    text = re.sub(r"^( *)# (\w+:)", r"\1\2", (tmp_path / "case.yaml").read_text(), flags=re.MULTILINE)
    (tmp_path / "case.yaml").write_text(text)
    for name in ("kit.bed", "sv.vcf.gz"):
        (tmp_path / name).touch()
    case = load_case(tmp_path / "case.yaml")
    assert case.targets and case.structural and case.panels and case.pgx and case.ehr and case.proband.onset
    assert set(case.gates) == {"mean_coverage"}


@pytest.mark.parametrize(
    "name", ["a, b_R1.fq", "x {1} #2_R1.fq", "a: b_R1.fq", '"q"_R1.fq', "~_R1.fq", "Möller ß_R1.fq", "- a_R1.fq", "0123_R1.fq", "no_R1.fq"]
)
def test_any_file_name_stands_in_the_case_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    write_case(tmp_path, tmp_path / "case.yaml")
    assert load_case(tmp_path / "case.yaml").reads[0].r1 == tmp_path / name


def test_a_run_folder_named_like_a_number_is_text(tmp_path: Path) -> None:
    make_run(tmp_path / "241120_0001")
    write_case(tmp_path / "241120_0001", tmp_path / "case.yaml")
    assert load_case(tmp_path / "case.yaml").run_folder == tmp_path / "241120_0001"


def test_two_files_of_one_sample_lane_and_mate_are_an_error(tmp_path: Path) -> None:
    for name in ("T.7_R1.fq", "T-7_R1.fq"):
        (tmp_path / name).touch()
    with pytest.raises(BadInput, match=r"T\.7_R1\.fq: the same sample, lane and mate as T-7_R1\.fq"):
        find_reads(tmp_path)


def test_a_file_of_another_name_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("A_R1.fq", "A.sorted.R1.fastq.gz", "notes.txt"):
        (tmp_path / name).touch()
    assert len(find_reads(tmp_path)) == 1
    assert "A.sorted.R1.fastq.gz: no name such as S1_R1.fastq.gz" in caplog.text and "notes" not in caplog.text


def test_a_folder_without_reads_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no FASTQ files; wanted names such as"):
        find_reads(tmp_path)


def test_a_lonely_r2_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "A_R2.fq").touch()
    with pytest.raises(BadInput, match=r"A_R2\.fq: an R2 without its R1"):
        find_reads(tmp_path)


def test_a_case_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "A_R1.fq").touch()
    (tmp_path / "case.yaml").write_text("mine")
    with pytest.raises(BadInput, match=r"case\.yaml: a case file is already here"):
        write_case(tmp_path, tmp_path / "case.yaml")
    assert (tmp_path / "case.yaml").read_text() == "mine"
