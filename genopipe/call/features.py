"""What a filter may know of a site: forty whole numbers about its genotype, its reads, and the reference around it.

Shares are in thousandths; means are of reads, times ten. Reference and alternative reads are told apart by the fragments that clearly show
an allele of the site.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import repeat_at
from genopipe.call.sites import DELETED, Site, shown_in
from genopipe.call.view import View
from genopipe.kernels.site_reads import SUMS, add_up, differences

_OF_READS = ("reads", "mapping_quality", "base_quality", "distance_to_end", "most_distance_to_end", "clipped", "differences")
FEATURES = (
    *("quality", "genotype_quality", "depth", "alternative_depth", "reference_depth", "alternative_share", "unclear_share"),
    *("quality_per_fragment", "copies", "alleles", "assembled", "insertion", "deletion", "strand_bias", "forward_share"),
    *("forward_share_of_reference", "second_likelihood", "repeat_length", "gc_share", "same_base_run", "depth_share", "clips_near"),
    *("gaps_here", "differing_near", "before", "behind"),
    *(f"{name}_of_{group}" for group in ("reference", "alternative") for name in _OF_READS),
)
_FAR = 1_000
_NEAR = 10
_AROUND = 50


def site_features(view: View, sites: list[Site]) -> NDArray[np.int64]:
    """(sites, features) int64, in the order of `FEATURES`."""
    if not sites:
        return np.empty((0, len(FEATURES)), np.int64)
    usual = int(np.median(view.pileup.depth))
    positions = [-_FAR, *(site.position for site in sites), sites[-1].position + _FAR]
    rows = [
        [*_of_genotype(site), *_of_place(view, site, usual), min(site.position - before, _FAR), min(behind - site.position, _FAR)]
        for site, before, behind in zip(sites, positions, positions[2:], strict=False)
    ]
    of_reads = read_sums(view, sites)
    counts = np.maximum(of_reads[:, :, :1], 1)
    means = np.where(np.isin(np.arange(SUMS), (0, 4)), of_reads, of_reads * 10 // counts).reshape(len(sites), -1)
    return np.concatenate((np.array(rows, np.int64), means), axis=1)


def _of_genotype(site: Site) -> list[int]:
    ref, alt = site.allele_depth[0], sum(site.allele_depth[1:])
    change = [len(allele) - len(site.alleles[0]) for allele in site.alleles[1:] if allele != DELETED]
    forward, backward = site.strand[2], site.strand[3]
    return [
        min(site.quality, 5_000),
        site.genotype_quality,
        site.depth,
        alt,
        ref,
        _share(alt, ref + alt),
        _share(site.depth - ref - alt, site.depth),
        min(site.quality, 5_000) * 10 // max(alt, 1),
        sum(allele > 0 for allele in site.genotype) * 10 // len(site.genotype),
        len(site.alleles),
        int(site.assembled),
        max(*change, 0),
        max(*(-size for size in change), 0),
        site.strand_bias,
        _share(forward, forward + backward),
        _share(site.strand[0], site.strand[0] + site.strand[1]),
        sorted(site.likelihood)[1],
    ]


def _of_place(view: View, site: Site, usual: int) -> list[int]:
    at, pileup, reference = site.position - view.stretch.start, view.pileup, view.reference
    low, high = repeat_at(site.position, view.stretch)
    near = slice(max(at - _NEAR, 0), at + len(site.alleles[0]) + _NEAR)
    around = reference[max(at - _AROUND, 0) : at + _AROUND]
    depth = int(pileup.depth[at])
    counts = pileup.count[near]
    total = counts.sum(axis=1)
    codes = np.minimum(reference[near], 3).astype(np.int64)
    same = counts[np.arange(len(codes)), 2 * codes] + counts[np.arange(len(codes)), 2 * codes + 1]
    return [
        high - low,
        _share(int(np.isin(around, (1, 2)).sum()), len(around)),
        _run(reference, at + 1),
        _share(depth, usual),
        _share(int(pileup.clipped[near].sum()), depth),
        _share(int(pileup.deleted[at]), depth),
        _share(int((total - same).sum()), depth),
    ]


def _share(part: int, whole: int) -> int:
    return 1000 * part // max(whole, 1)


def _run(reference: NDArray[np.uint8], at: int) -> int:
    """Length of the run of one base that begins at a place."""
    here = reference[at : at + _AROUND]
    return int(np.argmin(np.append(here == here[:1], False)))


def read_sums(view: View, sites: list[Site]) -> NDArray[np.int64]:
    """(sites, 2, sums) int64 over the reads that show the reference and an alternative allele."""
    reads = view.reads
    differing = np.zeros(len(reads), np.int32)
    placed = (reads.position, reads.cigar, reads.cigar_start)
    differences(*placed, reads.base, reads.base_start, view.reference, view.stretch.start, differing)
    position = np.array([site.position for site in sites], np.int64)
    longest = int((reads.end - reads.position).max(initial=0))
    first, last = np.searchsorted(reads.position, position - longest), np.searchsorted(reads.position, position, side="right")
    out = np.zeros((len(sites), 2, SUMS), np.int64)
    lying = (reads.position, reads.end, reads.name_hash, reads.mapping_quality, reads.cigar, reads.cigar_start, reads.base_start)
    add_up(position, first, last, *shown_in(sites), *lying, view.pileup.quality, differing, out)
    return out
