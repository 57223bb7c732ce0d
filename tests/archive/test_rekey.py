"""Keys are exchanged: what was withdrawn opens nothing any more, what was added opens everything, and what is encrypted stays as it is."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import crypt4gh.header
import crypt4gh.keys
import crypt4gh.lib
import pytest
from click.testing import CliRunner

from genopipe.archive.audit import entries
from genopipe.archive.forget import forget
from genopipe.archive.get import get_file
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.rekey import rekey
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.cli.archive import archive
from genopipe.errors import BadConfiguration, BadInput
from genopipe.store import Location, SealedFiles, SealedObjects, open_files, open_store
from tests.archive.conftest import make_keys

FILES = 2


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, keys: object, tmp_path: Path) -> Location:
    """An encrypted archive with some files and a catalogue."""
    place: Location = tmp_path / "A" if request.param == "folder" else request.getfixturevalue("s3_place")
    return filled(place, tmp_path, encrypt=True)


@pytest.fixture
def folder(keys: object, tmp_path: Path) -> Path:
    """The same in a folder only."""
    filled(tmp_path / "A", tmp_path, encrypt=True)
    return tmp_path / "A"


def filled(place: Location, folder: Path, *, encrypt: bool) -> Location:
    Archive.create(place, encrypt=encrypt)
    for i in range(FILES):
        (folder / f"{i}.txt").write_bytes(bytes([65 + i]) * 200_000 + os.urandom(70_000))
    put_files(place, [folder / f"{i}.txt" for i in range(FILES)], PutOptions("S1"))
    open_store(place).files.replace("catalogue/findings/x.parquet", b'{"plain": "text"}')
    return place


def use(monkeypatch: pytest.MonkeyPatch, *, public: list[Path], secret: list[Path]) -> None:
    monkeypatch.setenv("GENOPIPE_ARCHIVE_PUBLIC_KEYS", ":".join(map(str, public)))
    monkeypatch.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", ":".join(map(str, secret)))


def stored(place: Location) -> dict[str, bytes]:
    """The files of an archive as they lie there."""
    files = open_files(place)
    return {found.name: files.read(found.name) for folder in ("objects/", "catalogue/") for found in files.listed(folder)}


def segments(content: bytes) -> bytes:
    """What follows the header, as the reference implementation reads it."""
    stream = io.BytesIO(content)
    list(crypt4gh.header.parse(stream))
    return stream.read()


def opened_by(secret: Path, content: bytes) -> bytes:
    """Oracle: the content as the reference implementation decrypts it."""
    plain = io.BytesIO()
    crypt4gh.lib.decrypt([(0, crypt4gh.keys.get_private_key(secret, lambda: ""), None)], io.BytesIO(content), plain)
    return plain.getvalue()


def test_only_the_new_key_opens_and_the_segments_stay(
    root: Location, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_secret, new_public = make_keys(tmp_path, "new")
    before = stored(root)
    use(monkeypatch, public=[new_public], secret=[keys[0], new_secret])
    assert rekey(root).files == FILES + 1
    after = stored(root)
    assert sorted(map(segments, after.values())) == sorted(map(segments, before.values()))
    for content in after.values():
        with pytest.raises(ValueError, match="No supported encryption method"):
            opened_by(keys[0], content)
    assert {opened_by(new_secret, content) for content in after.values()} == {opened_by(keys[0], content) for content in before.values()}
    assert list(verify(root)) == []
    with pytest.raises(BadConfiguration, match="the secret key does not open this object"):
        use(monkeypatch, public=[new_public], secret=[keys[0]])
        get_file(root, "1.txt", tmp_path / "back")
    use(monkeypatch, public=[new_public], secret=[new_secret])
    get_file(root, "1.txt", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "1.txt").read_bytes()
    assert rekey(root).files == 0
    assert [entry["action"] for entry in entries(Archive.existing(root))] == ["rekey", "rekeyed"]


def test_the_command_tells_what_it_did(folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, new_public = make_keys(tmp_path, "new")
    use(monkeypatch, public=[keys[1], new_public], secret=[keys[0]])
    result = CliRunner().invoke(archive, ["rekey", "--archive", str(folder)])
    assert (result.exit_code, result.stderr) == (0, f"wrote {FILES + 1} files to the new keys\n")


def test_a_key_is_added_and_withdrawn(folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second_secret, second_public = make_keys(tmp_path, "second")
    use(monkeypatch, public=[keys[1], second_public], secret=[keys[0]])
    rekey(folder)
    assert all(opened_by(keys[0], content) == opened_by(second_secret, content) for content in stored(folder).values())
    use(monkeypatch, public=[keys[1]], secret=[keys[0]])
    rekey(folder)
    for content in stored(folder).values():
        opened_by(keys[0], content)
        with pytest.raises(ValueError, match="No supported encryption method"):
            opened_by(second_secret, content)


@pytest.mark.parametrize("written", range(FILES + 1))
def test_what_was_killed_is_read_by_both_keys_and_goes_on(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    new_secret, new_public = make_keys(tmp_path, "new")
    use(monkeypatch, public=[new_public], secret=[keys[0], new_secret])
    left = iter(range(2 * written + 1))  # each file is added, and its old form deleted

    def killed(self: Any, *arguments: Any) -> Any:
        if not str(arguments[0]).startswith(("leases/", "audit/")) and next(left, None) is None:
            raise KeyboardInterrupt
        return originals[len(arguments)](self, *arguments)

    files = type(open_files(folder))
    originals: dict[int, Any] = {2: files.add, 1: files.delete}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "add", killed)
        patched.setattr(files, "delete", killed)
        rekey(folder)
    assert any("not, or not only, encrypted to the keys" in str(fault) for fault in verify(folder))
    for i in range(FILES):
        get_file(folder, f"{i}.txt", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / f"{i}.txt").read_bytes()
    rekey(folder)
    assert list(verify(folder)) == []
    assert len(stored(folder)) == FILES + 1
    assert [opened_by(new_secret, content) for content in stored(folder).values()]


def test_keys_that_would_lock_everybody_out_change_nothing(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_secret, other_public = make_keys(tmp_path, "other")
    before = stored(folder), (folder / "sealed.json").read_bytes()
    use(monkeypatch, public=[other_public], secret=[keys[0]])
    with pytest.raises(BadConfiguration, match="nobody may be able to read the archive afterwards"):
        rekey(folder)
    use(monkeypatch, public=[other_public], secret=[other_secret])
    with pytest.raises(BadConfiguration, match="the secret key does not open this object"):
        rekey(folder)
    use(monkeypatch, public=[], secret=[keys[0]])
    with pytest.raises(BadConfiguration, match="no public key is given"):
        rekey(folder)
    use(monkeypatch, public=[keys[1]], secret=[])
    with pytest.raises(BadConfiguration, match="no secret key is given"):
        rekey(folder)
    assert (stored(folder), (folder / "sealed.json").read_bytes()) == before


def test_a_put_with_withdrawn_keys_is_refused_also_when_it_had_begun(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = open_store(folder)
    begun.put_bytes(b"before")
    new_secret, new_public = make_keys(tmp_path, "new")
    use(monkeypatch, public=[new_public], secret=[keys[0], new_secret])
    rekey(folder)
    names = set(stored(folder))
    with pytest.raises(BadConfiguration, match="the public keys given are not those of this archive"):
        begun.put_bytes(b"after")
    use(monkeypatch, public=[keys[1]], secret=[keys[0]])
    with pytest.raises(BadConfiguration, match="the public keys given are not those of this archive"):
        open_store(folder).put_bytes(b"after")
    assert set(stored(folder)) == names


def test_a_stream_from_s3_goes_on_where_its_file_is_written_anew(
    s3_place: str, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Archive.create(s3_place, encrypt=True)
    content = os.urandom(500_000)
    digest = open_store(s3_place).put_bytes(content)
    _, new_public = make_keys(tmp_path, "new")
    use(monkeypatch, public=[keys[1], new_public], secret=[keys[0]])
    with open_store(s3_place).open_parts(digest) as source:
        first = source.read(100)
        rekey(s3_place)
        assert first + source.read() == content


def test_what_is_forgotten_meanwhile_does_not_come_back(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new_public = make_keys(tmp_path, "new")
    use(monkeypatch, public=[keys[1], new_public], secret=[keys[0]])
    reseal = SealedFiles._reseal
    begun = []

    def forgotten(self: SealedFiles, name: str, stored: str) -> None:
        """Between reading the old form and writing the new one the sample goes."""
        if not begun:
            begun.append(name)
            add = self._add
            self.__dict__["_add"] = lambda *arguments: (forget(Archive.existing(folder), "S1", reason="test"), add(*arguments))
        reseal(self, name, stored)
        self.__dict__.pop("_add", None)

    monkeypatch.setattr(SealedFiles, "_reseal", forgotten)
    assert rekey(folder).faults == []
    assert begun
    assert [name for name in stored(folder) if name.startswith("objects/")] == []


def test_damage_stays_and_is_told(folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, new_public = make_keys(tmp_path, "new")
    damaged = next((folder / "objects").glob("*/*"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    use(monkeypatch, public=[keys[1], new_public], secret=[keys[0]])
    done = rekey(folder)
    assert done.files == FILES
    assert [fault.came for fault in done.faults] == ["the object's bytes do not have its digest"]
    assert damaged.read_bytes() == content


def test_several_keys_with_passphrases(folder: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_secret, new_public = make_keys(tmp_path, "new", "second")
    (tmp_path / "one").write_text("first\n")
    (tmp_path / "two").write_text("second\n")
    use(monkeypatch, public=[new_public], secret=[keys[0], new_secret])
    monkeypatch.setenv("GENOPIPE_ARCHIVE_PASSPHRASE_FILE", f"{tmp_path}/one:{tmp_path}/two")
    rekey(folder)
    use(monkeypatch, public=[new_public], secret=[new_secret])
    with pytest.raises(BadConfiguration, match="its passphrase is wrong"):
        get_file(folder, "1.txt", tmp_path / "back")
    monkeypatch.setenv("GENOPIPE_ARCHIVE_PASSPHRASE_FILE", f"{tmp_path}/two")
    get_file(folder, "1.txt", tmp_path / "back")


def test_an_archive_that_is_not_encrypted_is_told_before_its_keys_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Archive.create(tmp_path / "A", encrypt=False)
    use(monkeypatch, public=[], secret=[])
    with pytest.raises(BadInput, match=r"this archive is not encrypted.*Add --encrypt"):
        rekey(tmp_path / "A")


def test_an_archive_that_was_not_encrypted_becomes_encrypted(keys: tuple[Path, Path], tmp_path: Path) -> None:
    place = filled(tmp_path / "A", tmp_path, encrypt=False)
    open_files(place).add("catalogue/cohort.duckdb", b"AAAAAAAAAAAAAAAA")
    with pytest.raises(BadInput, match="this archive is not encrypted"):
        rekey(place)
    assert rekey(place, encrypt=True).files == FILES + 1
    assert [opened_by(keys[0], content) for content in stored(place).values()]
    assert list(verify(place, deep=True)) == []
    assert not any(b"AAAAAAAA" in content or b'"plain"' in content for content in stored(place).values())
    assert json.loads(open_files(place).read("archive.json"))["encrypted"] is True


def test_an_archive_half_encrypted_is_whole(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """Plain files among sealed ones: what a kill leaves."""
    store = open_store(folder)
    assert isinstance(store, SealedObjects)
    content = (tmp_path / "1.txt").read_bytes()
    digest = Archive.existing(folder).find("1.txt").objects[0]["digest"]
    plain = b"".join(opened_by(keys[0], c) for n, c in stored(folder).items() if n.startswith(f"objects/{digest[:2]}/{digest[2:]}"))
    store.delete(digest)
    store.files.files.add(f"objects/{digest[:2]}/{digest[2:]}", plain)
    get_file(folder, "1.txt", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert len(list(verify(folder))) == 1
    assert rekey(folder).files == 1
    assert list(verify(folder)) == []


def test_an_archive_from_before_marks_takes_one(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    (folder / "sealed.json").write_text("{}\n")
    for path in [*folder.glob("objects/*/*"), *folder.glob("catalogue/*/*")]:
        path.rename(path.with_name(path.name[: -len("-0123456789abcdef.c4gh")] + ".c4gh"))
    assert list(verify(folder, deep=True)) == []
    open_store(folder).put_bytes(b"more")
    assert rekey(folder).files == FILES + 1
    assert list(verify(folder, deep=True)) == []
    (folder / "sealed.json").write_text("{")
    with pytest.raises(BadInput, match="this cannot be read"):
        rekey(folder)
