"""Computed identifiers of variants: the same allele has the same id in every case, run and laboratory.

An allele is first made independent of how a file spells it: trimmed, then widened over the whole stretch in which its insertion or deletion
could as well stand. Its id is a digest of that place on the sequence (by the sequence's own digest, so that no assembly needs a name) and
of what is there instead.

Source: GA4GH Variation Representation Specification 2.0, Normalization (Allele) and Computed Identifiers; the truncated digest of Hart and
Prlic, PLOS One 2020.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from genopipe.interpret.normalise import Fetch

_STEP = 100


def allele_id(refget: str, position: int, ref: str, alt: str, *, fetch: Fetch, length: int) -> str:
    """`ga4gh:VA.` and the digest of the allele that has `alt` for `ref` at `position` (0-based).

    `refget` is the sequence's digest with `SQ.`, `fetch` gives its bases, `length` is how many it has.
    """
    start, end, state = normalised(position, ref, alt, fetch=fetch, length=length)
    reference = {"type": "SequenceReference", "refgetAccession": refget}
    location = _digest({"type": "SequenceLocation", "sequenceReference": reference, "start": start, "end": end})
    return "ga4gh:VA." + _digest({"type": "Allele", "location": location, "state": state})


def _digest(document: Mapping[str, Any]) -> str:
    """sha512t24u of the canonical JSON (RFC 8785; all keys and values here are plain ASCII)."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()[:24]).decode()


def normalised(position: int, ref: str, alt: str, *, fetch: Fetch, length: int) -> tuple[int, int, dict[str, Any]]:
    """Start and end (0-based, half-open) of the fully justified allele, and its state with the properties that are digested."""
    start, ref, alt = _trimmed(position, ref, alt)
    if ref and alt:
        return start, start + len(ref), _literal(alt)
    seed = ref or alt
    left = _roll_left(start, seed, fetch)
    right = _roll_right(start + len(ref), seed, fetch, length)
    before, after = fetch(start - left, start), fetch(start + len(ref), start + len(ref) + right)
    justified_ref, justified_alt = before + ref + after, before + alt + after
    first, last = start - left, start + len(ref) + right
    if ref:
        return first, last, _by_length(len(justified_alt), len(seed))
    unit = _repeat_unit(justified_ref, justified_alt, len(seed))
    return first, last, _by_length(len(justified_alt), unit) if unit else _literal(justified_alt)


def _trimmed(start: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The change without what both alleles share, first at the end, then at the beginning; one of them may become empty."""
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        start, ref, alt = start + 1, ref[1:], alt[1:]
    return start, ref, alt


def _literal(sequence: str) -> dict[str, Any]:
    return {"type": "LiteralSequenceExpression", "sequence": sequence}


def _by_length(length: int, unit: int) -> dict[str, Any]:
    return {"type": "ReferenceLengthExpression", "length": length, "repeatSubunitLength": unit}


def _roll_left(start: int, seed: str, fetch: Fetch) -> int:
    """How many bases before `start` continue the repeated `seed` to the left."""
    rolled = 0
    while rolled < start:
        block = fetch(max(start - rolled - _STEP, 0), start - rolled)
        for base in reversed(block):
            if base != seed[-1 - rolled % len(seed)]:
                return rolled
            rolled += 1
    return rolled


def _roll_right(end: int, seed: str, fetch: Fetch, length: int) -> int:
    """How many bases from `end` on continue the repeated `seed` to the right."""
    rolled = 0
    while end + rolled < length:
        for base in fetch(end + rolled, min(end + rolled + _STEP, length)):
            if base != seed[rolled % len(seed)]:
                return rolled
            rolled += 1
    return rolled


def _repeat_unit(ref: str, alt: str, seed: int) -> int:
    """The largest factor of `seed` that fits into `ref` and by which `alt` repeats; 0 where there is none."""
    factors = (unit for unit in range(min(seed, len(ref)), 0, -1) if seed % unit == 0)
    return next((unit for unit in factors if alt[unit:] == alt[:-unit]), 0)
