"""Questions to an archive in SQL: DuckDB over a copy of the catalogue that is sorted across all samples.

The Parquet of the catalogue is what holds; the database beside it (`catalogue/cohort.duckdb`, for an archive on S3 in the user's cache) is
brought up to date by each question: new parts are taken in, those that are gone or superseded by a newer version of their file are taken
out. It may be deleted at any time; of an encrypted archive it is made for each question, in a temporary folder. Questions only read: the
database is opened without rights to write, to other files, or to settings.

| table | a row for each |
|---|---|
| `variants` | variant that a sample carries, sorted by contig, position, ref, alt |
| `sites` | variant that anybody carries: `carriers`, `homozygotes`, `alleles` |
| `samples` | sample with variants; `case_id`, `sex`, `affected`, `proband` where a case names it |
| `phenotypes` | HPO term of a case's proband; `excluded` for one that was looked for and not found |
| `cases` | case: its evidence set, and when it was issued |
| `findings` | ranked gene of a case and variant of it |
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from genopipe import outputs
from genopipe.archive.catalogue import DATABASE, Catalogue
from genopipe.errors import BadEnvironment, BadInput
from genopipe.progress import progress
from genopipe.store import SEALED, Location, is_s3, open_store

_SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE parts (part VARCHAR, kind VARCHAR, file VARCHAR, version INTEGER, shown BOOLEAN);
CREATE TABLE all_variants (sample VARCHAR, contig VARCHAR, position INTEGER, ref VARCHAR, alt VARCHAR, alt_count TINYINT, ploidy TINYINT,
    depth INTEGER, alt_depth INTEGER, genotype_quality INTEGER, passed BOOLEAN, part VARCHAR);
CREATE TABLE sites (contig VARCHAR, position INTEGER, ref VARCHAR, alt VARCHAR, carriers INTEGER, homozygotes INTEGER, alleles INTEGER);
CREATE TABLE genomes (sample VARCHAR, assembly VARCHAR, vcf VARCHAR, part VARCHAR);
CREATE TABLE members (sample VARCHAR, case_id VARCHAR, sex VARCHAR, affected BOOLEAN, proband BOOLEAN, part VARCHAR);
CREATE TABLE phenotypes (case_id VARCHAR, sample VARCHAR, term VARCHAR, excluded BOOLEAN, part VARCHAR);
CREATE TABLE cases (case_id VARCHAR, sample VARCHAR, assembly VARCHAR, evidence VARCHAR, evidence_digest VARCHAR, issued VARCHAR,
    vcf VARCHAR, record JSON, record_digest VARCHAR, part VARCHAR);
CREATE TABLE findings (case_id VARCHAR, gene VARCHAR, rank DOUBLE, score DOUBLE, phenotype_score DOUBLE, variant_score DOUBLE,
    mode VARCHAR, variant VARCHAR, acmg VARCHAR, candidate BOOLEAN, part VARCHAR);
CREATE VIEW variants AS SELECT * EXCLUDE (part) FROM all_variants;
CREATE VIEW samples AS SELECT g.sample, g.assembly, g.vcf, m.case_id, m.sex, m.affected, coalesce(m.proband, false) AS proband
    FROM genomes g LEFT JOIN members m ON m.sample = g.sample;
"""
_HOLDING = ("all_variants", "genomes", "members", "phenotypes", "cases", "findings")
_ORDER = "contig, position, ref, alt, sample"


