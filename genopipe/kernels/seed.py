"""Seeds: canonical open syncmers, their look-up in a sorted index, and the places of the genome a read's seeds agree on.

In order: `syncmers` picks the seeds of a sequence; `lookup` finds each seed's run of entries in the index (first all bucket heads of a
read, then all entries, so that the cache misses of one read overlap; what comes next is asked for ahead); `candidates` turns hits into
diagonals, votes for both strands at once and keeps the best clusters of every read of a batch. The rest builds the index.

A syncmer here is a k-mer whose middle s-mer has a hash strictly below those of its other s-mers. S-mers and k-mers are canonical (the
smaller of the sequence and its reverse complement), and the middle is the same on both strands, so both strands have the same seeds. A tie
selects nothing, which keeps homopolymers and dinucleotide repeats out of the index. K-mers that are their own reverse complement have no
strand and are no seeds.

A seed is one uint64: 39 bits of hash, then 1 bit of strand (1: the reverse complement was the smaller). The index keeps its low 32 bits,
the key, together with the position in one word; the upper bits are implied by the bucket.

Source: R. Edgar, PeerJ 9:e10805 (2021), syncmers.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np
from numba import njit

from genopipe.kernels.bits import popcount
from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.kernels.words import prefetch

K = 20
S = 16
HASH_BITS = 39
PARTITION_BITS = HASH_BITS + 1 - 32
"""Bits of a seed above those that the index keeps: as many partitions are sorted one by one when the index is built."""

MAX_SEEDS = 255
"""Seeds of a read that are used: a seed's number in its read must fit 8 bits."""

MAX_HITS = 1024
MAX_CANDIDATES = 16
"""Places kept for each read."""

USUAL_OCCURRENCES = 40
"""Seeds found at more places than this are only used when a read has hardly any others."""

REPEAT_OCCURRENCES = 600
FEW_SEEDS = 3
LARGEST_GAP = 100
"""Diagonals this far apart can be one candidate: the longest insertion or deletion that seeds can bridge."""

_K_MASK = np.uint64((1 << 2 * K) - 1)
_S_MASK = np.uint64((1 << 2 * S) - 1)
_TOP = np.uint64(2 * (K - 1))
_DROP = np.uint64(2 * (K - S))
_HASH_SHIFT = np.uint64(64 - HASH_BITS)
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_ORDER = np.uint64(0x9E3779B97F4A7C15)
_1, _2, _3, _29, _32, _33 = (np.uint64(n) for n in (1, 2, 3, 29, 32, 33))
_KEY_MASK = np.uint64((1 << 32) - 1)

_DIAGONAL_OFFSET = 1 << 16
_REVERSE_BIT = 42


@njit(inline="always")
def _mix(x):
    x ^= x >> _32
    x *= _MULTIPLIER
    x ^= x >> _29
    x *= _MULTIPLIER
    return x ^ (x >> _32)


@kernel
def syncmers(code, start, end, seed, position):
    """Writes the seeds of `code[start:end]` and their positions in `code`; gives how many.

    code      (bases) uint8: 0 to 3, anything above is unknown and breaks seeds
    seed      (>= (end - start) // 3 + 2) uint64: 39 bits of hash, 1 bit of strand
    position  (as seed) int64: first base of the k-mer
    """
    n = 0
    run = 0
    forward = np.uint64(0)
    reverse = np.uint64(0)
    h0 = h1 = h2 = h3 = h4 = np.uint64(0)
    for i in range(start, end):
        c = np.uint64(code[i])
        if c > _3:
            run = 0
            continue
        run += 1
        forward = ((forward << _2) | c) & _K_MASK
        reverse = (reverse >> _2) | ((_3 - c) << _TOP)
        h0, h1, h2, h3 = h1, h2, h3, h4
        h4 = min(forward & _S_MASK, reverse >> _DROP) * _ORDER
        seed[n] = (min(forward, reverse) << _1) | np.uint64(reverse < forward)
        position[n] = i - K + 1
        n += np.int64((run >= K) & (h2 < h0) & (h2 < h1) & (h2 < h3) & (h2 < h4) & (forward != reverse))
    for j in range(n):
        seed[j] = ((_mix(seed[j] >> _1) >> _HASH_SHIFT) << _1) | (seed[j] & _1)
    return n


