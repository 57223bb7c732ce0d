"""Real alignments: NA12878 over 200 kb of chromosome 21."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from genopipe.formats.genome import build_genome
from genopipe.ingest.aligned import measure_aligned
from genopipe.ingest.alignment_pass import Wanted
from genopipe.ingest.sites import read_sites
from tests.ingest.documents import valid


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("real")
    genome = build_genome(data / "na12878_chr21" / "GRCh38.chr21.partial.fa.gz", folder / "reference", name="chr21")
    sites = read_sites(data / "known_sites_chr21" / "1000GP.chr21.noNA12878.s.vcf.gz", genome)
    return valid(measure_aligned(data / "na12878_chr21" / "reads.bam", "NA12878", folder, wanted=Wanted(genome, sites)), "aligned")


def test_a_clean_sample_shows_no_contamination(measured: dict[str, Any]) -> None:
    found = measured["contamination"]
    assert found["sites"] > 500
    assert found["low"] == 0
    assert found["high"] < 0.005


def test_the_bases_covered_are_those_of_samtools_depth(measured: dict[str, Any], data: Path) -> None:
    """`samtools depth -s` counts bases that mates share once too, but where they end unlike it takes the longer one."""
    if shutil.which("samtools") is None:
        pytest.skip("samtools is not installed")
    command = ["samtools", "depth", "-s", "-Q", "20", str(data / "na12878_chr21" / "reads.bam")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    theirs = sum(int(line.rsplit("\t", 1)[1]) for line in text.splitlines())
    ours = sum(depth * bases for depth, bases in enumerate(measured["coverage"]["depth_bases"]))
    assert ours == pytest.approx(theirs, rel=0.002)
