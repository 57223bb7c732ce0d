"""What a patterned-flow-cell sequencer makes of haplotypes: one compiled kernel, a pair of reads a row.

For each pair: which fragment (a small share are copies of an earlier one), where and which strand, then each cycle: a quality that
remembers the one before, a base that is wrong as often as that quality says. Every pair is a function of the key and its own number, so
pairs can be made in any order and in any batches.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.simulate.draws import GOLDEN, mix

READ_LENGTH = 150
INSERT_BASE = 60
"""An insert is this plus a third of the sum of eight random bytes: mean 400, standard deviation 70, nearly normal."""

QUALITY = np.array([2, 12, 23, 37], np.uint8)
"""The four levels of current instruments; 2 only with an uncalled base."""

ERROR_32 = np.array([0, 270_998_000, 21_526_000, 856_900], np.uint64)
"""Chance of a wrong base at each level, 10^(-quality / 10), in units of 2^-32."""

FALL_16 = np.array([[350, 500, 700], [2200, 2600, 3200]], np.uint64)
"""Chance to leave the highest level, by kind of read (good, poor) and by third of the cycles, in units of 2^-16."""

RISE_16 = np.uint64(36_000)
"""Chance to return to the highest level, in units of 2^-16."""

UNCALLED_14 = np.uint64(2)
"""Chance of an uncalled base, in units of 2^-14."""

LONGEST_SAFE_RUN = 6
"""Bases of a homopolymer that are read without stutter; in a run of 12 about one read in 50 has lost or gained a base."""

ADAPTERS = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT")
"""What mate 1 and mate 2 read where a fragment is shorter than the reads; after it come Gs, the dark colour.

