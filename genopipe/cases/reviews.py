"""What reviewers have dismissed: a table that keeps one line for each, and is only ever added to.

Columns: case, gene, fingerprint, issued, reason; a tab between. A dismissal holds for the evidence that its fingerprint stands for: when
that changes, the finding is told again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines
from genopipe.outputs import whole_file

COLUMNS = ("case", "gene", "fingerprint", "issued", "reason")
Reviews = Mapping[tuple[str, str, str], str]
"""By case, gene and fingerprint the reason."""


def read_reviews(path: Path) -> dict[tuple[str, str, str], str]:
    """The dismissals of a reviews file. Raises BadInput with the line of one that is none."""
    reviews = {}
    for line, text in read_lines(path):
        column = tuple(text.split("\t"))
        if line == 1 and column == COLUMNS:
            continue
        if line == 1 or len(column) != len(COLUMNS):
            wanted = f"the columns {', '.join(COLUMNS)}, with tabs between"
            raise BadInput(f"{len(column)} columns", wanted=wanted, do="Correct this line.", path=path, line=line)
        reviews[column[0], column[1], column[2]] = column[4]
    return reviews


def dismissed(cases: list[dict[str, Any]], reviews: Reviews) -> int:
    """Takes dismissed changes out of `cases`, and cases without any left; gives the number of changes taken."""
    taken = 0
    for case in cases:
        kept = [change for change in case["changes"] if (case["case"], change["gene"], change["fingerprint"]) not in reviews]
        taken += len(case["changes"]) - len(kept)
        case["changes"] = kept
    cases[:] = [case for case in cases if case["changes"]]
    return taken


def dismiss(reanalysis: Path, case: str, gene: str, *, reviews: Path, reason: str) -> None:
    """Adds the dismissal of one change told in a folder of `genopipe reanalyze` to a reviews file; nothing happens where it stands there.

    Raises BadInput for a folder without results, a change that was not told, and a reason that would break the table.
    """
    path = reanalysis / "reanalysis.json"
    if not path.is_file():
        raise BadInput("no reanalysis.json", wanted="a folder of `genopipe reanalyze`", do="Check -r.", path=reanalysis)
    document = json.loads(path.read_bytes())
    told = {(one["case"], change["gene"]): change["fingerprint"] for one in document["cases"] for change in one["changes"]}
    if (case, gene) not in told:
        genes = ", ".join(g for c, g in told if c == case)
        wanted = f"one of {genes}" if genes else "a case with changes"
        raise BadInput(f"no change of {gene} was told for {case}", wanted=wanted, do="Look it up in changes.tsv.", path=path)
    if any(not character.isprintable() for character in reason):
        raise BadInput(f"reason {reason!r}", wanted="one line without tabs", do="Write it shorter.", key="--reason")
    known = read_reviews(reviews) if reviews.exists() else {}
    if (case, gene, told[case, gene]) in known:
        return
    before = reviews.read_text() if reviews.exists() else "\t".join(COLUMNS) + "\n"
    with whole_file(reviews) as partial:
        partial.write_text(before + "\t".join((case, gene, told[case, gene], document["issued"] or "", reason)) + "\n")
