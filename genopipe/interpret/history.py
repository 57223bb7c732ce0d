"""When a variant was first among the findings of a case, and when what is known of it last changed: carried from one run to the next.

The findings.json of the run before is read; a variant is known again by its gene and its GA4GH identifier, or by its name where it has
none. Dates are those that the runs were issued with; without one they stay unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """The hits of an earlier run by gene and identifier, and when it was issued."""

    issued: str | None = None
    hits: Mapping[tuple[str, str], Told] = field(default_factory=dict)

    def dates(self, gene: str, hit: Told, issued: str | None) -> dict[str, Any]:
        """`first_seen`, `evidence_changed` and, where it changed since the run before, what it was as `evidence_before`."""
        before = self.hits.get((gene, _key(hit)))
        if before is None:
            return {"first_seen": issued, "evidence_changed": issued, "evidence_before": None}
        seen = before.get("first_seen") or self.issued
        if _evidence(before) == _evidence(hit):
            return {"first_seen": seen, "evidence_changed": before.get("evidence_changed") or seen, "evidence_before": None}
        return {"first_seen": seen, "evidence_changed": issued, "evidence_before": _evidence(before)}


def read_history(path: Path, case: str) -> History:
    """The history in a findings.json. Raises BadInput for another file, and for that of another case."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        hits = {(finding["gene"], _key(hit)): hit for finding in document["findings"] for hit in finding["hits"]}
        for hit in hits.values():
            _evidence(hit)
        of_case, issued = str(document["case"]), document.get("issued")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"no findings ({type(error).__name__})",
            wanted="findings.json of an earlier `genopipe interpret`",
            do="Give the file of the run before, or leave --previous out.",
            path=path,
        ) from error
    if of_case != case:
        raise BadInput(f"findings of the case {of_case}", wanted=f"those of {case}", do="Give the findings of this case.", path=path)
    return History(issued, hits)


def _key(hit: Told) -> str:
    return str(hit["id"] or hit["variant"])


def _evidence(hit: Told) -> dict[str, Any]:
    """What counts as evidence: ACMG class and criteria, and ClinVar's class and stars."""
    clinvar = hit["clinvar"]
    return {
        "class": hit["acmg"]["class"],
        "criteria": [criterion["code"] for criterion in hit["acmg"]["criteria"]],
        "clinvar": {key: clinvar[key] for key in ("significance", "stars")} if clinvar is not None else None,
    }
