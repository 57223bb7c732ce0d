"""The commands that look after an archive, as they are typed, in a folder and on S3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from genopipe.cli.archive import archive
from genopipe.errors import BadInput


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty archive."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place: str = str(tmp_path / "A") if request.param == "folder" else request.getfixturevalue("s3_place")
    return place


def run(*arguments: object) -> str:
    """Standard output of a command that must succeed."""
    result = CliRunner().invoke(archive, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    """What a command says that is typed wrongly."""
    result = CliRunner().invoke(archive, [str(argument) for argument in arguments])
    assert result.exit_code == 2
    return result.output


def test_the_life_of_a_sample(root: str, tmp_path: Path) -> None:
    (tmp_path / "note.json").write_text('{"a": 1}\n')
    (tmp_path / "report.html").write_text("<p>signed</p>")
    run("init", "--archive", root)
    run("put", tmp_path / "note.json", "--archive", root, "--sample", "S1")
    run("put", tmp_path / "report.html", "--archive", root)
    assert run("stat", "--archive", root) == (
        "sample\tfiles\tsize\tstored\town\n"
        "-\t1\t13\t13\t13\n"
        "S1\t1\t9\t9\t9\n"
        "# files 2, size 22, stored 22 (each file apart 22), references 0, unneeded 0\n"
    )
    identifier = run("hold", "S1", "--archive", root, "--reason", "report", "--report", "report.html").strip()
    assert run("holds", "--archive", root).splitlines()[1].split("\t")[:3] == [identifier, "S1", ""]
    with pytest.raises(BadInput, match="must stay: signed report"):
        run("forget", "S1", "--archive", root, "--reason", "consent withdrawn")
    run("release", identifier, "--archive", root, "--reason", "withdrawn")
    run("repack", "--archive", root)
    run("migrate", "--archive", root)
    run("forget", "S1", "--archive", root, "--reason", "consent withdrawn")
    run("gc", "--archive", root, "--grace", "0")
    run("verify", "--archive", root, "--deep")
    assert [line.split("\t")[1] for line in run("list", "--archive", root).splitlines()[1:]] == ["report.html"]
    actions = [json.loads(line)["action"] for line in run("audit", "--archive", root).splitlines()]
    assert actions == ["hold", "release", "repack", "forget"]


def test_what_is_typed_wrongly_is_told(tmp_path: Path) -> None:
    assert "neither a folder nor s3://bucket/prefix" in refused("list", "--archive", "gs://bucket/a")
    assert "neither a folder nor s3://bucket/prefix" in refused("list", "--archive", "s3:/bucket/a")
    assert "write one line of printable text" in refused("forget", "S1", "--archive", tmp_path / "A", "--reason", "two\nlines")
    assert "write one line of printable text" in refused("forget", "S1", "--archive", tmp_path / "A", "--reason", " ")


def test_names_that_would_break_a_table_are_refused(tmp_path: Path) -> None:
    run("init", "--archive", tmp_path / "A")
    before = sorted((tmp_path / "A").rglob("*"))
    for name in ("a\nb.txt", "a\tb.txt", "a\x1b[31m.txt"):
        (tmp_path / name).write_text("x")
        with pytest.raises(BadInput, match="wanted a name of printable characters"):
            run("put", tmp_path / name, "--archive", tmp_path / "A")
    assert sorted((tmp_path / "A").rglob("*")) == before
