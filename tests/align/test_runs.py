"""A run that is told to end leaves nothing; one that goes on says about how long."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import time
from pathlib import Path

import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.run import about_how_many
from genopipe.formats.bgzf import BgzfWriter

RECORD = "@r\n" + "ACGT" * 20 + "\n+\n" + "I" * 80 + "\n"


def _hears_interrupts() -> None:
    """What runs in the background of a shell has interrupts ignored, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_leaves_nothing(tmp_path: Path, told: signal.Signals) -> None:
    (tmp_path / "ref.fa").write_text(">c\n" + "ACGTTGCAAC" * 500 + "\n")
    build_reference(tmp_path / "ref.fa", tmp_path / "ref", name="small")
    (tmp_path / "out").mkdir()
    where = ["--reference", str(tmp_path / "ref"), "--sample", "S", "-o", str(tmp_path / "out" / "x.bam")]
    command = [sys.executable, "-m", "genopipe", "align", "-1", "-", *where]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_hears_interrupts) as child:
        assert child.stdin is not None
        child.stdin.write(RECORD.encode() * 100)
        child.stdin.flush()
        until = time.monotonic() + 120
        while not list((tmp_path / "out").iterdir()) and time.monotonic() < until:
            time.sleep(0.05)
        assert next(path.name for path in (tmp_path / "out").iterdir()).startswith(".sorting-x.bam-")
        child.send_signal(told)
        assert child.wait(60) == 130
    assert list((tmp_path / "out").iterdir()) == []


def test_how_many_reads_there_are_is_told_by_the_beginning_of_the_files(tmp_path: Path) -> None:
    text = "".join(f"@r{i}\n{'ACGT' * 20}\n+\n{'I' * (i % 7)}{'F' * (80 - i % 7)}\n" for i in range(20_000)).encode()
    (tmp_path / "plain.fastq").write_bytes(text)
    (tmp_path / "x.fastq.gz").write_bytes(gzip.compress(text))
    with BgzfWriter(tmp_path / "bgzip.fastq.gz") as out:
        out.write(text)
    for name in ("plain.fastq", "x.fastq.gz", "bgzip.fastq.gz"):
        assert about_how_many([tmp_path / name]) == pytest.approx(20_000, rel=0.03), name


def test_of_a_pipe_or_records_nobody_knows_how_many(tmp_path: Path) -> None:
    with pysam.AlignmentFile(str(tmp_path / "x.bam"), "wb", header={"HD": {"VN": "1.6"}}):
        pass
    assert about_how_many([Path("-")]) is None
    assert about_how_many([tmp_path / "x.bam"]) is None
