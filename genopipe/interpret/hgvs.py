"""HGVS names of small variants on a coding transcript: `c.` by position, `p.` by translating both alleles.

A name is given where the rules leave no doubt, else none: no name crosses the border of an exon, nor stands on a coding sequence that is
not whole. Insertions and deletions are moved to the 3' end of the transcript first; what repeats its neighbour is a duplication. Protein
changes are predictions and stand in parentheses.

Source: HGVS nomenclature 21.0, recommendations for DNA and protein (hgvs-nomenclature.org).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from genopipe.interpret.sequence import reverse_complement, translate
from genopipe.interpret.transcripts import Model

_THREE_LETTERS = dict(
    zip(
        "ACDEFGHIKLMNPQRSTVWY*",
        re.findall("...", "AlaCysAspGluPheGlyHisIleLysLeuMetAsnProGlnArgSerThrValTrpTyrTer"),
        strict=True,
    )
)
_MITOCHONDRIAL_STARTS = {"ATG", "ATA", "ATT", "ATC", "GTG"}


@dataclass(frozen=True, slots=True)
class Change:
    """Bases `start` to `end` of the contig (empty for an insertion before `start`) become `inserted`, all on the contig's strand."""

    start: int
    end: int
    inserted: str


def change_of(position: int, ref: str, alt: str) -> Change:
    """The change of a VCF record without shared bases."""
    if len(ref) == len(alt) == 1:
        return Change(position, position + 1, alt)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ref, alt, strict=False)))
    ref, alt, start = ref[shared:], alt[shared:], position + shared
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    return Change(start, start + len(ref), alt)


def shifted(change: Change, model: Model) -> Change:
    """An insertion or deletion moved to the 3' end of the transcript, as far as the sequence repeats; others as they are."""
    start, end, inserted = change.start, change.end, change.inserted
    if (start == end) == (not inserted):
        return change
    deleted = model.fetch(start, end)
    while True:
        after = model.fetch(end, end + 1) if model.forward else model.fetch(start - 1, start)
        if not after:
            break
        moving = inserted or deleted
        if after != (moving[0] if model.forward else moving[-1]):
            break
        moving = moving[1:] + moving[0] if model.forward else moving[-1] + moving[:-1]
        step = 1 if model.forward else -1
        start, end = start + step, end + step
        inserted, deleted = (moving, "") if inserted else ("", moving)
    return Change(start, end, inserted)


def coding_name(model: Model, change: Change) -> str | None:
    """The `c.` name, with the transcript before it; None where there is no certain one."""
    if not model.whole:
        return None
    moved = shifted(change, model)
    if len({model.region(at) for at in _span(model, change) + _span(model, moved)}) != 1 or model.region(moved.start) is None:
        return None
    described = _describe(model, moved)
    return f"{model.transcript.id}:c.{described}" if described else None


def _span(model: Model, change: Change) -> tuple[int, int]:
    """First and last base that a change touches; of an insertion the bases beside it."""
    if change.start == change.end:
        return change.start - 1, change.start
    return change.start, change.end - 1


def _describe(model: Model, change: Change) -> str | None:
    deleted, inserted = model.fetch(change.start, change.end), change.inserted
    if not model.forward:
        deleted, inserted = reverse_complement(deleted), reverse_complement(inserted)
    if len(deleted) == len(inserted) == 1:
        return f"{_place(model, change.start)}{deleted}>{inserted}"
    if not inserted:
        return f"{_places(model, change.start, change.end)}del"
    if not deleted:
        return _insertion(model, change, inserted)
    if len(deleted) > 1 and inserted == reverse_complement(deleted):
        return f"{_places(model, change.start, change.end)}inv"
    return f"{_places(model, change.start, change.end)}delins{inserted}"


def _insertion(model: Model, change: Change, inserted: str) -> str | None:
    length = len(inserted)
    copied = (change.start - length, change.start) if model.forward else (change.start, change.start + length)
    if model.fetch(*copied) == change.inserted:
        same_region = model.region(copied[0]) == model.region(copied[1] - 1) == model.region(change.start)
        return f"{_places(model, *copied)}dup" if same_region else None
    return f"{_places(model, change.start - 1, change.start + 1)}ins{inserted}"


def _places(model: Model, start: int, end: int) -> str:
    first, last = (start, end - 1) if model.forward else (end - 1, start)
    return _place(model, first) if first == last else f"{_place(model, first)}_{_place(model, last)}"


