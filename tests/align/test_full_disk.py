"""A disk that is really full: a file system of a few megabytes, and a limit on the size of files. One error, and nothing is left."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from genopipe.align.destinations import LEAST_SORTING
from genopipe.align.index import build_reference
from genopipe.align.pipeline import WORKING_MEMORY

PAIRS = 100_000
FEW_PAIRS = 25_000
"""Enough for a BAM of 6 MB, where nothing is to be sorted on disk."""

SPILLING = f"{(WORKING_MEMORY + LEAST_SORTING >> 20) + 4}M"
"""So little memory that these reads are sorted on disk."""

AMPLE = "4G"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome, and for each amount of memory enough pairs with random qualities to fill a small disk."""
    path, rng = tmp_path_factory.mktemp("full"), np.random.default_rng(3)
    letter = np.frombuffer(b"ACGT", np.uint8)
    genome = rng.integers(0, 4, 50_000).astype(np.uint8)
    (path / "ref.fa").write_bytes(b">c\n" + letter[genome].tobytes() + b"\n")
    build_reference(path / "ref.fa", path / "ref", name="full")
    first = rng.integers(0, len(genome) - 450, PAIRS)[:, None] + np.arange(150)
    quality = rng.integers(35, 74, (PAIRS, 150)).astype(np.uint8)
    for name, n in ((SPILLING, PAIRS), (AMPLE, FEW_PAIRS)):
        write_fastq(path / f"{name}.R1.fastq", letter[genome[first[:n]]], quality[:n])
        write_fastq(path / f"{name}.R2.fastq", letter[3 - genome[first[:n, ::-1] + 300]], quality[:n])
    return path


def write_fastq(path: Path, read: np.ndarray, quality: np.ndarray) -> None:  # type: ignore[type-arg]
    with open(path, "wb") as out:
        for i in range(len(read)):
            out.write(b"@p%d\n%b\n+\n%b\n" % (i, read[i].tobytes(), quality[i].tobytes()))


def genopipe(*arguments: str, prepare: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "genopipe", *arguments], capture_output=True, text=True, preexec_fn=prepare)


def align(folder: Path, output: Path, memory: str, prepare: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    mates = ("-1", str(folder / f"{memory}.R1.fastq"), "-2", str(folder / f"{memory}.R2.fastq"))
    where = ("--reference", str(folder / "ref"), "-o", str(output))
    return genopipe("align", *where, *mates, "--sample", "S", "--memory", memory, "--threads", "2", prepare=prepare)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes; skips the test where none can be mounted."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def check_told(done: subprocess.CompletedProcess[str], message: str) -> None:
    """Exit code 1, and one error that says so."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if "error" in line.lower()] == [done.stderr.splitlines()[-1]]
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("megabytes", "memory", "output"),
    [
        pytest.param(4, SPILLING, "x.bam", id="while reads are sorted on disk"),
        pytest.param(30, SPILLING, "x.bam", id="while sorted reads are merged"),
        pytest.param(2, AMPLE, "x.bam", id="while the BAM is written"),
        pytest.param(8, AMPLE, "x.cram", id="while the CRAM is written"),
    ],
)
def test_a_full_disk_is_told_and_nothing_is_left(folder: Path, tmp_path: Path, megabytes: int, memory: str, output: str) -> None:
    with small_disk(tmp_path / "disk", megabytes * MEGABYTE) as disk:
        done = align(folder, disk / output, memory)
        check_told(done, "the disk is full; wanted free space for the output")
        assert list(disk.iterdir()) == []


def test_a_disk_without_room_for_the_small_files_keeps_no_bam(folder: Path, tmp_path: Path) -> None:
    whole = align(folder, tmp_path / "x.bam", AMPLE)
    assert whole.returncode == 0, whole.stderr
    with small_disk(tmp_path / "disk", ((tmp_path / "x.bam").stat().st_size + 8191) // 4096 * 4096) as disk:
        check_told(align(folder, disk / "x.bam", AMPLE), "the disk is full")
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("memory", [SPILLING, AMPLE], ids=["sorting on disk", "writing the BAM"])
def test_a_limit_on_the_size_of_files_is_told_and_nothing_is_left(folder: Path, tmp_path: Path, memory: str) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MEGABYTE, 4 * MEGABYTE))

    done = align(folder, tmp_path / "x.bam", memory, limit)
    check_told(done, "the file is larger than this system allows")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kilobytes", [200, 700, 1340], ids=["packing", "placing seeds", "noting buckets"])
def test_a_reference_on_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path, kilobytes: int) -> None:
    sequence = "".join(np.random.default_rng(4).choice(list("ACGT"), 600_000))
    (tmp_path / "ref.fa").write_text(f">c\n{sequence}\n")
    with small_disk(tmp_path / "disk", kilobytes * 1024) as disk:
        done = genopipe("reference", "build", str(tmp_path / "ref.fa"), "-o", str(disk / "ref"))
        check_told(done, "the disk is full")
        assert list(disk.iterdir()) == []
