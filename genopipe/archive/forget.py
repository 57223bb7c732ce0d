"""A sample is forgotten: its files go, and every object that nothing else needs, its reads first of all.

Nothing goes while a hold stands: a legal hold, a retention rule until a date, or a signed report that rests on the sample. A forgetting is
written down first (`forgetting/`), so that one that was killed is finished by the next `forget` or `gc`; what stays is a tombstone
(`tombstones/`) with digests and the reason, and a line in the audit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from genopipe.archive.audit import instant, record
from genopipe.archive.collection import Collecting, collecting
from genopipe.archive.manifests import Manifest, canonical
from genopipe.archive.opened import Archive
from genopipe.errors import BadInput

_HOLDS, _PENDING, _TOMBSTONES = "holds/", "forgetting/", "tombstones/"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a sample must stay: `until` a date (2036-01-01), or None until it is released; `report` is the digest of a signed report."""

    id: str
    sample: str
    reason: str
    until: str | None
    report: str | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went, how many objects other files still need, and the names of files that still hold data of the sample."""

    files: int
    objects: int
    shared: int
    elsewhere: tuple[str, ...] = ()


def hold(archive: Archive, sample: str, *, reason: str, until: date | None = None, report: str | None = None) -> Hold:
    """Forbids to forget a sample; `report` names an archived file. Raises BadInput for an unknown sample or report."""
    _files_of(archive, sample)
    signed = archive.find(report).digest if report else None
    if until is not None and until <= date.today():
        raise BadInput(f"{until.isoformat()} is not in the future", wanted="a day on which the hold ends", do="Mend --until.")
    document = {"hold": 1, "sample": sample, "reason": reason, "until": until.isoformat() if until else None, "report": signed}
    content = canonical(document)
    identifier = hashlib.sha256(content).hexdigest()[:12]
    with collecting(archive) as collection:
        archive.files.add(f"{_HOLDS}{identifier}.json", content)
        record(archive, "hold", collection.now, id=identifier, **{key: document[key] for key in ("sample", "reason", "until", "report")})
    return Hold(identifier, sample, reason, document["until"], signed)  # type: ignore[arg-type]


def release(archive: Archive, identifier: str, *, reason: str) -> Hold:
    """Ends a hold. Raises BadInput for an unknown one."""
    found = {each.id: each for each in holds(archive)}
    if identifier not in found:
        raise BadInput(
            f"there is no hold {identifier!r}", wanted="an id from `genopipe archive holds`", do="List the holds.", path=archive.root
        )
    with collecting(archive) as collection:
        record(archive, "release", collection.now, id=identifier, sample=found[identifier].sample, reason=reason)
        archive.files.delete(f"{_HOLDS}{identifier}.json")
    return found[identifier]


def holds(archive: Archive) -> Iterator[Hold]:
    """All holds."""
    for found in archive.files.listed(_HOLDS):
        document = archive.document(found.name)
        identifier = found.name.removeprefix(_HOLDS).removesuffix(".json")
        yield Hold(identifier, document["sample"], document["reason"], document["until"], document["report"])


def forget(archive: Archive, wanted: str, *, reason: str, only_file: bool = False) -> Forgotten:
    """Removes the files of a sample, or one file with all its versions. Raises BadInput where there is none, and while a hold stands."""
    with collecting(archive) as collection:
        finish_forgetting(collection)
        manifests = _versions_of(archive, wanted) if only_file else _files_of(archive, wanted)
        _check_holds(archive, manifests, instant(collection.now)[:10])
        document = {
            "tombstone": 1,
            "sample": manifests[0].sample,
            "name": manifests[0].name if only_file else None,
            "reason": reason,
            "at": instant(collection.now),
            "manifests": sorted(manifest.file for manifest in manifests),
            "files": sorted({manifest.digest for manifest in manifests}),
            "objects": sorted({entry["digest"] for manifest in manifests for entry in manifest.objects}),
        }
        content = canonical(document)
        archive.files.add(f"{_PENDING}{hashlib.sha256(content).hexdigest()}.json", content)
        return finish_forgetting(collection)


def finish_forgetting(collection: Collecting) -> Forgotten:
    """Carries out what is written down; what the last of it removed."""
    done = Forgotten(0, 0, 0)
    archive = collection.archive
    for found in list(archive.files.listed(_PENDING)):
        document = archive.document(found.name)
        for name in document["manifests"]:
            collection.delete_file(name)
        elsewhere = _uncatalogue(collection, document)
        doomed = collection.unneeded(document["objects"])
        for digest in doomed:
            collection.delete_object(digest)
        done = Forgotten(len(document["manifests"]), len(doomed), len(document["objects"]) - len(doomed), elsewhere)
        record(archive, "forget", collection.now, **{key: document[key] for key in ("sample", "name", "reason", "files")})
        archive.files.add(found.name.replace(_PENDING, _TOMBSTONES), canonical(document))
        archive.files.delete(found.name)
    return done


def delete_forgotten(collection: Collecting) -> None:
    """Removes objects of forgotten files that came back, as they were just being written anew when they were removed."""
    archive = collection.archive
    forgotten = {digest for found in archive.files.listed(_TOMBSTONES) for digest in archive.document(found.name)["objects"]}
    for digest in collection.unneeded(forgotten.intersection(archive.store.digests()) if forgotten else ()):
        collection.delete_object(digest)


def check_not_being_forgotten(archive: Archive, sample: str | None) -> None:
    """Raises BadInput for a sample whose forgetting was cut short: what is put now would go with it."""
    for found in archive.files.listed(_PENDING):
        if archive.document(found.name)["sample"] == sample:
            raise BadInput(
                f"sample {sample!r} is being forgotten",
                wanted="a sample that is not",
                do="Run `genopipe archive gc` to finish that, then put again.",
                path=archive.root,
            )


def _uncatalogue(collection: Collecting, document: dict[str, Any]) -> tuple[str, ...]:
    """Takes files, or a sample with its columns of other files, out of the catalogue; gives the names of those others."""
    from genopipe.archive.catalogue import Catalogue
    from genopipe.archive.query import database_path

    database_path(collection.archive.root).unlink(missing_ok=True)
    catalogue = Catalogue(collection.archive.files)
    catalogue.forget(set(document["files"]))
    elsewhere = set()
    for part in catalogue.parts() if document["name"] is None else ():
        entry = catalogue.entry(part)
        if document["sample"] in (entry.get("sample"), entry.get("record", {}).get("proband")):
            elsewhere |= _files_in(collection.archive, entry)
            catalogue.remove(part)
    return tuple(sorted(elsewhere))


def _files_in(archive: Archive, entry: dict[str, Any]) -> set[str]:
    """The names of the archived files of an entry: a VCF, or a case record with its VCF and findings."""
    digests = {entry["file"]["digest"], *entry.get("record", {}).get("files", {}).values()}
    return {manifest.name for digest in digests if digest for manifest in archive.ledger.manifests("digest = ?", digest)}


def _files_of(archive: Archive, sample: str) -> list[Manifest]:
    """Every manifest of a sample, also those that do not count. Raises BadInput where there is none."""
    archive.ledger.refresh()
    manifests = archive.ledger.every("sample = ?", sample) if sample else []
    if not manifests:
        raise BadInput(
            _unknown(archive, sample), wanted="a sample from `genopipe archive stat`", do="Check the name of the sample.", path=archive.root
        )
    return manifests


def _versions_of(archive: Archive, wanted: str) -> list[Manifest]:
    """Every manifest of a file's name. Raises BadInput where there is none."""
    found = archive.find(wanted)
    return archive.ledger.every("sample = ? AND name = ?", found.sample or "", found.name)


def _unknown(archive: Archive, sample: str) -> str:
    for found in archive.files.listed(_TOMBSTONES):
        document = archive.document(found.name)
        if document["sample"] == sample and document["name"] is None:
            return f"sample {sample!r} was forgotten on {document['at'][:10]} already"
    return f"there is no sample {sample!r} in the archive"


def _check_holds(archive: Archive, manifests: list[Manifest], today: str) -> None:
    samples, digests = {manifest.sample for manifest in manifests}, {manifest.digest for manifest in manifests}
    concerned = [each for each in holds(archive) if each.sample in samples or each.report in digests]
    standing = [each for each in concerned if each.until is None or each.until > today]
    if standing:
        each = standing[0]
        held = f"it is held until {each.until or 'it is released'}"
        kind = f"signed report {_report_name(archive, each.report)} rests on it" if each.report else held
        raise BadInput(
            f"sample {each.sample!r} must stay: {kind} ({each.reason})",
            wanted="a sample without holds",
            do=f"Have the hold released (`genopipe archive release {each.id}`), if whoever set it agrees.",
            path=archive.root,
        )


def _report_name(archive: Archive, digest: str) -> str:
    return next((manifest.name for manifest in archive.ledger.manifests("digest = ?", digest)), digest[:12])
