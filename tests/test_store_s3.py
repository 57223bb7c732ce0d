"""The store on S3 behaves as in a folder; a server that fails now and then changes nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from genopipe.errors import BadConfiguration, BadEnvironment, BadInput
from genopipe.store import FolderStore, Objects, open_store
from genopipe.store.s3 import S3Files

from .flaky_proxy import flaky
from .s3_server import SECRET_KEY, environment


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty store: the same tests hold in both places."""
    return open_store(tmp_path / "A" if request.param == "folder" else request.getfixturevalue("s3_place"))


def test_what_is_put_comes_back_in_every_way(store: Objects, tmp_path: Path) -> None:
    """Oracle: hashlib names the object."""
    content = os.urandom(300_000)
    (tmp_path / "file").write_bytes(content)
    digest = store.put_bytes(content)
    assert digest == hashlib.sha256(content).hexdigest() == store.put_file(tmp_path / "file")
    assert store.has(digest) and store.size(digest) == len(content)
    assert store.read(digest) == content
    with store.open(digest) as source:
        assert source.read() == content
    assert store.local(digest, tmp_path).read_bytes() == content
    assert list(store.digests()) == [digest]
    store.verify(digest)
    store.delete(digest)
    store.delete(digest)
    assert not store.has(digest)
    with pytest.raises(BadInput, match="is not in the store"):
        store.read(digest)


def test_parts_are_read_without_the_rest(store: Objects) -> None:
    content = os.urandom(2_000_000)
    with store.open_parts(store.put_bytes(content)) as source:
        source.seek(1_000_000)
        assert source.read(100) == content[1_000_000:1_000_100]
        assert source.seek(-50, os.SEEK_END) == 1_999_950
        assert source.read() == content[-50:]
    if isinstance(store.files, S3Files):
        assert store.files.bytes_read <= 2 * 65536 + 100


def test_of_two_writers_one_is_told(store: Objects) -> None:
    assert store.files.add("note", b"first")
    assert not store.files.add("note", b"second")
    assert store.files.read("note") == b"first"
    store.files.replace("note", b"third")
    assert store.files.read("note") == b"third"


def test_files_are_listed_by_name_with_their_sizes(store: Objects) -> None:
    for name in ("b/2", "a", "b/10", "ba"):
        store.files.add(name, name.encode())
    assert [(found.name, found.size) for found in store.files.listed("b/")] == [("b/10", 4), ("b/2", 3)]
    assert [found.name for found in store.files.listed("b/1")] == ["b/10"]
    assert list(store.files.listed("none/")) == []


def test_damage_is_found_and_mended_by_a_put(store: Objects) -> None:
    digest = store.put_bytes(b"reads")
    store.files.replace(f"objects/{digest[:2]}/{digest[2:]}", b"read")
    with pytest.raises(BadInput, match="bytes do not have its digest"):
        store.verify(digest)
    for use in (store.read, store.open):
        with pytest.raises(BadInput, match="bytes do not have its digest"):
            use(digest)
    store.put_bytes(b"reads")
    assert store.read(digest) == b"reads"


@pytest.mark.parametrize("seed", range(3))
def test_one_request_in_five_failing_changes_nothing(s3_address: str, s3_place: str, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    contents = [os.urandom(50_000 * n) for n in range(8)]
    with flaky(s3_address, seed=seed) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        store = open_store(s3_place)
        digests = [store.put_bytes(content) for content in contents]
        assert [store.read(digest) for digest in digests] == contents
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    assert sorted(open_store(s3_place).digests()) == sorted(digests)


def test_a_server_that_always_fails_is_told_without_secrets(s3_address: str, s3_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genopipe.store.s3.ATTEMPTS", 1)
    with flaky(s3_address, share=1, faults=("refused",)) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(BadEnvironment, match="did not answer as it should") as told:
            open_store(s3_place).put_bytes(b"x")
    assert SECRET_KEY not in str(told.value) and "Signature" not in str(told.value)


def test_wrong_credentials_and_buckets_are_told(s3_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadEnvironment, match="there is no such bucket"):
        open_store("s3://nowhere/x").put_bytes(b"x")
    with pytest.raises(BadConfiguration, match="names no bucket"):
        open_store("s3://")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(BadEnvironment, match="refuses these credentials"):
        open_store(s3_place).put_bytes(b"x")


def test_missing_credentials_are_told(s3_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr("genopipe.store.s3._METADATA_SERVICE", "Error")
    with pytest.raises(BadEnvironment, match="there are no credentials"):
        open_store(s3_place).put_bytes(b"x")


def test_credentials_may_stand_in_the_usual_files(s3_address: str, s3_place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = environment(s3_address)
    for name in told:
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(
        f"[site]\naws_access_key_id = {told['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = {told['AWS_SECRET_ACCESS_KEY']}\n"
    )
    (tmp_path / "config").write_text(f"[profile site]\nendpoint_url = {s3_address}\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "site")
    store = open_store(s3_place)
    assert store.read(store.put_bytes(b"x")) == b"x"
    (tmp_path / "config").write_text("no section")
    with pytest.raises(BadConfiguration, match="this is no file of settings"):
        open_store(s3_place)


def test_a_larger_file_goes_up_in_parts(s3_place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genopipe.store.s3.SINGLE_PUT_BYTES", 1 << 20)
    (tmp_path / "large").write_bytes(os.urandom(20_000_000))
    store = open_store(s3_place)
    digest = store.put_file(tmp_path / "large")
    assert store.size(digest) == 20_000_000
    store.verify(digest)


def test_the_folder_store_gives_its_own_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "A")
    digest = store.put_bytes(b"x")
    assert store.local(digest, tmp_path) == store.path(digest)
