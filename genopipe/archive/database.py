"""The query database: a copy of the catalogue in DuckDB, sorted across all samples, that follows what is put and forgotten.

New parts are taken in, those that are gone or superseded by a newer version of their file are taken out. Variants are sorted one bin of the
catalogue after the other, and what does not fit into `MEMORY` goes to disk: memory does not grow with the archive. The sites are counted
on for genomes of new samples, and counted anew where a genome leaves or a sample comes again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from genopipe.archive.catalogue import BIN_BITS, Catalogue, bin_name, place_of
from genopipe.errors import BadEnvironment
from genopipe.outputs import temporary_folder
from genopipe.progress import progress

MEMORY = "1GB"
"""What DuckDB may hold in memory."""

BUSY_SECONDS = 300
"""How long another program that uses the database is waited for."""

_SCHEMA_VERSION = 3
_CALL = "contig VARCHAR, position INTEGER, ref VARCHAR, alt VARCHAR, alt_count TINYINT, ploidy TINYINT, depth INTEGER, alt_depth INTEGER"
_TABLES = f"""
CREATE TABLE about AS SELECT {_SCHEMA_VERSION} AS value;
CREATE TABLE parts (part VARCHAR, kind VARCHAR, file VARCHAR, version INTEGER, number INTEGER, shown BOOLEAN);
CREATE TABLE carried ({_CALL}, genotype_quality INTEGER, passed BOOLEAN, number INTEGER);
CREATE TABLE sites (contig VARCHAR, position INTEGER, ref VARCHAR, alt VARCHAR, carriers INTEGER, homozygotes INTEGER, alleles INTEGER);
CREATE TABLE genomes (sample VARCHAR, assembly VARCHAR, vcf VARCHAR, number INTEGER);
CREATE TABLE members (sample VARCHAR, case_id VARCHAR, sex VARCHAR, affected BOOLEAN, proband BOOLEAN, number INTEGER);
CREATE TABLE phenotypes (case_id VARCHAR, sample VARCHAR, term VARCHAR, excluded BOOLEAN, number INTEGER);
CREATE TABLE cases (case_id VARCHAR, sample VARCHAR, assembly VARCHAR, evidence VARCHAR, evidence_digest VARCHAR, issued VARCHAR,
    vcf VARCHAR, reference VARCHAR, record JSON, record_digest VARCHAR, ranked JSON, number INTEGER);
CREATE TABLE findings (case_id VARCHAR, gene VARCHAR, rank DOUBLE, score DOUBLE, phenotype_score DOUBLE, variant_score DOUBLE,
    mode VARCHAR, variant VARCHAR, acmg VARCHAR, candidate BOOLEAN, number INTEGER);
CREATE VIEW variants AS SELECT sample, contig, position, ref, alt, alt_count, ploidy, depth, alt_depth, genotype_quality, passed
    FROM carried JOIN genomes USING (number);
CREATE VIEW samples AS SELECT g.sample, g.assembly, g.vcf, m.case_id, m.sex, m.affected, coalesce(m.proband, false) AS proband
    FROM genomes g LEFT JOIN members m ON m.sample = g.sample;
