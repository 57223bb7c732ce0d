"""Active regions from their definition, in plain Python over tuples: every step looks at all there is."""

from __future__ import annotations

CROWDS = ((2, 4), (3, 12))


def apply(reference, at, deleted, inserted):
    return reference[:at] + inserted + reference[at + deleted :]


def leftmost(reference, at, deleted, inserted):
    """The indel of the same result that begins furthest left, one base at a time."""
    while at > 0:
        turned = inserted[-1:] + inserted[:-1]
        if apply(reference, at - 1, deleted, turned) != apply(reference, at, deleted, inserted):
            break
        at, inserted = at - 1, turned
    return at, deleted, inserted


def tried(reference, shown, min_support):
    """{(position, deleted bases, inserted ones): fragments} of the indels (position, deleted, inserted, fragment) that are tried."""
    fragments = {}
    for at, deleted, inserted, fragment in shown:
        if at + deleted <= len(reference):
            fragments.setdefault(leftmost(reference, at, deleted, inserted), set()).add(fragment)
    return {
        (at, deleted, inserted): len(names)
        for (at, deleted, inserted), names in fragments.items()
        if 4 not in inserted + reference[max(at - 1, 0) : at + deleted + 1] and (len(names) >= min_support or deleted + len(inserted) >= 5)
    }


def touched(reference, at, deleted, inserted):
    """From the first base to behind the last that the indel can be said to change: it stands anywhere between with the same result."""
    first, unit = at + deleted, reference[at : at + deleted] or inserted
    end = first
    while end < len(reference) and reference[end] == unit[(end - first) % len(unit)]:
        end += 1
    return at, end


def repeat(reference, at):
    """The widest run of a unit of up to 24 bases, three times or more and of ten bases or more, near a place and in sight of it."""
    widest = at, at
    low, high = max(at - 120, 0), min(at + 120, len(reference))
    for unit in range(1, 25):
        for first in range(low, high - unit):
            last = first
            while last + unit < high and reference[last] == reference[last + unit] < 4:
                last += 1
            is_whole = first == low or not reference[first - 1] == reference[first - 1 + unit] < 4
            wide = last - first >= max(2 * unit, 10 - unit) and last + unit - first > widest[1] - widest[0]
            if is_whole and wide and first - 6 <= at <= last + unit + 6:
                widest = first, last + unit
    return widest


def regions(reference, indels, depth, site, clip, limits):
    """[(start, end)], and the sites that they take in; `limits` are min_support, min_indel_share, reach and longest."""
    min_support, share, reach, longest = limits
    spans = [
        (low - 3, high + 3)
        for indel, support in indels.items()
        if support >= min_support and support >= share * depth[max(indel[0] - 1, 0)]
        for low, high in [touched(reference, *indel)]
    ]
    spans += [(low - 3, high + 4) for low, high in (repeat(reference, at) for at in clip)]
    spans += [(one, other + 1) for one in site for n, within in CROWDS for other in nth(site, one, n) if other - one < within]
    found = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1] + reach and max(high, found[-1][1]) - found[-1][0] <= longest:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    taken = [[at for at in site if low - reach <= at < high + reach] for low, high in found]
    wide = [
        (min([low, *(at - 1 for at in near)]), max([high, *(at + 2 for at in near)]))
        for (low, high), near in zip(found, taken, strict=True)
    ]
    return wide, {at for near in taken for at in near}


def nth(site, one, n):
    """The site with which the n-th of those from `one` on is reached, if there is one."""
    return [at for at in site if at >= one][n - 1 : n]