@kernel
def lookup(seed, n, entry, bucket, bucket_bits, first, count):
    """Writes where the entries of each of the first `n` seeds begin in the index and how many they are.

    entry   (entries) uint64: key << 32 | position, sorted within buckets; the lowest bit of the key is the strand, which is not compared
    bucket  (2 ** bucket_bits + 1) uint32: where each bucket begins; the bucket is the top bits of the hash
    count   (n) int64, out: REPEAT_OCCURRENCES + 1 stands for any larger number
    """
    shift = np.uint64(HASH_BITS + 1 - bucket_bits)
    for i in range(n):
        b = np.int64(seed[i] >> shift)
        first[i] = bucket[b]
        count[i] = np.int64(bucket[b + 1]) - np.int64(bucket[b])
        prefetch(entry, first[i])
        prefetch(entry, first[i] + count[i] - 1)
    for i in range(n):
        wanted = (seed[i] & _KEY_MASK) >> _1
        low = first[i]
        end = low + count[i]
        high = end
        while high - low > 16:
            middle = (low + high) >> 1
            if (entry[middle] >> _33) < wanted:
                low = middle + 1
            else:
                high = middle
        while low < end and (entry[low] >> _33) < wanted:
            low += 1
        last = low
        if low + USUAL_OCCURRENCES < end and (entry[low + USUAL_OCCURRENCES] >> _33) == wanted:
            last = low + USUAL_OCCURRENCES + 1
            high = min(end, low + REPEAT_OCCURRENCES + 1)
            while last < high:
                middle = (last + high) >> 1
                if (entry[middle] >> _33) == wanted:
                    last = middle + 1
                else:
                    high = middle
        else:
            while last < end and (entry[last] >> _33) == wanted:
                last += 1
        first[i] = low
        count[i] = last - low


@inner
def _add_hits(seed, where, n, first, count, length, least, most, entry, hit, n_hits):
    for i in range(n):
        if count[i] < least or count[i] > most or n_hits + count[i] > MAX_HITS:
            continue
        strand = np.int64(seed[i] & _1)
        for e in range(first[i], first[i] + count[i]):
            reverse = np.int64((entry[e] >> _32) & _1) ^ strand
            offset = length - K - where[i] if reverse else where[i]
            hit[n_hits] = (reverse << _REVERSE_BIT) | ((np.int64(entry[e] & _KEY_MASK) - offset + _DIAGONAL_OFFSET) << 8) | i
            n_hits += 1
    return n_hits


@inner
def _merge(hit, low, middle, high, merged):
    """Merges two ascending runs of `hit`, from `low` and from `middle` on, into the same places of `merged`."""
    i, j, k = low, middle, low
    while i < middle and j < high:
        left, right = hit[i], hit[j]
        is_left = left <= right
        merged[k] = left if is_left else right
        i += np.int64(is_left)
        j += np.int64(not is_left)
        k += 1
    while i < middle:
        merged[k] = hit[i]
        i, k = i + 1, k + 1
    while j < high:
        merged[k] = hit[j]
        j, k = j + 1, k + 1


@inner
def _sort(hit, n, run, merged):
    """Merges the ascending runs there are, again and again: those of most reads, which have one place, are one run, others few."""
    run[0], n_runs = 0, 1
    for i in range(1, n):
        run[n_runs] = i
        n_runs += np.int64(hit[i] < hit[i - 1])
    while n_runs > 1:
        run[n_runs] = n
        left = 0
        for r in range(0, n_runs, 2):
            low, middle = run[r], run[r + 1]
            _merge(hit, low, middle, run[r + 2] if r + 1 < n_runs else middle, merged)
            run[left] = low
            left += 1
        for i in range(n):
            hit[i] = merged[i]
        n_runs = left