"""
_HOLDING = ("carried", "genomes", "members", "phenotypes", "cases", "findings")

Entry = Mapping[str, Any]
"""What `Catalogue.entry` gives of a part."""


def bring_up_to_date(path: Path, catalogue: Catalogue, parts: Sequence[str]) -> None:
    """Makes the database of the given parts, or takes in those that it lacks. Raises BadEnvironment where it stays in use or is none."""
    if (known := _known(path)) == set(parts):
        return
    if not known <= set(parts):
        _delete(path)
    with closing(connected(path, read_only=False)) as connection:
        path.chmod(0o600)
        connection.execute("BEGIN")
        if not _has_tables(connection):
            connection.execute(_TABLES)
        _take(connection, catalogue, parts)
        connection.execute("COMMIT")


def connected(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection, as soon as no other program is in the way. Raises as `bring_up_to_date`."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config={"memory_limit": MEMORY})
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise BadEnvironment(
                    "the database of the catalogue cannot be opened",
                    wanted="a file that `genopipe archive query` wrote",
                    do="Delete it; it is made again by the next question.",
                    path=path,
                ) from error
            if time.monotonic() > until:
                raise BadEnvironment(
                    "another program is using the catalogue's database", wanted="it to be free", do="Ask again later.", path=path
                ) from error
            time.sleep(0.1)


def _has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'about'").fetchall())


def _known(path: Path) -> set[str]:
    """The parts that a database has taken in; of a database of another version, which is deleted, none."""
    if not path.exists():
        return set()
    with closing(connected(path, read_only=True)) as connection, suppress(duckdb.CatalogException):  # no such table
        if connection.execute("SELECT value FROM about").fetchall() == [(_SCHEMA_VERSION,)]:
            return {part for (part,) in connection.execute("SELECT part FROM parts").fetchall()}
    _delete(path)
    return set()


def _delete(path: Path) -> None:
    """Deletes a database, and what a killed program had not yet written into it."""
    for name in (path.name, f"{path.name}.wal"):
        path.with_name(name).unlink(missing_ok=True)


_BATCH = 1000
"""Parts whose entries are held at a time."""


def _take(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, parts: Sequence[str]) -> None:
    known = {part for (part,) in connection.execute("SELECT part FROM parts").fetchall()}
    new, first = [part for part in parts if part not in known], len(known)
    connection.execute("CREATE TEMP TABLE files (number INTEGER, bin VARCHAR, part VARCHAR, records BIGINT)")
    with progress("catalogued", total=len(new), unit="parts") as counter:
        for begin in range(0, len(new), _BATCH):
            entries = [catalogue.entry(part) for part in new[begin : begin + _BATCH]]
            for table, rows in _rows(entries, first + begin).items():
                _insert(connection, table, rows)
            counter.advance(len(entries))
    connection.execute(_SHOW)
    left = connection.execute("SELECT number FROM parts WHERE NOT shown AND number < ?", [first]).fetchall()
    for table in _HOLDING if left else _HOLDING[1:]:
        connection.execute(f"DELETE FROM {table} WHERE number IN (SELECT number FROM parts WHERE NOT shown)")
    connection.execute("DELETE FROM files WHERE number IN (SELECT number FROM parts WHERE NOT shown)")
    _take_variants(connection, catalogue)
    _take_findings(connection, catalogue)
    _count_sites(connection, 0 if left or connection.execute(_AGAIN, [first, first]).fetchall() else first)
    connection.execute("DROP TABLE files")


_SHOW = """
UPDATE parts SET shown = version = latest FROM (SELECT file AS f, kind AS k, max(version) AS latest FROM parts GROUP BY ALL)
    WHERE file = f AND kind = k
"""
_AGAIN = "SELECT sample FROM genomes WHERE number < ? INTERSECT SELECT sample FROM genomes WHERE number >= ?"


def _rows(entries: Sequence[Entry], first: int) -> dict[str, list[tuple[Any, ...]]]:
    """By table the rows of parts, which are numbered from `first`."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in ("parts", "genomes", "cases", "members", "phenotypes", "files")}
    for number, entry in enumerate(entries, first):
        file = entry["file"]
        rows["parts"].append((entry["part"], entry["kind"], f"{file['sample'] or ''}/{file['name']}", file["version"], number, True))
        if entry["kind"] == "variants":
            rows["genomes"].append((entry["sample"], entry["assembly"], file["digest"], number))
            rows["files"] += [(number, name, entry["part"], entry["records"] / len(entry["bins"])) for name in entry["bins"]]
            continue
        record = entry["record"]
        case, proband, evidence = record["case"], record["proband"], record["evidence"]
        told = (evidence["assembly"], evidence["name"], evidence["digest"], record["issued"], record["files"]["variants"])
        whole = (record["reference"], json.dumps(record), file["digest"], json.dumps(entry["ranked"]))
        rows["cases"].append((case, proband, *told, *whole, number))
        rows["members"] += [(m["sample"], case, m["sex"], m["affected"], m["sample"] == proband, number) for m in record["family"]]
        for key, excluded in (("phenotypes", False), ("excluded", True)):
            rows["phenotypes"] += [(case, proband, term, excluded, number) for term in record[key]]
        if entry["findings"]:
            rows["files"].append((number, None, entry["part"], 0))
    return rows


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        connection.register("rows", pa.table(columns, names=[str(i) for i in range(len(columns))]))
        connection.execute(f"INSERT INTO {table} FROM rows")
        connection.unregister("rows")


