"""A region of an archived BAM has the records that pysam finds there, in any of its formats.

Oracle: `pysam.AlignmentFile.fetch` on the indexed original.
"""

from __future__ import annotations

import gzip
import io
import random
import shutil
from pathlib import Path
from typing import Any

import pysam
import pytest

from genopipe.archive.containers import _itf8, _ltf8, containers
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.regions import get_region
from genopipe.archive.representations import PutOptions
from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats import htslib
from genopipe.formats.genome import build_genome
from genopipe.store import FolderStore

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
    """The records as text."""
    with pysam.AlignmentFile(str(path)) as file:
        return [r.to_string() for r in file.fetch(region=region, until_eof=region is None)]


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


@pytest.mark.parametrize("name", ["part.fastq.gz", "part.fq.bgz"])
def test_reads_of_a_region_are_compressed_where_the_name_says_so(tmp_path: Path, archive: Path, name: str) -> None:
    get_region(archive, "S1.bam", tmp_path / "part.fastq", region="c1:5001-7000", form="fastq")
    get_region(archive, "S1.bam", tmp_path / name, region="c1:5001-7000", form="fastq")
    assert gzip.decompress((tmp_path / name).read_bytes()) == (tmp_path / "part.fastq").read_bytes() != b""


@pytest.mark.parametrize(("name", "form"), [("x.fastq", "bam"), ("x.gz", "bam"), ("x.bam", "cram"), ("x.cram", "fastq"), ("x.sam", "bam")])
def test_a_region_does_not_go_into_a_file_named_otherwise(tmp_path: Path, archive: Path, name: str, form: str) -> None:
    with pytest.raises(BadConfiguration, match=f"records in {form.upper()} do not belong into a file called {name}"):
        get_region(archive, "S1.bam", tmp_path / name, region="c1", form=form)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, sample: Path, bases: str) -> tuple[Path, Path]:
    """An archive of S1.bam, of many small containers against a reference of many blocks, and of other alignments of its reads:
    moved.bam, where they lie elsewhere, and named.bam, sorted by name; and the folder of the files."""
    folder = tmp_path_factory.mktemp("many")
    more = "".join(random.Random(7).choices("ACGT", k=400_000))
    (folder / "r.fa").write_text(f">c0\n{more}\n>c1\n{bases}{more}\n>c2\n{bases[::-1]}\n")
    build_genome(folder / "r.fa", folder / "reference", name="larger")
    bam = folder / "S1.bam"
    with pysam.AlignmentFile(str(sample / "S1.bam")) as source:
        header = source.header.to_dict() | {"SQ": [{"SN": "c1", "LN": 420_000}, {"SN": "c0", "LN": 400_000}, {"SN": "c2", "LN": 20_000}]}
        with pysam.AlignmentFile(str(bam), "wb", header=header) as target:
            for i, record in enumerate(source.fetch(until_eof=True)):
                record.is_duplicate = i % 9 == 0
                record.set_tag("XX", i)
                target.write(record)
    moved = aligned_elsewhere(bam, folder / "moved.bam")
    pysam.sort("-n", "--no-PG", "-o", str(folder / "named.bam"), str(moved))
    for path in (bam, moved):
        pysam.index(str(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(htslib._PROFILES, "fast", "normal,seqs_per_slice=20")
        manifests = put_files(folder / "A", [bam, moved, folder / "named.bam"], PutOptions("S1", Reference.load(folder / "reference")))
    assert manifests[0].content["reference"] is not None
    assert [manifest.content["kind"] for manifest in manifests] == ["alignments", "realigned", "realigned"]
    return folder / "A", folder


def aligned_elsewhere(source: Path, target: Path) -> Path:
    """The reads 150,000 bases further and with more bases cut off; one of forty on another contig, and some that the source has not."""
    with pysam.AlignmentFile(str(source)) as old, pysam.AlignmentFile(str(target), "wb", header=old.header) as new:
        records = list(old.fetch(until_eof=True))
        for i, record in enumerate(records):
            if not record.is_unmapped:
                record.reference_start += 150_000
                record.set_tag("AS", i % 90)
                if i % 40 == 0:
                    record.reference_id = 1
            if i % 60 == 0:
                record.query_name = f"new{i}"
        for record in sorted(records, key=lambda r: (r.reference_id < 0, r.reference_id, r.reference_start, r.is_reverse)):
            new.write(record)
    return target


@pytest.mark.parametrize(
    ("name", "region"),
    [
        *(("S1.bam", region) for region in ("c1:1-300", "c1:10,001-11000", "c1:19500-20000", "c1:300001-300002")),
        *(("moved.bam", region) for region in ("c1:150001-150300", "c1:160001-161000", "c1:1-2", "c0:155001-155500")),
    ],
)
def test_only_what_a_region_needs_is_read(
    tmp_path: Path, many: tuple[Path, Path], name: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, bam = many[0], many[1] / name
    read: dict[str, int] = {}

    class Counted(io.FileIO):
        def __init__(self, store: FolderStore, digest: str) -> None:
            super().__init__(store.path(digest))
            self.digest = digest

        def readinto(self, buffer: Any) -> int | None:
            n = super().readinto(buffer)
            read[self.digest] = read.get(self.digest, 0) + (n or 0)
            return n

        def read(self, size: int | None = -1) -> bytes:
            found = super().read(-1 if size is None else size)
            read[self.digest] = read.get(self.digest, 0) + len(found)
            return found

    monkeypatch.setattr(FolderStore, "open_parts", lambda store, digest: Counted(store, digest))
    for whole in ("open", "local", "verify"):
        monkeypatch.setattr(FolderStore, whole, None)
    get_region(archive, name, tmp_path / "part.bam", region=region, form="bam")
    assert records(tmp_path / "part.bam") == records(bam, region.replace(",", ""))
    sizes = {entry["digest"]: entry["size"] for entry in Archive.existing(archive).find(name).objects if entry["role"] != "index"}
    assert sum(read[digest] for digest in sizes if digest in read) < 0.5 * sum(sizes.values())


@pytest.mark.parametrize("region", ["c1:160001-161000", "c1", "c0:155001-155500"])
def test_a_region_of_a_bam_sorted_by_name_is_in_its_order(tmp_path: Path, many: tuple[Path, Path], region: str) -> None:
    """Oracle: the records that pysam finds in the sorted file, in the order in which those sorted by name stand."""
    get_region(many[0], "named.bam", tmp_path / "part.bam", region=region, form="bam")
    wanted = set(records(many[1] / "moved.bam", region))
    assert records(tmp_path / "part.bam") == [record for record in records(many[1] / "named.bam") if record in wanted] != []


def test_a_damaged_part_is_named(tmp_path: Path, many: tuple[Path, Path]) -> None:
    archive = tmp_path / "A"
    shutil.copytree(many[0], archive)
    content = Archive.existing(archive).find("S1.bam").content
    path = FolderStore(archive).path(content["cram"])
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    get_region(archive, "S1.bam", tmp_path / "part.bam", region="c1:1-300", form="bam")
    with pytest.raises(BadInput, match="a part of an archived CRAM does not have its digest"):
        get_region(archive, "S1.bam", tmp_path / "part.bam", region="c1", form="bam")


def test_containers_are_those_htslib_finds(many: tuple[Path, Path], tmp_path: Path) -> None:
    """Oracle: the index of samtools."""
    archive, _ = many
    cram = FolderStore(archive).path(Archive.existing(archive).find("S1.bam").content["cram"])
    with open(cram, "rb") as source:
        found = list(containers(source))
    pysam.index("-o", str(tmp_path / "x.crai"), str(cram))
    with gzip.open(tmp_path / "x.crai", "rt") as lines:
        assert sorted({int(line.split("\t")[3]) for line in lines}) == [c.offset for c in found[1:-1]]
    assert found[-1].offset + found[-1].size == cram.stat().st_size
    assert sum(c.n_records for c in found) == len(records(many[1] / "S1.bam"))


@pytest.mark.parametrize(
    ("byte", "value"),
    [(b"\x05", 5), (b"\x81\x00", 256), (b"\xc1\x00\x02", 65538), (b"\xe1\x00\x00\x00", 1 << 24), (b"\xff\xff\xff\xff\x0e", -2)],
)
def test_numbers_of_a_cram(byte: bytes, value: int) -> None:
    """CRAM format specification, section 2.3."""
    assert _itf8(byte, 0) == (value, len(byte))


@pytest.mark.parametrize(
    ("byte", "value", "size"),
    [
        (b"\x05", 5, 1),
        (b"\x81\x02", 258, 2),
        (b"\xc1\x02\x03", 66051, 3),
        (b"\xfe" + bytes(6) + b"\7", 7, 8),
        (b"\xff\1" + bytes(7), 1 << 56, 9),
    ],
)
def test_long_numbers_of_a_cram(byte: bytes, value: int, size: int) -> None:
    assert _ltf8(byte, 0) == (value, size)


def test_cram_can_be_read_alone(tmp_path: Path, archive: Path) -> None:
    for form in ("bam", "cram"):
        get_region(archive, "S1.bam", tmp_path / form, region="c1:5001-7000", form=form)
    in_cram, in_bam = ([sorted(record.split("\t")) for record in records(tmp_path / form)] for form in ("cram", "bam"))
    assert in_cram == in_bam != []


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
