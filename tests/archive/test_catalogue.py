"""The catalogue and its questions, against a plain reading of the VCFs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from genopipe.archive import database
from genopipe.archive.catalogue import BIN_BITS, VARIANTS, Catalogue
from genopipe.archive.opened import Archive
from genopipe.archive.query import ask, database_path
from genopipe.archive.representations import PutOptions
from genopipe.cases.catalogued import make_again
from genopipe.cases.keep import keep
from genopipe.cli import genopipe
from genopipe.errors import BadEnvironment, GenopipeError
from genopipe.formats import vcf_genotypes
from genopipe.formats.table_blocks import table_blocks
from genopipe.store import Location, seal
from tests.archive.test_encryption import make_keys

FAMILY = """##fileformat=VCFv4.2
##FORMAT=<ID=GT,Number=1,Type=String,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2
chr1\t100\t.\tA\tG\t50\tPASS\t.\tGT:AD:DP:GQ\t0/1:10,11:21:99\t1|1:0,20:20:60
chr1\t200\t.\tC\tT,G\t50\tLowQual\t.\tGT:AD:DP:GQ\t1/2:0,9,8:17:40\t0/0:20,0,0:20:60
chr1\t300\t.\tCAT\tCT\t50\t.\t.\tGT\t./.\t0/1
chr1\t200000000\t.\tg\ta\t50\tPASS\t.\tGT\t0/1\t0/0
chrX\t50\t.\tT\tC,<DEL>,*\t50\tPASS\t.\tGT:GQ\t1:30\t2/3
"""


def command(*arguments: object) -> Result:
    return CliRunner().invoke(genopipe, [str(argument) for argument in arguments])


def rows(result: Result) -> list[dict[str, str]]:
    """A printed table."""
    assert result.exit_code == 0, result.exception
    head, *lines = result.output.splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with the VCF of two people."""
    (tmp_path / "family.vcf").write_text(FAMILY)
    keep(tmp_path / "archive", [tmp_path / "family.vcf"], PutOptions())
    return tmp_path / "archive"


EXPECTED = {
    ("S1", "1", 99, "A", "G", 1, 2, 21, 11, 99, True),
    ("S2", "1", 99, "A", "G", 2, 2, 20, 20, 60, True),
    ("S1", "1", 199, "C", "T", 1, 2, 17, 9, 40, False),
    ("S1", "1", 199, "C", "G", 1, 2, 17, 8, 40, False),
    ("S2", "1", 299, "CA", "C", 1, 2, None, None, None, True),
    ("S1", "1", 199_999_999, "G", "A", 1, 2, None, None, None, True),
    ("S1", "X", 49, "T", "C", 1, 1, None, None, 30, True),
}


def test_each_carried_alt_is_a_row_in_one_spelling(archive: Path) -> None:
    names, found = ask(archive, "SELECT * FROM variants")
    assert names == VARIANTS.names
    assert set(found) == EXPECTED


def test_a_file_holds_one_sample_and_one_bin_sorted(archive: Path) -> None:
    files = sorted((archive / "catalogue" / "variants").rglob("*.parquet"))
    assert sorted({file.parent.name for file in files}) == ["bin=1_0", "bin=1_1", "bin=X_0"]
    for file in files:
        table = pq.ParquetFile(file).read().to_pylist()
        assert len({row["sample"] for row in table}) == 1
        assert {f"bin={row['contig']}_{row['position'] >> BIN_BITS}" for row in table} == {file.parent.name}
        assert [row["position"] for row in table] == sorted(row["position"] for row in table)


def test_nobody_is_named_in_a_path(archive: Path) -> None:
    assert not [path for path in (archive / "catalogue").rglob("*") if "S1" in path.name or "family" in path.name]


