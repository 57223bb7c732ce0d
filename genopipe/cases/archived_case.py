"""A case of the archive, to be ranked again as it was ranked then: with the same files, panels and options, and other evidence.

What it was ranked with stands in its findings.json, its files by their digests; the catalogue repeats that. A file that is not in the
archive is left out, and told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from genopipe.archive.get import write_file
from genopipe.archive.opened import Archive
from genopipe.cases.case_record import subject_of
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.findings import Request
from genopipe.model import Genome

WITHOUT = {
    "structural": "structural variants",
    "uncallable": "the regions that could not be called",
    "pgx": "star alleles and the drugs they forbid",
}
"""What is not looked at again where a file that the case was ranked with is not in the archive."""


@dataclass(frozen=True, slots=True)
class ArchivedCase:
    """A case and the digest of its record; the evidence set of then, and the one to compare with (None: not known, told by `fault`)."""

    name: str
    digest: str
    issued: str | None
    reference: str | None
    assembly: str | None
    evidence_digest: str | None
    old: EvidenceSet | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What is needed to rank a case again: its record, what it was ranked with, and by name its files, as they are in the archive."""

    record: Mapping[str, Any]
    ranked: Mapping[str, Any]
    digests: Mapping[str, str]
    missing: tuple[str, ...]


def open_case(connection: duckdb.DuckDBPyConnection, archive: Archive, name: str) -> Opened:
    """The case of that name. `connection` is the archive's database."""
    [told] = connection.execute("SELECT record, ranked FROM cases WHERE case_id = ?", [name]).fetchall()
    record, ranked = map(json.loads, told)
    inputs = {key: digest for key, digest in ranked["inputs"].items() if digest is not None and key in WITHOUT}
    there = {key: digest for key, digest in inputs.items() if archive.ledger.manifests("digest = ?", digest)}
    files = {key: digest for key, digest in record["files"].items() if digest is not None}
    return Opened(record, ranked, files | there, tuple(sorted(inputs.keys() - there.keys())))


@dataclass(frozen=True, slots=True)
class Restored:
    """The files of a case in a folder."""

    case: Opened
    archive: Archive
    folder: Path

    def file(self, name: str) -> Path | None:
        """A file by its name, None where the case has none. Raises BadInput where it cannot be restored."""
        digest = self.case.digests.get(name)
        if digest is None:
            return None
        manifest = next(iter(self.archive.ledger.manifests("digest = ?", digest)), None) or self.archive.find(digest)
        path = self.folder / name / manifest.name
        if not path.exists():
            write_file(self.archive, manifest, path)
        return path

    def request(self, evidence: EvidenceSet, genome: Genome | None, reference: Path | None) -> Request:
        """To rank it with that evidence."""
        subject, ranked = subject_of(self.case.record, self.folder), self.case.ranked
        return Request(
            subject,
            evidence,
            self.file("variants"),
            genome,
            reference,
            ranked["score"],
            self.file("uncallable"),
            self.file("structural"),
            self.file("pgx"),
            panels=tuple(ranked["panels"]),
            by_onset=ranked["by_onset"],
        )
