"""Which archived files the pointers of a health record stand for, and which file one stands for.

A file is looked for by its digest: how it is kept may have changed since the receipt was written (`archive repack`, `archive migrate`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.receipts import read_receipt
from genopipe.ehr.identifiers import record_id
from genopipe.errors import BadInput
from genopipe.store import Location

_ID = re.compile(r"(?:drs://[^/]+/|urn:uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)


def files_of(receipt: Path, root: Location) -> list[dict[str, Any]]:
    """The files of a receipt. Raises BadInput when it is none, or when one of them is not whole in the archive."""
    files: list[dict[str, Any]] = read_receipt(receipt)["files"]
    archive = Archive.existing(root)
    archive.ledger.refresh()
    for file in files:
        if not any(_has_objects(archive, manifest) for manifest in archive.ledger.manifests("digest = ?", file["digest"])):
            raise BadInput(
                f"{file['name']} ({file['digest'][:12]}) is not in {root}, or not as a whole",
                wanted="a receipt of this archive",
                do="Give the archive the receipt was written for, or archive the file again.",
                path=receipt,
            )
    return files


def pointed_at(identifier: str, root: Location, *, site_key: bytes) -> list[Manifest]:
    """The archived files that a pointer with this id, DRS address or URN stands for: the same bytes, under one name or several.

    Raises BadInput where there is none.
    """
    match = _ID.fullmatch(identifier)
    manifests = Archive.existing(root).manifests() if match else []
    found = [manifest for manifest in manifests if match and record_id(site_key, manifest.digest) == match[1].lower()]
    if not found:
        raise BadInput(
            f"{identifier!r} is the id of no archived file",
            wanted="a UUID, drs://HOST/UUID or urn:uuid:UUID of a DocumentReference that was made with this site key",
            do="Check the id, --archive and the site key; the file may have been forgotten.",
            key="ID",
        )
    return found


def _has_objects(archive: Archive, manifest: Manifest) -> bool:
    return all(archive.store.has(entry["digest"]) for entry in manifest.objects)
