"""A region of an archived BAM has the records that pysam finds there, in any of its formats.

Oracle: `pysam.AlignmentFile.fetch` on the indexed original.
"""

from __future__ import annotations

from pathlib import Path

import pysam
import pytest

from genopipe.archive import regions
from genopipe.archive.put import PutOptions, put_files
from genopipe.archive.references import Reference
from genopipe.archive.regions import get_region
from genopipe.errors import BadInput

from .test_layers import changed, mark_duplicate

REGIONS = ["c1:5,001-7000", "c1:1-1", "c1", "c2:1-20000"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, sample: Path, reference: Path) -> Path:
    """An archive with plain.bam, whose CRAM tells all, S1.bam and marked.bam, which need their patches, and reads."""
    root = tmp_path_factory.mktemp("regions")
    marked = changed(sample / "S1.bam", root / "marked.bam", mark_duplicate)
    fasta = str(reference / "genome.fa.gz")
    pysam.view("-C", "-T", fasta, "-o", str(root / "c.cram"), str(sample / "S1.bam"), catch_stdout=False)
    pysam.view("-b", "-F", "4", "-T", fasta, "-o", str(root / "plain.bam"), str(root / "c.cram"), catch_stdout=False)
    changed(root / "plain.bam", root / "no_md.bam", lambda _i, record: record.set_tag("MD", None))
    files = [root / "no_md.bam", root / "plain.bam", sample / "S1.bam", marked, sample / "S1_R1.fastq.gz"]
    put_files(root / "A", files, PutOptions("S1", Reference.load(reference)))
    return root / "A"


def records(path: Path, region: str | None = None) -> list[str]:
    """The records as text, their tags sorted."""
    with pysam.AlignmentFile(str(path)) as file:
        rows = [r.to_string().split("\t") for r in file.fetch(region=region, until_eof=region is None)]
    return ["\t".join(row[:11] + sorted(row[11:])) for row in rows]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("name", ["plain.bam", "no_md.bam", "S1.bam", "marked.bam"])
def test_bam_has_the_records_of_the_region(tmp_path: Path, archive: Path, sample: Path, name: str, region: str) -> None:
    original = tmp_path / name
    original.write_bytes(((sample if name == "S1.bam" else archive.parent) / name).read_bytes())
    pysam.index(str(original))
    get_region(archive, name, tmp_path / "part.bam", region=region, form="bam")
    assert records(tmp_path / "part.bam") == records(original, region.replace(",", ""))
    with pysam.AlignmentFile(str(tmp_path / "part.bam")) as part, pysam.AlignmentFile(str(original)) as whole:
        assert str(part.header) == str(whole.header)


def test_the_rest_is_not_decoded_where_the_patch_is_of_tags(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(regions, "plain_alignments")
    get_region(archive, "plain.bam", tmp_path / "part.bam", region="c1:1-2000", form="bam")
    with pytest.raises(NameError):
        get_region(archive, "marked.bam", tmp_path / "part.bam", region="c1:1-2000", form="bam")


def test_cram_can_be_read_alone(tmp_path: Path, archive: Path) -> None:
    for form in ("bam", "cram"):
        get_region(archive, "S1.bam", tmp_path / form, region="c1:5001-7000", form=form)
    assert records(tmp_path / "cram") == records(tmp_path / "bam") != []


def test_fastq_has_the_reads_as_the_sequencer_wrote_them(tmp_path: Path, archive: Path) -> None:
    get_region(archive, "S1.bam", tmp_path / "bam", region="c1:5001-7000", form="bam")
    get_region(archive, "S1.bam", tmp_path / "part.fastq", region="c1:5001-7000", form="fastq")
    with pysam.AlignmentFile(str(tmp_path / "bam")) as file:
        wanted = [(f"{r.query_name}/{1 + r.is_read2}", r.get_forward_sequence()) for r in file if not r.is_supplementary]
    with pysam.FastxFile(str(tmp_path / "part.fastq")) as rows:
        assert [(row.name, row.sequence) for row in rows] == wanted != []


@pytest.mark.parametrize("region", ["c9", "c1:0-5", "c1:7-5", "c1:20001-20002", "c1:5", "c1:,-,"])
def test_a_region_that_is_not_there_is_named(tmp_path: Path, archive: Path, region: str) -> None:
    with pytest.raises(BadInput, match=r"is no region of this file; wanted CONTIG or CONTIG:FIRST-LAST.*Give --region"):
        get_region(archive, "S1.bam", tmp_path / "part.bam", region=region, form="bam")
    assert not (tmp_path / "part.bam").exists()


def test_only_alignments_have_regions(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(BadInput, match=r"S1_R1.fastq.gz is not kept as alignments; wanted an archived BAM.*without --region"):
        get_region(archive, "S1_R1.fastq.gz", tmp_path / "part.bam", region="c1", form="bam")
