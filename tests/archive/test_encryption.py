"""An encrypted archive holds no plain text, gives everything back with the key, and tells a wrong or missing one."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import crypt4gh.keys
import crypt4gh.lib
import pytest

from genopipe.archive.forget import forget
from genopipe.archive.get import get_file
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.rekeep import repack
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.errors import BadConfiguration, BadInput
from genopipe.store import Location, check_access, open_store, seal
from genopipe.store.crypt4gh_files import SEGMENT_BYTES
from genopipe.store.sealed import SealedFiles
from tests.archive.conftest import make_keys

PASSPHRASE = "correct horse"
TEXT = "patient ACGTACGT " * 40


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, keys: object, tmp_path: Path) -> Location:
    """An encrypted archive."""
    place: Location = tmp_path / "A" if request.param == "folder" else request.getfixturevalue("s3_place")
    Archive.create(place, encrypt=True)
    return place


def put_note(root: Location, folder: Path) -> None:
    (folder / "note.txt").write_text(TEXT)
    put_files(root, [folder / "note.txt"], PutOptions("S1"))


def all_bytes(root: Location) -> bytes:
    """Everything that lies in the archive."""
    files = open_store(root).files
    assert isinstance(files, SealedFiles)
    return b"".join(files.files.read(found.name) for found in files.files.listed(""))


def test_what_is_put_comes_back_and_lies_there_encrypted(root: Location, tmp_path: Path) -> None:
    put_note(root, tmp_path)
    put_note(root, tmp_path)
    get_file(root, "note.txt", tmp_path / "back")
    assert (tmp_path / "back").read_text() == TEXT
    assert b"ACGTACGT" not in all_bytes(root)
    assert list(verify(root, deep=True)) == []
    forget(Archive.existing(root), "S1", reason="test")
    assert list(open_store(root).digests()) == []


def test_a_deep_check_without_a_key_is_told_once_and_is_no_damage(root: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_note(root, tmp_path)
    monkeypatch.delenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE")
    assert list(verify(root)) == []
    with pytest.raises(BadConfiguration, match="no secret key is given"):
        next(verify(root, deep=True))


def test_every_kind_of_file_can_be_kept_encrypted(tmp_path: Path, keys: object, sample: Path, reference: Path) -> None:
    Archive.create(tmp_path / "A", encrypt=True)
    files = [sample / "S1.bam", sample / "S1_R1.fastq.gz", sample / "S1_R2.fastq.gz"]
    put_files(tmp_path / "A", files, PutOptions("S1", Reference.load(reference)))
    assert repack(Archive.existing(tmp_path / "A")).faults == []
    for path in files:
        get_file(tmp_path / "A", path.name, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert not list((tmp_path / "A" / "partial").iterdir())


def test_the_reference_implementation_reads_an_object(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """Oracle: the crypt4gh library decrypts the stored file."""
    seal(tmp_path / "A")
    content = os.urandom(3 * SEGMENT_BYTES + 5)
    digest = open_store(tmp_path / "A").put_bytes(content)
    (stored,) = (tmp_path / "A" / "objects" / digest[:2]).iterdir()
    secret = crypt4gh.keys.get_private_key(keys[0], lambda: "")
    plain = io.BytesIO()
    with open(stored, "rb") as source:
        crypt4gh.lib.decrypt([(0, secret, None)], source, plain)
    assert plain.getvalue() == content


@pytest.mark.parametrize("size", [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 5 * SEGMENT_BYTES + 100])
def test_any_part_can_be_read(tmp_path: Path, keys: object, size: int) -> None:
    seal(tmp_path / "A")
    content = os.urandom(size)
    store = open_store(tmp_path / "A")
    digest = store.put_bytes(content)
    assert store.size(digest) == size
    with store.open_parts(digest) as source:
        for start in (0, size // 2, max(size - 3, 0), size):
            source.seek(start)
            assert source.read(70_000) == content[start : start + 70_000]
    assert store.read(digest) == content


def test_a_part_of_an_object_on_s3_is_read_without_the_rest(s3_place: str, keys: object) -> None:
    seal(s3_place)
    store = open_store(s3_place)
    digest = store.put_bytes(os.urandom(40 * SEGMENT_BYTES))
    with store.open_parts(digest) as source:
        source.seek(20 * SEGMENT_BYTES)
        source.read(100)
    assert isinstance(store.files, SealedFiles)
    assert store.files.files.bytes_read < 5 * SEGMENT_BYTES  # type: ignore[attr-defined]


def test_each_of_several_keys_reads(tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    second, public = make_keys(tmp_path, "second", PASSPHRASE)
    monkeypatch.setenv("GENOPIPE_ARCHIVE_PUBLIC_KEYS", f"{keys[1]}:{public}")
    seal(tmp_path / "A")
    digest = open_store(tmp_path / "A").put_bytes(b"x")
    assert open_store(tmp_path / "A").read(digest) == b"x"
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    monkeypatch.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", str(second))
    monkeypatch.setenv("GENOPIPE_ARCHIVE_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    assert open_store(tmp_path / "A").read(digest) == b"x"
    (tmp_path / "passphrase").write_text("wrong")
    with pytest.raises(BadConfiguration, match="this is no key, or its passphrase is wrong"):
        open_store(tmp_path / "A").read(digest)


def test_a_wrong_or_missing_key_is_told_and_verify_needs_none(tmp_path: Path, keys: object, monkeypatch: pytest.MonkeyPatch) -> None:
    Archive.create(tmp_path / "A", encrypt=True)
    put_note(tmp_path / "A", tmp_path)
    other, _ = make_keys(tmp_path, "other")
    monkeypatch.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", str(other))
    with pytest.raises(BadConfiguration, match="the secret key does not open this object"):
        get_file(tmp_path / "A", "note.txt", tmp_path / "out")
    monkeypatch.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(BadConfiguration, match="the key cannot be read"):
        get_file(tmp_path / "A", "note.txt", tmp_path / "out")
    monkeypatch.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", str(tmp_path / "note.txt"))
    with pytest.raises(BadConfiguration, match="this is no key"):
        get_file(tmp_path / "A", "note.txt", tmp_path / "out")
    monkeypatch.delenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE")
    with pytest.raises(BadConfiguration, match="no secret key is given"):
        get_file(tmp_path / "A", "note.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list(verify(tmp_path / "A")) == []


def test_damage_is_found_with_and_without_the_key(tmp_path: Path, keys: object, monkeypatch: pytest.MonkeyPatch) -> None:
    seal(tmp_path / "A")
    store = open_store(tmp_path / "A")
    digest = store.put_bytes(os.urandom(100_000))
    (path,) = (tmp_path / "A" / "objects" / digest[:2]).iterdir()
    content = path.read_bytes()
    damages = [content[:40] + b"\0\0" + content[42:], content[:90_000] + b"\0\0" + content[90_002:], content[:70_000], content[:9], b""]
    for damage in damages:
        path.write_bytes(damage)
        with pytest.raises(BadInput, match="bytes do not have its digest"):
            store.verify(digest)
        with pytest.raises(BadInput, match="bytes do not have its digest"):
            open_store(tmp_path / "A").read(digest)


def test_encryption_needs_public_keys_and_an_empty_place(tmp_path: Path, keys: object, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path / "plain").put_bytes(b"x")
    with pytest.raises(BadConfiguration, match="there are objects here that are not encrypted"):
        seal(tmp_path / "plain")
    Archive.create(tmp_path / "A", encrypt=True)
    with pytest.raises(BadInput, match="there is an archive here already"):
        Archive.create(tmp_path / "A", encrypt=True)
    monkeypatch.delenv("GENOPIPE_ARCHIVE_PUBLIC_KEYS")
    with pytest.raises(BadConfiguration, match="no public key is given"):
        put_note(tmp_path / "A", tmp_path)
    with pytest.raises(BadConfiguration, match="no public key is given"):
        Archive.create(tmp_path / "B", encrypt=True)


def test_what_would_stop_a_put_can_be_looked_for_before(tmp_path: Path, keys: object, monkeypatch: pytest.MonkeyPatch) -> None:
    check_access(tmp_path / "plain")
    seal(tmp_path / "A")
    check_access(tmp_path / "A")
    monkeypatch.delenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE")
    with pytest.raises(BadConfiguration, match="no secret key is given"):
        check_access(tmp_path / "A")


def test_an_encrypted_archive_is_never_taken_for_a_plain_one(tmp_path: Path, keys: object) -> None:
    Archive.create(tmp_path / "A", encrypt=True)
    (tmp_path / "A" / "sealed.json").unlink()
    with pytest.raises(BadInput, match=r"the archive is encrypted, but sealed\.json is not there"):
        put_note(tmp_path / "A", tmp_path)


def test_no_key_is_ever_logged(tmp_path: Path, keys: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    secret = crypt4gh.keys.get_private_key(keys[0], lambda: "")
    with caplog.at_level(logging.DEBUG):
        seal(tmp_path / "A")
        store = open_store(tmp_path / "A")
        store.read(store.put_bytes(b"x"))
    assert secret.hex() not in caplog.text.lower()
    assert not [entry for entry in caplog.records if entry.name.startswith("crypt4gh")]
