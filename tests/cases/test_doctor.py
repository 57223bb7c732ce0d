"""`genopipe doctor` looks at the machine, says what to do, and warms the kernels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from genopipe.archive.verify import verify
from genopipe.cases import doctor
from genopipe.cases.demo import small_chain
from genopipe.cli.doctor import doctor as command
from genopipe.device import CardFacts


def test_a_good_machine_is_told_line_by_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["--no-warm"])
    assert done.exit_code == 0, done.output
    assert [line.split()[1] for line in done.output.splitlines()] == [
        "cores",
        "memory",
        "disk",
        "folder",
        "gpu",
        "30x-genome",
        "configuration",
        "workflow",
    ]


def test_a_full_disk_is_told_with_what_it_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 5 << 20}))
    [disk] = [check for check in doctor.examine(tmp_path) if check.name == "disk"]
    assert not disk.good
    assert "300 GiB" in disk.do


@pytest.mark.parametrize(("free", "told"), [(301 << 30, False), (299 << 30, True)])
def test_what_a_genome_lacks_here_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, told: bool) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: 1 << 20)
    [genome] = [check for check in doctor.examine(tmp_path) if check.name == "30x-genome"]
    assert genome.good and ("too little disk here" in genome.found) == told


def test_a_card_is_told_with_driver_memory_and_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    facts = CardFacts("H200", "90", 132, 140 << 30, 100 << 30, 13010, 13000, "13.0")
    monkeypatch.setattr(doctor.device, "gpu_present", lambda: True)
    monkeypatch.setattr(doctor.device, "Card", lambda: SimpleNamespace(facts=lambda: facts))
    gpu, genome = (check for check in doctor.examine(tmp_path) if "gpu" in check.name)
    assert "6.3 GiB of the card for index and genome" in genome.found and "time not measured" in genome.found
    assert gpu.found.startswith("H200, 100 of 140 GiB free, driver for CUDA 13.1, NVRTC 13.0")


def test_a_card_without_its_compiler_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken() -> None:
        raise ImportError("libnvrtc.so.13: cannot open shared object file")

    monkeypatch.setattr(doctor.device, "gpu_present", lambda: True)
    monkeypatch.setattr(doctor.device, "Card", broken)
    [gpu] = [check for check in doctor.examine(tmp_path) if check.name == "gpu"]
    assert not gpu.good
    assert "libnvrtc" in gpu.found


def test_the_sources_for_a_card_are_compiled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr("genopipe.cases.demo.small_chain", lambda folder: None)
    monkeypatch.setattr(doctor.device, "gpu_present", lambda: True)
    monkeypatch.setattr(doctor.device, "Card", lambda: SimpleNamespace(compiled=lambda source: compiled.append(source.path.name)))
    doctor.warm_kernels()
    assert set(compiled) == {"seed.cu", "extend.cu", "place.cu", "pair.cu", "fastq.cu", "packed.cu", "pileup.cu", "pairhmm.cu"}


def test_what_a_genome_takes_falls_with_the_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hours(cores: int) -> float:
        monkeypatch.setattr(doctor.device, "default_threads", lambda: cores)
        [genome] = [check for check in doctor.examine(tmp_path) if check.name == "30x-genome"]
        return float(genome.found.split()[2])

    assert hours(1) == pytest.approx(10 * hours(10), rel=0.15)


def test_a_broken_site_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yaml").write_text("memroy: 8G\n")
    done = CliRunner().invoke(command, ["--no-warm"])
    assert done.exit_code == 1
    assert "unknown key `memroy`" in done.output


def test_warming_takes_a_newborn_from_reads_to_the_archive(tmp_path: Path) -> None:
    small_chain(tmp_path)
    for name in ("newborn.qc.json", "newborn.bam", "newborn.vcf.gz", "newborn.g.vcf.gz"):
        assert (tmp_path / name).stat().st_size > 0, name
    assert len(list((tmp_path / "archive").rglob("*.json"))) >= 3
    assert list(verify(tmp_path / "archive")) == []
