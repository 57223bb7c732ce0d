"""Archived cases looked at again when knowledge changed: what is new, stronger, weaker or withdrawn, for whom.

1. Each case's evidence set of then (or the one given by `since`) is compared with the new one, and the cases that the change concerns are
   told by the reverse index of the archive (`affected`).
2. Only these are ranked again, from the files, the family and the phenotype in the archive, as they were ranked then (`archived_case`).
   Where the findings of then are those of another set than `since`, both rankings are made now.
3. The two rankings are compared (`changes`); what a reviewer has dismissed is left out while its evidence is the same (`reviews`).

Nothing is written to the archive. What a case came to is kept in `cases/CASE.json` as soon as it is known, and used again by a run that
finds the same inputs: a killed run goes on where it was, and a second run gives the same bytes. Nothing depends on the clock.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from genopipe import __version__
from genopipe.archive.opened import Archive
from genopipe.archive.query import cohort
from genopipe.cases.affected import Affected, Step, affected_cases
from genopipe.cases.archived_case import WITHOUT, ArchivedCase, Opened, Restored, open_case
from genopipe.cases.archived_cases import archived_cases
from genopipe.cases.archived_reference import archived_reference
from genopipe.cases.changes import compared
from genopipe.cases.narrowed import narrowed
from genopipe.cases.reanalysis_report import write_report
from genopipe.cases.reviews import Reviews, dismissed, read_reviews
from genopipe.errors import BadEnvironment, BadInput, GenopipeError
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import findings_document, write_results
from genopipe.model import Genome
from genopipe.outputs import PARTIAL, make_folder, no_locks, temporary_folder, write_json
from genopipe.progress import log, progress
from genopipe.store import Location

VERSION = 2
_REFERENCE = ".reference-"
NEVER = (
    "the reads: variants were not called again",
    "star alleles and the drugs they forbid: run `genopipe pgx` again",
    "what an interpretation does not look for, such as repeat expansions: see `not_looked_for` in its findings.json",
)
"""What a re-analysis never looks at."""

Concerned = Sequence[tuple[ArchivedCase, Opened]]


@dataclass(frozen=True, slots=True)
class Reanalysis:
    """What to look at again, and with what. `since` is the evidence set to compare with, in place of each case's own."""

    archive: Location
    evidence: EvidenceSet
    since: EvidenceSet | None
    folder: Path
    genome: Genome | None = None
    reference: Path | None = None
    reviews: Path | None = None
    issued: str | None = None


def reanalyze(asked: Reanalysis) -> dict[str, Any]:
    """Writes reanalysis.json, changes.tsv, report.html and cases/ to the folder; gives the content of reanalysis.json.

    Raises BadInput before anything is written for an archive without cases, evidence of another assembly, sets in the wrong order and a bad
    reviews file, BadEnvironment while another run writes to the folder; BadInput after everything is written when there are cases that
    could not be looked at.
    """
    reviews = read_reviews(asked.reviews) if asked.reviews is not None else {}
    archive = Archive.existing(asked.archive)
    archive.ledger.refresh()
    with temporary_folder() as tables:
        with cohort(asked.archive) as connection:
            cases = archived_cases(connection, archive, asked.evidence, since=asked.since)
            affected = _affected(connection, asked, cases)
            concerned = [(case, open_case(connection, archive, case.name)) for case in cases if case.name in affected]
            if fresh := [case.name for case, opened in concerned if _known(asked, case, opened, affected) is None]:
                asked = replace(asked, evidence=narrowed(connection, asked.evidence, fresh, tables))
        with _only_run(asked.folder):
            results, faults = _all_looked_at(asked, archive, concerned, affected)
            return _written(asked, cases, results, faults, reviews)


def _written(
    asked: Reanalysis, cases: Sequence[ArchivedCase], results: Sequence[Mapping[str, Any]], faults: dict[str, str], reviews: Reviews
) -> dict[str, Any]:
    faults |= {case.name: case.fault for case in cases if case.fault}
    document = _document(asked, cases, results, faults)
    document["dismissed"] = dismissed(document["cases"], reviews)
    write_json(asked.folder / "reanalysis.json", document)
    write_report(document, asked.folder)
    if faults:
        raise BadInput(
            f"{len(faults)} of {len(cases)} cases could not be looked at, first {min(faults)}: {faults[min(faults)]}",
            wanted="cases whose VCF, findings and evidence set of then are at hand",
            do="Mend what reanalysis.json tells under `faults`; the others are done.",
            path=asked.folder / "reanalysis.json",
        )
    return document


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    """The folder for results, this run's alone, without what a killed run left half-written."""
    lock = os.open(make_folder(folder / "cases"), os.O_RDONLY)
    try:
        _hold(lock, folder)
        for left in folder.rglob(f"{PARTIAL}*"):
            left.unlink()
        for left in folder.glob(f"{_REFERENCE}*"):
            shutil.rmtree(left)
        yield
    finally:
        os.close(lock)


