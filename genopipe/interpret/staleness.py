"""Evidence that has grown too old to interpret with. A knowledge base of last year lacks many of today's genes and verdicts."""

from __future__ import annotations

from datetime import date

from genopipe.errors import BadInput
from genopipe.interpret.evidence import EvidenceSet


def check_age(evidence: EvidenceSet, *, days: int, on: date) -> None:
    """Raises BadInput naming every data set that is more than `days` older than the day `on`."""
    ages = {dataset.name: (on - date.fromisoformat(dataset.date)).days for dataset in evidence.datasets}
    stale = [f"{name} is {age:,} days old" for name, age in sorted(ages.items()) if age > days]
    if stale:
        raise BadInput(
            f"stale evidence in {evidence.name}: {', '.join(stale)}",
            wanted=f"data sets of at most {days:,} days",
            do="Add newer releases and lock a new set, or allow more with --max-age.",
            path=evidence.store.root / evidence.name,
        )
