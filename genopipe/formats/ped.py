"""PED pedigrees: who is whose child, of which sex, and affected or not.

Six columns: family, sample, father, mother, sex, affection; further columns are passed over, and a line that begins with `#` is a comment.
A file is read line by line first and checked as a family afterwards: parents who stand in it must be of their sex, and nobody may
descend from himself. A parent who is named must have a line of his own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines

Sex = Literal["female", "male", "unknown"]

_SEX: dict[str, Sex] = {
    "1": "male",
    "2": "female",
    "0": "unknown",
    "-9": "unknown",
    "male": "male",
    "female": "female",
    "unknown": "unknown",
}
_AFFECTED = {"2": True, "1": False, "0": None, "-9": None, "affected": True, "unaffected": False, "unknown": None}
_NOBODY = ("0", "-9", "")


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a pedigree; `father` and `mother` are samples or None, `affected` is None where it is unknown."""

    family: str
    sample: str
    father: str | None
    mother: str | None
    sex: Sex
    affected: bool | None


def read_ped(path: Path) -> tuple[Member, ...]:
    """The people of a PED file, in file order. Raises BadInput with the line for a pedigree that cannot be."""
    members: dict[str, Member] = {}
    line_of: dict[str, int] = {}
    for line, text in read_lines(path):
        if not text.strip() or text.startswith("#"):
            continue
        member = _member(text, path, line)
        if member.sample in members:
            raise _fault(f"sample {member.sample} for the second time (line {line_of[member.sample]})", "each sample once", path, line)
        members[member.sample] = member
        line_of[member.sample] = line
    if not members:
        raise BadInput("nobody in it", wanted="one line a person", do="Add the family.", path=path)
    for member in members.values():
        _check_parents(member, members, path, line_of[member.sample])
    check_descent(members.values(), path, line_of)
    return tuple(members.values())


def _member(text: str, path: Path, line: int) -> Member:
    column = text.split("\t") if "\t" in text else text.split()
    if len(column) < 6:
        raise _fault(f"{len(column)} columns", "six: family, sample, father, mother, sex, affection", path, line)
    family, sample, father, mother, sex, affection = (value.strip() for value in column[:6])
    if sample in _NOBODY:
        raise _fault(f"sample {sample!r}", "a sample name", path, line)
    if sex.lower() not in _SEX:
        raise _fault(f"sex {sex!r}", "1 (male), 2 (female) or 0 (unknown)", path, line)
    if affection.lower() not in _AFFECTED:
        raise _fault(f"affection {affection!r}", "2 (affected), 1 (unaffected) or 0 (unknown)", path, line)
    return Member(family, sample, _somebody(father), _somebody(mother), _SEX[sex.lower()], _AFFECTED[affection.lower()])


def _somebody(parent: str) -> str | None:
    return None if parent in _NOBODY else parent


def _check_parents(member: Member, members: dict[str, Member], path: Path, line: int) -> None:
    for role, name, sex in (("father", member.father, "male"), ("mother", member.mother, "female")):
        if name is None:
            continue
        parent = members.get(name)
        if parent is None:
            raise _fault(f"{role} {name} of {member.sample} has no line", f"a line for {name}, or 0 for an unknown {role}", path, line)
        if parent.sex not in (sex, "unknown"):
            raise _fault(f"{role} {name} of {member.sample} is {parent.sex}", f"a {sex} {role}", path, line)


def check_descent(members: Iterable[Member], path: Path, line_of: dict[str, int]) -> None:
    """Raises BadInput when somebody descends from himself."""
    parents = {member.sample: [parent for parent in (member.father, member.mother) if parent is not None] for member in members}
    done: set[str] = set()
    for sample in parents:
        _walk_up(sample, parents, done, [], path=path, line=line_of.get(sample))


def _walk_up(start: str, parents: dict[str, list[str]], done: set[str], chain: list[str], *, path: Path, line: int | None) -> None:
    stack = [(start, iter(parents[start]))]
    chain.append(start)
    while stack:
        parent = next(stack[-1][1], None)
        if parent is None:
            done.add(stack.pop()[0])
            chain.pop()
        elif parent in chain:
            raise _fault(f"{parent} descends from {parent}", "a pedigree without a circle", path, line)
        elif parent in parents and parent not in done:
            stack.append((parent, iter(parents[parent])))
            chain.append(parent)


def _fault(came: str, wanted: str, path: Path, line: int | None) -> BadInput:
    return BadInput(came, wanted=wanted, do="Correct the pedigree.", path=path, line=line)
