"""MultiQC, where it is installed, shows the measures of every sample without an error."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from genopipe.ingest.aligned import measure_aligned
from genopipe.ingest.alignment_pass import Wanted
from genopipe.ingest.measure import Lane, measure_fastq
from tests.ingest.test_aligned import genome, random_records, write_bam
from tests.ingest.test_measure import pair


def test_multiqc_shows_reads_and_alignments_of_every_sample(tmp_path: Path) -> None:
    if shutil.which("multiqc") is None:
        pytest.skip("multiqc is not installed")
    for sample, n in (("first", 50), ("second", 70)):
        measure_fastq([Lane(*pair(tmp_path / sample, n))], sample, tmp_path / "qc")
    measure_aligned(write_bam(tmp_path / "a.bam", random_records()), "first", tmp_path / "qc", wanted=Wanted(genome()))
    command = ["multiqc", "--no-ansi", "-o", str(tmp_path / "report"), str(tmp_path / "qc")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "error" not in told.lower().replace("0 errors", ""), told
    table = (tmp_path / "report" / "multiqc_data" / "multiqc_general_stats.txt").read_text().splitlines()
    rows = {line.split("\t")[0]: dict(zip(table[0].split("\t")[1:], line.split("\t")[1:], strict=True)) for line in table[1:]}
    reads = {sample: next(float(v) for key, v in row.items() if key.endswith("-reads")) for sample, row in rows.items()}
    assert reads == {"first": 100, "second": 140}
    assert any(key.endswith("mean_depth") and value for key, value in rows["first"].items())
    assert "genopipe: quality by cycle" in (tmp_path / "report" / "multiqc_report.html").read_text()