@allocating
def candidates(base, base_start, entry, bucket, bucket_bits, diagonal, low, high, reverse, vote, n_candidate, crowded):
    """The places each read of a batch may come from, best first.

    Seeds that agree on a diagonal are a group. Where a group nearby has other seeds, the read may have a gap between the two: the band of
    the candidate then reaches over both, and a group whose seeds are mostly new is part of the candidate. One with the same seeds is a
    candidate of its own: the next copy of a tandem repeat.

    base, base_start            the reads, as in `model.Reads`
    entry, bucket, bucket_bits  the seed index; see `lookup`
    diagonal     (reads, MAX_CANDIDATES) int64, out: genome position of the first base of the read (of its reverse complement where
                 `reverse`)
    low, high    (reads, MAX_CANDIDATES) int64, out: lowest and highest diagonal by the seeds before and after an indel
    reverse      (reads, MAX_CANDIDATES) uint8, out: 1 where the read is the reverse complement of the genome
    vote         (reads, MAX_CANDIDATES) int32, out: different seeds that agree
    n_candidate  (reads) int32, out
    crowded      (reads) uint8, out: 1 where there are more places as good as those kept
    """
    seeds = np.empty((2, MAX_SEEDS * 8), np.uint64), np.empty((2, MAX_SEEDS * 8), np.int64)
    found = np.empty(MAX_SEEDS, np.int64), np.empty(MAX_SEEDS, np.int64)
    hits = np.empty(MAX_HITS, np.int64), np.empty(MAX_HITS + 1, np.int64), np.empty(MAX_HITS, np.int64)
    groups = np.empty(MAX_HITS, np.int64), np.empty(MAX_HITS, np.uint64), np.empty(MAX_HITS, np.int64)
    index, out = (entry, bucket, bucket_bits), (diagonal, low, high, reverse, vote, n_candidate, crowded)
    _candidates(base, base_start, index, out, seeds, found, hits, groups)


@inner
def _seeds_of(base, base_start, read, bucket, bucket_bits, seeds):
    """Writes the seeds of a read and where in it they begin into the row of `seeds` that is its turn, and asks for their buckets; gives how
    many there are, none behind the last read."""
    if read + 1 >= len(base_start):
        return 0
    seed, where = seeds[0][read & 1], seeds[1][read & 1]
    n = min(syncmers(base, base_start[read], base_start[read + 1], seed, where), MAX_SEEDS)
    shift = np.uint64(HASH_BITS + 1 - bucket_bits)
    for i in range(n):
        where[i] -= base_start[read]
        prefetch(bucket, np.int64(seed[i] >> shift))
    return n