def test_carriers_of_a_variant_in_any_spelling(archive: Path) -> None:
    found = rows(command("archive", "carriers", "chr1-300-CAT-CT", "--archive", archive))
    assert [(row["sample"], row["alt_count"]) for row in found] == [("S2", "1")]
    both = rows(command("archive", "carriers", "1-100-a-g", "--archive", archive))
    assert [(row["sample"], row["alt_count"], row["depth"]) for row in both] == [("S1", "1", "21"), ("S2", "2", "20")]


def test_counts_by_cohort(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "cohorts.tsv").write_text("# who\nS1\tone\nS2\ttwo\nS9\ttwo\n")
    found = rows(command("archive", "counts", "1-100-A-G", "--archive", archive, "--cohorts", tmp_path / "cohorts.tsv"))
    assert [tuple(row.values()) for row in found] == [("one", "1", "1", "0", "1"), ("two", "1", "1", "1", "2")]
    assert rows(command("archive", "counts", "1-100-A-G", "--archive", archive))[0]["cohort"] == "unknown"


def test_a_person_in_two_files_counts_once(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "again.vcf").write_text(FAMILY)
    (tmp_path / "again.vcf").write_text(FAMILY.replace("\t50\tPASS", "\t51\tPASS"))
    keep(archive, [tmp_path / "again.vcf"], PutOptions())
    assert list(ask(archive, "SELECT carriers, homozygotes, alleles FROM sites WHERE position = 99")[1]) == [(2, 1, 3)]
    assert len(rows(command("archive", "carriers", "1-100-A-G", "--archive", archive))) == 2


def test_a_newer_version_of_a_file_stands_for_the_older(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "family.vcf").write_text(FAMILY.replace("chr1\t100\t.\tA\tG", "chr1\t101\t.\tA\tG"))
    keep(archive, [tmp_path / "family.vcf"], PutOptions())
    assert {row[2] for row in ask(archive, "SELECT * FROM variants WHERE ref = 'A'")[1]} == {100}


def held(archive: Path) -> list[set[tuple[object, ...]]]:
    """Everything that questions see."""
    return [set(ask(archive, f"SELECT * FROM {table}")[1]) for table in ("variants", "sites", "samples", "cases", "phenotypes")]


def test_a_database_that_followed_holds_what_one_made_at_once_does(archive: Path, tmp_path: Path) -> None:
    """New people, one again in another file, a newer version of a file, and more at once than there was before."""
    ask(archive, "SELECT 1")
    steps = [["few.vcf:S3:S4"], ["again.vcf:S1:S5"], ["few.vcf:S3:S6"], [f"many{i}.vcf:M{i}:N{i}" for i in range(6)]]
    for number, step in enumerate(steps):
        for one in step:
            name, first, second = one.split(":")
            text = FAMILY.replace("S1\tS2", f"{first}\t{second}").replace("chr1\t300", f"chr1\t{300 + number}")
            (tmp_path / name).write_text(text)
            keep(archive, [tmp_path / name], PutOptions())
        followed = held(archive)
        order = list(ask(archive, "SELECT contig, position, ref, alt FROM sites")[1])
        assert order == sorted(order)
        database_path(archive).unlink()
        assert held(archive) == followed
    order = list(ask(archive, "SELECT contig, position, ref, alt FROM variants")[1])
    assert order == sorted(order)


