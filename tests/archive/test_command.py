"""`genopipe archive` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from genopipe.archive.receipts import read_receipt
from genopipe.cli.archive import archive
from genopipe.errors import BadInput
from genopipe.store import FolderStore


def run(*arguments: object) -> str:
    """Standard output of a command that must succeed."""
    result = CliRunner().invoke(archive, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def note(tmp_path: Path) -> Path:
    (tmp_path / "note.json").write_text('{"a": 1}\n')
    return tmp_path / "note.json"


def test_put_list_get_verify(tmp_path: Path, note: Path) -> None:
    """Golden: the table of one file; its digest by sha256sum."""
    root = tmp_path / "A"
    assert run("put", note, "--archive", root, "--sample", "S1") == ""
    assert run("list", "--archive", root) == (
        "sample\tname\tversion\tsize\tstored_size\texactness\tkind\tdigest\n"
        "S1\tnote.json\t1\t9\t9\tbytes\tpacked\te8c628edc9968ef0c668f54e0ba2636b35503357eb1aca0ddc828aeace432f67\n"
    )
    run("get", "note.json", "--archive", root, "-o", tmp_path / "back.json")
    assert (tmp_path / "back.json").read_bytes() == note.read_bytes()
    assert run("verify", "--archive", root) == ""


def test_a_format_is_of_a_region_alone(tmp_path: Path, note: Path) -> None:
    run("put", note, "--archive", tmp_path / "A")
    done = CliRunner().invoke(
        archive, ["get", "note.json", "--archive", str(tmp_path / "A"), "--as", "cram", "-o", str(tmp_path / "x.cram")]
    )
    assert done.exit_code == 2
    assert "--as is the format of a --region" in done.output
    assert not (tmp_path / "x.cram").exists()


def test_receipts_say_what_was_archived_and_merge(tmp_path: Path, note: Path) -> None:
    (tmp_path / "other.json").write_text("[]")
    run("put", note, "--archive", tmp_path / "A", "--sample", "S1", "--receipt", tmp_path / "one.json")
    run("put", tmp_path / "other.json", "--archive", tmp_path / "A", "--merge", tmp_path / "one.json", "--receipt", tmp_path / "all.json")
    document = read_receipt(tmp_path / "all.json")
    assert [(file["sample"], file["name"], file["exactness"]) for file in document["files"]] == [
        ("S1", "note.json", "bytes"),
        (None, "other.json", "bytes"),
    ]
    assert document["size"] == 11
    objects = [FolderStore(tmp_path / "A").path(entry["digest"]) for file in document["files"] for entry in file["objects"]]
    assert document["stored_size"] == sum(path.stat().st_size for path in objects)


def test_a_receipt_to_merge_must_be_one(tmp_path: Path, note: Path) -> None:
    for text, message in (("{", "cannot be read as JSON"), (json.dumps({"receipt": 7}), "this is no receipt")):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(BadInput, match=message):
            run("put", note, "--archive", tmp_path / "A", "--merge", tmp_path / "bad.json", "--receipt", tmp_path / "r.json")


def test_verify_counts_the_faults(tmp_path: Path, note: Path) -> None:
    run("put", note, "--archive", tmp_path / "A")
    store = FolderStore(tmp_path / "A")
    for digest in list(store.digests()):
        store.delete(digest)
    with pytest.raises(BadInput, match="faults in the archive: 1"):
        run("verify", "--archive", tmp_path / "A")


@pytest.mark.parametrize("command", [[], ["put"], ["get"], ["list"], ["verify"]])
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    assert "genopipe archive" in run(*command, "--help")
