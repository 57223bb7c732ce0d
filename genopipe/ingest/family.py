"""Whether the samples of a case are who the pedigree says: every pair compared by its fingerprints.

A pair contradicts the pedigree when parent and child, or siblings, are not what they should be, when strangers are close relatives, or when
two samples are one person. What cannot be told, for want of sites, contradicts nothing and is written as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.formats.ped import Member, read_ped
from genopipe.ingest.fingerprint import MANY_SITES, Kinship, compare, read_fingerprint
from genopipe.outputs import write_json

SCHEMA_VERSION = 1
SUFFIX = ".fingerprint.tsv"

_POSSIBLE = {
    "parent-child": ("parent-child",),
    "siblings": ("siblings", "other"),
    "unrelated": ("unrelated", "second-degree", "other"),
    "relatives": ("parent-child", "siblings", "second-degree", "unrelated", "other"),
}
"""What may be found of a pair, by what the pedigree says of it. Parents may be cousins, other relatives anything but one."""


def compare_family(fingerprints: Sequence[Path], pedigree: Path, output: Path) -> dict[str, Any]:
    """Compares all pairs of samples and writes the result as JSON; gives it. Files are named `SAMPLE.fingerprint.tsv`.

    Raises BadInput for a file that is no fingerprint, for a pedigree that breaks, and for a sample that is not in it.
    """
    members = {member.sample: member for member in read_ped(pedigree)}
    genotype = {_sample(path, members, pedigree): read_fingerprint(path) for path in fingerprints}
    pairs = [_pair(first, second, members, compare(genotype[first], genotype[second])) for first, second in combinations(genotype, 2)]
    found = {
        "schema": SCHEMA_VERSION,
        "measures": "family",
        "samples": list(genotype),
        "pairs": pairs,
        "conflicts": sum(pair["agrees"] is False for pair in pairs),
    }
    write_json(output, found)
    return found


def _sample(path: Path, members: Mapping[str, Member], pedigree: Path) -> str:
    sample = path.name.removesuffix(SUFFIX)
    if not path.name.endswith(SUFFIX):
        raise BadInput(f"a file named {path.name}", wanted=f"SAMPLE{SUFFIX}", do="Make it with `genopipe ingest aligned`.", path=path)
    if sample not in members:
        raise BadInput(
            f"sample {sample} is not in the pedigree", wanted=f"one of {', '.join(members)}", do="Correct the pedigree.", path=pedigree
        )
    return sample


def _pair(first: str, second: str, members: Mapping[str, Member], kinship: Kinship) -> dict[str, Any]:
    said, found = said_relation(members[first], members[second]), kinship.relation
    return {
        "first": first,
        "second": second,
        "sites": kinship.sites,
        "kinship": kinship.kinship,
        "equal_fraction": kinship.equal_fraction,
        "opposite_fraction": kinship.opposite_fraction,
        "said": said,
        "found": found,
        "agrees": None if found is None else found in _POSSIBLE[said] or _siblings_without_opposites(kinship, said),
    }


def _siblings_without_opposites(kinship: Kinship, said: str) -> bool:
    """With few sites, siblings may happen to look like parent and child."""
    return said == "siblings" and kinship.relation == "parent-child" and kinship.sites < MANY_SITES


def said_relation(first: Member, second: Member) -> str:
    """parent-child, siblings, unrelated (both without parents in the pedigree) or relatives, as the pedigree has it."""
    if second.sample in (first.father, first.mother) or first.sample in (second.father, second.mother):
        return "parent-child"
    parents = [(member.father, member.mother) for member in (first, second)]
    if parents[0] == parents[1] and all(parents[0]):
        return "siblings"
    return "unrelated" if not any(parents[0]) and not any(parents[1]) else "relatives"
