"""Reads that come without a BAM are aligned on their way into the archive, and come back bit for bit."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from genopipe.archive.get import get_file
from genopipe.archive.opened import Archive
from genopipe.cli import genopipe
from genopipe.formats.genome import build_genome

_COMPLEMENT = str.maketrans("ACGT", "TGCA")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference of 60,000 bases, and 600 pairs of it in a folder."""
    folder, draw = tmp_path_factory.mktemp("world"), random.Random(3)
    bases = "".join(draw.choices("ACGT", k=60_000))
    (folder / "r.fa").write_text(f">c1\n{bases}\n")
    build = ["reference", "build", str(folder / "r.fa"), "-o", str(folder / "reference")]
    assert CliRunner().invoke(genopipe, build, catch_exceptions=False).exit_code == 0
    texts = ["", ""]
    for i in range(600):
        at = draw.randrange(len(bases) - 400)
        pair = bases[at : at + 120], bases[at + 250 : at + 370][::-1].translate(_COMPLEMENT)
        for mate, letters in enumerate(pair):
            texts[mate] += f"@M:1:F:1:{1 + i // 99}:{i}:7 {mate + 1}:N:0\n{letters}\n+\n{''.join(draw.choices('+5?', k=120))}\n"
    for mate, text in enumerate(texts, 1):
        (folder / f"S1_R{mate}.fastq.gz").write_bytes(gzip.compress(text.encode(), 6, mtime=0))
    return folder


def put(folder: Path, archive: Path, *options: str) -> int:
    """Archives both files from the command line; gives the stored bytes of a file."""
    files = [str(folder / f"S1_R{mate}.fastq.gz") for mate in (1, 2)]
    command = ["archive", "put", *files, "--archive", str(archive), "--sample", "S1", "--reference", str(folder / "reference"), *options]
    done = CliRunner().invoke(genopipe, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Archive.existing(archive).find("S1_R1.fastq.gz").stored_size


def test_aligned_reads_take_less_and_come_back(world: Path, tmp_path: Path) -> None:
    aligned, unaligned = put(world, tmp_path / "A", "--align"), put(world, tmp_path / "B")
    assert aligned < 0.75 * unaligned
    one, other = (Archive.existing(tmp_path / "A").find(f"S1_R{mate}.fastq.gz").content for mate in (1, 2))
    assert one["pool"] == other["pool"]
    assert one["pool"]["reference"] is not None
    for mate in (1, 2):
        get_file(tmp_path / "A", f"S1_R{mate}.fastq.gz", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (world / f"S1_R{mate}.fastq.gz").read_bytes()


def test_reads_that_cannot_be_aligned_are_kept_unaligned_and_named(world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "odd.fastq").write_text("@r\nAC-T\n+\nIIII\n")
    command = ["archive", "put", str(tmp_path / "odd.fastq"), "--archive", str(tmp_path / "A"), "--align"]
    done = CliRunner().invoke(genopipe, [*command, "--reference", str(world / "reference")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "odd.fastq: kept without being aligned:" in caplog.text
    assert "odd.fastq:2: the character '-' is no base" in caplog.text
    get_file(tmp_path / "A", "odd.fastq", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "odd.fastq").read_bytes()


def test_a_reference_that_cannot_be_aligned_to_is_told(world: Path, tmp_path: Path) -> None:
    build_genome(world / "r.fa", tmp_path / "bare", name="bare")
    command = ["archive", "put", str(world / "S1_R1.fastq.gz"), "--archive", str(tmp_path / "A"), "--align"]
    done = CliRunner().invoke(genopipe, [*command, "--reference", str(tmp_path / "bare")])
    assert "the reference has no seed index" in str(done.exception)
    assert Archive.existing(tmp_path / "A").manifests() == []


def test_aligning_needs_a_reference(world: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(genopipe, ["archive", "put", str(world / "S1_R1.fastq.gz"), "--archive", str(tmp_path / "A"), "--align"])
    assert done.exit_code == 2
    assert "--align needs --reference" in done.output