def _place(model: Model, position: int) -> str:
    """Where a base is: 5, -5, *5, 5+1 or 5-1."""
    offset, into_intron = model.offset(position)
    if offset < model.coding_start:
        place = f"-{model.coding_start - offset}"
    elif offset >= model.coding_end:
        place = f"*{offset - model.coding_end + 1}"
    else:
        place = f"{offset - model.coding_start + 1}"
    return f"{place}{into_intron:+d}" if into_intron else place


def protein_name(model: Model, change: Change, *, mitochondrial: bool = False) -> str | None:
    """The `p.` name, in parentheses; None for changes outside of a coding exon and wherever it is not certain."""
    offsets = _coding_offsets(model, change) if model.whole else None
    if offsets is None:
        return None
    inserted = change.inserted if model.forward else reverse_complement(change.inserted)
    before = model.sequence[model.coding_start :]
    first, last = (offset - model.coding_start for offset in offsets)
    after = before[:first] + inserted + before[last:]
    length = model.coding_end - model.coding_start
    old = translate(before[:length], mitochondrial=mitochondrial)
    new = translate(after, mitochondrial=mitochondrial)
    if not _sound(before, old, mitochondrial) or "X" in old + new.split("*")[0]:
        return None
    frameshift = (len(inserted) - (last - first)) % 3 != 0
    described = _protein_change(old, new, first // 3, frameshift=frameshift, within_codon=first // 3 == (last - 1) // 3)
    return f"p.({described})" if described else None


def _sound(coding: str, protein: str, mitochondrial: bool) -> bool:
    starts = _MITOCHONDRIAL_STARTS if mitochondrial else {"ATG"}
    return coding[:3] in starts and protein.endswith("*") and "*" not in protein[:-1]


def _coding_offsets(model: Model, change: Change) -> tuple[int, int] | None:
    """The changed bases as a span of transcript offsets, when they lie in one coding exon; an insertion needs coding bases beside it."""
    for start, end in model.transcript.coding:
        if start <= change.start and change.end <= end and (change.end > change.start or start < change.start < end):
            if change.start == change.end:
                offset = model.offset(change.start if model.forward else change.start - 1)[0]
                return offset, offset
            first, last = (change.start, change.end - 1) if model.forward else (change.end - 1, change.start)
            return model.offset(first)[0], model.offset(last)[0] + 1
    return None


def _protein_change(old: str, new: str, codon: int, *, frameshift: bool, within_codon: bool) -> str | None:
    """`old` ends with its stop; `new` is the reading frame to the end of the transcript."""
    stop = new.find("*")
    new = new if stop < 0 else new[: stop + 1]
    if new == old:
        return f"{_residue(old, codon)}=" if within_codon else None
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    if first == 0:
        return "Met1?"
    if first >= len(new):
        return None
    if new[first] == "*":
        return f"{_residue(old, first)}Ter"
    if first == len(old) - 1:
        tail = str(stop - first) if stop >= 0 else "?"
        return f"{_residue(old, first)}{_THREE_LETTERS[new[first]]}extTer{tail}"
    if frameshift:
        tail = str(stop - first + 1) if stop >= 0 else "?"
        return f"{_residue(old, first)}{_THREE_LETTERS[new[first]]}fsTer{tail}"
    return _inframe(old, new, first)


def _inframe(old: str, new: str, first: int) -> str | None:
    """A change that keeps the frame; from `first` on the proteins differ."""
    kept = 0
    while kept < min(len(old), len(new)) - first and old[-1 - kept] == new[-1 - kept]:
        kept += 1
    if kept == 0:
        return None
    lost, gained = old[first : len(old) - kept], new[first : len(new) - kept]
    if "*" in lost + gained:
        return None
    added = "".join(_THREE_LETTERS[letter] for letter in gained)
    if not lost:
        if old[first - len(gained) : first] == gained:
            return f"{_residues(old, first - len(gained), first)}dup"
        return f"{_residues(old, first - 1, first + 1)}ins{added}"
    if not gained:
        return f"{_residues(old, first, first + len(lost))}del"
    if len(lost) == len(gained) == 1:
        return f"{_residue(old, first)}{added}"
    return f"{_residues(old, first, first + len(lost))}delins{added}"


def _residue(protein: str, at: int) -> str:
    return f"{_THREE_LETTERS[protein[at]]}{at + 1}"


def _residues(protein: str, start: int, end: int) -> str:
    return _residue(protein, start) if end - start == 1 else f"{_residue(protein, start)}_{_residue(protein, end - 1)}"
