"""Real files of other people's programs come back bit for bit, at a third of their size or less."""

from __future__ import annotations

from pathlib import Path

import pytest

from genopipe.archive.get import get_file
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions
from genopipe.formats.genome import build_genome
from genopipe.store import FolderStore


def stored_size(root: Path, manifests: list) -> int:  # type: ignore[type-arg]
    """Bytes of all objects but the reference, each counted once."""
    store = FolderStore(root)
    digests = {entry["digest"] for manifest in manifests for entry in manifest.objects if entry["role"] != "reference"}
    return sum(store.path(digest).stat().st_size for digest in digests)


@pytest.mark.slow
def test_reads_of_na12878_and_their_bam(tmp_path: Path, data: Path) -> None:
    folder = data / "na12878_chr21"
    build_genome(folder / "GRCh38.chr21.partial.fa.gz", tmp_path / "reference", name="chr21")
    files = [folder / name for name in ("reads_R1.fastq.gz", "reads_R2.fastq.gz", "reads.bam", "reads.bam.bai", "confident.bed.gz")]
    manifests = put_files(tmp_path / "A", files, PutOptions("NA12878", Reference.load(tmp_path / "reference"), "fast"))
    for manifest, original in zip(manifests, files, strict=True):
        get_file(tmp_path / "A", manifest.digest, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == original.read_bytes()
    reads = manifests[:3]
    assert [manifest.content["kind"] for manifest in reads] == ["reads", "reads", "alignments"]
    assert 6 * stored_size(tmp_path / "A", reads) < sum(manifest.size for manifest in reads)


FILES = [
    "long_reads/nfcore_test_hifi.fastq.gz",
    "individuals_chr21_22/NA20359.s.bam",
    "markdup_bqsr/BQSR/HiSeq.1mb.1RG.2k_lines.bam",
    "markdup_bqsr/BQSR/CEUTrio.HiSeq.WGS.b37.ch20.1m-1m1k.NA12878.noMD.noBQSR.queryNameSorted.bam",
    "run_folders/metadata/cg_demultiplexing/fastq/fastq_run_R1_001.fastq.gz",
    "trio/ashk-trio.vcf.gz",
]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_program(tmp_path: Path, data: Path, name: str) -> None:
    (manifest,) = put_files(tmp_path / "A", [data / name], PutOptions())
    get_file(tmp_path / "A", manifest.digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (data / name).read_bytes()
    assert manifest.stored_size <= manifest.size
