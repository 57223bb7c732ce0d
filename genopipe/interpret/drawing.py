"""Pictures of the report, as SVG: the parts of a score, and the pedigree with genotypes.

Pedigree symbols follow the usual nomenclature (Bennett et al., Journal of Genetic Counseling 2008): squares for males, circles for females,
diamonds where the sex is unknown, filled for the affected, an arrow at the proband.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from genopipe.formats.ped import Member

SYMBOL, COLUMN, ROW, LINE = 34, 180, 128, 15
_INK, _PALE, _ACCENT, _SECOND = "#22313f", "#e6eaee", "#1f6f8b", "#c2703d"


def score_chart(phenotype: float, variant: float | None, score: float) -> str:
    """Bars for phenotype, variant and combined score, each from 0 to 1; without variants for the phenotype alone."""
    shown = [("Phenotype", phenotype, _ACCENT)]
    if variant is not None:
        shown += [("Variant", variant, _SECOND), ("Together", score, _INK)]
    lines = [_svg(330, 26 * len(shown) + 4, "Parts of the score")]
    for place, (name, value, colour) in enumerate(shown):
        y = 26 * place + 4
        lines.append(f'<text x="0" y="{y + 14}" font-size="13" fill="{_INK}">{name}</text>')
        lines.append(f'<rect x="84" y="{y + 2}" width="190" height="15" rx="3" fill="{_PALE}"/>')
        lines.append(f'<rect x="84" y="{y + 2}" width="{max(190 * value, 1):.1f}" height="15" rx="3" fill="{colour}"/>')
        lines.append(f'<text x="284" y="{y + 14}" font-size="13" fill="{_INK}">{value:.2f}</text>')
    return "".join([*lines, "</svg>"])


def pedigree_chart(family: Sequence[Member], proband: str, labels: Mapping[str, Sequence[str]]) -> str:
    """The family, with `labels` (lines of text) under each sample."""
    place = _places(family)
    columns = widest(family)
    rows = max(row for _, row in place.values()) + 1
    tallest = max((len(lines) for lines in labels.values()), default=0)
    height = (rows - 1) * ROW + SYMBOL + (tallest + 1) * LINE + 10
    parts = [_svg(int(columns * COLUMN) + 20, int(height), "Pedigree with genotypes")]
    parts += [_descent(member, place) for member in family]
    for member in family:
        parts.append(_person(member, place[member.sample], labels.get(member.sample, ()), is_proband=member.sample == proband))
    return "".join([*parts, "</svg>"])


def widest(family: Sequence[Member]) -> float:
    """How many people stand beside each other."""
    return max(column for column, _ in _places(family).values()) + 1


def _places(family: Sequence[Member]) -> dict[str, tuple[float, int]]:
    """Column and row of every person: children under the middle of their parents, fathers left of mothers."""
    generation = _generations(family)
    place: dict[str, tuple[float, int]] = {}
    for row in range(max(generation.values()) + 1):
        people = [member for member in family if generation[member.sample] == row]
        people.sort(key=lambda member: _order(member, family, place))
        width = 0.0
        for member in people:
            parents = [place[parent][0] for parent in _parents(member) if parent in place]
            wished = sum(parents) / len(parents) if parents else width
            siblings = sum(1 for other in people if other.father == member.father and other.mother == member.mother and parents)
            wished -= (siblings - 1) / 2 if parents else 0
            column = max(wished, width)
            place[member.sample] = (column, row)
            width = column + 1
    return place


def _order(member: Member, family: Sequence[Member], place: Mapping[str, tuple[float, int]]) -> tuple[float, int, bool, str]:
    parents = [place[parent][0] for parent in _parents(member) if parent in place]
    couple = next((i for i, child in enumerate(family) if member.sample in (child.father, child.mother)), len(family))
    return (min(parents, default=float(couple)), couple, member.sex == "female", member.sample)


def _parents(member: Member) -> list[str]:
    return [parent for parent in (member.father, member.mother) if parent is not None]


def _generations(family: Sequence[Member]) -> dict[str, int]:
    parents = {member.sample: _parents(member) for member in family}
    generation = dict.fromkeys(parents, 0)
    for _ in family:
        for member in family:
            above = [generation[parent] + 1 for parent in parents[member.sample] if parent in generation]
            generation[member.sample] = max([generation[member.sample], *above])
            partners = [p for p in parents[member.sample] if p in generation]
            for partner in partners:
                generation[partner] = max(generation[other] for other in partners)
    return generation


def _centre(place: tuple[float, int]) -> tuple[float, float]:
    column, row = place
    return (column + 0.5) * COLUMN + 10, row * ROW + SYMBOL / 2 + 6


def _descent(member: Member, place: Mapping[str, tuple[float, int]]) -> str:
    parents = [_centre(place[parent]) for parent in _parents(member) if parent in place]
    if not parents:
        return ""
    x, y = _centre(place[member.sample])
    middle, level = sum(px for px, _ in parents) / len(parents), parents[0][1]
    bend = y - SYMBOL / 2 - 10
    path = f"M{middle:.0f} {level:.0f} V{bend:.0f} H{x:.0f} V{y:.0f}"
    couple = f"M{parents[0][0]:.0f} {level:.0f} H{parents[-1][0]:.0f}" if len(parents) == 2 else ""
    return f'<path d="{couple} {path}" fill="none" stroke="{_INK}" stroke-width="1.5"/>'


def _person(member: Member, place: tuple[float, int], labels: Sequence[str], *, is_proband: bool) -> str:
    x, y = _centre(place)
    half = SYMBOL / 2
    style = f'fill="{_INK if member.affected else "white"}" stroke="{_INK}" stroke-width="1.8"'
    if member.sex == "male":
        symbol = f'<rect x="{x - half:.1f}" y="{y - half:.1f}" width="{SYMBOL}" height="{SYMBOL}" {style}/>'
    elif member.sex == "female":
        symbol = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{half:.1f}" {style}/>'
    else:
        symbol = f'<path d="M{x:.1f} {y - half:.1f} l{half} {half} l-{half} {half} l-{half} -{half} z" {style}/>'
    if is_proband:
        tip = (x - half - 3, y + 4)
        arrow = f"M{tip[0] - 22:.1f} {tip[1] + 14:.1f} L{tip[0]:.1f} {tip[1]:.1f} m-10 0 l10 0 l-5 9"
        symbol += f'<path d="{arrow}" fill="none" stroke="{_ACCENT}" stroke-width="2"/>'
    texts = []
    for line, label in enumerate(labels):
        weight = ' font-weight="600"' if line == 0 else ""
        at = y + half + LINE * (line + 1) + 3
        look = f'font-size="12" text-anchor="middle" fill="{_INK}" stroke="white" stroke-width="4" paint-order="stroke"{weight}'
        texts.append(f'<text x="{x:.1f}" y="{at:.1f}" {look}>{escape(label)}</text>')
    return symbol + "".join(texts)


def _svg(width: int, height: int, title: str) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="inherit" role="img"><title>{title}</title>'
