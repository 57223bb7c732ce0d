"""Collections, holds and forgetting remove what they should and nothing else, in a folder and on S3."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pytest

from genopipe.archive.audit import entries
from genopipe.archive.collect import collect
from genopipe.archive.collection import collecting, pinned
from genopipe.archive.forget import forget, hold, holds, release
from genopipe.archive.get import get_file
from genopipe.archive.ledger import LEDGER
from genopipe.archive.manifests import Manifest, canonical
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions
from genopipe.archive.stat import measure
from genopipe.archive.verify import verify
from genopipe.errors import BadEnvironment, BadInput
from genopipe.store import Location


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    """An empty archive: the same tests hold in both places."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place: Location = tmp_path / "A" if request.param == "folder" else request.getfixturevalue("s3_place")
    return place


def put_text(root: Location, folder: Path, name: str, text: str, sample: str | None = "S1") -> Manifest:
    """Archives a file with this text."""
    (folder / name).write_text(text)
    (manifest,) = put_files(root, [folder / name], PutOptions(sample))
    return manifest


def text_of(root: Location, wanted: str, folder: Path) -> str:
    get_file(root, wanted, folder / "back")
    return (folder / "back").read_text()


def test_bam_and_fastq_come_back_from_either_place(root: Location, tmp_path: Path, sample: Path, reference: Path) -> None:
    files = [sample / "S1.bam", sample / "S1_R1.fastq.gz", sample / "S1_R2.fastq.gz"]
    manifests = put_files(root, files, PutOptions("S1", Reference.load(reference)))
    assert [manifest.content["kind"] for manifest in manifests] == ["alignments", "reads", "reads"]
    assert list(verify(root, deep=True)) == []
    get_file(root, "S1/S1_R2.fastq.gz", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == files[2].read_bytes()
    assert put_files(root, files, PutOptions("S1", Reference.load(reference))) == manifests
    forget(Archive.existing(root), "S1", reason="test")
    assert list(Archive.existing(root).store.digests()) == []


def test_gc_takes_what_no_manifest_names(root: Location, tmp_path: Path) -> None:
    kept = put_text(root, tmp_path, "a.txt", "kept")
    archive = Archive.existing(root)
    stray = archive.store.put_bytes(b"left by a killed put")
    assert collect(archive).objects == 0, "younger than the grace"
    done = collect(archive, grace_hours=0)
    assert (done.objects, done.size) == (1, 20)
    assert not archive.store.has(stray)
    assert text_of(root, kept.digest, tmp_path) == "kept"
    assert list(archive.files.listed("leases/")) == []


def test_gc_empties_the_folder_of_partial_files(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "kept")
    (tmp_path / "A" / "partial" / "left").mkdir()
    (tmp_path / "A" / "partial" / "left" / "cram").write_text("x")
    assert collect(Archive.existing(tmp_path / "A")).leftovers == 0
    assert collect(Archive.existing(tmp_path / "A"), grace_hours=0).leftovers == 1
    assert list((tmp_path / "A" / "partial").iterdir()) == []


def test_pinned_objects_stay(root: Location, tmp_path: Path) -> None:
    put_text(root, tmp_path, "a.txt", "x")
    archive = Archive.existing(root)
    digest = archive.store.put_bytes(b"about to be named")
    with pinned(archive, [digest]):
        assert collect(archive, grace_hours=0).objects == 0
    assert collect(archive, grace_hours=0).objects == 1


def test_a_put_waits_for_a_collection(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    archive = Archive.existing(tmp_path / "A")
    ended = []
    with collecting(archive):
        putting = threading.Thread(target=lambda: (put_text(tmp_path / "A", tmp_path, "b.txt", "y"), ended.append(time.monotonic())))
        putting.start()
        time.sleep(0.5)
        assert [m.name for m in archive.manifests()] == ["a.txt"]
        released = time.monotonic()
    putting.join()
    assert ended[0] >= released
    assert [m.name for m in archive.manifests()] == ["a.txt", "b.txt"]


def test_one_collection_at_a_time_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    archive = Archive.existing(tmp_path / "A")
    with collecting(archive), pytest.raises(BadInput, match="another collection is running"):
        collect(archive)
    archive.files.add("leases/collecting", b"")
    os.utime(tmp_path / "A" / "leases" / "collecting", (time.time() - 200,) * 2)
    assert collect(archive, grace_hours=0).objects == 0


def test_a_clock_that_went_backwards_removes_nothing(tmp_path: Path) -> None:
    manifest = put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    archive = Archive.existing(tmp_path / "A")
    stray = archive.store.put_bytes(b"stray")
    os.utime(tmp_path / "A" / manifest.file, (time.time() + 9000,) * 2)
    with pytest.raises(BadEnvironment, match="the clock went backwards"):
        collect(archive, grace_hours=0)
    assert archive.store.has(stray)


def test_of_two_manifests_of_one_file_one_counts_and_the_other_goes(root: Location, tmp_path: Path) -> None:
    """As two puts at once with different profiles leave them."""
    from dataclasses import replace

    manifest = put_text(root, tmp_path, "a.txt", "x")
    archive = Archive.existing(root)
    archive.add(replace(manifest, profile="archive"))
    assert len(archive.manifests()) == 1
    assert collect(archive, grace_hours=0).manifests == 1
    assert text_of(root, "a.txt", tmp_path) == "x"


def test_two_puts_of_one_file_at_once_list_it_once(root: Location, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 5000)
    puts = [threading.Thread(target=put_files, args=(root, [tmp_path / "a.txt"], PutOptions("S1"))) for _ in range(4)]
    for each in puts:
        each.start()
    for each in puts:
        each.join()
    assert [(m.name, m.version) for m in Archive.existing(root).manifests()] == [("a.txt", 1)]
    assert list(verify(root, deep=True)) == []


def test_forget_removes_a_sample_and_leaves_a_tombstone(root: Location, tmp_path: Path) -> None:
    put_text(root, tmp_path, "a.txt", "mine")
    put_text(root, tmp_path, "b.txt", "shared")
    put_text(root, tmp_path, "c.txt", "shared", "S2")
    archive = Archive.existing(root)
    done = forget(archive, "S1", reason="consent withdrawn")
    assert (done.files, done.objects, done.shared) == (2, 1, 1)
    assert [(m.sample, m.name) for m in archive.manifests()] == [("S2", "c.txt")]
    assert text_of(root, "c.txt", tmp_path) == "shared"
    assert list(verify(root, deep=True)) == []
    (tombstone,) = archive.files.listed("tombstones/")
    assert json.loads(archive.files.read(tombstone.name))["reason"] == "consent withdrawn"
    assert [(entry["action"], entry["sample"]) for entry in entries(archive)] == [("forget", "S1")]
    with pytest.raises(BadInput, match=r"was forgotten on .* already"):
        forget(archive, "S1", reason="again")
    put_text(root, tmp_path, "a.txt", "mine")
    assert text_of(root, "S1/a.txt", tmp_path) == "mine"


def vcf(samples: str) -> str:
    """A VCF with one variant that everybody has."""
    head = '##fileformat=VCFv4.2\n##contig=<ID=1,length=248956422>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    columns = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".replace(" ", "\t")
    return f"{head}{columns}\t{samples}\n1\t100\t.\tA\tG\t50\tPASS\t.\tGT" + "\t0/1" * (samples.count("\t") + 1) + "\n"


def test_a_sample_leaves_the_catalogue_and_files_that_still_have_it_are_named(tmp_path: Path) -> None:
    from genopipe.cases.keep import keep

    root = tmp_path / "A"
    put_text(root, tmp_path, "a.txt", "mine")
    (tmp_path / "family.vcf").write_text(vcf("S1\tS2"))
    keep(root, [tmp_path / "family.vcf"], PutOptions(), case=None, receipts=())
    archive = Archive.existing(root)
    assert len(list(archive.files.listed("catalogue/entries/"))) == 2
    assert forget(archive, "S1", reason="test").elsewhere == ("family.vcf",)
    assert len(list(archive.files.listed("catalogue/entries/"))) == 1
    assert forget(archive, "family.vcf", reason="test", only_file=True).files == 1
    assert list(archive.store.digests()) == []
    assert list(archive.files.listed("catalogue/entries/")) == []


def test_one_file_is_forgotten_with_all_its_versions_unless_a_report_is_held(root: Location, tmp_path: Path) -> None:
    put_text(root, tmp_path, "a.txt", "first")
    put_text(root, tmp_path, "a.txt", "second")
    report = put_text(root, tmp_path, "r.html", "signed", None)
    archive = Archive.existing(root)
    signed = hold(archive, "S1", reason="final", report=report.digest)
    for wanted in ("r.html", "S1/a.txt"):
        with pytest.raises(BadInput, match="must stay: signed report"):
            forget(archive, wanted, reason="test", only_file=True)
    release(archive, signed.id, reason="test")
    assert forget(archive, "S1/a.txt", reason="test", only_file=True).files == 2
    assert [m.name for m in archive.manifests()] == ["r.html"]
    with pytest.raises(BadInput, match="there is no sample 'S1'"):
        forget(archive, "S1", reason="test")


def test_a_forgetting_that_was_killed_is_finished(root: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_text(root, tmp_path, "a.txt", "mine")
    archive = Archive.existing(root)

    with monkeypatch.context() as killed:
        killed.setattr("genopipe.archive.forget.finish_forgetting", lambda collection: None)
        forget(archive, "S1", reason="test")
    with pytest.raises(BadInput, match="is being forgotten"):
        put_text(root, tmp_path, "b.txt", "more")
    collect(archive, grace_hours=0)
    assert archive.manifests() == []
    assert list(archive.store.digests()) == []
    assert list(archive.files.listed("forgetting/")) == []


def test_holds_forbid_to_forget(root: Location, tmp_path: Path) -> None:
    put_text(root, tmp_path, "a.txt", "mine")
    put_text(root, tmp_path, "report.html", "signed", None)
    archive = Archive.existing(root)
    before = sorted(found.name for found in archive.files.listed("objects/"))
    legal = hold(archive, "S1", reason="lawsuit")
    with pytest.raises(BadInput, match=r"must stay: it is held until it is released \(lawsuit\)"):
        forget(archive, "S1", reason="test")
    release(archive, legal.id, reason="settled")
    signed = hold(archive, "S1", reason="final report", report="report.html")
    with pytest.raises(BadInput, match=r"must stay: signed report report\.html rests on it"):
        forget(archive, "S1", reason="test")
    release(archive, signed.id, reason="withdrawn")
    hold(archive, "S1", reason="law", until=date(2999, 1, 1))
    with pytest.raises(BadInput, match="it is held until 2999-01-01"):
        forget(archive, "S1", reason="test")
    assert sorted(found.name for found in archive.files.listed("objects/")) == before
    assert [entry["action"] for entry in entries(archive)] == ["hold", "release", "hold", "release", "hold"]


def test_a_retention_rule_ends_by_itself(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "mine")
    archive = Archive.existing(tmp_path / "A")
    with pytest.raises(BadInput, match="2020-01-01 is not in the future"):
        hold(archive, "S1", reason="law", until=date(2020, 1, 1))
    kept = hold(archive, "S1", reason="law", until=date(2999, 1, 1))
    ended = archive.document(f"holds/{kept.id}.json") | {"until": "2020-01-01"}
    archive.files.replace(f"holds/{kept.id}.json", canonical(ended))
    assert forget(archive, "S1", reason="test").files == 1
    assert [each.sample for each in holds(archive)] == ["S1"]


def test_unknown_samples_reports_and_holds_are_told(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "mine")
    archive = Archive.existing(tmp_path / "A")
    with pytest.raises(BadInput, match="there is no sample 'S9' in the archive"):
        forget(archive, "S9", reason="test")
    with pytest.raises(BadInput, match="there is no sample"):
        forget(archive, "", reason="test")
    with pytest.raises(BadInput, match=r"nothing is archived as 'r\.html'"):
        hold(archive, "S1", reason="x", report="r.html")
    with pytest.raises(BadInput, match="there is no hold 'abc'"):
        release(archive, "abc", reason="x")


def test_stat_counts_shared_bytes_once(root: Location, tmp_path: Path) -> None:
    """Sizes by hand: objects of 6 and 4 bytes, one of them of two samples, and 5 that nobody needs."""
    put_text(root, tmp_path, "b.txt", "shared")
    put_text(root, tmp_path, "c.txt", "shared", "S2")
    put_text(root, tmp_path, "d.txt", "mine", "S2")
    archive = Archive.existing(root)
    archive.store.put_bytes(b"stray")
    found = measure(archive)
    assert (found.files, found.size, found.referred, found.stored, found.references, found.unneeded) == (3, 16, 16, 10, 0, 5)
    assert [(each.sample, each.files, each.size, each.stored, each.own) for each in found.sample] == [
        ("S1", 1, 6, 6, 0),
        ("S2", 2, 10, 10, 4),
    ]


def test_the_ledger_is_made_again_when_it_is_lost_or_damaged(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    for damage in (None, b"", b"no database at all" * 500):
        (tmp_path / "A" / LEDGER).unlink()
        if damage is not None:
            (tmp_path / "A" / LEDGER).write_bytes(damage)
        assert [m.name for m in Archive.existing(tmp_path / "A").manifests()] == ["a.txt"]
        assert [m.name for m in Archive.existing(tmp_path / "A").manifests()] == ["a.txt"]


def test_a_collection_does_not_believe_a_damaged_ledger(tmp_path: Path) -> None:
    """A needed object whose row was changed in the ledger stays."""
    manifest = put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    with closing(sqlite3.connect(tmp_path / "A" / LEDGER)) as ledger, ledger:
        ledger.execute("DELETE FROM object")
        ledger.execute("UPDATE manifest SET document = replace(CAST(document AS TEXT), ?, ?)", (manifest.objects[0]["digest"], "0" * 64))
    assert Archive.existing(tmp_path / "A").manifests() == [manifest]
    assert collect(Archive.existing(tmp_path / "A"), grace_hours=0).objects == 0
    assert text_of(tmp_path / "A", "a.txt", tmp_path) == "x"


def test_a_damaged_hold_is_told(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    archive = Archive.existing(tmp_path / "A")
    identifier = hold(archive, "S1", reason="law").id
    (tmp_path / "A" / "holds" / f"{identifier}.json").write_text("{")
    with pytest.raises(BadInput, match="this cannot be read as JSON"):
        forget(archive, "S1", reason="test")
    assert len(archive.manifests()) == 1


def test_a_ledger_takes_up_many_manifests_a_few_at_a_time_and_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five, of which the last is damaged, those before it stay taken up."""
    monkeypatch.setattr("genopipe.archive.ledger._AT_ONCE", 2)
    manifests = [put_text(tmp_path / "A", tmp_path, f"{name}.txt", name) for name in "abcde"]
    last = tmp_path / "A" / max(manifest.file for manifest in manifests)
    whole = last.read_bytes()
    (tmp_path / "A" / LEDGER).unlink()
    last.write_bytes(whole[:-1])
    with pytest.raises(BadInput, match="do not have its digest"):
        Archive.existing(tmp_path / "A").manifests()
    with closing(sqlite3.connect(tmp_path / "A" / LEDGER)) as ledger:
        assert ledger.execute("SELECT count(*) FROM manifest").fetchall() == [(4,)]
    last.write_bytes(whole)
    assert Archive.existing(tmp_path / "A").manifests() == manifests


def test_the_ledger_drops_what_went(tmp_path: Path) -> None:
    manifest = put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    (tmp_path / "A" / manifest.file).unlink()
    assert Archive.existing(tmp_path / "A").manifests() == []


def test_an_archive_that_cannot_be_written_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    monkeypatch.setattr("genopipe.archive.ledger._path", lambda root: tmp_path / "none" / "ledger")
    assert text_of(tmp_path / "A", "a.txt", tmp_path) == "x"


def test_the_folder_of_a_running_put_is_no_leftover(tmp_path: Path) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "mine")
    archive = Archive.existing(tmp_path / "A")
    with archive.folder() as folder:
        (folder / "half").write_text("written")
        assert collect(archive, grace_hours=0).leftovers == 0
        assert (folder / "half").exists()
        left = folder.parent / "left"
        left.mkdir()
    assert collect(archive, grace_hours=0).leftovers == 1
    assert not left.exists()


def test_on_a_disk_without_locks_folders_are_no_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "mine")
    archive = Archive.existing(tmp_path / "A")
    (tmp_path / "A" / "partial" / "used").mkdir(parents=True)
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))))
    assert collect(archive, grace_hours=0).leftovers == 0


def test_of_several_manifests_of_a_file_one_counts(tmp_path: Path) -> None:
    """The highest revision, then the first version, then the smallest; another file of the name is another."""
    manifest = put_text(tmp_path / "A", tmp_path, "a.txt", "x" * 1000)
    archive = Archive.existing(tmp_path / "A")
    objects = [{**manifest.objects[0], "size": size} for size in (7, 5)]
    again = [replace(manifest, revision=2, version=version, objects=[entry]) for version in (2, 1) for entry in objects]
    other = replace(manifest, digest="0" * 64, version=3)
    for each in (*again, other):
        archive.add(each)
    wanted = replace(manifest, revision=2, version=1, objects=[objects[1]])
    assert archive.manifests() == [wanted, other]
    assert put_text(tmp_path / "A", tmp_path, "a.txt", "new").version == 4


@pytest.mark.parametrize("where", ["digest = ?", "plain_digest = ?", "sample = ?", "name = ? OR (sample = ? AND name = ?)"])
def test_a_file_is_found_without_looking_at_all(tmp_path: Path, where: str) -> None:
    put_text(tmp_path / "A", tmp_path, "a.txt", "x")
    ledger = Archive.existing(tmp_path / "A").ledger
    plan = [step for *_, step in ledger.rows(f"EXPLAIN QUERY PLAN SELECT * FROM counting WHERE {where}", *["x"] * where.count("?"))]
    assert any(step.startswith("SEARCH") for step in plan) and not any(step.startswith("SCAN") for step in plan)
