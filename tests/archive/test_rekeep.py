"""What is kept anew comes back as before; what does not stays as it was."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genopipe.archive import encoders, rekeep
from genopipe.archive.audit import entries
from genopipe.archive.forget import forget
from genopipe.archive.get import get_file
from genopipe.archive.manifests import Manifest, canonical
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.rekeep import migrate, repack
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.store import FolderStore


def test_repack_makes_a_sample_smaller_and_every_file_comes_back(tmp_path: Path, sample: Path, reference: Path) -> None:
    files = [sample / "S1.bam", sample / "S1_R1.fastq.gz", sample / "S1_R2.fastq.gz"]
    (tmp_path / "qc.json").write_text(json.dumps({"depth": list(range(20_000))}))
    put_files(tmp_path / "A", [*files, tmp_path / "qc.json"], PutOptions("S1", Reference.load(reference)))
    archive = Archive.existing(tmp_path / "A")
    before = sum(found.size for _, found in archive.store.stored())
    done = repack(archive)
    assert (done.files, done.faults) == (4, [])
    assert done.after < done.before
    assert before - sum(found.size for _, found in archive.store.stored()) == done.before - done.after
    assert {(m.profile, m.revision, m.version) for m in archive.manifests()} == {("archive", 2, 1)}
    assert list(verify(tmp_path / "A", deep=True)) == []
    get_file(tmp_path / "A", "S1_R2.fastq.gz", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == files[2].read_bytes()
    assert repack(archive).files == 0
    assert [entry["action"] for entry in entries(archive)] == ["repack"]


def test_what_does_not_come_back_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("[0]" * 2000)
    put_files(tmp_path / "A", [tmp_path / "a.json"], PutOptions())
    archive = Archive.existing(tmp_path / "A")
    before = archive.manifests(), list(archive.store.digests())
    monkeypatch.setattr("genopipe.archive.rekeep.digest_of", lambda pieces: "0" * 64)
    (fault,) = repack(archive).faults
    assert "a.json stays as it was: the restored file differs" in str(fault)
    assert (archive.manifests(), list(archive.store.digests())) == before


def as_version_1(root: Path, manifest: Manifest) -> None:
    """Writes an archive's only manifest as the first version of the format did."""
    old = replace(manifest, format=1)
    assert b'"profile"' not in old.encode()
    (root / manifest.file).unlink()
    (root / old.file).write_bytes(old.encode())
    (root / "archive.json").write_bytes(canonical({"archive": 1}))


def test_an_archive_of_the_first_version_is_read_and_migrated(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[0]" * 2000, mtime=0))
    (manifest,) = put_files(tmp_path / "A", [tmp_path / "a.json.gz"], PutOptions())
    as_version_1(tmp_path / "A", manifest)
    archive = Archive.existing(tmp_path / "A")
    assert [(m.format, m.revision) for m in archive.manifests()] == [(1, 0)]
    assert list(verify(tmp_path / "A", deep=True)) == []
    assert migrate(archive).files == 1
    assert archive.manifests() == [manifest]
    assert json.loads((tmp_path / "A" / "archive.json").read_text()) == {"archive": 2}
    assert migrate(archive).files == 0


def test_a_recipe_of_a_changed_encoder_is_found_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is another version, but for this file it still makes the same bytes."""
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[0]" * 2000, mtime=0))
    put_files(tmp_path / "A", [tmp_path / "a.json.gz"], PutOptions())
    for module in ("encoders", "rekeep"):
        monkeypatch.setattr(f"genopipe.archive.{module}.vector", lambda library: "1" * 64)
    archive = Archive.existing(tmp_path / "A")
    assert migrate(archive).faults == []
    (new,) = archive.manifests()
    assert new.container is not None and new.container["vector"] == "1" * 64
    get_file(tmp_path / "A", "a.json.gz", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "a.json.gz").read_bytes()


def test_a_file_that_no_encoder_makes_any_more_is_told_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[0]" * 2000, mtime=0))
    put_files(tmp_path / "A", [tmp_path / "a.json.gz"], PutOptions())
    for module in ("encoders", "rekeep"):
        monkeypatch.setattr(f"genopipe.archive.{module}.vector", lambda library: "1" * 64)
    monkeypatch.setattr(encoders.Encoder, "block", lambda *_: b"other")
    monkeypatch.setattr(encoders.Encoder, "stream", lambda self: encoders.zlib.compressobj(0, 8, -15))
    archive = Archive.existing(tmp_path / "A")
    before = archive.manifests()
    (fault,) = migrate(archive).faults
    assert "no encoder here makes a.json.gz again" in str(fault)
    assert archive.manifests() == before
    assert FolderStore(tmp_path / "A").has(before[0].objects[0]["digest"])


@pytest.mark.parametrize("profile", ["fast", "archive"])
def test_repack_moves_reads_into_alignments_that_came_after_them(tmp_path: Path, sample: Path, reference: Path, profile: str) -> None:
    """The same files of another sample follow; reads that the alignments have not all, and those of a sample without, keep their own."""
    reads = [sample / "S1_R1.fastq.gz", sample / "S1_R2.fastq.gz"]
    (tmp_path / "other.fastq").write_bytes(gzip.decompress(reads[0].read_bytes()) + b"@more\nACGT\n+\nIIII\n")
    options = PutOptions("S1", Reference.load(reference), profile)
    for file in (reads[0], tmp_path / "other.fastq", sample / "S1.bam"):
        put_files(tmp_path / "A", reads if file == reads[0] else [file], options)
    put_files(tmp_path / "A", reads, PutOptions("S2", None, profile))
    (tmp_path / "third.fastq").write_text("".join(f"@r{i}\nACGT\n+\nIIII\n" for i in range(50)))
    put_files(tmp_path / "A", [tmp_path / "third.fastq"], PutOptions("S3", None, profile))
    archive = Archive.existing(tmp_path / "A")
    before = sum(found.size for _, found in archive.store.stored())
    done = repack(archive)
    assert done.faults == []
    assert before - sum(found.size for _, found in archive.store.stored()) == done.before - done.after > 0
    kept = {(m.sample, m.name): m.content for m in archive.manifests()}
    alignments = kept["S1", "S1.bam"]["cram"]
    assert {key for key, content in kept.items() if content.get("pool", content)["cram"] == alignments} == {
        ("S1", "S1.bam"),
        *((name, path.name) for path in reads for name in ("S1", "S2")),
    }
    assert list(verify(tmp_path / "A", deep=True)) == []
    assert repack(archive).files == 0


def test_a_sample_that_is_forgotten_while_it_is_repacked_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for sample in ("S1", "S2"):
        (tmp_path / "qc.json").write_text(json.dumps([sample] * 20_000))
        put_files(tmp_path / "A", [tmp_path / "qc.json"], PutOptions(sample))
    archive = Archive.existing(tmp_path / "A")

    def forgotten_then_switched(*arguments: Any) -> None:
        forget(Archive.existing(tmp_path / "A"), "S1", reason="consent withdrawn")
        switch(*arguments)

    switch = rekeep._switch
    monkeypatch.setattr(rekeep, "_switch", forgotten_then_switched)
    assert repack(archive).faults == []
    assert [(m.sample, m.revision) for m in archive.manifests()] == [("S2", 2)]
    assert set(archive.store.digests()) == {entry["digest"] for m in archive.manifests() for entry in m.objects}
