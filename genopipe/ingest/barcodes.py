"""The barcodes of a lane as the kernel compares them, and whether they can be told apart.

With a sample sheet, a read belongs to the sample whose indexes it differs from by no more than each allows; two samples that a read could
both belong to are refused before work starts. With Picard's parameter files the rule is Picard's: the nearest barcode, all indexes
together, at most one mismatch, at least one better than the next, and at most two no-calls; then only equal barcodes are refused.

Source: Illumina BCL Convert software guide, document 1000000163594 (BarcodeMismatchesIndex1, barcode collisions); Picard's documentation of
ExtractIlluminaBarcodes (MAX_MISMATCHES, MIN_MISMATCH_DELTA, MAX_NO_CALLS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.sample_sheet import Sample, SampleSheet
from genopipe.ingest.layout import Layout
from genopipe.kernels.barcodes import BASES_IN_A_WORD, Barcodes

DEFAULT_MISMATCHES = 1
PICARD_MISMATCHES = 1
PICARD_NO_CALLS = 2

_NO_LIMIT = 1 << 20
_OPEN = -1


@dataclass(frozen=True, slots=True)
class Matching:
    """What `kernels.barcodes.assign` needs: columns of the index reads, their words in the key, and the barcodes."""

    column: NDArray[np.int64]
    word_of: NDArray[np.int64]
    barcodes: Barcodes


def check_lengths(sheet: SampleSheet, sample: Sample, layout: Layout, *, masked: bool) -> None:
    """Raises BadInput where a barcode does not fit the index cycles of its sample; only with a mask must it fill them."""
    for number, bases in enumerate(sample.indexes):
        cycles = len(layout.indexes[number]) if number < len(layout.indexes) else 0
        if len(bases) > cycles or (masked and len(bases) != cycles):
            raise sheet.bad(
                f"index {number + 1} of sample {sample.name} has {len(bases)} bases and the run {cycles} index cycles for it",
                "an index no longer than its read" if not masked else "as many bases as the mask has I cycles",
                sample.line,
                do="Correct the index, or mask cycles with OverrideCycles.",
            )


def matching(
    samples: Sequence[Sample], layouts: Sequence[Layout], reverse: Sequence[bool], sheet: SampleSheet, allowed: int | None
) -> Matching:
    """The barcodes of the samples of one lane.

    layouts   of the samples; where there are none, of the rest, whose indexes are counted
    reverse   for each index read, whether it is taken from the other strand: a short barcode then fills its last columns
    allowed   mismatches that the command line allows, instead of what the sheet says
    Raises BadInput for two samples that cannot be told apart, naming both.
    """
    n_indexes = max((len(layout.indexes) for layout in layouts), default=0)
    windows = [_window(layouts, number) for number in range(n_indexes)]
    column = np.concatenate([np.empty(0, np.int64), *windows])
    words = [np.full(len(window), number) for number, window in enumerate(windows)]
    base = np.full((len(samples), len(column)), _OPEN, np.int64)
    for row, (sample, layout) in enumerate(zip(samples, layouts, strict=False)):
        for number, bases in enumerate(sample.indexes[:n_indexes]):
            used = layout.indexes[number]
            used = used[len(used) - len(bases) :] if reverse[number] else used[: len(bases)]
            base[row, np.searchsorted(column, used)] = ["ACGT".find(letter) for letter in bases]
    index_of = np.concatenate([np.empty(0, np.int64), *words])
    limit = _limits(samples, n_indexes, sheet, allowed)
    _check_collisions(samples, base, index_of, limit, sheet, allowed)
    return _packed(column, base, index_of, limit, sheet, allowed)


def _window(layouts: Sequence[Layout], number: int) -> NDArray[np.int64]:
    """All columns that any sample uses of one index read."""
    return np.unique(np.concatenate([layout.indexes[number] for layout in layouts]))


def _limits(samples: Sequence[Sample], n_indexes: int, sheet: SampleSheet, allowed: int | None) -> NDArray[np.int64]:
    limit = np.full((len(samples), max(n_indexes, 1)), DEFAULT_MISMATCHES if allowed is None else allowed, np.int64)
    for number in range(min(n_indexes, 2)):
        setting = sheet.settings.get(f"barcodemismatchesindex{number + 1}", "").lower()
        for row, sample in enumerate(samples):
            own = sample.mismatches[number]
            if allowed is None and (own is not None or setting not in ("", "na")):
                limit[row, number] = int(setting) if own is None else own
    return limit


def _check_collisions(
    samples: Sequence[Sample],
    base: NDArray[np.int64],
    index_of: NDArray[np.int64],
    limit: NDArray[np.int64],
    sheet: SampleSheet,
    allowed: int | None,
) -> None:
    """A read can belong to two samples when, in every index, they differ at no more places than both together allow."""
    for row in range(1, len(samples)):
        different = (base[:row] != base[row]) & (base[:row] != _OPEN) & (base[row] != _OPEN)
        if sheet.by_picard:
            collides = different.sum(axis=1) <= 2 * (allowed or 0)
        else:
            collides = np.ones(row, bool)
            for number in range(limit.shape[1]):
                collides &= different[:, index_of == number].sum(axis=1) <= limit[:row, number] + limit[row, number]
        if collides.any():
            raise _collision(samples[int(np.argmax(collides))], samples[row], sheet)


def _collision(first: Sample, second: Sample, sheet: SampleSheet) -> Exception:
    def told(sample: Sample) -> str:
        return f"{sample.name} ({'+'.join(filter(None, sample.indexes)) or 'no index'}, line {sample.line})"

    where = "" if second.lane is None else f" in lane {second.lane}"
    return sheet.bad(
        f"the barcodes of {told(first)} and {told(second)} collide{where} at the mismatches allowed",
        "barcodes that no read can be given to both of",
        second.line,
        do="Allow fewer mismatches (BarcodeMismatchesIndex1, --barcode-mismatches), or correct the sheet.",
    )


def _packed(
    column: NDArray[np.int64],
    base: NDArray[np.int64],
    index_of: NDArray[np.int64],
    limit: NDArray[np.int64],
    sheet: SampleSheet,
    allowed: int | None,
) -> Matching:
    """One-hot words: a new word begins with every index read and after `BASES_IN_A_WORD` bases."""
    place = np.array([int((index_of[:at] == index).sum()) for at, index in enumerate(index_of)], np.int64)
    begins = place % BASES_IN_A_WORD == 0
    word_of = np.cumsum(begins) - 1
    bits = np.zeros((len(base), max(int(begins.sum()), 1)), np.uint64)
    for at in range(len(column)):
        known = np.flatnonzero(base[:, at] != _OPEN)
        shift = 4 * (place[at] % BASES_IN_A_WORD) + base[known, at]
        bits[known, word_of[at]] |= np.uint64(1) << shift.astype(np.uint64)
    index_of_word = index_of[begins] if len(column) else np.zeros(1, np.int64)
    if sheet.by_picard:
        total = PICARD_MISMATCHES if allowed is None else allowed
        barcodes = Barcodes(bits, np.full_like(limit, _NO_LIMIT), total, 1, PICARD_NO_CALLS, index_of_word)
    else:
        barcodes = Barcodes(bits, limit, _NO_LIMIT, 1, _NO_LIMIT, index_of_word)
    return Matching(column, word_of.astype(np.int64), barcodes)
