"""One spelling for every small variant: one ALT a record, trimmed, and left-aligned where the sequence is known.

A variant is the same in a family's VCF and in an evidence table exactly when contig, position, REF and ALT are the same after this.
Contigs are compared by `contig_key`, so that `chr20`, `20` and `NC_000020.11` meet; whether they are the same sequence is for the assembly
of the evidence set and the check of REF alleles to say.

Source: Tan, Abecasis, Kang, Unified representation of genetic variants, Bioinformatics 2015.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from genopipe.errors import BadInput

Fetch = Callable[[int, int], str]
"""Gives the upper-case bases from start to end of the contig a variant is on."""

Place = tuple[str, int, str, str]
"""Contig key, position from 0, REF, ALT."""

_STEP = 100
_ACCESSION = re.compile(r"NC_0000(\d\d)\.\d+")
_ALLELE = re.compile(r"[ACGTN]+")


def contig_key(name: str) -> str:
    """The name contigs are compared by: without `chr`, MT for the mitochondrion, human RefSeq accessions by number."""
    accession = _ACCESSION.fullmatch(name)
    if accession:
        number = int(accession[1])
        return {23: "X", 24: "Y"}.get(number, str(number))
    if name.startswith("NC_012920"):
        return "MT"
    short = name[3:] if name.lower().startswith("chr") else name
    return "MT" if short in ("M", "MT") else short


def contig_order(key: str) -> tuple[int, str]:
    """Sorts keys of contigs as people do: 1 to 22, X, Y, MT, then others by name."""
    if key.isdecimal():
        return int(key), key
    return 1000 + ("X", "Y", "MT").index(key) if key in ("X", "Y", "MT") else 2000, key


def is_sequence(allele: str) -> bool:
    """False for `<DEL>`, `*`, breakends and other alleles that are no bases."""
    return _ALLELE.fullmatch(allele) is not None


def trim(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The variant without bases that both alleles share, one base kept in each: first from the end, then from the beginning."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    shared = 0
    while shared < min(len(ref), len(alt)) - 1 and ref[shared] == alt[shared]:
        shared += 1
    return position + shared, ref[shared:], alt[shared:]


def place_of(variant: str) -> Place:
    """Where CHROM-POS-REF-ALT is, trimmed. Raises BadInput for another spelling."""
    parts = variant.rsplit("-", 3)
    if len(parts) != 4 or not parts[1].isdecimal() or int(parts[1]) < 1:
        raise BadInput(f"{variant!r}", wanted="CHROM-POS-REF-ALT, such as 10-123256215-T-G", do="Correct the variant.", key="VARIANT")
    contig, position, ref, alt = parts[0], int(parts[1]) - 1, parts[2].upper(), parts[3].upper()
    if is_sequence(ref) and is_sequence(alt) and ref != alt:
        position, ref, alt = trim(position, ref, alt)
    return contig_key(contig), position, ref, alt


def left_align(position: int, ref: str, alt: str, *, fetch: Fetch) -> tuple[int, str, str]:
    """The trimmed variant moved to the left as far as the sequence repeats."""
    position, ref, alt = trim(position, ref, alt)
    if len(ref) == len(alt) or ref[0] != alt[0] or min(len(ref), len(alt)) > 1:
        return position, ref, alt
    longer = ref if len(ref) > len(alt) else alt
    changed = longer[1:]
    if changed[-1] != ref[0]:
        return position, ref, alt
    anchor, moved = ref[0], 0
    while moved < position:
        block = fetch(max(position - moved - _STEP + 1, 0), position - moved + 1)
        steps = 0
        while steps < len(block) and moved + steps < position and block[-1 - steps] == changed[-1]:
            changed = changed[-1] + changed[:-1]
            steps += 1
        moved += steps
        if steps < len(block):
            anchor = block[-1 - steps]
            break
    start = position - moved
    return (start, anchor + changed, anchor) if longer is ref else (start, anchor, anchor + changed)