def test_another_program_that_uses_the_database_is_waited_for(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(archive, "SELECT 1")
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"
    command = [sys.executable, "-c", hold, str(database_path(archive))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None and other.stdout.readline() == "held\n"
        with monkeypatch.context() as patch, pytest.raises(BadEnvironment, match="another program is using"):
            patch.setattr(database, "BUSY_SECONDS", 0)
            ask(archive, "SELECT 1")
        monkeypatch.setattr(database.time, "sleep", lambda _: other.communicate("\n"))
        assert list(ask(archive, "SELECT 1")[1]) == [(1,)]


def test_the_catalogue_is_made_again_as_it_was(archive: Path) -> None:
    before = {path.name: path.read_bytes() for path in (archive / "catalogue").rglob("*.*") if path.suffix != ".duckdb"}
    make_again(archive, genome=None)
    after = {path.name: path.read_bytes() for path in (archive / "catalogue").rglob("*.*") if path.suffix != ".duckdb"}
    assert after == before
    assert set(ask(archive, "SELECT * FROM variants")[1]) == EXPECTED


def test_putting_again_writes_nothing(archive: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (archive / "catalogue").rglob("*") if path.is_file()}
    keep(archive, [tmp_path / "family.vcf"], PutOptions())
    assert {path: path.stat().st_mtime_ns for path in (archive / "catalogue").rglob("*") if path.is_file()} == before


def test_a_part_that_was_not_finished_does_not_count_and_is_written_by_the_next_put(archive: Path, tmp_path: Path) -> None:
    entry = next((archive / "catalogue" / "entries").iterdir())
    sample = json.loads(entry.read_text())["sample"]
    entry.unlink()
    assert sample not in {row[0] for row in ask(archive, "SELECT sample FROM samples")[1]}
    keep(archive, [tmp_path / "family.vcf"], PutOptions())
    assert set(ask(archive, "SELECT * FROM variants")[1]) == EXPECTED


def test_what_is_forgotten_leaves_no_trace_in_catalogue_and_database(archive: Path) -> None:
    ask(archive, "SELECT 1")
    Catalogue(Archive.existing(archive).files).forget({Archive.existing(archive).find("family.vcf").digest})
    assert not list((archive / "catalogue").rglob("*.parquet"))
    assert not database_path(archive).exists()


@pytest.mark.parametrize(
    "name, header", [("g.vcf", '##ALT=<ID=NON_REF,Description="x">'), ("findings.vcf", "##genopipe_evidence=e,sha256:0")]
)
def test_gvcfs_and_findings_are_not_catalogued(tmp_path: Path, name: str, header: str) -> None:
    (tmp_path / name).write_text(FAMILY.replace("##FORMAT", f"{header}\n##FORMAT", 1))
    keep(tmp_path / "archive", [tmp_path / name], PutOptions())
    assert not (tmp_path / "archive" / "catalogue").exists()


@pytest.mark.parametrize(
    "broken, told",
    [
        (FAMILY.replace("chr1\t100\t", "chr1\tten\t"), "family.vcf:4: POS 'ten'"),
        (FAMILY.replace("1/2:0,9,8", "1/3:0,9,8"), "allele 3"),
        (FAMILY.replace("0/1:10,11:21:99\t", ""), "columns"),
        (FAMILY.replace("S1\tS2", "S1\tS1"), "twice"),
    ],
)
def test_a_broken_vcf_is_kept_but_not_catalogued(tmp_path: Path, broken: str, told: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "family.vcf").write_text(broken)
    keep(tmp_path / "archive", [tmp_path / "family.vcf"], PutOptions())
    assert Archive.existing(tmp_path / "archive").find("family.vcf")
    assert "not in the catalogue" in caplog.text
    assert told in caplog.text
    assert not list((tmp_path / "archive").glob("catalogue/entries/*"))


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_the_same_in_a_folder_and_on_s3_plain_and_encrypted(
    kind: str, sealed: bool, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place: Location = tmp_path / "archive" if kind == "folder" else request.getfixturevalue("s3_place")
    if sealed:
        secret, public = make_keys(tmp_path, "site")
        monkeypatch.setenv("GENOPIPE_ARCHIVE_PUBLIC_KEYS", str(public))
        monkeypatch.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", str(secret))
        seal(place)
    (tmp_path / "family.vcf").write_text(FAMILY)
    keep(place, [tmp_path / "family.vcf"], PutOptions())
    assert set(ask(place, "SELECT * FROM variants")[1]) == EXPECTED
    assert len(rows(command("archive", "carriers", "1-100-A-G", "--archive", place))) == 2
    make_again(place, genome=None)
    assert set(ask(place, "SELECT * FROM variants")[1]) == EXPECTED
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".duckdb", ".parquet")]
    assert not sealed or not kept


@pytest.fixture
def line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of a VCF is a block of its own."""

    def split(path: Path, is_header: Callable[[str], bool]) -> tuple[list[str], Iterator[tuple[int, bytes]]]:
        head, blocks = table_blocks(path, is_header)
        return head, ((first + i, line) for first, block in blocks for i, line in enumerate(block.split(b"\n")))

    monkeypatch.setattr(vcf_genotypes, "table_blocks", split)


@pytest.mark.usefixtures("line_by_line")
def test_blocks_of_lines_make_no_difference(tmp_path: Path) -> None:
    (tmp_path / "family.vcf").write_text(FAMILY)
    keep(tmp_path / "archive", [tmp_path / "family.vcf"], PutOptions())
    assert set(ask(tmp_path / "archive", "SELECT * FROM variants")[1]) == EXPECTED


@pytest.mark.usefixtures("line_by_line")
def test_a_contig_that_comes_again_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "family.vcf").write_text(FAMILY + "chr1\t100\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\t0/1\n")
    keep(tmp_path / "archive", [tmp_path / "family.vcf"], PutOptions())
    assert "contig chr1 comes again" in caplog.text


SQL_FAULTS = [
    "SELEC 1",
    "SELECT nothing FROM variants",
    "DELETE FROM variants",
    "SELECT 1; SELECT 2",
    "COPY variants TO 'stolen.csv'",
    "ATTACH 'other.duckdb'",
    "SELECT * FROM read_text('family.vcf')",
    "SET enable_external_access = true",
    "",
]


@pytest.mark.parametrize("sql", SQL_FAULTS)
def test_sql_that_is_wrong_or_does_more_than_read_is_refused(archive: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive.parent)
    before = sorted(archive.parent.iterdir())
    result = command("archive", "query", sql, "--archive", archive)
    assert isinstance(result.exception, GenopipeError)
    assert "SQL" in str(result.exception)
    assert sorted(archive.parent.iterdir()) == before


FAULTS = [
    (("carriers", "1:100:A:G"), "CHROM-POS-REF-ALT"),
    (("carriers", "1-²-A-G"), "CHROM-POS-REF-ALT"),
    (("counts", "rs123"), "CHROM-POS-REF-ALT"),
    (("samples", "seizure"), "HP:0001250"),
]


@pytest.mark.parametrize("arguments, told", FAULTS)
def test_a_question_that_cannot_be_is_told(archive: Path, arguments: tuple[str, ...], told: str) -> None:
    result = command("archive", *arguments, "--archive", archive)
    assert isinstance(result.exception, GenopipeError)
    assert told in str(result.exception)


@pytest.mark.parametrize(
    "text, told", [("", "nothing in it"), ("S1\n", "1 columns"), ("S1\ta\nS1\tb\n", "two cohorts")], ids=["empty", "short", "twice"]
)
def test_a_table_of_cohorts_that_is_none_is_told(archive: Path, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "cohorts.tsv").write_text(text)
    result = command("archive", "counts", "1-100-A-G", "--archive", archive, "--cohorts", tmp_path / "cohorts.tsv")
    assert told in str(result.exception)


def test_an_archive_without_a_catalogue_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("chr1\t0\t1\n")
    keep(tmp_path / "archive", [tmp_path / "a.bed"], PutOptions())
    result = command("archive", "query", "SELECT 1", "--archive", tmp_path / "archive")
    assert "no catalogue" in str(result.exception)


def test_a_catalogue_of_a_newer_version_is_told(archive: Path) -> None:
    entry = next((archive / "catalogue" / "entries").iterdir())
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"entry": 3}))
    result = command("archive", "query", "SELECT 1", "--archive", archive)
    assert "version 3" in str(result.exception)


def test_a_database_that_is_none_is_told(archive: Path) -> None:
    database_path(archive).write_text("not a database")
    result = command("archive", "query", "SELECT 1", "--archive", archive)
    assert "Delete it" in str(result.exception)
