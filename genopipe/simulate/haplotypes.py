"""The sequences that a person's reads come from: the reference with one haplotype's variants, and the way back to reference coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.model import BASES
from genopipe.simulate.variation import Variant

DEPTH_UNIT = 64
"""Depth is counted in 64ths, so that sampling needs integers only."""

_CODE = np.full(256, 4, np.uint8)
_CODE[list(BASES[:4])] = range(4)


@dataclass(frozen=True, slots=True)
class Haplotype:
    """One copy of one contig.

    base        (bases) uint8: base codes, 4 where unknown
    depth       mean depth of its reads, in 64ths
    circular    fragments may run over the end
    block_start (blocks) int64: where blocks begin in this haplotype, the first at 0
    block_reference (blocks) int64: reference position of the first base of each block
    block_step  (blocks) int64: 1 where the block follows the reference, 0 where all its bases were inserted after `block_reference`
    """

    contig: str
    base: NDArray[np.uint8]
    depth: int
    circular: bool
    block_start: NDArray[np.int64]
    block_reference: NDArray[np.int64]
    block_step: NDArray[np.int64]

    def reference_position(self, position: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where bases of the haplotype stand on the reference; an inserted base stands on the base before it."""
        block = np.searchsorted(self.block_start, position, side="right") - 1
        return self.block_reference[block] + (position - self.block_start[block]) * self.block_step[block]


def haplotype(contig: str, base: NDArray[np.uint8], variants: Iterable[Variant], *, depth: float, circular: bool = False) -> Haplotype:
    """The contig with the alternative alleles of `variants`, which are sorted and do not overlap."""
    pieces: list[NDArray[np.uint8]] = []
    blocks: list[tuple[int, int, int]] = []
    taken = made = 0

    def add(piece: NDArray[np.uint8], reference: int, step: int) -> None:
        nonlocal made
        if len(piece):
            blocks.append((made, reference, step))
            pieces.append(piece)
            made += len(piece)

    for variant in variants:
        alternative = _CODE[np.frombuffer(variant.alternative.encode(), np.uint8)]
        shared = min(len(variant.reference), len(alternative))
        add(base[taken : variant.position], taken, 1)
        add(alternative[:shared], variant.position, 1)
        add(alternative[shared:], variant.position + shared - 1, 0)
        taken = variant.end
    add(base[taken:], taken, 1)
    table = np.array(blocks, np.int64).reshape(-1, 3)
    return Haplotype(contig, np.concatenate(pieces), round(depth * DEPTH_UNIT), circular, table[:, 0], table[:, 1], table[:, 2])


def reference_haplotypes(contigs: Mapping[str, NDArray[np.uint8]], *, depth: float) -> list[Haplotype]:
    """One unchanged copy of each contig, given as base codes: reads of any genome with known positions."""
    return [haplotype(name, base, (), depth=depth) for name, base in contigs.items()]