@contextmanager
def cohort(location: Location) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database of an archive, up to date, for reading only.

    Raises BadInput for an archive without a catalogue, BadEnvironment where another program is writing the database.
    """
    files = open_store(location).files
    with tempfile.TemporaryDirectory() as folder:
        sealed = files.found(SEALED) is not None
        path = Path(folder) / "cohort.duckdb" if sealed else database_path(location)
        _refresh(path, Catalogue(files), location)
        connection = _connected(path, read_only=True)
        try:
            yield connection
        finally:
            connection.close()


def ask(location: Location, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Names of the columns, and the rows, of one SELECT. Raises BadInput for SQL that DuckDB refuses."""
    with cohort(location) as connection:
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise BadInput(_short(sql), wanted="one SELECT", do="Ask one question that only reads.", key="SQL")
            result = connection.execute(sql)
            names = [column[0] for column in result.description]
            rows = result.fetchall()
        except duckdb.Error as error:
            raise BadInput(
                f"{_short(sql)}: {str(error).splitlines()[0]}",
                wanted="SQL over variants, sites, samples, phenotypes, cases or findings",
                do="Correct it; docs/archive.md describes the tables.",
                key="SQL",
            ) from None
    return names, iter(rows)


def case_records(location: Location) -> list[tuple[dict[str, Any], str]]:
    """The last record of every case with its digest, by case; none where the archive has no catalogue."""
    if not Catalogue(open_store(location).files).parts():
        return []
    with cohort(location) as connection:
        rows = connection.execute("SELECT record, record_digest FROM cases ORDER BY case_id").fetchall()
    return [(json.loads(record), digest) for record, digest in rows]


def database_path(location: Location) -> Path:
    """Where the database of an archive that is not encrypted is or will be."""
    if not is_s3(location):
        return Path(location) / DATABASE
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "genopipe" / f"{hashlib.sha256(str(location).encode()).hexdigest()[:32]}.duckdb"


def _refresh(path: Path, catalogue: Catalogue, location: Location) -> None:
    """Makes the database, or brings it up to date where parts came or went."""
    parts = catalogue.parts()
    if not parts:
        raise BadInput(
            "there is no catalogue here",
            wanted="an archive into which a VCF with samples, or a case, was put",
            do="Check --archive, or make the catalogue with `genopipe archive catalogue`.",
            path=location,
        )
    if _known(path) != set(parts):
        outputs.make_folder(path.parent)
        _update(path, catalogue, parts)


def _known(path: Path) -> set[str]:
    """The parts that a database has taken in; of a database of another version, which is deleted, none."""
    if not path.exists():
        return set()
    with closing(_connected(path, read_only=True)) as connection, suppress(duckdb.CatalogException):  # no such table
        if connection.execute("SELECT value FROM about").fetchall() == [(_SCHEMA_VERSION,)]:
            return {part for (part,) in connection.execute("SELECT part FROM parts").fetchall()}
    path.unlink()
    return set()


