"""What a variant that breaks a protein leaves of it, read from the changed transcript as a cell would read it.

A stop or a frameshift is read on to the new stop codon; a lost splice site skips the exon beside it; a deletion takes its exons away, a
duplication within the transcript gives it some twice. Where the new stop lies more than 50 bases before the last junction of the changed
transcript, it is broken down (nonsense-mediated decay); else a part of the protein is missing in what is made of it.

Source: Abou Tayoun et al., Human Mutation 2018, figure 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import takewhile

from genopipe.interpret.hgvs import Change
from genopipe.interpret.sequence import reverse_complement, translate
from genopipe.interpret.transcripts import Model

BEFORE_JUNCTION = 50
"""A stop codon in so many bases before the last junction, or behind it, leaves the transcript whole."""
SPLICE_SITE = 2
SPLICED = ("splice_donor_variant", "splice_acceptor_variant")


@dataclass(frozen=True, slots=True)
class Loss:
    """Whether the transcript is broken down; else the `share` of the protein that is missing, offsets `start` to `end`.

    `first_codon` says that the start codon is lost, and `start` to `end` what lies before the next one in frame.
    """

    decay: bool
    share: float
    start: int
    end: int
    first_codon: bool = False


def loss_of(model: Model, change: Change, terms: Collection[str], *, kind: str = "", mitochondrial: bool = False) -> Loss | None:
    """The loss by a small change, or by a structural one of a `kind` (DEL, DUP) of the bases that `change` covers.

    None where the sequence does not tell it, as of a deletion that takes the beginning of the gene.
    """
    edit = _structural_edit(model, change, kind) if kind else _edit(model, change, terms)
    if edit is None or not model.whole:
        return None
    before_stop = model.sequence[model.coding_start : model.coding_end - 3]
    if "*" in translate(before_stop, mitochondrial=mitochondrial):  # selenocysteine, or no sound gene model
        return None
    start, end, inserted = edit
    if "start_lost" in terms or (start < model.coding_start + 3 and model.coding_start < end):
        return None if kind else _later_start(model, max(end, model.coding_start + 3), mitochondrial)
    return _read(model, (start, end, inserted), mitochondrial)


def touches(model: Model, loss: Loss, positions: Iterable[int]) -> bool:
    """Whether one of some positions of the contig lies in the lost part; what lies outside of the transcript does not."""
    return any(loss.start <= model.offset(at)[0] < loss.end for at in positions if model.region(at) is not None)


def _edit(model: Model, change: Change, terms: Collection[str]) -> tuple[int, int, str] | None:
    """Bases of the transcript from one offset to another that become others."""
    if any(term in SPLICED for term in terms):
        return _skipped_exon(model, change)
    last = max(change.end, change.start + 1) - 1
    offsets = [model.offset(at) for at in (change.start, last) if model.region(at) is not None]
    if len(offsets) < 2 or any(into_intron for _, into_intron in offsets):
        return None
    first = min(offset for offset, _ in offsets)
    if change.start == change.end:
        first += not model.forward
        return first, first, _along(model, change.inserted)
    return first, first + change.end - change.start, _along(model, change.inserted)


def _along(model: Model, bases: str) -> str:
    return bases if model.forward else reverse_complement(bases)


def _skipped_exon(model: Model, change: Change) -> tuple[int, int, str] | None:
    """The exon whose donor or acceptor site the change touches."""
    first, last = change.start, max(change.end, change.start + 1)
    for i, (start, end) in enumerate(model.exons):
        before, after = (start - SPLICE_SITE, start), (end, end + SPLICE_SITE)
        acceptor, donor = (before, after) if model.forward else (after, before)
        sites = [site for site, there in ((acceptor, i > 0), (donor, i < len(model.exons) - 1)) if there]
        if any(site[0] < last and first < site[1] for site in sites):
            return model.exon_start[i], model.exon_start[i] + end - start, ""
    return None


def _structural_edit(model: Model, change: Change, kind: str) -> tuple[int, int, str] | None:
    """The whole exons within a deletion or a duplication that ends in introns."""
    inside = [i for i, (start, end) in enumerate(model.exons) if change.start <= start and end <= change.end]
    cut = any(start < place < end for start, end in model.exons for place in (change.start, change.end))
    if not inside or cut or kind not in ("DEL", "DUP"):
        return None
    start, end = model.exon_start[inside[0]], model.exon_start[inside[-1]] + model.exons[inside[-1]][1] - model.exons[inside[-1]][0]
    return (start, end, "") if kind == "DEL" else (end, end, model.sequence[start:end])


def _later_start(model: Model, behind: int, mitochondrial: bool) -> Loss:
    """Translation from the next start codon in frame."""
    coding = model.sequence[model.coding_start : model.coding_end]
    skipped = -(-(behind - model.coding_start) // 3)
    at = translate(coding[3 * skipped :], mitochondrial=mitochondrial).find("M")
    codons = skipped + at if at >= 0 else len(coding) // 3
    return Loss(False, 3 * codons / len(coding), model.coding_start, model.coding_start + 3 * codons, first_codon=True)


def _read(model: Model, edit: tuple[int, int, str], mitochondrial: bool) -> Loss:
    """What is translated when the bases from one offset to another become others."""
    start, end, inserted = edit
    grown = len(inserted) - (end - start)
    begin = model.coding_start + (grown if end <= model.coding_start else 0)
    changed = model.sequence[:start] + inserted + model.sequence[end:]
    old = translate(model.sequence[model.coding_start : model.coding_end], mitochondrial=mitochondrial)
    new, stop, _ = translate(changed[begin:], mitochondrial=mitochondrial).partition("*")
    stops_at = begin + 3 * len(new)
    premature = bool(stop) and stops_at != model.coding_end - 3 + grown
    junctions = [at for at in model.exon_start if at <= start] + [at + grown for at in model.exon_start if at >= end]
    last_junction = max(at for at in junctions if at < len(changed))
    kept = _shared(old, new)
    kept_after = 0 if premature or not stop else min(_shared(old[-2::-1], new[::-1]), len(old) - 1 - kept)
    missing = len(old) - 1 - kept - kept_after
    lost = model.coding_start + 3 * kept, model.coding_start + 3 * (kept + missing)
    return Loss(premature and stops_at + 3 <= last_junction - BEFORE_JUNCTION, missing / (len(old) - 1), *lost)


def _shared(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
