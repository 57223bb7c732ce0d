"""Ready-made questions to the catalogue, each one SELECT: who carries a variant, how often a cohort has it, who shows a term.

Every person counts once, however many archived VCFs have the sample. A variant is written CHROM-POS-REF-ALT, the position from 1, in the
spelling of the catalogue: trimmed and, where it was made with a reference, left-aligned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from genopipe.archive.query import cohort
from genopipe.errors import BadInput
from genopipe.store import Location

Place = tuple[str, int, str, str]
"""Contig key, position from 0, REF, ALT."""
Table = tuple[list[str], list[tuple[Any, ...]]]
"""Names of the columns, and the rows."""

_TERM = re.compile(r"HP:\d{7}")
_AT = "contig = ? AND position = ? AND ref = ? AND alt = ?"
_CARRIERS = f"""
SELECT v.sample, any_value(m.case_id) AS case_id, max(v.alt_count) AS alt_count, max(v.ploidy) AS ploidy, max(v.depth) AS depth,
    max(v.alt_depth) AS alt_depth, max(v.genotype_quality) AS genotype_quality, bool_or(v.passed) AS passed,
    bool_or(coalesce(m.proband, false)) AS proband, bool_or(m.affected) AS affected
FROM (SELECT * FROM variants WHERE {_AT}) v LEFT JOIN members m USING (sample) GROUP BY v.sample ORDER BY v.sample
"""
_COHORTS = f"""
WITH people AS (SELECT DISTINCT sample, cohort FROM ({{cohorts}}) WHERE sample IN (SELECT sample FROM genomes)),
    carried AS (SELECT sample, max(alt_count) AS alt_count FROM variants WHERE {_AT} GROUP BY sample)
SELECT cohort, count(*) AS samples, count(alt_count) AS carriers, count(*) FILTER (alt_count > 1) AS homozygotes,
    coalesce(sum(alt_count), 0)::INTEGER AS alleles FROM people LEFT JOIN carried USING (sample) GROUP BY cohort ORDER BY cohort
"""
_BY_STATE = """
SELECT g.sample, CASE WHEN bool_or(m.affected) THEN 'affected' WHEN bool_and(NOT m.affected) THEN 'unaffected' ELSE 'unknown' END AS cohort
FROM genomes g LEFT JOIN members m USING (sample) GROUP BY g.sample
"""
_SHOWN = """
SELECT DISTINCT p.sample, p.case_id, p.term FROM phenotypes p WHERE NOT excluded AND term IN (SELECT unnest(?)) ORDER BY ALL
"""


def carriers(location: Location, place: Place) -> Table:
    """The people who carry a variant, and how it was called in them."""
    with cohort(location) as connection:
        return _asked(connection, _CARRIERS, list(place))


def allele_counts(location: Location, place: Place, cohorts: Mapping[str, str] | None = None) -> Table:
    """In each cohort the people, the carriers, the homozygotes and the copies of a variant.

    `cohorts` gives the cohort of each sample; without it they are the affected, the unaffected and those of unknown state. Who has no call
    there counts as somebody without the variant: how many alleles were looked at is not known of a VCF.
    """
    with cohort(location) as connection:
        if cohorts is None:
            return _asked(connection, _COHORTS.format(cohorts=_BY_STATE), list(place))
        given = "SELECT unnest(?) AS sample, unnest(?) AS cohort"
        return _asked(connection, _COHORTS.format(cohorts=given), [list(cohorts), list(cohorts.values()), *place])


def samples_with(location: Location, terms: list[str]) -> Table:
    """The probands who show one of the HPO terms. Raises BadInput for what is no HPO id."""
    for term in terms:
        if not _TERM.fullmatch(term):
            raise BadInput(f"{term!r}", wanted="an HPO id such as HP:0001250", do="Correct the term.", key="TERM")
    with cohort(location) as connection:
        return _asked(connection, _SHOWN, [terms])


def _asked(connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any]) -> Table:
    result = connection.execute(sql, values)
    return [column[0] for column in result.description], result.fetchall()


def tab_separated(table: tuple[list[str], Iterator[tuple[Any, ...]] | list[tuple[Any, ...]]]) -> Iterator[str]:
    """The lines of a table with tabs; nothing for NULL, true and false for booleans."""
    names, rows = table
    yield "\t".join(names)
    for row in rows:
        yield "\t".join("" if value is None else str(value).lower() if isinstance(value, bool) else str(value) for value in row)
