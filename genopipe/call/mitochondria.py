"""Mixtures of mitochondrial genomes: alleles that a few per cent of them have, beside what two copies would show.

Every cell has hundreds of mitochondrial genomes, so an allele may have any share. Where the ordinary way calls nothing, an allele shown by
`MIN_SHARE` of the fragments is judged by how much better the reads are explained by a mixture, of whatever share fits best, than by errors
alone. A base is never trusted beyond `MOST_QUALITY`, because errors of one place come in numbers, and both strands must speak for a mixture
where both are there. An indel is an error as often as the repeat it stands in makes likely. Copies of the mitochondrial genome in the
nucleus show their differences too, about as deep as an autosome: an allele that is shown no more often than that is marked (`NUMT`).

The contig is the circle cut open: reads over the cut are clipped, so the depth falls and nothing low is found in the last bases of either
end.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, left_aligned, spread
from genopipe.call.settings import Settings
from genopipe.call.simple import bases_on
from genopipe.call.sites import MAX_QUALITY, Site, normalised, phred, record_alleles, shown_by, strand_counts
from genopipe.call.view import View
from genopipe.kernels.pileup import FIT, MIN_BASE_QUALITY, MISFIT
from genopipe.kernels.repeats import runs_of

MIN_SHARE = 0.01
MIN_FRAGMENTS = 5
MOST_QUALITY = 30
SHARES = (0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Shares of a mixture that are tried."""
_NEAR_INDEL = 10
_ERROR = 10 ** (-np.maximum(np.arange(MOST_QUALITY + 1), 1) / 10)
_COST = np.array(
    [
        [-10_000 * np.log10(f * (1 - _ERROR) + (1 - f) * _ERROR / 3), -10_000 * np.log10((1 - f) * (1 - _ERROR) + f * _ERROR / 3)]
        for f in SHARES
    ]
)
MIXTURE = np.round(_COST).astype(np.int64)
"""(shares, 2, qualities) milli-phred of a base that is the allele of that share, or the other one."""


def low_shares(view: View, sites: list[Site], *, span: tuple[int, int], settings: Settings) -> list[Site]:
    """The records of mixtures in bases start to end that `sites` do not tell of."""
    indels = _indels(view, span)
    free = np.ones(len(view.reference), bool)
    for site in sites:
        free[max(site.position - view.stretch.start, 0) : max(site.end - view.stretch.start, 0)] = False
    found = [site for event, shown in indels.items() if _is_free(event, view, free) for site in _indel(view, event, shown, settings)]
    beside = {event: len(shown) for event, shown in indels.items()}
    return found + list(_bases(view, free, beside, span, settings))


def marked(site: Site, nuclear_depth: int) -> Site:
    """The site, marked where few of its fragments show an alternative allele, no more than a copy in the nucleus with three standard
    deviations to spare."""
    alternative = sum(site.allele_depth[1:])
    few = 2 * alternative < site.depth and alternative <= nuclear_depth + 3 * math.isqrt(nuclear_depth)
    return replace(site, nuclear=few and nuclear_depth > 0)


def _bases(view: View, free: NDArray[np.bool_], indels: dict[Event, int], span: tuple[int, int], settings: Settings) -> Iterator[Site]:
    start, pileup, reference = view.stretch.start, view.pileup, view.reference
    count = pileup.count[:, 0::2] + pileup.count[:, 1::2]
    others = count.copy()
    others[np.arange(len(count)), np.minimum(reference, 3)] = 0
    most = others.max(axis=1)
    seen = free & (reference < 4) & (most >= np.maximum(MIN_FRAGMENTS, MIN_SHARE * count.sum(axis=1)))
    position = np.flatnonzero(seen) + start
    position = position[(position >= span[0]) & (position < span[1])]
    entry = bases_on(view.reads, position)
    for row, place in enumerate(position.tolist()):
        code = int(others[place - start].argmax())
        if not any(abs(event.position - place) <= _NEAR_INDEL and 2 * n >= most[place - start] for event, n in indels.items()):
            site = _base(view, place, code, entry[entry[:, 0] == row], settings)
            if site is not None:
                yield site


def _base(view: View, position: int, code: int, entry: NDArray[np.int64], settings: Settings) -> Site | None:
    """The record of base `code` at a position, if a mixture explains the bases there better than errors on either strand."""
    reads = view.reads
    quality = np.minimum(view.pileup.quality[entry[:, 2]], reads.mapping_quality[entry[:, 1]]).astype(np.int64)
    base, reverse = reads.base[entry[:, 2]], (reads.flag[entry[:, 1]] & 16) > 0
    alternative, reference = base == code, base == view.stretch.base[position - view.stretch.start]
    counted = (quality >= MIN_BASE_QUALITY) & (alternative | reference)
    quality, alternative, reverse = np.minimum(quality[counted], MOST_QUALITY), alternative[counted], reverse[counted]
    error = np.where(alternative, MISFIT[quality], FIT[quality])
    mixture = MIXTURE[:, np.where(alternative, 0, 1), quality]
    best = int(mixture.sum(axis=1).argmin())
    gain = error - mixture[best]
    if _lacks_a_strand(gain, alternative, reverse):
        return None
    other = np.where(alternative, FIT[quality], MISFIT[quality])
    rare = np.where(alternative, MISFIT[quality], MIXTURE[0, 1, quality])
    neither = MISFIT[quality]
    costs = [error, mixture[best], other, rare, np.where(alternative, MIXTURE[0, 1, quality], MISFIT[quality]), neither]
    shown = alternative.astype(np.int64)
    site = _site(view, Event(position, 1, bytes([code])), [int(cost.sum()) for cost in costs], (shown, reverse), settings)
    if site is not None:
        site.shown = shown_by(reads.name_hash[entry[counted, 1]], shown)
    return site


