"""`genopipe init` reads samples and lanes off file names and writes a case file that can be read."""

from __future__ import annotations

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
