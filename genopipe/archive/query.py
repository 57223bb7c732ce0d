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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from genopipe import outputs
from genopipe.archive.catalogue import DATABASE, Catalogue
from genopipe.archive.database import bring_up_to_date, connected
from genopipe.errors import BadInput
from genopipe.outputs import temporary_folder
from genopipe.store import SEALED, Location, is_s3, open_store


@contextmanager
def cohort(location: Location) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database of an archive, up to date, for reading only.

    Raises BadInput for an archive without a catalogue, BadEnvironment where another program is writing the database.
    """
    files = open_store(location).files
    with temporary_folder() as folder:
        sealed = files.found(SEALED) is not None
        path = folder / "cohort.duckdb" if sealed else database_path(location)
        _refresh(path, Catalogue(files), location)
        connection = connected(path, read_only=True)
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


def case_records(location: Location) -> list[dict[str, Any]]:
    """The last record of every case, by case; none where the archive has no catalogue."""
    if not Catalogue(open_store(location).files).parts():
        return []
    with cohort(location) as connection:
        return [json.loads(record) for (record,) in connection.execute("SELECT record FROM cases ORDER BY case_id").fetchall()]


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
    outputs.make_folder(path.parent)
    bring_up_to_date(path, catalogue, parts)


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return repr(text if len(text) <= 80 else text[:77] + "...")