def _lacks_a_strand(gain: NDArray[np.int64], alternative: NDArray[np.bool_], reverse: NDArray[np.bool_]) -> bool:
    """True where a strand on which the allele should be seen at least `MIN_FRAGMENTS` times speaks against the mixture."""
    share = alternative.mean() if len(alternative) else 0.0
    return any(share * strand.sum() >= MIN_FRAGMENTS and gain[strand].sum() <= 0 for strand in (reverse, ~reverse))


def _indels(view: View, span: tuple[int, int]) -> dict[Event, dict[int, bool]]:
    """Indels often enough shown, left-aligned: the fragments that show each (by name hash), and whether by a reverse read."""
    reads, stretch = view.reads, view.stretch
    found: dict[Event, dict[int, bool]] = defaultdict(dict)
    aligned: dict[Event, Event] = {}
    for read, position, offset, length in view.pileup.indel.tolist():
        first = int(reads.base_start[read]) + offset
        raw = Event(position, -length, b"") if length < 0 else Event(position, 0, reads.base[first : first + length].tobytes())
        if raw.end > stretch.end or max(raw.alt, default=0) > 3:
            continue
        if raw not in aligned:
            aligned[raw] = left_aligned(raw, stretch)
        found[aligned[raw]][int(reads.name_hash[read])] = bool(reads.flag[read] & 16)
    return {
        event: shown
        for event, shown in sorted(found.items())
        if span[0] <= event.position - 1 < span[1] and len(shown) >= max(MIN_FRAGMENTS, MIN_SHARE * _depth(view, event))
    }


def _depth(view: View, event: Event) -> int:
    return int(view.pileup.depth[max(event.position - view.pileup.start - 1, 0)])


def _is_free(event: Event, view: View, free: NDArray[np.bool_]) -> bool:
    """Whether no record lies over what the indel can touch."""
    low, high = spread(event, view.stretch)
    return bool(free[max(low - 1 - view.stretch.start, 0) : max(high, low + 1) - view.stretch.start].all())


def _indel(view: View, event: Event, shown: dict[int, bool], settings: Settings) -> Iterator[Site]:
    """The record of an indel, if the repeat that it stands in does not explain it."""
    n, k = max(_depth(view, event), len(shown)), len(shown)
    error = _gap_error(view, event)
    share = min(k / n, 0.5)
    if k <= n * error:
        return
    null, mixture = (round(-10_000 * (k * math.log10(rate) + (n - k) * math.log10(1 - rate))) for rate in (error, share))
    wrong = 1000 * MOST_QUALITY
    costs = [null, mixture, wrong * (n - k), null + wrong, mixture + wrong, wrong * n]
    reverse = np.zeros(n, bool)
    reverse[:k] = sorted(shown.values())
    reverse[k:] = np.arange(n - k) % 2 == 0  # of the others only the number is kept
    site = _site(view, event, costs, ((np.arange(n) < k).astype(np.int64), reverse), settings)
    if site is not None and min(site.strand[2:]) > 0:
        site.shown = np.array([*shown], np.uint64), np.ones(k, np.int64)
        yield site


def _gap_error(view: View, event: Event) -> float:
    """Chance of an indel error in the repeat that the event stands in."""
    low = max(event.position - view.stretch.start - 1, 0)
    run = runs_of(view.reference[low : low + 100])
    here = run[(run[:, 0] <= 1) & (run[:, 1] >= 1)]
    return max((float(view.gap_rate[unit, units]) for _, _, unit, units in here.tolist()), default=float(view.gap_rate[1, 1]))


def _site(
    view: View, event: Event, costs: list[int], evidence: tuple[NDArray[np.int64], NDArray[np.bool_]], settings: Settings
) -> Site | None:
    """The record; costs are those of the genotypes 00, 01, 11, 02, 12, 22 of reference, allele, and any other one."""
    shown, reverse = evidence
    prior = settings.indel_prior if event.is_indel else settings.snv_prior
    quality = phred(costs[0] - costs[1] - prior)
    if quality < settings.min_quality or int(shown.sum()) < MIN_FRAGMENTS:
        return None
    position, alleles = record_alleles([event], view.stretch)
    likelihood = normalised(costs)
    certain = min(quality, phred(costs[2] - costs[1]), MAX_QUALITY)
    depths = (int((shown == 0).sum()), int(shown.sum()))
    strands = strand_counts(shown, reverse)
    return Site(position, alleles, (0, 1), likelihood, max(certain, 0), quality, len(shown), depths, strands, False)