@inner
def _candidates(base, base_start, index, out, seeds, found, hits, groups):
    """The same in the room given: while the buckets of a read come from memory, the candidates of the one before are found."""
    entry, bucket, bucket_bits = index
    diagonal, low, high, reverse, vote, n_candidate, crowded = out
    (first, count), (hit, run, merged) = found, hits
    group_diagonal, group_seeds, group_vote = groups
    n_next = _seeds_of(base, base_start, 0, bucket, bucket_bits, seeds)
    for read in range(len(base_start) - 1):
        length = base_start[read + 1] - base_start[read]
        n, seed, where = n_next, seeds[0][read & 1], seeds[1][read & 1]
        n_next = _seeds_of(base, base_start, read + 1, bucket, bucket_bits, seeds)
        lookup(seed, n, entry, bucket, bucket_bits, first, count)
        usual = 0
        frequent = 0
        for i in range(n):
            usual += np.int64(0 < count[i] <= USUAL_OCCURRENCES)
            frequent += np.int64(count[i] > USUAL_OCCURRENCES)
        n_hits = _add_hits(seed, where, n, first, count, length, 1, USUAL_OCCURRENCES, entry, hit, np.int64(0))
        if usual < FEW_SEEDS and frequent > 0:
            n_hits = _add_hits(seed, where, n, first, count, length, USUAL_OCCURRENCES + 1, REPEAT_OCCURRENCES, entry, hit, n_hits)
        _sort(hit, n_hits, run, merged)
        n_groups = 0
        for h in range(n_hits):
            if h == 0 or hit[h] >> 8 != group_diagonal[n_groups - 1]:
                group_diagonal[n_groups] = hit[h] >> 8
                group_seeds[n_groups] = np.uint64(0)
                n_groups += 1
            group_seeds[n_groups - 1] |= _1 << np.uint64(hit[h] & 63)
        for g in range(n_groups):
            group_vote[g] = popcount(group_seeds[g])
        kept = 0
        most = 0
        while kept < MAX_CANDIDATES and kept < n_groups:
            best = 0
            for g in range(1, n_groups):
                if group_vote[g] > group_vote[best]:
                    best = g
            votes = group_vote[best]
            if votes * 4 < most or votes <= 0:
                break
            group_vote[best] = 0
            middle = group_diagonal[best]
            lowest = highest = middle
            held = group_seeds[best]
            for step in (-1, 1):
                g = best + step
                while 0 <= g < n_groups and abs(group_diagonal[g] - middle) <= LARGEST_GAP:
                    wider = max(highest, group_diagonal[g]) - min(lowest, group_diagonal[g]) <= LARGEST_GAP
                    if wider and group_seeds[g] & ~held:
                        lowest, highest = min(lowest, group_diagonal[g]), max(highest, group_diagonal[g])
                        if popcount(group_seeds[g] & held) * 2 < popcount(group_seeds[g]):
                            votes += popcount(group_seeds[g] & ~held)
                            held |= group_seeds[g]
                            group_vote[g] = 0
                    g += step
            most = max(most, votes)
            strand = middle >> (_REVERSE_BIT - 8)
            bias = (strand << (_REVERSE_BIT - 8)) + _DIAGONAL_OFFSET
            reverse[read, kept] = strand
            diagonal[read, kept] = middle - bias
            low[read, kept] = lowest - bias
            high[read, kept] = highest - bias
            vote[read, kept] = votes
            kept += 1
        n_candidate[read] = kept
        crowded[read] = usual < FEW_SEEDS and frequent > 0 and n_hits == 0
        for g in range(n_groups):
            if kept == MAX_CANDIDATES and group_vote[g] * 4 >= vote[read, 0] * 3:
                crowded[read] = 1


@kernel
def scatter_seeds(seed, position, n, offset, count, entry):
    """Adds the first `n` seeds to their partitions, the top 8 bits of the hash: low 32 bits of the seed, then position + offset.

    count  (partitions) int64, in and out: seeds in each
    entry  (partitions, room) uint64
    """
    for i in range(n):
        partition = np.int64(seed[i] >> _32)
        entry[partition, count[partition]] = (seed[i] << _32) | np.uint64(position[i] + offset)
        count[partition] += 1


@kernel
def fill_buckets(entry, partition, bucket_bits, start, bucket):
    """Writes where the buckets of one partition begin; `entry` is the sorted partition, which begins at `start` of the index."""
    per_partition = 1 << (bucket_bits - PARTITION_BITS)
    shift = np.uint64(64 - (bucket_bits - PARTITION_BITS))
    i = 0
    for b in range(per_partition):
        while i < len(entry) and bucket_bits > PARTITION_BITS and np.int64(entry[i] >> shift) < b:
            i += 1
        bucket[partition * per_partition + b] = start + i


@inner
def _lies_in(position, start, end):
    """True where a position lies in one of the sorted stretches."""
    low, high = 0, len(start)
    while low < high:
        middle = (low + high) >> 1
        if start[middle] <= position:
            low = middle + 1
        else:
            high = middle
    return low > 0 and position < end[low - 1]


@kernel
def drop_alternatives(entry, start, end):
    """Takes seeds that lie in a stretch of `start` to `end`, and also elsewhere, out of a sorted partition; gives how many are left."""
    n = 0
    i = 0
    while i < len(entry):
        last = i
        elsewhere = False
        while last < len(entry) and entry[last] >> _33 == entry[i] >> _33:
            elsewhere |= not _lies_in(np.int64(entry[last] & _KEY_MASK), start, end)
            last += 1
        for j in range(i, last):
            if not elsewhere or not _lies_in(np.int64(entry[j] & _KEY_MASK), start, end):
                entry[n] = entry[j]
                n += 1
        i = last
    return n
