"""One process from reads to variants writes what align and call write, keeps the BAM only if asked, and refuses what cannot end well."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from genopipe.align import destinations, sorting
from genopipe.align.index import build_reference
from genopipe.align.workers import Workers
from genopipe.cli import genopipe
from genopipe.formats.held_alignments import AlignmentStore
from genopipe.simulate.family import simulate_family
from tests.counted_forks import forks_and_lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small reference with reads, and what `align` and `call` make of them."""
    path = tmp_path_factory.mktemp("secondary")
    family = simulate_family(path / "family", genome_length=200_000, coverage=10, mitochondrial_coverage=10)
    build_reference(family.genome, path / "ref", name="simulated")
    shutil.copy(family.newborn.r1, path / "R1.fastq.gz")
    shutil.copy(family.newborn.r2, path / "R2.fastq.gz")
    assert run("align", *given(path), "-o", str(path / "apart.bam")).exit_code == 0
    outputs = ("-o", str(path / "apart.vcf.gz"), "--gvcf", str(path / "apart.g.vcf.gz"))
    assert run("call", "--reference", str(path / "ref"), "-i", str(path / "apart.bam"), *outputs).exit_code == 0
    return path


def given(folder: Path) -> list[str]:
    reads = ["-1", str(folder / "R1.fastq.gz"), "-2", str(folder / "R2.fastq.gz")]
    return ["--reference", str(folder / "ref"), *reads, "--sample", "S1"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(genopipe, arguments)


def outputs(folder: Path, prefix: str) -> dict[str, bytes]:
    """Every file of a prefix by the rest of its name."""
    return {path.name.removeprefix(prefix): path.read_bytes() for path in folder.glob(f"{prefix}*")}


def test_the_files_are_those_of_align_and_call(folder: Path) -> None:
    done = run("secondary", *given(folder), "-o", str(folder / "whole"))
    assert done.exit_code == 0, done.output
    assert outputs(folder, "whole") == outputs(folder, "apart")
    assert {".bam", ".bam.bai", ".vcf.gz", ".g.vcf.gz", ".duplicates.tsv"} <= outputs(folder, "whole").keys()


def test_without_bam_the_rest_is_the_same(folder: Path) -> None:
    done = run("secondary", *given(folder), "-o", str(folder / "less"), "--no-bam")
    assert done.exit_code == 0, done.output
    expected = outputs(folder, "apart")
    assert outputs(folder, "less") == {name: content for name, content in expected.items() if not name.startswith(".bam")}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_workers_start_where_no_thread_is_left(folder: Path) -> None:
    """Aligning has ended its threads, one of which might hold a lock for ever in a process that is forked."""
    forks, _ = forks_and_lines("secondary", *given(folder), "-o", folder / "forked", "--no-bam", "--threads", 3)
    assert forks == ["a fork among 1"] * 9


def test_too_little_memory_is_told_before_work_starts(folder: Path) -> None:
    done = run("secondary", *given(folder), "-o", str(folder / "small"), "--memory", "1G")
    assert "--memory: 1024 MB of memory are too few for this reference" in str(done.exception)
    assert outputs(folder, "small") == {}


def test_too_little_disk_is_told_before_work_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))  # type: ignore[attr-defined]
    done = run("secondary", *given(folder), "-o", str(folder / "full"))
    assert "0 MB are free for the outputs" in str(done.exception)
    assert outputs(folder, "full") == {}


def test_lanes_that_do_not_match_are_a_usage_error(folder: Path) -> None:
    done = run("secondary", *given(folder), "-1", str(folder / "ref" / "genome.fa.gz"), "-o", str(folder / "x"))
    assert done.exit_code == 2
    assert "give -2 as often as -1" in done.output


def test_reads_that_do_not_fit_in_memory_are_called_from_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their records are sorted in files too."""
    spilled = []

    class Small(sorting.Sorter):
        def __init__(self, folder: Path, workers: Workers, *, memory: int, order: sorting.Order) -> None:
            super().__init__(folder, workers, memory=1 << 20, order=order)

        def _spill(self) -> None:
            spilled.append(self._bytes)
            super()._spill()

    monkeypatch.setattr(destinations, "Sorter", Small)
    monkeypatch.setattr(destinations, "AlignmentStore", lambda *given, memory, gpu: AlignmentStore(*given, memory=0, gpu=gpu))
    done = run("secondary", *given(folder), "-o", str(folder / "spilled"))
    assert done.exit_code == 0, done.output
    assert len(spilled) > 1 and outputs(folder, "spilled") == outputs(folder, "apart")
