"""Which records of a donor are right: their alleles and copies against a truth that is known.

Alleles of both sides are brought to one form: without shared ends, indels as far left as they go. A record is right if each of its alleles
stands in the truth with as many copies, wrong if one does not; but near an allele of the truth that no record matches, it may be the same
change written otherwise, and is left out.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, Stretch, left_aligned
from genopipe.call.sites import DELETED, Site
from genopipe.errors import BadInput
from genopipe.model import BASES

RIGHT, WRONG, UNSURE = 0, 1, -1
_NEAR = 30
_CODES = bytes.maketrans(BASES[:4] + BASES[:4].lower(), bytes((0, 1, 2, 3)) * 2)

Copies = dict[Event, int]
TruthRecord = tuple[int, tuple[str, ...], tuple[int, ...]]
"""Position, alleles and genotype."""


def read_truth(path: Path) -> dict[str, list[TruthRecord]]:
    """The records of the first sample of a VCF that carry an alternative allele, by contig.

    Raises BadInput for a file that is no VCF with genotypes.
    """
    import pysam

    found: dict[str, list[TruthRecord]] = defaultdict(list)
    try:
        with pysam.VariantFile(str(path)) as file:
            if not len(file.header.samples):
                raise BadInput("no genotypes", wanted="the donor's genotypes", do="Give the truth VCF of the donor.", path=path)
            for record in file:
                genotype = record.samples[0].allele_indices or ()
                if any(genotype) and None not in genotype:
                    found[record.chrom].append((record.start, tuple(record.alleles or ()), tuple(allele or 0 for allele in genotype)))
    except (OSError, ValueError) as error:
        raise BadInput(f"the file cannot be read ({error})", wanted="a VCF", do="Give the truth VCF of the donor.", path=path) from None
    return found


def copies_of(records: list[TruthRecord], stretch: Stretch) -> Copies:
    """The alternative alleles of records inside a stretch, in one form, with their copies."""
    copies: Copies = defaultdict(int)
    for position, alleles, genotype in records:
        for allele in genotype:
            if allele and alleles[allele] != DELETED:
                event = one_form(position, alleles[0], alleles[allele], stretch)
                copies[event] += 2 // len(genotype)
    return copies


def one_form(position: int, reference: str, alternative: str, stretch: Stretch) -> Event:
    """An allele without what it shares with the reference, as far left as it goes."""
    ref, alt = reference.encode().translate(_CODES), alternative.encode().translate(_CODES)
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return left_aligned(Event(position, len(ref), alt), stretch)


def labels(sites: list[Site], truth: list[TruthRecord], stretch: Stretch) -> NDArray[np.int64]:
    """(sites) int64: `RIGHT`, `WRONG` or `UNSURE`."""
    there = copies_of(truth, stretch)
    own = [copies_of([(site.position, site.alleles, site.genotype)], stretch) for site in sites]
    written = {event for copies in own for event in copies}
    missed = np.array(sorted(event.position for event in there if event not in written), np.int64)
    out = np.full(len(sites), RIGHT, np.int64)
    for i, (site, copies) in enumerate(zip(sites, own, strict=True)):
        if all(there.get(event) == n for event, n in copies.items()):
            continue
        strange = any(event not in there for event in copies)
        near = np.searchsorted(missed, site.position - _NEAR) < np.searchsorted(missed, site.end + _NEAR)
        out[i] = UNSURE if strange and near else WRONG
    return out
