"""What comes back of a file is stated: its bytes, or its content in other bytes; and a CRAM is a pool as it is."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pysam
import pytest

from genopipe.archive.get import get_file
from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.regions import get_region
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.errors import BadInput


def foreign(plain: bytes, path: Path, *, block: int | None = None) -> Path:
    """A gzip file, or BGZF in blocks of some bytes, by a strategy that no recipe has."""
    pieces = [plain] if block is None else [plain[i : i + block] for i in range(0, len(plain), block)] + [b""]
    with open(path, "wb") as out:
        for piece in pieces:
            stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_HUFFMAN_ONLY)
            deflated = stream.compress(piece) + stream.flush()
            head = b"\x1f\x8b\x08\x00\0\0\0\0\0\xff"
            if block is not None:
                size = len(deflated) + 25
                head = bytes.fromhex("1f8b08040000000000ff060042430200") + size.to_bytes(2, "little")
                deflated = bytes.fromhex("0300") if not piece else deflated
                head = head if piece else head[:16] + (27).to_bytes(2, "little")
            out.write(head + deflated + zlib.crc32(piece).to_bytes(4, "little") + len(piece).to_bytes(4, "little"))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, sample: Path, reference: Path) -> Path:
    """S1.bam and S1_R1.fastq.gz in foreign gzip, and S1.cram."""
    folder = tmp_path_factory.mktemp("foreign")
    for name, block in (("S1.bam", 40_000), ("S1_R1.fastq.gz", None)):
        foreign(gzip.decompress((sample / name).read_bytes()), folder / name, block=block)
    fasta = str(reference / "genome.fa.gz")
    pysam.view("-C", "-T", fasta, "-o", str(folder / "S1.cram"), str(sample / "S1.bam"), catch_stdout=False)
    return folder


def put(root: Path, reference: Path | None, *paths: Path, require: str = "content") -> list[Manifest]:
    return put_files(root, list(paths), PutOptions("S1", Reference.load(reference) if reference else None, require=require))


@pytest.mark.parametrize("name", ["S1.bam", "S1_R1.fastq.gz"])
def test_the_content_of_a_foreign_gzip_comes_back_and_is_said_to(tmp_path: Path, files: Path, reference: Path, name: str) -> None:
    (manifest,) = put(tmp_path / "A", reference, files / name)
    assert (manifest.exactness, manifest.content["kind"]) == ("content", "reads" if "fastq" in name else "alignments")
    assert manifest.stored_size < 0.5 * manifest.size
    get_file(tmp_path / "A", name, tmp_path / "back")
    assert gzip.decompress((tmp_path / "back").read_bytes()) == gzip.decompress((files / name).read_bytes())
    assert (tmp_path / "back").read_bytes() != (files / name).read_bytes()
    assert list(verify(tmp_path / "A", deep=True)) == []


def test_bytes_that_are_required_come_back(tmp_path: Path, files: Path, reference: Path) -> None:
    """Also where the content is archived already."""
    put(tmp_path / "A", reference, files / "S1.bam")
    (manifest,) = put(tmp_path / "A", reference, files / "S1.bam", require="bytes")
    assert manifest.exactness == "bytes"
    get_file(tmp_path / "A", "S1.bam", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (files / "S1.bam").read_bytes()


def test_content_shares_its_reads(tmp_path: Path, files: Path, reference: Path) -> None:
    bam, reads = put(tmp_path / "A", reference, files / "S1.bam", files / "S1_R1.fastq.gz")
    assert reads.content["pool"]["cram"] == bam.content["cram"]


def test_other_files_in_a_foreign_gzip_are_kept_as_they_are(tmp_path: Path) -> None:
    foreign(b"#chrom\n" * 999, tmp_path / "x.vcf.gz")
    (manifest,) = put(tmp_path / "A", None, tmp_path / "x.vcf.gz")
    assert manifest.exactness == "bytes"


def test_a_cram_is_a_pool_for_bam_and_reads(tmp_path: Path, files: Path, sample: Path, reference: Path) -> None:
    names = ["S1.cram", "S1.bam", "S1_R1.fastq.gz"]
    paths = [files / "S1.cram", sample / "S1.bam", sample / "S1_R1.fastq.gz"]
    cram, bam, reads = put(tmp_path / "A", reference, *paths)
    assert cram.content["kind"] == "cram"
    assert bam.content["cram"] == reads.content["pool"]["cram"] == cram.content["cram"]
    for name, path in zip(names, paths, strict=True):
        get_file(tmp_path / "A", name, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
    get_region(tmp_path / "A", "S1.cram", tmp_path / "part.bam", region="c1:5001-7000", form="bam")
    pysam.index(str(sample / "S1.bam"), "-o", str(tmp_path / "S1.bai"))
    with (
        pysam.AlignmentFile(str(tmp_path / "part.bam")) as part,
        pysam.AlignmentFile(str(sample / "S1.bam"), index_filename=str(tmp_path / "S1.bai")) as whole,
    ):
        assert [r.query_name for r in part] == [r.query_name for r in whole.fetch("c1", 5000, 7000)] != []


@pytest.mark.parametrize("version", ["2.1", "3.0"])
def test_older_crams_are_pools_too(tmp_path: Path, sample: Path, reference: Path, version: str) -> None:
    """A slice for each record makes the header of a container longer than most."""
    fasta, cram = str(Reference.load(reference).fasta), tmp_path / "S1.cram"
    encoding = f"cram,version={version},seqs_per_slice=1,slices_per_container=9000"
    pysam.view("--output-fmt", encoding, "-T", fasta, "-o", str(cram), str(sample / "S1.bam"), catch_stdout=False)
    paths = [cram, sample / "S1.bam", sample / "S1_R1.fastq.gz"]
    manifests = put(tmp_path / "A", reference, *paths)
    assert len({m.content.get("pool", m.content)["cram"] for m in manifests}) == 1
    for manifest, path in zip(manifests, paths, strict=True):
        get_file(tmp_path / "A", manifest.digest, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == path.read_bytes()


def test_a_cram_of_an_unknown_reference_is_kept_as_it_is(tmp_path: Path, files: Path) -> None:
    (manifest,) = put(tmp_path / "A", None, files / "S1.cram")
    assert manifest.content["kind"] == "packed"
    get_file(tmp_path / "A", "S1.cram", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (files / "S1.cram").read_bytes()


def test_what_is_no_cram_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.cram").write_text("no CRAM")
    with pytest.raises(BadInput, match=r"this is no CRAM file; wanted a CRAM"):
        put(tmp_path / "A", None, tmp_path / "x.cram")
    assert not (tmp_path / "A").exists() or Archive.existing(tmp_path / "A").manifests() == []


@pytest.mark.parametrize("lost", [1, 38, 1000])
def test_a_cram_that_was_cut_is_refused(tmp_path: Path, files: Path, reference: Path, lost: int) -> None:
    (tmp_path / "x.cram").write_bytes((files / "S1.cram").read_bytes()[:-lost])
    with pytest.raises(BadInput, match=r"x.cram: the file ends at byte \d+ without the end-of-file container; wanted a whole CRAM"):
        put(tmp_path / "A", reference, tmp_path / "x.cram")
    assert not (tmp_path / "A").exists()
