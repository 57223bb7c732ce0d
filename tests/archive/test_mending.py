"""An archive that was damaged is whole again when its files are put again, and never is a file called archived that does not come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.store import Location
from genopipe.store.objects import object_name
from tests.archive.conftest import write_bam


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    where: Location = tmp_path / "A" if request.param == "folder" else request.getfixturevalue("s3_place")
    return where


def put_all(place: Location, sample: Path, reference: Path) -> None:
    put_files(place, [sample / "S1.bam", sample / "S1_R1.fastq.gz"], PutOptions("S1", Reference.load(reference)))


def flip(place: Location, name: str) -> None:
    """The last byte of a file, its size unchanged."""
    files = Archive.existing(place).files
    content = files.read(name)
    files.replace(name, content[:-1] + bytes([content[-1] ^ 1]))


def test_damaged_objects_are_mended_by_the_put_that_makes_them(
    place: Location, sample: Path, reference: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put_all(place, sample, reference)
    names = [found.name for found in Archive.existing(place).files.listed("objects/")]
    for name in names:
        flip(place, name)
    put_all(place, sample, reference)
    assert list(verify(place, deep=True)) == []
    assert [found.name for found in Archive.existing(place).files.listed("objects/")] == names
    assert len([text for text in caplog.messages if "bytes do not have its digest" in text]) == len(names)


def test_a_damaged_reference_is_mended_by_a_put_of_another_sample(s3_place: str, sample: Path, reference: Path) -> None:
    put_files(s3_place, [sample / "S1.bam"], PutOptions("S1", Reference.load(reference)))
    (entry, *_) = [entry for entry in Archive.existing(s3_place).find("S1.bam").objects if entry["role"] == "reference"]
    flip(s3_place, object_name(entry["digest"]))
    write_bam(sample.parent / "S2.bam", "ACGTTGCA" * 2500, 50, seed=5)
    put_files(s3_place, [sample.parent / "S2.bam"], PutOptions("S2", Reference.load(reference)))
    assert list(verify(s3_place)) == []


def test_a_damaged_index_is_mended_though_the_file_comes_back_without_it(tmp_path: Path, sample: Path, reference: Path) -> None:
    put_files(tmp_path / "A", [sample / "S1.bam"], PutOptions("S1", Reference.load(reference)))
    (entry,) = [entry for entry in Archive.existing(tmp_path / "A").find("S1.bam").objects if entry["role"] == "index"]
    flip(tmp_path / "A", object_name(entry["digest"]))
    put_files(tmp_path / "A", [sample / "S1.bam"], PutOptions("S1", Reference.load(reference)))
    assert list(verify(tmp_path / "A")) == []


def test_a_missing_object_and_a_damaged_manifest_are_mended(tmp_path: Path, sample: Path, reference: Path) -> None:
    put_all(tmp_path / "A", sample, reference)
    archive = Archive.existing(tmp_path / "A")
    for entry in archive.find("S1.bam").objects:
        archive.store.delete(entry["digest"])
    flip(tmp_path / "A", archive.find("S1_R1.fastq.gz").file)
    put_all(tmp_path / "A", sample, reference)
    assert list(verify(tmp_path / "A", deep=True)) == []


def test_a_file_is_archived_beside_a_damaged_one_of_its_sample(tmp_path: Path, sample: Path, reference: Path) -> None:
    """The pool of the BAM is lost, and so are the reads that the FASTQ would share."""
    put_files(tmp_path / "A", [sample / "S1.bam"], PutOptions("S1", Reference.load(reference)))
    archive = Archive.existing(tmp_path / "A")
    archive.store.delete(archive.find("S1.bam").content["cram"])
    put_files(tmp_path / "A", [sample / "S1_R1.fastq.gz"], PutOptions("S1", Reference.load(reference)))
    faults = [str(fault) for fault in verify(tmp_path / "A", deep=True)]
    assert len(faults) == 2
    assert all("S1/S1.bam" in fault for fault in faults)


def test_damage_of_a_later_version_is_told_with_its_number(tmp_path: Path) -> None:
    for text in ("one", "two"):
        (tmp_path / "note.txt").write_text(text)
        put_files(tmp_path / "A", [tmp_path / "note.txt"], PutOptions("S1"))
    archive = Archive.existing(tmp_path / "A")
    archive.store.delete(archive.find("note.txt").objects[0]["digest"])
    assert "(S1/note.txt, version 2, needs it)" in str(next(verify(tmp_path / "A")))
