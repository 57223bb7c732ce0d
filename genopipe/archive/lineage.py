"""Where an archived file comes from, and what came of it: the steps that case records tell, followed both ways.

A digest may be that of a file or of an object; of an object, the files that need it are told. What no record mentions has no lineage: it
was put without `--case`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.query import case_records
from genopipe.errors import BadInput
from genopipe.store import Location

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The files asked for, all files by digest, and the case records that mention one of those asked for."""

    asked: tuple[Manifest, ...]
    file: Mapping[str, Manifest]
    records: tuple[Record, ...]


def lineage_of(location: Location, wanted: str) -> Lineage:
    """The lineage of NAME, SAMPLE/NAME, or the digest of a file or an object. Raises BadInput for what is not archived."""
    archive = Archive.existing(location)
    manifests = archive.manifests()
    asked = _needing(wanted.lower(), manifests) or (archive.find(wanted),)
    digests = {manifest.digest for manifest in asked}
    mention = tuple(record for record in case_records(location) if digests & _mentioned(record))
    return Lineage(asked, {manifest.digest: manifest for manifest in manifests}, mention)


def _needing(wanted: str, manifests: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """The files that need an object."""
    if len(wanted) < 8:
        return ()
    return tuple(manifest for manifest in manifests if any(entry["digest"].startswith(wanted) for entry in manifest.objects))


def _mentioned(record: Record) -> set[str]:
    files = {digest for digest in record["files"].values() if digest is not None}
    return files.union(*(step[key] for step in record["steps"] for key in ("inputs", "outputs")))


def lineage_text(lineage: Lineage) -> Iterator[str]:
    """The lineage for people to read: each file, what it was made from, and what was made from it, step by step."""
    for manifest in lineage.asked:
        yield f"{_name(lineage, manifest.digest)}  {manifest.digest}  version {manifest.version}, kept as {manifest.content['kind']}"
        for record in lineage.records:
            if manifest.digest in _mentioned(record):
                yield f"  case {record['case']}, genopipe {record['genopipe']}, issued {record['issued'] or 'without a date'}"
                name, digest = (record["evidence"][key] or "none" for key in ("name", "digest"))
                yield f"  reference {record['reference'] or 'none'}, evidence {name}, its digest {digest}"
                yield from _told(lineage, record, manifest.digest, "outputs", "inputs", "made from")
                yield from _told(lineage, record, manifest.digest, "inputs", "outputs", "made into")
    if not lineage.records:
        yield "  no case record mentions it: put it with its case (`genopipe archive put --case`) to have its lineage kept"


def _told(lineage: Lineage, record: Record, digest: str, here: str, there: str, word: str) -> Iterator[str]:
    """The steps from a file on in one direction, the nearest first."""
    reached, level = {digest}, {digest}
    while level:
        following: set[str] = set()
        for step in record["steps"]:
            if level & set(step[here]):
                yield f"  {word} ({step['step']}): {', '.join(sorted(_name(lineage, other) for other in step[there]))}"
                following |= set(step[there])
        level = following - reached
        reached |= following


def _name(lineage: Lineage, digest: str) -> str:
    manifest = lineage.file.get(digest)
    if manifest is None:
        return f"{digest[:12]} (not in the archive any more)"
    return f"{manifest.sample}/{manifest.name}" if manifest.sample else manifest.name


def check_recorded(lineage: Lineage) -> Record:
    """The last record that mentions the file. Raises BadInput where there is none, or one without a date."""
    if not lineage.records:
        raise BadInput(
            f"no case record mentions {lineage.asked[0].name}",
            wanted="a file that was put with its case",
            do="Put the case again with --case.",
        )
    record = lineage.records[-1]
    if record["issued"] is None:
        raise BadInput(
            f"the record of case {record['case']} has no date",
            wanted="findings with a date, as a crate has to have one",
            do="Interpret with --issued, and put the case again.",
        )
    return record
