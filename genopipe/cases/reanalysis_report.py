"""What a re-analysis tells, for people: a table, and a page that opens anywhere and prints well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from genopipe.outputs import whole_file

COLUMNS = (
    "case",
    "change",
    "gene",
    "variants",
    "mode",
    "rank_before",
    "rank",
    "score_before",
    "score",
    "acmg_before",
    "acmg",
    "issued_before",
    "issued",
    "evidence_before",
    "evidence",
    "fingerprint",
    "why",
)
_ORDER = {"new": 0, "up": 1, "down": 2, "withdrawn": 3}


def write_report(document: Mapping[str, Any], folder: Path) -> None:
    """Writes changes.tsv and report.html. Raises BadEnvironment."""
    rows = list(_rows(document))
    with whole_file(folder / "changes.tsv") as partial:
        lines = ["\t".join(COLUMNS), *("\t".join(_text(row[column]) for column in COLUMNS) for row in rows)]
        partial.write_text("".join(line + "\n" for line in lines))
    template = resources.files("genopipe").joinpath("cases/reanalysis.html").read_text()
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(template)
    ordered = sorted(document["cases"], key=lambda case: (min(_ORDER[change["change"]] for change in case["changes"]), case["case"]))
    counts = {kind: sum(row["change"] == kind for row in rows) for kind in _ORDER}
    with whole_file(folder / "report.html") as partial:
        partial.write_text(page.render(document=document, cases=ordered, counts=counts))


def _rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for case in document["cases"]:
        for change in case["changes"]:
            before, after = change["before"] or {}, change["after"] or {}
            yield {
                "case": case["case"],
                "issued_before": case["then"]["issued"],
                "issued": document["issued"],
                "evidence_before": case["then"]["evidence"]["digest"],
                "evidence": document["evidence"]["digest"],
                "why": " ".join(change["why"]),
                "variants": after.get("variants") or before.get("variants"),
                "mode": after.get("mode") or before.get("mode"),
                **{f"{key}_before": before.get(key) for key in ("rank", "score", "acmg")},
                **{key: after.get(key) for key in ("rank", "score", "acmg")},
                **{key: change[key] for key in ("change", "gene", "fingerprint")},
            }


def _text(value: Any) -> str:
    return "" if value is None else str(value)
