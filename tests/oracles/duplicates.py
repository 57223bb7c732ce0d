"""Duplicates by definition, one pair of reads compared with another: the slow, obvious version, from the documentation of Picard."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations


@dataclass(frozen=True)
class End:
    """The 5' end of a placed read, clipped bases counted in, and the sum of its base qualities."""

    contig: int
    position: int
    reverse: bool
    quality: int

    @property
    def place(self) -> tuple[int, int, bool]:
        return self.contig, self.position, self.reverse


@dataclass(frozen=True)
class Template:
    """The placed reads of a pair or single read: first and second; `order` settles what nothing else does."""

    library: str
    group: str
    first: End | None
    second: End | None
    spot: tuple[int, int, int] | None
    order: int
    expects_mate: bool = field(default=False)
    """A pair of which one read is not in the file, though it has a place elsewhere."""

    @property
    def ends(self) -> list[End]:
        return [end for end in (self.first, self.second) if end is not None]


def _rank(template: Template) -> tuple[int, tuple[int, int, int], int]:
    """Smallest for the best copy."""
    return -sum(end.quality for end in template.ends), template.spot or (-1, -1, -1), template.order


def duplicates(templates: list[Template], pixels: int) -> tuple[set[int], int]:
    """Orders of the templates that are duplicates, and how many pairs of them are optical ones."""
    pairs, lone, occupied = defaultdict(list), defaultdict(list), set()
    for template in templates:
        if len(template.ends) == 2:
            pairs[(template.library, *sorted(end.place for end in template.ends))].append(template)
        elif template.ends and not template.expects_mate:
            lone[template.library, template.ends[0].place].append(template)
        if len(template.ends) == 2 or template.expects_mate:
            occupied |= {(template.library, end.place) for end in template.ends}
    found = {copy.order for copies in pairs.values() for copy in sorted(copies, key=_rank)[1:]}
    for key, reads in lone.items():
        found |= {read.order for read in sorted(reads, key=_rank)[0 if key in occupied else 1 :]}
    return found, sum(_optical(copies, pixels) for copies in pairs.values())


def _optical(copies: list[Template], pixels: int) -> int:
    """Copies less clusters: spots of one read group, tile and strand of the first read that are linked by near neighbours."""
    cluster = {copy.order: {copy.order} for copy in copies}
    for one, other in combinations(copies, 2):
        if _near(one, other, pixels):
            joined = cluster[one.order] | cluster[other.order]
            cluster.update(dict.fromkeys(joined, joined))
    return len(copies) - len({frozenset(members) for members in cluster.values()})


def _near(one: Template, other: Template, pixels: int) -> bool:
    if one.spot is None or other.spot is None or one.first is None or other.first is None:
        return False
    same = one.group == other.group and one.spot[0] == other.spot[0] and one.first.reverse == other.first.reverse
    return same and all(abs(a - b) <= pixels for a, b in zip(one.spot[1:], other.spot[1:], strict=True))
