"""The store gives back what was put, or says what is wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadEnvironment, BadInput
from genopipe.store import FolderStore, file_digest, is_digest
from genopipe.store.files import FolderFiles


@settings(max_examples=20)
@given(content=st.binary(max_size=3000))
def test_what_is_put_comes_back(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Oracle: hashlib names the object, and its bytes are those of the put."""
    store = FolderStore(tmp_path_factory.mktemp("store"))
    digest = store.put_bytes(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.read(digest) == content
    with store.open(digest) as source:
        assert source.read() == content


def test_a_file_and_its_bytes_are_one_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    (tmp_path / "file").write_bytes(b"reads")
    assert store.put_file(tmp_path / "file") == store.put_bytes(b"reads") == file_digest(tmp_path / "file")
    assert list(store.digests()) == [hashlib.sha256(b"reads").hexdigest()]
    assert list((tmp_path / "store" / "partial").iterdir()) == []


def test_objects_live_under_the_first_two_digits(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = store.put_bytes(b"x")
    assert (tmp_path / "objects" / digest[:2] / digest[2:]).read_bytes() == b"x"


def test_delete_removes_and_may_be_repeated(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = store.put_bytes(b"x")
    store.delete(digest)
    store.delete(digest)
    assert not store.has(digest)


def test_a_missing_object_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"object 0000.* is not in the store; wanted an object that was put"):
        FolderStore(tmp_path).read("0" * 64)


@pytest.mark.parametrize("damage", [b"reaxs", b"read", b""])
def test_damage_is_found_at_read_open_and_verify(tmp_path: Path, damage: bytes) -> None:
    store = FolderStore(tmp_path)
    digest = store.put_bytes(b"reads")
    store.path(digest).write_bytes(damage)
    for use in (store.read, store.open, store.verify):
        with pytest.raises(BadInput, match="bytes do not have its digest"):
            use(digest)


def test_a_put_mends_a_damaged_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = store.put_bytes(b"reads")
    store.path(digest).write_bytes(b"reaxs")
    store.put_bytes(b"reads")
    assert store.read(digest) == b"reads"


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    kept = store.put_bytes(b"first")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadEnvironment, match="the disk is full"):
        store.put_bytes(b"second")
    assert list(store.digests()) == [kept]
    assert list((tmp_path / "partial").iterdir()) == []


@pytest.mark.parametrize("unknown", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_hard_links_and_without_syncing_folders_is_good_enough(
    unknown: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    def no_link(*names: object) -> None:
        raise OSError(unknown, os.strerror(unknown))

    monkeypatch.setattr(os, "fsync", only_files)
    monkeypatch.setattr(os, "link", no_link)
    files = FolderFiles(tmp_path)
    assert [files.add("name", content) for content in (b"first", b"second")] == [True, False]
    assert (tmp_path / "name").read_bytes() == b"first"


def test_bytes_that_the_disk_changed_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    monkeypatch.setattr("genopipe.store.files.file_digest", lambda path: "0" * 64)
    with pytest.raises(BadInput, match="bytes do not have its digest"):
        store.put_bytes(b"reads")
    assert list(store.digests()) == []


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(BadEnvironment, match="a part of the path is a file"):
        FolderStore(tmp_path / "store").put_bytes(b"x")


def test_writers_at_once_keep_one_whole_object(tmp_path: Path) -> None:
    store, content = FolderStore(tmp_path), os.urandom(1 << 18)
    writers = [threading.Thread(target=store.put_bytes, args=(content,)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert store.read(hashlib.sha256(content).hexdigest()) == content
    assert list((tmp_path / "partial").iterdir()) == []


def test_files_that_are_no_objects_are_passed_over(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = store.put_bytes(b"x")
    (store.path(digest).parent / "note.txt").write_text("x")
    assert list(store.digests()) == [digest]


@pytest.mark.parametrize("text", ["", "ab", "G" * 64, "AB" * 32, "../" + "a" * 61])
def test_only_whole_digests_are_digests(text: str) -> None:
    assert not is_digest(text)
