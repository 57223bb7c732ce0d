"""Receipts: what was archived in one case, for whoever points to it. `schemas/receipt.schema.json` describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genopipe import outputs
from genopipe.archive.manifests import Manifest
from genopipe.errors import BadInput
from genopipe.formats.json_schema import fault

VERSION = 1


def write_receipt(path: Path, manifests: Iterable[Manifest], merged: Iterable[Path] = ()) -> None:
    """Writes what was archived, after the entries of other receipts; a file counts once. Raises BadInput for a bad receipt."""
    files = [entry for receipt in merged for entry in read_receipt(receipt)["files"]] + list(map(entry_of, manifests))
    unique = list({(entry["sample"] or "", entry["name"], entry["digest"]): entry for entry in files}.values())
    objects = {item["digest"]: item["size"] for entry in unique for item in entry["objects"] if item["role"] != "reference"}
    document = {
        "receipt": VERSION,
        "files": unique,
        "size": sum(entry["size"] for entry in unique),
        "stored_size": sum(objects.values()),
    }
    outputs.write_json(path, document)


def read_receipt(path: Path) -> dict[str, Any]:
    """A receipt, checked. Raises BadInput for something else."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _bad(path, f"this cannot be read as JSON ({error})") from error
    found = fault(document, "receipt")
    if found is not None:
        raise _bad(path, f"this is no receipt: {found}")
    checked: dict[str, Any] = document
    return checked


def entry_of(manifest: Manifest) -> dict[str, Any]:
    """What a receipt says of one archived file."""
    return {
        "name": manifest.name,
        "sample": manifest.sample,
        "version": manifest.version,
        "digest": manifest.digest,
        "size": manifest.size,
        "stored_size": manifest.stored_size,
        "exactness": manifest.exactness,
        "kind": manifest.content["kind"],
        "manifest": hashlib.sha256(manifest.encode()).hexdigest(),
        "objects": manifest.objects,
    }


def _bad(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted="a receipt written by `genopipe archive put --receipt`", do="Archive the files again.", path=path)