def _take_variants(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Much that is new is sorted in with the rest; little is sorted in itself and put behind it."""
    [(old, new)] = connection.execute("SELECT (SELECT count(*) FROM carried), (SELECT coalesce(sum(records), 0) FROM files)").fetchall()
    bins = {name for (name,) in connection.execute("SELECT DISTINCT bin FROM files WHERE bin IS NOT NULL").fetchall()}
    anew = new > old > 0
    if anew:
        places = connection.execute(f"SELECT DISTINCT contig, position >> {BIN_BITS} FROM carried").fetchall()
        bins |= {bin_name(contig, number) for contig, number in places}
        connection.execute("ALTER TABLE carried RENAME TO former; CREATE TABLE carried AS FROM former LIMIT 0")
    with progress("sorted", total=len(bins), unit="bins") as counter:
        for name, contig, number in sorted(((name, *place_of(name)) for name in bins), key=lambda one: one[1:]):
            with temporary_folder() as folder:
                sources = [_VARIANTS] if (paths := _listed(connection, catalogue, name, folder=folder)) else []
                sources += [_FORMER] if anew else []
                between = [contig, number << BIN_BITS, (number + 1) << BIN_BITS]
                values = ([paths] if paths else []) + (between if anew else [])
                connection.execute(f"INSERT INTO carried FROM ({' UNION ALL '.join(sources)}) ORDER BY position, ref, alt, number", values)
            counter.advance()
    if anew:
        connection.execute("DROP TABLE former")


def _take_findings(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    with temporary_folder() as folder:
        if paths := _listed(connection, catalogue, None, folder=folder):
            connection.execute(f"INSERT INTO findings {_READ}", [paths])


def _listed(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, name: str | None, *, folder: Path) -> list[str]:
    """The new Parquet files of a bin, or of findings; in the table `listed` the number of each."""
    found = connection.execute("SELECT number, part FROM files WHERE bin IS NOT DISTINCT FROM ? ORDER BY number", [name]).fetchall()
    connection.execute("CREATE OR REPLACE TEMP TABLE listed (file_index UBIGINT, number INTEGER)")
    _insert(connection, "listed", [(index, number) for index, (number, _) in enumerate(found)])
    return [str(catalogue.table(part, name, folder)) for _, part in found]


_READ = """SELECT * EXCLUDE (file_index) FROM (SELECT *, file_index FROM read_parquet(?, hive_partitioning = false))
    JOIN listed USING (file_index)"""
_VARIANTS = f"SELECT * EXCLUDE (sample) FROM ({_READ})"
_FORMER = "SELECT * FROM former WHERE contig = ? AND position >= ? AND position < ?"


def _count_sites(connection: duckdb.DuckDBPyConnection, first: int) -> None:
    """Adds what the genomes from number `first` on carry, each sample once."""
    connection.execute("CREATE TABLE former AS FROM sites" + (" LIMIT 0" if first == 0 else ""))
    connection.execute("DELETE FROM sites")
    connection.execute(_COUNT, [first, first])
    connection.execute("DROP TABLE former")


_COUNT = """
WITH twice AS (SELECT number, sample FROM genomes WHERE sample IN (SELECT sample FROM genomes GROUP BY sample HAVING count(*) > 1)),
    once AS (SELECT contig, position, ref, alt, alt_count FROM carried ANTI JOIN twice USING (number) WHERE number >= ?
        UNION ALL SELECT contig, position, ref, alt, max(alt_count) FROM carried JOIN twice USING (number) WHERE number >= ?
            GROUP BY contig, position, ref, alt, sample),
    counted AS (SELECT contig, position, ref, alt, count(*) AS carriers, count(*) FILTER (alt_count > 1) AS homozygotes,
        sum(alt_count) AS alleles FROM once GROUP BY contig, position, ref, alt UNION ALL FROM former)
INSERT INTO sites SELECT contig, position, ref, alt, sum(carriers), sum(homozygotes), sum(alleles) FROM counted
    GROUP BY contig, position, ref, alt ORDER BY contig, position, ref, alt
"""
