"""What the people of a pedigree are to the patient, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genopipe.formats.ped import Member


def relation(member: Member, proband: Member, family: Sequence[Member]) -> str:
    """Such as mother, half-brother or maternal grandfather; `relative` for what is further away."""
    known = {other.sample: other for other in family}
    sex = member.sex
    if member.sample == proband.sample:
        return "patient"
    if member.sample in (proband.mother, proband.father):
        return "mother" if member.sample == proband.mother else "father"
    if proband.sample in _parents(member):
        return _word(sex, "daughter", "son", "child")
    for side, parent in (("maternal", proband.mother), ("paternal", proband.father)):
        if parent is not None and parent in known and member.sample in _parents(known[parent]):
            return f"{side} {_word(sex, 'grandmother', 'grandfather', 'grandparent')}"
    shared = _parents(member) & _parents(proband)
    if shared:
        word = _word(sex, "sister", "brother", "sibling")
        return word if len(shared) == 2 or not _different(member, proband) else f"half-{word}"
    return _of_parents(member, proband, known)


def _of_parents(member: Member, proband: Member, known: Mapping[str, Member]) -> str:
    """Brothers and sisters of the parents, else a relative."""
    for side, parent in (("maternal", proband.mother), ("paternal", proband.father)):
        if parent is not None and parent in known and _parents(member) & _parents(known[parent]):
            return f"{side} {_word(member.sex, 'aunt', 'uncle', 'aunt or uncle')}"
    return "relative"


def _parents(member: Member) -> set[str]:
    return {parent for parent in (member.father, member.mother) if parent is not None}


def _different(member: Member, proband: Member) -> bool:
    """Whether a parent that both name is another person."""
    pairs = ((member.father, proband.father), (member.mother, proband.mother))
    return any(one is not None and other is not None and one != other for one, other in pairs)


def _word(sex: str, female: str, male: str, unknown: str) -> str:
    return {"female": female, "male": male}.get(sex, unknown)
