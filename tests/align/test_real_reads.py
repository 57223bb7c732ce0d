"""Real reads lie where BWA-MEM put them."""

from __future__ import annotations

from pathlib import Path

import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.formats.bam import ReadGroup

START, END = 16_600_000, 16_800_000
Place = tuple[int, bool, int, bool]


def places(path: Path) -> dict[tuple[str | None, bool], Place]:
    """Position, strand, mapping quality, and whether the read lies inside the slice of the genome that the reference holds."""
    with pysam.AlignmentFile(str(path)) as file:
        return {
            (r.query_name, r.is_read1): (r.reference_start, r.is_reverse, r.mapping_quality, START < r.reference_start < END - 200)
            for r in file
            if not r.flag & 0x900 and not r.is_unmapped
        }


@pytest.fixture(scope="module")
def ours(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str | None, bool], Place]:
    folder, source = tmp_path_factory.mktemp("real"), data / "na12878_chr21"
    build_reference(source / "GRCh38.chr21.partial.fa.gz", folder / "ref", name="chr21")
    r1, r2 = [source / "reads_R1.fastq.gz"], [source / "reads_R2.fastq.gz"]
    group = ReadGroup("NA12878", "NA12878", "NA12878", "ILLUMINA")
    align_files(r1, r2, folder / "ref", folder / "x.bam", interleaved=False, read_group=group, options=Options(threads=2))
    return places(folder / "x.bam")


def test_confident_places_are_those_of_bwa(data: Path, ours: dict[tuple[str | None, bool], Place]) -> None:
    theirs = places(data / "na12878_chr21" / "reads.bam")
    both = [
        (a[:2], theirs[key][:2]) for key, a in ours.items() if key in theirs and min(a[2], theirs[key][2]) >= 30 and a[3] and theirs[key][3]
    ]
    assert len(both) > 46_000
    assert sum(a == b for a, b in both) / len(both) >= 0.9995


def test_as_many_reads_are_confident_as_with_bwa(data: Path, ours: dict[tuple[str | None, bool], Place]) -> None:
    theirs = places(data / "na12878_chr21" / "reads.bam")
    assert sum(p[2] >= 30 for p in ours.values()) / len(ours) >= sum(p[2] >= 30 for p in theirs.values()) / len(theirs)
