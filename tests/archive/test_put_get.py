"""Whatever is archived comes back bit for bit, smaller, once; or a fault is named and the archive stays as it was."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.archive import put as put_module
from genopipe.archive import representations
from genopipe.archive.get import get_file
from genopipe.archive.ledger import LEDGER
from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.errors import BadConfiguration, BadEnvironment, BadInput
from genopipe.formats.htslib import HtslibFailed
from genopipe.store import FolderStore

from .conftest import fastq_of, write_bam


def put(root: Path, *files: Path, sample: str | None = "S1", reference: Path | None = None, profile: str = "fast") -> list[Manifest]:
    """Archives files."""
    options = PutOptions(sample, Reference.load(reference) if reference else None, profile)
    return put_files(root, list(files), options)


def comes_back(root: Path, manifest: Manifest, original: Path) -> bool:
    """True when the file got by its digest has the bytes of the original."""
    get_file(root, manifest.digest, root / "back")
    return (root / "back").read_bytes() == original.read_bytes()


def stored(root: Path) -> set[Path]:
    """All files of an archive but its ledger."""
    return {path for path in root.rglob("*") if path.is_file() and path.name != LEDGER}


def reads_of(sample: Path) -> list[Path]:
    return [sample / "S1_R1.fastq.gz", sample / "S1_R2.fastq.gz"]


@pytest.mark.parametrize("profile", ["fast", "archive"])
def test_bam_and_fastq_share_their_reads(tmp_path: Path, sample: Path, reference: Path, profile: str) -> None:
    files = [*reads_of(sample), sample / "S1.bam"]
    manifests = put(tmp_path, *files, reference=reference, profile=profile)
    assert [m.content["kind"] for m in manifests] == ["reads", "reads", "alignments"]
    assert manifests[0].content["pool"]["cram"] == manifests[1].content["pool"]["cram"] == manifests[2].content["cram"]
    assert manifests[0].content["order"] == manifests[1].content["order"]
    for manifest, original in zip(manifests, files, strict=True):
        assert comes_back(tmp_path, manifest, original)
    sizes = {entry["digest"]: entry["size"] for m in manifests for entry in m.objects if entry["role"] != "reference"}
    assert 3 * sum(sizes.values()) < sum(path.stat().st_size for path in files)


def test_the_order_of_puts_does_not_matter(tmp_path: Path, sample: Path, reference: Path) -> None:
    files = [*reads_of(sample), sample / "S1.bam"]
    for path in files:
        (manifest,) = put(tmp_path, path, reference=reference)
        assert comes_back(tmp_path, manifest, path)
    assert all(comes_back(tmp_path, m, sample / m.name) for m in Archive.existing(tmp_path).manifests())


def test_a_pair_alone_is_one_pool(tmp_path: Path, sample: Path) -> None:
    manifests = put(tmp_path, *reads_of(sample))
    assert manifests[0].content["pool"] == manifests[1].content["pool"]
    for manifest, original in zip(manifests, reads_of(sample), strict=True):
        assert comes_back(tmp_path, manifest, original)


def test_a_bam_without_reference_comes_back(tmp_path: Path, sample: Path) -> None:
    (manifest,) = put(tmp_path, sample / "S1.bam")
    assert manifest.content["reference"] is None
    assert comes_back(tmp_path, manifest, sample / "S1.bam")


def test_an_unmapped_bam_comes_back(tmp_path: Path, sample: Path, reference: Path) -> None:
    path = tmp_path / "u.bam"
    with pysam.AlignmentFile(str(sample / "S1.bam")) as source, pysam.AlignmentFile(str(path), "wb", header={"HD": {"VN": "1.6"}}) as out:
        for r in source.fetch(until_eof=True):
            if r.is_unmapped:
                out.write(pysam.AlignedSegment.from_dict(r.to_dict() | {"tags": []}, out.header))
    (manifest,) = put(tmp_path / "A", path, reference=reference)
    assert manifest.content["kind"] == "alignments"
    assert comes_back(tmp_path / "A", manifest, path)


def test_equal_and_differing_letters_of_a_cigar_come_back(tmp_path: Path, bases: str, reference: Path) -> None:
    """CRAM gives `=` and `X` back as `M`."""
    path = tmp_path / "x.bam"
    with pysam.AlignmentFile(str(path), "wb", reference_names=["c1"], reference_lengths=[len(bases)]) as out:
        record = pysam.AlignedSegment(out.header)
        record.query_name, record.flag, record.reference_id, record.reference_start = "r", 0, 0, 1000
        record.query_sequence = bases[1000:1010] + "A" + bases[1011:1020]
        record.cigarstring, record.mapping_quality = "10=1X9=", 60
        record.query_qualities = pysam.qualitystring_to_array("I" * 20)
        out.write(record)
    (manifest,) = put(tmp_path / "A", path, reference=reference)
    assert manifest.content["kind"] == "alignments"
    assert comes_back(tmp_path / "A", manifest, path)


def test_reads_of_one_lane_are_a_view_of_part_of_the_pool(tmp_path: Path, sample: Path, reference: Path) -> None:
    rows = fastq_of(sample / "S1.bam", 2).splitlines(keepends=True)
    lane = [row for i in range(0, len(rows), 4) if ":FC:2:" in rows[i] for row in rows[i : i + 4]]
    (tmp_path / "lane.fastq").write_text("".join(lane))
    manifests = put(tmp_path / "A", sample / "S1.bam", tmp_path / "lane.fastq", reference=reference)
    assert manifests[1].content["pool"]["cram"] == manifests[0].content["cram"]
    assert comes_back(tmp_path / "A", manifests[1], tmp_path / "lane.fastq")


def test_reads_of_another_sample_are_not_looked_for(tmp_path: Path, sample: Path, reference: Path) -> None:
    put(tmp_path, sample / "S1.bam", sample="S1", reference=reference)
    (manifest, _) = put(tmp_path, *reads_of(sample), sample="S2")
    assert manifest.content["pool"]["reference"] is None


def test_a_second_put_adds_nothing(tmp_path: Path, sample: Path, reference: Path) -> None:
    files = [sample / "S1.bam", *reads_of(sample)]
    first = put(tmp_path, *files, reference=reference)
    before = stored(tmp_path)
    assert put(tmp_path, *files, reference=reference) == first
    assert stored(tmp_path) == before


def test_the_same_bytes_under_another_name_add_a_manifest_only(tmp_path: Path, sample: Path) -> None:
    put(tmp_path / "A", sample / "S1.bam")
    before = stored(tmp_path / "A")
    shutil.copy(sample / "S1.bam", tmp_path / "copy.bam")
    (manifest,) = put(tmp_path / "A", tmp_path / "copy.bam", sample="S2")
    assert len(stored(tmp_path / "A") - before) == 1
    assert comes_back(tmp_path / "A", manifest, sample / "S1.bam")


def test_the_same_content_in_another_gzip_is_stored_once(tmp_path: Path, sample: Path) -> None:
    (tmp_path / "a.vcf.gz").write_bytes(gzip.compress(b"#chrom\n" * 9999, 6, mtime=1))
    (tmp_path / "b.vcf.gz").write_bytes(gzip.compress(b"#chrom\n" * 9999, 9, mtime=2))
    one, other = put(tmp_path / "A", tmp_path / "a.vcf.gz", tmp_path / "b.vcf.gz")
    assert one.content == other.content
    assert comes_back(tmp_path / "A", other, tmp_path / "b.vcf.gz")


def test_new_bytes_under_an_old_name_are_the_next_version(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "note.txt").write_text(text)
        put(tmp_path / "A", tmp_path / "note.txt")
    assert [m.version for m in Archive.existing(tmp_path / "A").manifests()] == [1, 2]
    get_file(tmp_path / "A", "note.txt", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "second"


def test_the_same_input_gives_the_same_archive(tmp_path: Path, sample: Path, reference: Path) -> None:
    for name in ("A", "B"):
        put(tmp_path / name, sample / "S1.bam", *reads_of(sample), reference=reference)
    trees = [{path.relative_to(tmp_path / name): path.read_bytes() for path in stored(tmp_path / name)} for name in ("A", "B")]
    assert trees[0] == trees[1]


_shared_folder = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_shared_folder
@given(
    content=st.binary(max_size=400) | st.builds(lambda data: b"\x1f\x8b\x08" + data, st.binary(max_size=60)),
    name=st.sampled_from(["x", "x.vcf", "x.json", "x.fastq", "x.html"]),
)
def test_any_bytes_come_back(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    (manifest,) = put(tmp_path / "A", tmp_path / name)
    assert comes_back(tmp_path / "A", manifest, tmp_path / name)


_row = st.tuples(
    st.from_regex(r"[!-~]{1,20}( [!-~]{0,9})?(/[12])?", fullmatch=True),
    st.text("ACGTNacgtRY.", max_size=12),
    st.sampled_from(["", "header"]),
)


@_shared_folder
@given(rows=st.lists(_row, max_size=5), end=st.sampled_from(["", "\n", "\n\n"]), data=st.data())
def test_any_fastq_text_comes_back(tmp_path: Path, rows: list[tuple[str, str, str]], end: str, data: st.DataObject) -> None:
    text = []
    for header, bases, third in rows:
        qualities = data.draw(st.text([chr(c) for c in range(33, 127)], min_size=len(bases), max_size=len(bases)))
        text += ["@" + header, bases, "+" + (header if third else ""), qualities]
    (tmp_path / "x.fastq").write_text("\n".join(text) + end)
    (manifest,) = put(tmp_path / "A", tmp_path / "x.fastq", sample=None)
    assert comes_back(tmp_path / "A", manifest, tmp_path / "x.fastq")


def test_a_gzip_of_no_reads_that_no_encoder_makes_is_kept_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import zlib

    stream = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_HUFFMAN_ONLY)
    (tmp_path / "x.fastq.gz").write_bytes(stream.compress(bytes(random.Random(1).choices(b"ACGT", k=20_000))) + stream.flush())
    (manifest,) = put(tmp_path / "A", tmp_path / "x.fastq.gz")
    assert manifest.exactness == "bytes" and manifest.container is None
    assert comes_back(tmp_path / "A", manifest, tmp_path / "x.fastq.gz")
    assert "in other bytes" not in caplog.text


def test_a_representation_that_does_not_come_back_is_not_used(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The patch loses its last bytes; the put must notice and keep the BAM in another way."""
    monkeypatch.setattr("genopipe.archive.alignments.differences", lambda *_: ([0] * 0, []))
    monkeypatch.setattr(representations, "_alignments", lambda *_: {"kind": "packed", "object": "0" * 64, "codec": "zstd"})
    monkeypatch.setattr(put_module, "NOT_REPRESENTABLE", (*put_module.NOT_REPRESENTABLE, BadInput, FileNotFoundError))
    (manifest,) = put(tmp_path, sample / "S1.bam")
    assert manifest.content["kind"] == "packed"
    assert comes_back(tmp_path, manifest, sample / "S1.bam")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("S1.bam", lambda content: content[:-28], "without the end-of-file block"),
        ("S1.bam", lambda content: content[:5000], "cut short inside the block"),
        ("S1.bam", lambda content: content[:3000] + b"\0" + content[3001:], "does not match its checksum|cannot be inflated"),
        ("S1.bam", lambda content: b"plain text", "this is no BAM file"),
        ("S1_R1.fastq.gz", lambda content: content[:-100], "the gzip data ends before its end mark"),
        ("S1_R1.fastq.gz", lambda content: content[:-8] + bytes(8), "does not match its checksum"),
    ],
)
def test_a_damaged_file_is_refused_and_the_archive_stays(tmp_path: Path, sample: Path, name: str, damage: object, message: str) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    put(tmp_path / "A", tmp_path / "kept.txt")
    before = stored(tmp_path / "A")
    (tmp_path / name).write_bytes(damage((sample / name).read_bytes()))  # type: ignore[operator]
    with pytest.raises(BadInput, match=message):
        put(tmp_path / "A", tmp_path / name)
    assert stored(tmp_path / "A") == before


