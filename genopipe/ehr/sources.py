"""What is read beside the archive to make and check pointers: JSON files, and how many findings an interpretation has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput


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
