"""What named alleles do: function, activity and phenotype, as PharmCAT's phenotype tables give them.

A table lists for each diplotype the activity score and the phenotype. Genes whose table is not there get their alleles named and nothing
said of them. Where several diplotypes explain the genotypes alike, a phenotype is told only if it is the same for all.

Source: PharmCAT, Phenotyper; CPIC allele functionality and diplotype-phenotype tables.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.interpret.pgx.definitions import read_table

_NAME = re.compile(r"[A-Z0-9]+(_[A-Z0-9]+)?\.json")
_Key = frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Phenotype:
    """What one diplotype means. `label` is its spelling in the table; the others are None where the table has none."""

    label: str
    phenotype: str | None
    activity_score: str | None
    lookup_key: str | None = None


@dataclass(frozen=True, slots=True)
class PhenotypeTable:
    """One gene's table: function and activity by name, phenotypes by the names of the copies."""

    gene: str
    version: str
    function: Mapping[str, str]
    activity: Mapping[str, float]
    diplotype: Mapping[_Key, Phenotype]

    def look_up(self, names: tuple[str, ...]) -> Phenotype | None:
        """What the copies `names` mean together."""
        return self.diplotype.get(frozenset(Counter(names).items()))


def read_phenotypes(folder: Path) -> dict[str, PhenotypeTable]:
    """All phenotype tables in `folder` and below, by gene symbol. Raises BadInput for a damaged one and for two of one gene."""
    tables: dict[str, PhenotypeTable] = {}
    for path in sorted(folder.rglob("*.json")):
        if _NAME.fullmatch(path.name):
            table = _table(path)
            if table.gene in tables:
                raise BadInput(f"a second phenotype table of {table.gene}", wanted="one", do="Name the folder of one release.", path=path)
            tables[table.gene] = table
    return tables


def _table(path: Path) -> PhenotypeTable:
    table = read_table(path, ("gene", "haplotypes", "activityValues", "diplotypes", "version"))
    try:
        diplotypes = {
            frozenset(row["diplotypekey"].items()): Phenotype(
                row["diplotype"],
                _said(row["phenotype"]) or _said(row["generesult"]),
                _said(row["activityScore"]),
                _said(row.get("lookupkey")),
            )
            for row in table["diplotypes"]
        }
        activity = {name: float(value) for name, value in table["activityValues"].items() if re.fullmatch(r"[\d.]+", str(value))}
        return PhenotypeTable(table["gene"], table["version"], named_functions(table), activity, diplotypes)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"unlike a phenotype table ({error!r})", wanted="PharmCAT's form", do="Take it from a PharmCAT release.", path=path
        ) from error


def named_functions(table: Mapping[str, list[dict[str, str]]]) -> dict[str, str]:
    """What each named allele does, in the table's words."""
    return {row["name"]: row["functionValue"] for row in table.get("namedAlleles", ())}


def _said(value: str | None) -> str | None:
    return value.strip() or None if value is not None and value.strip().lower() != "n/a" else None