def test_a_missing_file_is_named_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.bam: there is no such file"):
        put(tmp_path / "A", tmp_path / "none.bam")
    assert not (tmp_path / "A").exists()


def test_a_full_disk_leaves_the_archive_as_it_was(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    put(tmp_path / "A", tmp_path / "kept.txt")
    before = stored(tmp_path / "A")

    def full(store: FolderStore, path: Path) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(FolderStore, "put_file", full)
    with pytest.raises(BadEnvironment, match="the disk is full"):
        put(tmp_path / "A", sample / "S1.bam")
    assert stored(tmp_path / "A") == before


def test_a_folder_that_is_a_file_is_told(tmp_path: Path, sample: Path) -> None:
    (tmp_path / "A").write_text("in the way")
    with pytest.raises(BadEnvironment):
        put(tmp_path / "A" / "B", sample / "S1.bam")


def test_a_put_that_was_killed_leaves_nothing_that_counts(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed just before the manifest is written."""
    monkeypatch.setattr(Archive, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path, sample / "S1.bam")
    monkeypatch.undo()
    assert Archive.existing(tmp_path).manifests() == []
    assert list(verify(tmp_path)) == []
    assert comes_back(tmp_path, put(tmp_path, sample / "S1.bam")[0], sample / "S1.bam")


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.2])
def test_a_put_killed_at_any_moment_loses_nothing(tmp_path: Path, sample: Path, reference: Path, seconds: float) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    (kept,) = put(tmp_path / "A", tmp_path / "kept.txt")
    files = [sample / "S1.bam", *reads_of(sample)]
    command = ["archive", "put", *map(str, files), "--archive", str(tmp_path / "A"), "--sample", "S1", "--reference", str(reference)]
    child = subprocess.Popen([sys.executable, "-c", "from genopipe.cli import main; main()", *command], stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
    child.kill()
    child.wait()
    assert list(verify(tmp_path / "A")) == []
    assert comes_back(tmp_path / "A", kept, tmp_path / "kept.txt")
    for manifest, original in zip(put(tmp_path / "A", *files, reference=reference), files, strict=True):
        assert comes_back(tmp_path / "A", manifest, original)


def test_unknown_names_are_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    put(tmp_path / "A", tmp_path / "note.txt")
    with pytest.raises(BadInput, match=r"nothing is archived as 'nota.txt'.*Did you mean 'note.txt'\?"):
        get_file(tmp_path / "A", "nota.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_compressed_does_not_go_under_a_name_that_says_so(tmp_path: Path) -> None:
    for name, content in (("x.txt", b"plain"), ("y.txt", gzip.compress(b"packed")), ("z.gz", b"plain under a wrong name")):
        (tmp_path / name).write_bytes(content)
        put(tmp_path / "A", tmp_path / name)
    with pytest.raises(BadConfiguration, match=r"x\.txt is archived as it is, not as gzip"):
        get_file(tmp_path / "A", "x.txt", tmp_path / "back.gz")
    assert not (tmp_path / "back.gz").exists()
    for name in ("y.txt", "z.gz"):
        get_file(tmp_path / "A", name, tmp_path / "back.gz")
        assert (tmp_path / "back.gz").read_bytes() == (tmp_path / name).read_bytes()


def test_a_get_removes_what_killed_ones_left_and_nothing_that_is_used(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    put(tmp_path / "A", tmp_path / "note.txt")
    out = tmp_path / "out"
    for name in (".partial-get-left", ".partial-get-used", ".partial-1-other"):
        (out / name).mkdir(parents=True)
        (out / name / "object").write_text("some")
        os.utime(out / name, (0, 0))
    (out / ".partial-get-new").mkdir()
    used = os.open(out / ".partial-get-used", os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_SH)
    get_file(tmp_path / "A", "note.txt", out / "back.txt")
    os.close(used)
    assert sorted(os.listdir(out)) == [".partial-1-other", ".partial-get-new", ".partial-get-used", "back.txt"]


def test_a_disk_without_locks_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", no_locks)
    (tmp_path / "note.txt").write_text("x")
    put(tmp_path / "A", tmp_path / "note.txt")
    get_file(tmp_path / "A", "note.txt", tmp_path / "back.txt")
    assert (tmp_path / "back.txt").read_text() == "x"


def test_a_name_of_two_samples_is_ambiguous(tmp_path: Path) -> None:
    for sample in ("S1", "S2"):
        (tmp_path / "qc.json").write_text(sample)
        put(tmp_path / "A", tmp_path / "qc.json", sample=sample)
    with pytest.raises(BadInput, match=r"'qc.json' is several files; wanted one of S1/qc.json, S2/qc.json"):
        get_file(tmp_path / "A", "qc.json", tmp_path / "out")
    get_file(tmp_path / "A", "S2/qc.json", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "S2"


def test_a_name_of_two_samples_is_not_ambiguous_where_both_files_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "panel.bed").write_text("1\t0\t9\n")
    for sample in ("S1", "S2"):
        put(tmp_path / "A", tmp_path / "panel.bed", sample=sample)
    get_file(tmp_path / "A", "panel.bed", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "1\t0\t9\n"


def test_no_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no archive here"):
        get_file(tmp_path, "x", tmp_path / "out")


def test_an_archive_of_a_newer_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive.json").write_text('{"archive":3}')
    with pytest.raises(BadInput, match="version 3 of the archive's format"):
        Archive.make(tmp_path)


def test_a_mark_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive.json").write_text("[]")
    with pytest.raises(BadInput, match="this is no mark of an archive"):
        Archive.existing(tmp_path)


def damaged(root: Path, file: Path, content: bytes) -> Path:
    """Archives a file and writes other bytes over its object."""
    (manifest,) = put(root, file)
    path = FolderStore(root).path(manifest.objects[0]["digest"])
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"other"])
def test_a_damaged_object_is_found_by_get_and_verify(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "note.txt").write_text("x" * 100)
    damaged(tmp_path / "A", tmp_path / "note.txt", content)
    with pytest.raises(BadInput, match="bytes do not have its digest"):
        get_file(tmp_path / "A", "note.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (fault,) = verify(tmp_path / "A")
    assert "note.txt needs it" in str(fault)


def test_a_missing_object_is_found_by_verify(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    damaged(tmp_path / "A", tmp_path / "note.txt", b"").unlink()
    (fault,) = verify(tmp_path / "A")
    assert "is not in the store" in str(fault)


def test_a_put_mends_a_missing_object_of_another_file(tmp_path: Path, sample: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    damaged(tmp_path / "A", tmp_path / "note.txt", b"").unlink()
    (tmp_path / "copy.txt").write_text("x")
    with pytest.raises(BadInput, match="is not in the store"):
        get_file(tmp_path / "A", "note.txt", tmp_path / "out")


def test_a_damaged_manifest_is_found_by_verify(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    put(tmp_path / "A", tmp_path / "note.txt")
    (path,) = (tmp_path / "A" / "manifests").iterdir()
    path.write_bytes(path.read_bytes().replace(b"note", b"nose"))
    (fault,) = verify(tmp_path / "A")
    assert "the manifest's bytes do not have its digest" in str(fault)


def written_as(root: Path, document: object) -> None:
    """Puts a manifest of any content, under its right digest, into an archive."""
    from hashlib import sha256

    Archive.make(root)
    content = json.dumps(document).encode()
    (root / "manifests").mkdir()
    (root / "manifests" / f"{sha256(content).hexdigest()}.json").write_bytes(content)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"manifest": 3, "new": "thing"}, "version 3 of the archive's format; wanted version 2 or older. Use a newer genopipe"),
        ({"manifest": 1, "name": "x"}, "the manifest breaks its schema"),
        (["manifest"], "this is no manifest"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named(tmp_path: Path, document: object, message: str) -> None:
    written_as(tmp_path, document)
    with pytest.raises(BadInput, match=message):
        Archive.existing(tmp_path).manifests()


def test_an_encoder_that_changed_is_refused_at_a_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b"{}" * 999, mtime=0))
    put(tmp_path / "A", tmp_path / "x.json.gz")
    monkeypatch.setattr("genopipe.archive.encoders.vector", lambda library: "0" * 64)
    with pytest.raises(BadEnvironment, match="makes other bytes than the one that archived this file"):
        get_file(tmp_path / "A", "x.json.gz", tmp_path / "out")


@pytest.mark.parametrize("pieces", [[b"other bytes"], None])
def test_what_cannot_be_restored_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes] | None) -> None:
    (tmp_path / "note.txt").write_text("x")
    put(tmp_path / "A", tmp_path / "note.txt")

    def restoring(*_: object) -> list[bytes]:
        if pieces is None:
            raise HtslibFailed("no such codec")
        return pieces

    monkeypatch.setattr("genopipe.archive.get.file_bytes", restoring)
    with pytest.raises(BadInput, match=r"note\.txt cannot be restored: (the restored bytes differ|no such codec)"):
        get_file(tmp_path / "A", "note.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_changed_is_not_used_at_a_put(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genopipe.archive.encoders.vector", lambda library: "0" * 64)
    (manifest,) = put_files(tmp_path, [sample / "S1.bam"], PutOptions("S1", require="bytes"))
    assert manifest.container is None
    assert comes_back(tmp_path, manifest, sample / "S1.bam")


def test_a_sample_realigned_is_archived_beside(tmp_path: Path, bases: str, reference: Path) -> None:
    for seed in (5, 6):
        write_bam(tmp_path / "S1.bam", bases, 50, seed=seed)
        (manifest,) = put(tmp_path / "A", tmp_path / "S1.bam", reference=reference)
        assert comes_back(tmp_path / "A", manifest, tmp_path / "S1.bam")
    assert manifest.version == 2