def _connected(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        if "lock" not in str(error).lower():
            raise BadEnvironment(
                "the database of the catalogue cannot be opened",
                wanted="a file that `genopipe archive query` wrote",
                do="Delete it; it is made again by the next question.",
                path=path,
            ) from error
        raise BadEnvironment(
            "another program is bringing the catalogue's database up to date", wanted="it to be free", do="Ask again later.", path=path
        ) from error


def _update(path: Path, catalogue: Catalogue, parts: Sequence[str]) -> None:
    connection = _connected(path, read_only=False)
    try:
        path.chmod(0o600)
        connection.execute("BEGIN")
        if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'about'").fetchall():
            connection.execute(f"CREATE TABLE about AS SELECT {_SCHEMA_VERSION} AS value; {_TABLES}")
        with tempfile.TemporaryDirectory() as folder:
            _take(connection, catalogue, parts, Path(folder))
        connection.execute("COMMIT")
    finally:
        connection.close()


def _take(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, parts: Sequence[str], folder: Path) -> None:
    known = {part for (part,) in connection.execute("SELECT part FROM parts").fetchall()}
    gone, new = known - set(parts), [part for part in parts if part not in known]
    entries = {part: catalogue.entry(part) for part in new}
    _delete(connection, "parts", gone)
    for entry in entries.values():
        connection.execute("INSERT INTO parts VALUES (?, ?, ?, ?, false)", _row(entry))
    shown = {part for (part,) in connection.execute(_LATEST).fetchall()}
    before = {part for (part,) in connection.execute("SELECT part FROM parts WHERE shown").fetchall()} | gone
    leaving, coming = before - shown, shown - before
    for table in _HOLDING:
        _delete(connection, table, leaving)
    connection.execute("UPDATE parts SET shown = part IN (SELECT unnest(?))", [sorted(shown)])
    with progress("catalogued", total=len(coming), unit="parts") as counter:
        for part in sorted(coming):
            _insert_case(connection, entries.get(part) or catalogue.entry(part))
            counter.advance()
    _insert_tables(connection, catalogue, [entries.get(part) or catalogue.entry(part) for part in sorted(coming)], folder)
    connection.execute(_COUNT_SITES)


_LATEST = """
SELECT part FROM (SELECT part, max(version) OVER (PARTITION BY file, kind) AS latest, version FROM parts) WHERE version = latest
"""


def _row(entry: dict[str, Any]) -> list[Any]:
    file = entry["file"]
    return [entry["part"], entry["kind"], f"{file['sample'] or ''}/{file['name']}", file["version"]]


def _delete(connection: duckdb.DuckDBPyConnection, table: str, parts: set[str]) -> None:
    if parts:
        connection.execute(f"DELETE FROM {table} WHERE part IN (SELECT unnest(?))", [sorted(parts)])


def _insert_case(connection: duckdb.DuckDBPyConnection, entry: dict[str, Any]) -> None:
    part = entry["part"]
    if entry["kind"] == "variants":
        connection.execute("INSERT INTO genomes VALUES (?, ?, ?, ?)", [entry["sample"], entry["assembly"], entry["file"]["digest"], part])
        return
    record = entry["record"]
    case, proband = record["case"], record["proband"]
    evidence, files = record["evidence"], record["files"]
    told = [case, proband, evidence["assembly"], evidence["name"], evidence["digest"], record["issued"], files["variants"]]
    told += [json.dumps(record), entry["file"]["digest"], part]
    connection.execute("INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", told)
    for member in record["family"]:
        told = [member["sample"], case, member["sex"], member["affected"], member["sample"] == proband, part]
        connection.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?)", told)
    for key, excluded in (("phenotypes", False), ("excluded", True)):
        for term in record[key]:
            connection.execute("INSERT INTO phenotypes VALUES (?, ?, ?, ?, ?)", [case, proband, term, excluded, part])


def _insert_tables(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, entries: Sequence[dict[str, Any]], folder: Path) -> None:
    """The rows of all new parts. Much that is new is sorted in with the rest; little is sorted in itself and put behind it."""
    paths = {kind: [str(p) for e in entries if e["kind"] == kind for p in catalogue.tables(e, folder)] for kind in ("variants", "case")}
    if paths["variants"]:
        old = connection.execute("SELECT count(*) FROM all_variants").fetchall()[0][0]
        if sum(entry.get("records", 0) for entry in entries) > old:
            both = f"SELECT * FROM all_variants UNION ALL BY NAME {_READ}"
            connection.execute(f"CREATE TABLE sorted AS SELECT * FROM ({both}) ORDER BY {_ORDER}", [paths["variants"]])
            connection.execute("DROP TABLE all_variants; ALTER TABLE sorted RENAME TO all_variants")
        else:
            connection.execute(f"INSERT INTO all_variants BY NAME {_READ} ORDER BY {_ORDER}", [paths["variants"]])
    if paths["case"]:
        connection.execute(f"INSERT INTO findings BY NAME {_READ}", [paths["case"]])


_READ = """SELECT * EXCLUDE (filename), parse_filename(filename)[:32] AS part
    FROM read_parquet(?, filename = true, hive_partitioning = false)"""
_COUNT_SITES = """
DELETE FROM sites;
INSERT INTO sites SELECT contig, position, ref, alt, count(*), count(*) FILTER (alt_count > 1), sum(alt_count) FROM
    (SELECT contig, position, ref, alt, sample, max(alt_count) AS alt_count FROM all_variants GROUP BY ALL)
    GROUP BY ALL ORDER BY contig, position, ref, alt;
"""


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return repr(text if len(text) <= 80 else text[:77] + "...")
