"""What changed between two rankings of a case: findings that are new, stronger, weaker or withdrawn, each with its reasons.

Only candidates are told, as a clinician sees nothing else. A finding goes up or down when evidence about it changed: a class in ClinVar,
ACMG points, the mode of inheritance, the tier by panels, or its score by at least `LEAST_STEP`; not when others pass it in rank. The
`fingerprint` of a change stands for the evidence behind it, so that what a reviewer has dismissed stays dismissed until its evidence
changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from genopipe.archive.manifests import canonical

LEAST_STEP = 0.05
"""What a term of the ontology tells shifts a little with every release; smaller steps of a score are no news."""

Finding = Mapping[str, Any]
"""One of the `findings` of a findings.json."""


def compared(old: Mapping[str, Any], new: Mapping[str, Any], *, structural: bool) -> list[dict[str, Any]]:
    """The changes from one findings.json to another of the same case, by gene; `structural`: with findings of structural variants."""
    before, after = ({f["gene"]: f for f in document["findings"] if structural or not _structural(f)} for document in (old, new))
    was, now = ({gene for gene, finding in ranked.items() if finding["candidate"]} for ranked in (before, after))
    return [change for gene in sorted(was | now) if (change := _change(before.get(gene), after.get(gene), gene in was, gene in now))]


def _structural(finding: Finding) -> bool:
    """True where a structural variant takes part."""
    return any(symbol in (finding["variants"] or "") for symbol in "<[]")


def _change(before: Finding | None, after: Finding | None, was: bool, now: bool) -> dict[str, Any] | None:
    kind = "new" if not was else "withdrawn" if not now else _direction(before, after)
    if kind is None:
        return None
    standing = after or before
    assert standing is not None
    return {
        "change": kind,
        "gene": standing["gene"],
        "fingerprint": fingerprint(kind, standing),
        "why": list(_reasons(before, after)),
        "before": _told(before),
        "after": _told(after),
    }


def fingerprint(kind: str, finding: Finding) -> str:
    """16 hex digits that stand for the evidence behind a change; the same while variants, mode, classes and criteria are."""
    hits = [[hit["variant"], _clinvar(hit), hit["acmg"]["class"], _codes(hit)] for hit in finding["hits"]]
    about = {"withdrawn": kind == "withdrawn", "gene": finding["gene"], "mode": finding["mode"], "tier": finding.get("tier"), "hits": hits}
    return hashlib.sha256(canonical(about)).hexdigest()[:16]


def _direction(before: Finding | None, after: Finding | None) -> str | None:
    assert before is not None and after is not None
    step = after["score"] - before["score"]
    if abs(step) >= LEAST_STEP:
        return "up" if step > 0 else "down"
    if None in (before.get("tier"), after.get("tier")):  # a first panel is no news about a finding
        before, after = ({**finding, "tier": None} for finding in (before, after))
    if fingerprint("up", before) == fingerprint("up", after):
        return None
    weights = zip(_weights(before), _weights(after), strict=True)
    return next(("up" if new > old else "down" for old, new in weights if new != old), "up" if step >= 0 else "down")


def _weights(finding: Finding) -> tuple[int, int, int]:
    """ACMG points, and what ClinVar's classes weigh, of all variants together; and what the tier weighs."""
    points = sum(hit["acmg"]["points"] for hit in finding["hits"])
    known = sum(_CLASS.get(hit["clinvar"]["significance"], 0) for hit in finding["hits"] if hit["clinvar"])
    return points, known, _TIER.get(finding.get("tier") or "", 0)


_TIER = {"1": 3, "A": 3, "2": 2, "3": 1}
_CLASS = {"pathogenic": 2, "likely_pathogenic": 1, "likely_benign": -1, "benign": -2}


def _told(finding: Finding | None) -> dict[str, Any] | None:
    """What a change keeps of a finding."""
    if finding is None:
        return None
    kept = ("rank", "score", "phenotype_score", "variant_score", "mode", "variants", "hgvs_c", "hgvs_p", "acmg")
    return {key: finding[key] for key in kept}


def _reasons(before: Finding | None, after: Finding | None) -> Iterator[str]:
    """What is different, in sentences."""
    old, new = ({hit["variant"]: hit for hit in finding["hits"]} if finding else {} for finding in (before, after))
    for name in sorted(old.keys() | new.keys()):
        yield from _hit_reasons(name, old.get(name), new.get(name))
    if before is None or after is None:
        yield "The gene had no finding before." if before is None else "The gene has no finding any more."
        return
    if before["mode"] != after["mode"]:
        yield f"Mode of inheritance: {before['mode'] or 'none'}, now {after['mode'] or 'none'}."
    if before.get("tier") != after.get("tier"):
        yield f"Tier: {before.get('tier') or 'none'}, now {after.get('tier') or 'none'}."
    for key, what in (("phenotype_score", "Fit of the phenotype"), ("variant_score", "Variant score"), ("score", "Score")):
        if abs((after[key] or 0) - (before[key] or 0)) >= LEAST_STEP:
            yield f"{what}: {before[key] or 0:.2f}, now {after[key] or 0:.2f}."
    for disease in sorted(set(after.get("diseases", ())) - set(before.get("diseases", ()))):
        yield f"{disease} is known of {after['gene']} now."


def _hit_reasons(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        yield f"{name} {'counts now' if before is None else 'does not count any more'}."
    then, now = (_clinvar(hit) if hit is not None else None for hit in (before, after))
    if then != now and (before is not None or now is not None):
        yield f"{name} in ClinVar: {then or 'unknown'}, now {now or 'unknown'}."
    if before is not None and after is not None and before["acmg"]["points"] != after["acmg"]["points"]:
        gained = [f"+{code}" for code in _codes(after) if code not in _codes(before)]
        steps = gained + [f"-{code}" for code in _codes(before) if code not in _codes(after)]
        classes = [f"{hit['acmg']['class']} ({hit['acmg']['points']} points)" for hit in (before, after)]
        yield f"{name} by ACMG: {classes[0]}, now {classes[1]}{': ' + ' '.join(steps) if steps else ''}."


def _codes(hit: Mapping[str, Any]) -> list[str]:
    return sorted(criterion["code"] for criterion in hit["acmg"]["criteria"])


def _clinvar(hit: Mapping[str, Any]) -> str | None:
    known = hit["clinvar"]
    return f"{known['significance'].replace('_', ' ')}, {known['stars']} stars" if known else None
