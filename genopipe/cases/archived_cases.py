"""The cases of an archive, and the evidence set that each is to be compared with: the one given, or that of its findings.

Sets of then are sought by their digest among the locked sets beside the new one. A case that cannot be looked at carries its fault.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path

import duckdb

from genopipe.archive.manifests import CASE_FILE
from genopipe.archive.opened import Archive
from genopipe.cases.archived_case import ArchivedCase
from genopipe.errors import BadInput
from genopipe.interpret.evidence import EvidenceSet, open_set


def archived_cases(
    connection: duckdb.DuckDBPyConnection, archive: Archive, evidence: EvidenceSet, *, since: EvidenceSet | None
) -> list[ArchivedCase]:
    """The last record of every case, by name, with `since` to compare with, else its own set; those that the catalogue lacks too.

    `connection` is the archive's database. Raises BadInput for an archive without cases, evidence on the assembly of none of them, and a
    set to compare with that is on another assembly or has newer data.
    """
    rows = connection.execute(_CASES).fetchall()
    records = archive.ledger.rows("SELECT DISTINCT name, digest FROM counting WHERE name GLOB ?", f"*{CASE_FILE}")
    absent = {name.removesuffix(CASE_FILE): digest for name, digest in records}
    if not records:
        raise BadInput(
            "there is no case in this archive",
            wanted="cases put with `genopipe archive put --case`",
            do="Put each case's VCF and findings again, with its case file.",
            path=archive.root,
        )
    known = {digest: open_set(path) for digest, path in _sets_beside(evidence).items() if digest in {row[5] for row in rows}}
    cases = []
    for name, digest, issued, reference, assembly, then, named, catalogued in rows:
        old, fault = (since, "") if since is not None else _own(known, named, then)
        if other := _elsewhere(evidence, assembly) or ("" if catalogued else f"its VCF {_UNCATALOGUED}"):
            old, fault = None, other
        cases.append(ArchivedCase(name, digest, issued, reference, assembly, then, old, fault))
    for name in absent.keys() - {case.name for case in cases}:
        cases.append(ArchivedCase(name, absent[name], None, None, None, None, None, f"its record {_UNCATALOGUED}"))
    cases.sort(key=attrgetter("name"))
    _check_evidence(cases, evidence)
    return cases


_UNCATALOGUED = (
    "is not in the catalogue, or an older version of it; make the catalogue with `genopipe archive catalogue`, or put the case again"
)
_CASES = """
SELECT case_id, record_digest, issued, reference, assembly, evidence_digest, evidence, vcf IN (SELECT vcf FROM genomes)
    FROM cases ORDER BY case_id
"""


def _own(known: Mapping[str, EvidenceSet], name: str | None, digest: str | None) -> tuple[EvidenceSet | None, str]:
    """The evidence set of a case's findings, or why there is none."""
    if digest in known:
        return known[str(digest)], ""
    came = f"its evidence set {name} is not beside the new one" if digest else "it was archived without findings"
    return None, f"{came}; give the set to compare with as --since"


def _sets_beside(evidence: EvidenceSet) -> dict[str, Path]:
    """By digest, the locked sets in the folder of an evidence set."""
    found = {}
    for path in sorted(evidence.store.root.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            try:
                found[json.loads(path.read_bytes())["digest"]] = path
            except (ValueError, KeyError, TypeError):
                continue
    return found


def _check_evidence(cases: Sequence[ArchivedCase], new: EvidenceSet) -> None:
    for old in {case.old.digest: case.old for case in cases if case.old is not None}.values():
        _check_order(old, new)
    if all(_elsewhere(new, case.assembly) for case in cases):
        raise BadInput(
            f"case {cases[0].name} is on {cases[0].assembly}, the evidence set {new.name} is on {new.assembly}",
            wanted="evidence on the assembly of the archived cases",
            do="Use an evidence set for this assembly.",
            path=new.store.root / new.name,
        )


def _elsewhere(new: EvidenceSet, assembly: str | None) -> str:
    """That the evidence is not on the assembly of a case; empty where it may be."""
    if None in (assembly, new.assembly) or assembly == new.assembly:
        return ""
    return f"it is on {assembly}, the evidence set {new.name} is on {new.assembly}"


def _check_order(old: EvidenceSet, new: EvidenceSet) -> None:
    """Raises BadInput for sets on different assemblies, and for an old one that has a newer release of something."""
    if None not in (old.assembly, new.assembly) and old.assembly != new.assembly:
        raise BadInput(
            f"the evidence set {old.name} is on {old.assembly}, {new.name} is on {new.assembly}",
            wanted="two sets on one assembly",
            do="Compare sets of one assembly.",
            path=old.store.root / old.name,
        )
    dates = {dataset.name: dataset.date for dataset in new.datasets}
    for dataset in old.datasets:
        if dataset.date > dates.get(dataset.name, dataset.date):
            raise BadInput(
                f"{dataset.name} is of {dataset.date} in {old.name} and of {dates[dataset.name]} in {new.name}",
                wanted="an old set that is not newer than the new one",
                do="Give the newer set as --evidence.",
                path=old.store.root / old.name,
            )