def _hold(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        do = "Wait for it, or choose another folder."
        raise BadEnvironment("another re-analysis writes to this folder", wanted="one run at a time", do=do, path=folder) from error
    except OSError as error:
        raise no_locks(error, folder) from error


def _affected(connection: duckdb.DuckDBPyConnection, asked: Reanalysis, cases: Sequence[ArchivedCase]) -> Affected:
    """What concerns which case, one evidence set of then after the other."""
    found: Affected = {}
    groups: dict[str, list[ArchivedCase]] = {}
    for case in cases:
        if case.old is not None:
            groups.setdefault(case.old.digest, []).append(case)
    for group in groups.values():
        assert group[0].old is not None
        found |= affected_cases(connection, Step(group[0].old, asked.evidence), [case.name for case in group])
    log.info("%s of %s cases are concerned by what changed", f"{len(found):,}", f"{len(cases):,}")
    return found


def _all_looked_at(
    asked: Reanalysis, archive: Archive, concerned: Concerned, affected: Affected
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What the cases came to, and why some could not be looked at."""
    results, faults = [], {}
    with _with_reference(asked, concerned) as ready, progress("looked at again", total=len(concerned), unit="cases") as counter:
        for case, opened in concerned:
            try:
                results.append(_known(ready, case, opened, affected) or _looked_at(ready, archive, case, opened, affected))
            except GenopipeError as fault:
                faults[case.name] = str(fault)
            counter.advance()
    return results, faults


@contextmanager
def _with_reference(asked: Reanalysis, concerned: Concerned) -> Iterator[Reanalysis]:
    """With the reference of the cases from the archive, where none is given and all have the same."""
    names = {case.reference for case, _ in concerned}
    name = next(iter(names)) if len(names) == 1 else None
    if asked.genome is not None or name is None:
        yield asked
        return
    with temporary_folder(asked.folder, prefix=_REFERENCE) as folder:
        genome = archived_reference(asked.archive, name, folder)
        yield asked if genome is None else replace(asked, genome=genome, reference=folder)


def _known(asked: Reanalysis, case: ArchivedCase, opened: Opened, affected: Affected) -> dict[str, Any] | None:
    """What a case came to in an earlier run with the same inputs, if there was one."""
    try:
        known: dict[str, Any] = json.loads(_kept(asked, case).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return known if known.get("key") == _key(asked, case, opened, affected) else None


def _kept(asked: Reanalysis, case: ArchivedCase) -> Path:
    return asked.folder / "cases" / f"{case.name}.json"


def _key(asked: Reanalysis, case: ArchivedCase, opened: Opened, affected: Affected) -> str:
    """Stands for everything that a case's result comes from."""
    assert case.old is not None
    sets = [case.old.digest, asked.evidence.digest]
    about = [VERSION, __version__, case.digest, *sets, asked.issued, case.reference, sorted(affected[case.name]), opened.ranked]
    return hashlib.sha256(json.dumps([*about, opened.missing]).encode()).hexdigest()


def _looked_at(asked: Reanalysis, archive: Archive, case: ArchivedCase, opened: Opened, affected: Affected) -> dict[str, Any]:
    """What a case comes to, kept for runs after this."""
    with temporary_folder() as folder:
        changes = _changes(asked, case, Restored(opened, archive, folder))
    result = {
        "key": _key(asked, case, opened, affected),
        "case": case.name,
        "concerned_by": sorted(affected[case.name]),
        "changes": changes,
        "without": [WITHOUT[name] for name in opened.missing],
    }
    write_json(_kept(asked, case), result)
    return result


def _changes(asked: Reanalysis, case: ArchivedCase, restored: Restored) -> list[dict[str, Any]]:
    """The case ranked again, and compared; where something changed, the new ranking is written to `cases/CASE/`."""
    assert case.old is not None
    _check_reference(asked, case)
    previous = restored.file("findings") if case.evidence_digest == case.old.digest else None
    if previous is None:
        old = findings_document(interpret(restored.request(case.old, asked.genome, asked.reference)), None)
        previous = restored.folder / "findings.json"
        write_json(previous, old)
    else:
        old = json.loads(previous.read_bytes())
    new = interpret(restored.request(asked.evidence, asked.genome, asked.reference))
    changes = compared(old, findings_document(new, asked.issued), structural="structural" not in restored.case.missing)
    if changes:
        write_results(new, asked.folder / "cases" / case.name, issued=asked.issued, previous=previous)
    return changes


def _check_reference(asked: Reanalysis, case: ArchivedCase) -> None:
    then, now = case.reference, asked.genome.name if asked.genome is not None else None
    if then != now:
        raise BadInput(
            f"the case was archived with {f'the reference {then}' if then else 'no reference'}, given is {now or 'none'}",
            wanted="the same reference as then, so that only evidence differs",
            do="Give the reference of then with --reference." if then else "Leave --reference out.",
        )


def _document(
    asked: Reanalysis, cases: Sequence[ArchivedCase], results: Sequence[Mapping[str, Any]], faults: Mapping[str, str]
) -> dict[str, Any]:
    old = {case.name: case for case in cases}
    return {
        "reanalysis": VERSION,
        "genopipe": __version__,
        "issued": asked.issued,
        "evidence": _told_set(asked.evidence),
        "cases_archived": len(cases),
        "cases_looked_at": len(results),
        "cases": [_case_document(old[result["case"]], result) for result in results if result["changes"]],
        "without": {result["case"]: result["without"] for result in results if result["without"]},
        "not_looked_at": list(NEVER),
        "faults": dict(sorted(faults.items())),
    }


def _case_document(case: ArchivedCase, result: Mapping[str, Any]) -> dict[str, Any]:
    assert case.old is not None
    then = {"evidence": _told_set(case.old), "issued": case.issued}
    return {"case": case.name, "then": then, "concerned_by": result["concerned_by"], "changes": result["changes"]}


def _told_set(evidence: EvidenceSet) -> dict[str, Any]:
    """Name and digest of a set, and the date of its newest data."""
    date = max((dataset.date for dataset in evidence.datasets), default=None)
    return {"name": evidence.name, "digest": evidence.digest, "date": date}
