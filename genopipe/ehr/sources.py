"""What pointers are made from: the receipt of a case, checked against the store it speaks of, and the number of findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.formats.json_schema import fault
from genopipe.store import Location, open_store


def archived_files(receipt: Path, archive: Location) -> list[dict[str, Any]]:
    """The files of a receipt. Raises BadInput when it is none, or when an object it names is not in the archive."""
    document = read_json(receipt, "a receipt written by `genopipe archive put --receipt`")
    found = fault(document, "receipt")
    if found is not None:
        raise BadInput(
            f"this is no receipt: {found}",
            wanted="a receipt written by `genopipe archive put --receipt`",
            do="Archive the files again.",
            path=receipt,
        )
    store = open_store(archive)
    for file in document["files"]:
        for entry in file["objects"]:
            if not store.has(entry["digest"]):
                raise BadInput(
                    f"{file['name']} needs object {entry['digest'][:12]}, which is not in {archive}",
                    wanted="a receipt of this archive",
                    do="Give the archive the receipt was written for, or archive the files again.",
                    path=receipt,
                )
    files: list[dict[str, Any]] = document["files"]
    return files


def number_of_findings(findings: Path) -> int:
    """How many findings an interpretation has. Raises BadInput for another file."""
    document = read_json(findings, "findings.json of `genopipe interpret`")
    listed = document.get("findings") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise BadInput(
            "there is no list of findings", wanted="findings.json of `genopipe interpret`", do="Check --findings.", path=findings
        )
    return len(listed)


def read_json(path: Path, wanted: str) -> Any:
    """What a JSON file holds. Raises BadInput for a file that is none."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"this cannot be read as JSON ({error})", wanted=wanted, do="Write it again.", path=path) from error