Source: Illumina Adapter Sequences (document 1000000002694), TruSeq."""

ADAPTER_CODE = np.array([["ACGT".index(letter) for letter in adapter] for adapter in ADAPTERS], np.uint8)


@njit(inline="always")
def _draw(key: np.uint64, which: int) -> np.uint64:
    return mix(key + np.uint64(which) * GOLDEN)


@njit(inline="always")
def _insert(draw: np.uint64, short: bool) -> int:
    total = 0
    for i in range(8):
        total += int((draw >> np.uint64(8 * i)) & np.uint64(255))
    return INSERT_BASE + total // 3 if not short else 40 + total // 16


@njit(inline="always")
def _source(number, own, duplicates_16):  # type: ignore[no-untyped-def]
    """The pair whose fragment this pair shows: its own, or for a copy an earlier one."""
    copied = _draw(own, 1)
    if number == np.uint64(0) or (copied & np.uint64(0xFFFF)) >= np.uint64(duplicates_16):
        return number
    # One copy in four lies beside its source on the flow cell.
    if (copied >> np.uint64(16)) & np.uint64(3) == np.uint64(0):
        return number - np.uint64(1)
    return (copied >> np.uint64(18)) % number


@njit(inline="always")
def _level(level, draw, fall):  # type: ignore[no-untyped-def]
    """The index of the next quality level, from the one before."""
    step = draw & np.uint64(0xFFFF)
    if level < 3:
        return 3 if step < RISE_16 else level
    if step >= fall:
        return 3
    return 2 if step * np.uint64(2) < fall else 1


@njit(inline="always")
def _slip(key):  # type: ignore[no-untyped-def]
    """For one read in 1,024, a cycle from which on it has lost or repeated a base; otherwise none."""
    if (key >> np.uint64(8)) & np.uint64(1023) != np.uint64(0):
        return READ_LENGTH, 0
    return np.int64((key >> np.uint64(20)) % np.uint64(READ_LENGTH)), 1 if (key >> np.uint64(40)) & np.uint64(1) == np.uint64(1) else -1


@njit(inline="always")
def _stutter(draw, run):  # type: ignore[no-untyped-def]
    """1 or -1, a base of a homopolymer lost or repeated, the more often the longer the run is already; mostly 0."""
    fate = mix(draw)
    if fate & np.uint64(1023) >= np.uint64(run - LONGEST_SAFE_RUN):
        return 0
    return 1 if (fate >> np.uint64(20)) & np.uint64(1) == np.uint64(1) else -1


@njit(inline="always")
def _read(key, haplotype, start, insert, backward, adapter, base, quality):  # type: ignore[no-untyped-def]
    """Fills one read of the fragment of `insert` bases from `start`, over the end of `haplotype` where it reaches it; False where it holds
    unknown bases."""
    kind = 1 if key & np.uint64(7) == np.uint64(0) else 0
    slip_cycle, slip = _slip(key)
    stutter, run, last = 0, 0, np.uint8(9)
    level, known, length = 3, True, len(haplotype)
    for cycle in range(READ_LENGTH):
        draw = _draw(key, cycle + 1)
        level = _level(level, draw, FALL_16[kind, cycle // 50])
        offset = max(0, cycle + stutter + (slip if cycle >= slip_cycle else 0))
        if offset < insert:
            at = start + (insert - 1 - offset if backward else offset)
            code = haplotype[at - length if at >= length else at]
            known = known and code < 4
            run, last = (run + 1 if code == last else 1), code
            if stutter == 0 and run > LONGEST_SAFE_RUN:
                stutter = _stutter(draw, run)
            if backward:
                code = np.uint8(3 - code)
        else:
            code = adapter[offset - insert] if offset - insert < len(adapter) else np.uint8(2)
        if (draw >> np.uint64(16)) & np.uint64(0xFFFFFFFF) < ERROR_32[level]:
            code = np.uint8((code + 1 + np.int64((draw >> np.uint64(48)) % np.uint64(3))) & 3)
        uncalled = draw >> np.uint64(50) < UNCALLED_14
        base[cycle] = np.uint8(4) if uncalled else code
        quality[cycle] = QUALITY[0] if uncalled else QUALITY[level]
    return known


@njit(cache=True, nogil=True)
def sequence_pairs(first, n, key, duplicates_16, weight_end, haplotype_start, circular, flat, base, quality, place, kept):  # type: ignore[no-untyped-def]
    """Fills rows 0 to n - 1 with the pairs `first` to `first + n - 1`.

    weight_end (haplotypes) int64: running sum of depth x length
    haplotype_start (haplotypes + 1) int64: where each begins in `flat`
    base, quality (pairs, 2, cycles) uint8: base codes and phred
    place (pairs, 4) int64: haplotype, position of the leftmost base of mate 1 and of mate 2 in it, 1 where mate 1 is reversed
    kept (pairs) bool: False where a read would hold unknown bases
    """
    for row in range(n):
        number = np.uint64(first + row)
        own = mix(key + (number + np.uint64(1)) * GOLDEN)
        fragment = mix(key + (_source(number, own, duplicates_16) + np.uint64(1)) * GOLDEN)
        weight = np.int64(_draw(fragment, 2) >> np.uint64(1)) % weight_end[-1]
        which = np.searchsorted(weight_end, weight, side="right")
        haplotype = flat[haplotype_start[which] : haplotype_start[which + 1]]
        length = len(haplotype)
        kind = _draw(fragment, 3)
        insert = min(_insert(_draw(fragment, 4), (kind >> np.uint64(8)) & np.uint64(255) == np.uint64(0)), length)
        start = np.int64(_draw(fragment, 5) >> np.uint64(1)) % (length if circular[which] else length - insert + 1)
        reverse = np.int64(kind & np.uint64(1))
        place[row, 0], place[row, 3] = which, reverse
        kept[row] = True
        for mate in range(2):
            backward = reverse == 1 - mate
            place[row, 1 + mate] = (start + max(0, insert - READ_LENGTH)) % length if backward else start
            known = _read(_draw(own, 6 + mate), haplotype, start, insert, backward, ADAPTER_CODE[mate], base[row, mate], quality[row, mate])
            kept[row] = kept[row] and known


@njit(cache=True, nogil=True)
def _put_number(out, at, value):  # type: ignore[no-untyped-def]
    """Writes a decimal number; returns the place after it."""
    divisor = 1
    while value // divisor >= 10:
        divisor *= 10
    while divisor > 0:
        out[at] = 48 + value // divisor % 10
        at += 1
        divisor //= 10
    return at


@njit(cache=True, nogil=True)
def write_records(mate, place_on_cell, kept, base, quality, before, after, out):  # type: ignore[no-untyped-def]
    """Writes one mate of every kept pair as FASTQ text into `out`; returns the bytes written.

    place_on_cell (pairs, 4) int64: lane, tile, x, y; before, after: the name up to the lane, and from the blank on
    """
    letters = np.array([65, 67, 71, 84, 78], np.uint8)
    at = 0
    for row in range(len(kept)):
        if not kept[row]:
            continue
        for letter in before:
            out[at] = letter
            at += 1
        for field in range(4):
            if field:
                out[at] = 58
                at += 1
            at = _put_number(out, at, place_on_cell[row, field])
        for letter in after:
            out[at] = letter
            at += 1
        for cycle in range(base.shape[2]):
            out[at + cycle] = letters[base[row, mate, cycle]]
            out[at + cycle + base.shape[2] + 3] = quality[row, mate, cycle] + 33
        at += base.shape[2]
        out[at], out[at + 1], out[at + 2] = 10, 43, 10
        at += 3 + base.shape[2]
        out[at] = 10
        at += 1
    return at


def places_on_cell(first: int, n: int, n_pairs: int, key: np.uint64) -> NDArray[np.int64]:
    """Lane, tile, x and y of each pair, in the order in which a flow cell is read: tile after tile, row after row.

    A lane has 2 surfaces of 6 swaths of 78 tiles; small samples fill only the first tiles.
    """
    pairs_per_tile = max(4096, -(-n_pairs // (4 * 2 * 6 * 78)))
    number = np.arange(first, first + n, dtype=np.int64)
    tile, inside = number // pairs_per_tile, number % pairs_per_tile
    lane, tile = 1 + tile // (2 * 6 * 78), tile % (2 * 6 * 78)
    jitter = ((number.astype(np.uint64) * GOLDEN + key) >> np.uint64(40)).astype(np.int64) % 400
    name = 1000 * (1 + tile // (6 * 78)) + 100 * (1 + tile // 78 % 6) + 1 + tile % 78
    return np.stack([lane, name, 1000 + inside % 64 * 480 + jitter, 1000 + inside // 64 * 17], axis=1)
