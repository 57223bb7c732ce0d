"""What is counted in a batch of reads, in compiled loops over integers, so that batches can be added up in any order.

`count_reads` goes over every base of one mate once. `fragment_lengths` finds pairs whose mates overlap, which says how long their fragment
is and whether the reads run into the adapter. `duplicate_keys` gives each pair a number that its copies share.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.ingest.duplicates import DuplicateSample
from genopipe.ingest.frequent import FrequentSequences
from genopipe.kernels.packed_reads import PackedBases, any_unknown, pack_bases, window
from genopipe.model import BASES, Reads

CYCLES = 1000
"""Cycles with a row of their own; all later ones share the last row."""

QUALITIES = 94

ADAPTERS = {"TruSeq": b"AGATCGGAAGAG", "Nextera": b"CTGTCTCTTATA"}
"""First twelve bases of the adapters. Source: Illumina Adapter Sequences (document 1000000002694)."""
ADAPTER_BASES = 12

POLY_G_BASES = 10
"""A read that ends in this many G is counted: two-colour chemistry reads G where there is no signal."""

OVERLAP_BASES = 30
OVERLAP_MISMATCHES = 3
OVERLAP_BASES_PER_MISMATCH = 10
"""Mates overlap in `OVERLAP_BASES` bases or more, at most `OVERLAP_MISMATCHES` of the first of them and a tenth of all different."""

PREFIX_BASES = 50
"""Sequences that too many reads share are looked for in the first so many bases."""

DUPLICATE_BASES = 32
"""Pairs are copies when the first so many bases of both mates are the same."""


def _adapter_words() -> NDArray[np.uint64]:
    letters = np.zeros(256, np.uint64)
    letters[list(b"ACGT")] = range(4)
    words = [sum(int(letters[base]) << 2 * (ADAPTER_BASES - 1 - i) for i, base in enumerate(adapter)) for adapter in ADAPTERS.values()]
    return np.array(words, np.uint64)


_ADAPTER_WORDS = _adapter_words()


@dataclass
class Counts:
    """Counts over reads; the mate is the first axis where there is one.

    base          (mates, CYCLES + 1, len(BASES)) int64: base codes by cycle
    quality       (mates, CYCLES + 1, QUALITIES) int64: qualities by cycle
    gc            (mates, 101) int64: reads by rounded percentage of G and C among their known bases
    adapter       (mates, adapters) int64: reads that hold the adapter's beginning
    poly_g        (mates) int64: reads that end in `POLY_G_BASES` G
    read_length   (mates) dicts: reads by length
    fragment      (lengths) int64: overlapping pairs by fragment length
    read_through  pairs whose fragment is shorter than a read
    adapter_bases bases beyond the end of their fragment
    frequent      beginnings of the first reads
    """

    paired: bool
    base: NDArray[np.int64] = field(init=False)
    quality: NDArray[np.int64] = field(init=False)
    gc: NDArray[np.int64] = field(init=False)
    adapter: NDArray[np.int64] = field(init=False)
    poly_g: NDArray[np.int64] = field(init=False)
    read_length: list[dict[int, int]] = field(init=False)
    fragment: NDArray[np.int64] = field(init=False)
    read_through: int = 0
    adapter_bases: int = 0
    duplicates: DuplicateSample = field(default_factory=DuplicateSample)
    frequent: FrequentSequences = field(default_factory=FrequentSequences)

    def __post_init__(self) -> None:
        mates = 2 if self.paired else 1
        self.base = np.zeros((mates, CYCLES + 1, len(BASES)), np.int64)
        self.quality = np.zeros((mates, CYCLES + 1, QUALITIES), np.int64)
        self.gc = np.zeros((mates, 101), np.int64)
        self.adapter = np.zeros((mates, len(ADAPTERS)), np.int64)
        self.poly_g = np.zeros(mates, np.int64)
        self.read_length = [{} for _ in range(mates)]
        self.fragment = np.zeros(0, np.int64)

    def add(self, other: Counts) -> None:
        """Adds the counts of other reads."""
        for total, more in ((self.base, other.base), (self.quality, other.quality), (self.gc, other.gc), (self.adapter, other.adapter)):
            total += more
        self.poly_g += other.poly_g
        for length, more_reads in zip(self.read_length, other.read_length, strict=True):
            for bases, reads in more_reads.items():
                length[bases] = length.get(bases, 0) + reads
        size = max(len(self.fragment), len(other.fragment))
        self.fragment = np.pad(self.fragment, (0, size - len(self.fragment))) + np.pad(other.fragment, (0, size - len(other.fragment)))
        self.read_through += other.read_through
        self.adapter_bases += other.adapter_bases
        self.duplicates.add(other.duplicates)
        self.frequent.add(other.frequent)


def count(reads: Reads) -> Counts:
    """The counts of one batch."""
    counts = Counts(reads.paired)
    mates = len(counts.poly_g)
    length = np.diff(reads.base_start)
    hint = adapter_hints(reads.base, _ADAPTER_WORDS)
    for mate in range(mates):
        arrays = (counts.base[mate], counts.quality[mate], counts.gc[mate], counts.adapter[mate])
        counts.poly_g[mate] = count_reads(reads.base, reads.quality, reads.base_start, mate, mates, _ADAPTER_WORDS, hint, *arrays)
        bases, n_reads = np.unique(length[mate::mates], return_counts=True)
        counts.read_length[mate] = dict(zip(bases.tolist(), n_reads.tolist(), strict=True))
    if reads.paired:
        _count_overlaps(counts, fragment_lengths(reads.base, reads.base_start), length)
    packed = pack_bases(reads.base)
    keys = duplicate_keys(packed, reads.base_start, mates)
    counts.duplicates.take(keys[keys != 0])
    counts.frequent.take(prefixes(packed, reads.base_start))
    return counts


def _count_overlaps(counts: Counts, fragment: NDArray[np.int64], length: NDArray[np.int64]) -> None:
    found = fragment > 0
    counts.fragment = np.bincount(fragment[found])
    beyond = np.maximum(length.reshape(-1, 2)[found] - fragment[found, None], 0)
    counts.read_through = int(np.count_nonzero(beyond.any(1)))
    counts.adapter_bases = int(beyond.sum())


@njit(cache=True, nogil=True)
def count_reads(
    base: NDArray[np.uint8],
    quality: NDArray[np.uint8],
    base_start: NDArray[np.int64],
    first: int,
    stride: int,
    adapter_word: NDArray[np.uint64],
    hint: NDArray[np.uint8],
    base_count: NDArray[np.int64],
    quality_count: NDArray[np.int64],
    gc_count: NDArray[np.int64],
    adapter_count: NDArray[np.int64],
) -> int:
    """Counts every `stride`-th read from `first` on; gives the reads with a poly-G tail. The last four are of `Counts` for one mate.

    Four short loops over a read are faster than one long one.
    """
    n_poly_g = 0
    for read in range(first, len(base_start) - 1, stride):
        start, length = np.uint64(base_start[read]), np.uint64(base_start[read + 1] - base_start[read])
        _count_cycles(base, start, length, base_count)
        _count_cycles(quality, start, length, quality_count)
        n_known, n_gc = _known_and_gc(base, start, length)
        if n_known:
            gc_count[(200 * n_gc + n_known) // (2 * n_known)] += 1
        found = _adapters_found(base, start, start + length, adapter_word, hint)
        for a in range(len(adapter_word)):
            adapter_count[a] += np.int64(found >> np.uint64(a)) & 1
        tail = np.uint64(0)
        while tail < length and base[start + length - tail - np.uint64(1)] == 2:
            tail += np.uint64(1)
        n_poly_g += int(tail >= POLY_G_BASES)
    return n_poly_g


@njit(cache=True, nogil=True)
def prefixes(packed: PackedBases, base_start: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(reads, 2) uint64: the first `PREFIX_BASES` bases, 25 a word, of reads that have as many, all known; the others are left out."""
    word = np.zeros((len(base_start) - 1, 2), np.uint64)
    n = 0
    for read in range(len(base_start) - 1):
        start = base_start[read]
        if base_start[read + 1] - start < PREFIX_BASES or any_unknown(packed, start, PREFIX_BASES):
            continue
        word[n, 0] = window(packed, start, PREFIX_BASES // 2)
        word[n, 1] = window(packed, start + PREFIX_BASES // 2, PREFIX_BASES // 2)
        n += 1
    return word[:n]


@njit(cache=True, nogil=True)
def _count_cycles(value: NDArray[np.uint8], start: np.uint64, length: np.uint64, counted: NDArray[np.int64]) -> None:
    last_row = np.uint64(len(counted) - 1)
    for i in range(min(length, last_row)):
        counted[i, value[start + i]] += 1
    for i in range(last_row, length):
        counted[last_row, value[start + i]] += 1


@njit(cache=True, nogil=True)
def _known_and_gc(base: NDArray[np.uint8], start: np.uint64, length: np.uint64) -> tuple[int, int]:
    known = gc = np.int32(0)
    for i in range(length):
        code = base[start + i]
        known += np.int32(code < 4)
        gc += np.int32(code == 1) + np.int32(code == 2)
    return np.int64(known), np.int64(gc)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def _adapters_found(
    base: NDArray[np.uint8], start: np.uint64, end: np.uint64, adapter_word: NDArray[np.uint64], hint: NDArray[np.uint8]
) -> np.uint64:
    """Bit a is set when the read holds the beginning of adapter a, without unknown bases in it."""
    hinted = np.uint8(0)
    for i in range(start, end):
        hinted |= hint[i]
    if hinted == 0:
        return np.uint64(0)
    mask = np.uint64((1 << 2 * ADAPTER_BASES) - 1)
    word = found = np.uint64(0)
    whole_from = start + np.uint64(ADAPTER_BASES - 1)
    for i in range(start, end):
        code = base[i]
        if code > 3:
            whole_from = i + np.uint64(ADAPTER_BASES)
        word = ((word << np.uint64(2)) | np.uint64(code & 3)) & mask
        for a in range(len(adapter_word)):
            if word == adapter_word[a] and i >= whole_from:
                found |= np.uint64(1) << np.uint64(a)
    return found


@njit(cache=True, nogil=True)
def adapter_hints(base: NDArray[np.uint8], adapter_word: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """(bases) uint8: not 0 where the first six bases of an adapter stand; over all reads at once and so in lanes."""
    hint = np.zeros(len(base), np.uint8)
    n = np.uint64(max(len(base) - 5, 0))
    for a in range(len(adapter_word)):
        first = adapter_word[a] >> np.uint64(2 * (ADAPTER_BASES - 6))
        b0, b1, b2 = np.uint8((first >> np.uint64(10)) & 3), np.uint8((first >> np.uint64(8)) & 3), np.uint8((first >> np.uint64(6)) & 3)
        b3, b4, b5 = np.uint8((first >> np.uint64(4)) & 3), np.uint8((first >> np.uint64(2)) & 3), np.uint8(first & 3)
        for i in range(n):
            same = np.uint8(base[i] == b0) & np.uint8(base[i + np.uint64(1)] == b1) & np.uint8(base[i + np.uint64(2)] == b2)
            same &= np.uint8(base[i + np.uint64(3)] == b3) & np.uint8(base[i + np.uint64(4)] == b4)
            hint[i] |= same & np.uint8(base[i + np.uint64(5)] == b5)
    return hint


@njit(cache=True, nogil=True)
def _pack_windows(base: NDArray[np.uint8], start: int, step: int, flip: int, window: NDArray[np.uint64]) -> None:
    """Packs the `OVERLAP_BASES` bases from each position on, walking by `step` from `start`; codes are changed by xor with `flip`."""
    mask = np.uint64((1 << 2 * OVERLAP_BASES) - 1)
    word = np.uint64(0)
    for i in range(len(window) + OVERLAP_BASES - 1):
        word = ((word << np.uint64(2)) | np.uint64((base[start + step * i] ^ flip) & 3)) & mask
        if i >= OVERLAP_BASES - 1:
            window[i - OVERLAP_BASES + 1] = word


@njit(cache=True, nogil=True)
def _windows_match(first: np.uint64, second: np.uint64) -> bool:
    """True when at most `OVERLAP_MISMATCHES` bases differ: that many times, the lowest differing base is taken away."""
    difference = first ^ second
    difference = (difference | (difference >> np.uint64(1))) & np.uint64(0x5555555555555555)
    for _ in range(OVERLAP_MISMATCHES):
        difference &= difference - np.uint64(1)
    return bool(difference == 0)


@njit(cache=True, nogil=True)
def _any_match(window: NDArray[np.uint64], other: np.uint64) -> bool:
    """True when `_windows_match` is true of any of the windows; in lanes, for most pairs do not overlap."""
    matches = np.uint64(0)
    for i in range(np.uint64(len(window))):
        difference = window[i] ^ other
        difference = (difference | (difference >> np.uint64(1))) & np.uint64(0x5555555555555555)
        difference &= difference - np.uint64(1)
        difference &= difference - np.uint64(1)
        difference &= difference - np.uint64(1)
        matches += np.uint64(difference == np.uint64(0))
    return bool(matches)


@njit(cache=True, nogil=True)
def _overlap_matches(base: NDArray[np.uint8], origin: tuple[int, int], first: int, end: int) -> bool:
    """True when bases `first` to `end` of the first mate, counted from `origin`, pair with the second's, but for the mismatches allowed."""
    mismatches = 0
    for i in range(first, end):
        code1, code2 = base[origin[0] + i], base[origin[1] - i]
        mismatches += code1 > 3 or code1 + code2 != 3
        if i == first + OVERLAP_BASES - 1 and mismatches > OVERLAP_MISMATCHES:
            return False
    return mismatches * OVERLAP_BASES_PER_MISMATCH <= end - first


@njit(cache=True, nogil=True)
def fragment_lengths(base: NDArray[np.uint8], base_start: NDArray[np.int64]) -> NDArray[np.int64]:
    """(pairs) int64: the length of the fragment where the mates overlap, 0 where they do not.

    With fragment length f, base i of the first mate is the complement of base f - 1 - i of the second. Among the lengths for which enough
    bases match, the one with the longest overlap is taken, then the shortest. Packed windows of the first bases of an overlap, of the first
    mate and of the second's reverse complement, reject nearly all lengths; unknown bases count as A there, and as mismatches in the end.
    """
    fragment = np.zeros((len(base_start) - 1) // 2, np.int64)
    longest_read = 0
    for read in range(len(base_start) - 1):
        longest_read = max(longest_read, base_start[read + 1] - base_start[read])
    window1, window2 = np.empty(longest_read, np.uint64), np.empty(longest_read, np.uint64)
    for pair in range(len(fragment)):
        start1, start2, end2 = base_start[2 * pair], base_start[2 * pair + 1], base_start[2 * pair + 2]
        length1, length2 = start2 - start1, end2 - start2
        if min(length1, length2) < OVERLAP_BASES:
            continue
        _pack_windows(base, start1, 1, 0, window1[: length1 - OVERLAP_BASES + 1])
        _pack_windows(base, end2 - 1, -1, 3, window2[: length2 - OVERLAP_BASES + 1])
        n1, n2 = length1 - OVERLAP_BASES + 1, length2 - OVERLAP_BASES + 1
        if not (_any_match(window2[:n2], window1[0]) or _any_match(window1[:n1], window2[0])):
            continue
        longest = OVERLAP_BASES - 1
        for f in range(OVERLAP_BASES, length1 + length2 - OVERLAP_BASES + 1):
            first, end = max(0, f - length2), min(f, length1)
            if end - first <= longest or not _windows_match(window1[first], window2[max(0, length2 - f)]):
                continue
            if _overlap_matches(base, (start1, start2 + f - 1), first, end):
                longest = end - first
                fragment[pair] = f
    return fragment


@njit(cache=True, nogil=True)
def _mixed(word: np.uint64) -> np.uint64:
    """The finalizer of SplitMix64. Source: Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(cache=True, nogil=True)
def duplicate_keys(packed: PackedBases, base_start: NDArray[np.int64], mates: int) -> NDArray[np.uint64]:
    """(pairs or reads) uint64: a hash of the first bases of both mates, in either order; 0 where one is short or holds unknown bases."""
    key = np.zeros((len(base_start) - 1) // mates, np.uint64)
    word = np.zeros(2, np.uint64)
    for row in range(len(key)):
        whole = True
        for mate in range(mates):
            start, end = base_start[mates * row + mate], base_start[mates * row + mate + 1]
            whole = whole and end - start >= DUPLICATE_BASES and not any_unknown(packed, start, DUPLICATE_BASES)
            word[mate] = window(packed, start, DUPLICATE_BASES)
        if whole:
            low, high = min(word[0], word[1]), max(word[0], word[1])
            key[row] = max(_mixed(_mixed(low + np.uint64(0x9E3779B97F4A7C15)) ^ high), np.uint64(1))
    return key
