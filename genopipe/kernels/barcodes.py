"""The sample of each cluster, from its index reads.

The bases of the index reads are packed one-hot, four bits a base and 16 bases a word, so that a barcode is compared with one AND and one
count of bits a word; a no-call has no bit and agrees with nothing, a position that a barcode leaves open has no bit in the barcode. Each
index read has its own words. Index reads that were seen before are looked up in a table of `CACHE` entries and not compared again.

`nearest` is the whole rule: a barcode is taken when it is the only one within its limits (of each index and of all together) and the
next one has at least `delta` mismatches more.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.base_calls import NO_CALL
from genopipe.kernels.bits import popcount
from genopipe.kernels.compiled import allocating, inner

BASES_IN_A_WORD = 16
UNDETERMINED = -1
CACHE = 1 << 16


class Barcodes(NamedTuple):
    """The barcodes of a lane and what they allow; `samples` in the order of the sheet, index reads in the order of sequencing.

    bits               (samples, words) uint64: one-hot bases of the barcode, none at open positions
    limit              (samples, indexes) int64: mismatches allowed in each index, no-calls among them
    total_limit        int: mismatches allowed in all indexes together, no-calls left out
    delta              int: by how many mismatches the next barcode must be worse
    no_call_limit      int: no-calls allowed in all indexes together
    index_of_word      (words) int64
    """

    bits: NDArray[np.uint64]
    limit: NDArray[np.int64]
    total_limit: int
    delta: int
    no_call_limit: int
    index_of_word: NDArray[np.int64]


@inner
def nearest(key, no_calls, barcodes):
    """Sample and mismatches (no-calls among them) of the barcode that `key` belongs to; `UNDETERMINED` and 0 for none."""
    best, best_mismatches, fewest, second = UNDETERMINED, 0, 1 << 30, 1 << 30
    n_samples, n_words = barcodes.bits.shape
    for sample in range(n_samples):
        mismatches, uncalled_bases, within, word = 0, 0, True, 0
        while word < n_words and within:
            index, of_index = barcodes.index_of_word[word], 0
            while word < n_words and barcodes.index_of_word[word] == index:
                bits = barcodes.bits[sample, word]
                of_index += np.int64(popcount(bits)) - np.int64(popcount(bits & key[word]))
                uncalled_bases += np.int64(popcount(bits & uncalled(key[word])))
                word += 1
            mismatches += of_index
            within = of_index <= barcodes.limit[sample, index]
        if within and mismatches - uncalled_bases < fewest:
            best, best_mismatches, fewest, second = sample, mismatches, mismatches - uncalled_bases, fewest
        elif within and mismatches - uncalled_bases < second:
            second = mismatches - uncalled_bases
    if fewest > barcodes.total_limit or second - fewest < barcodes.delta or no_calls > barcodes.no_call_limit:
        return UNDETERMINED, 0
    return best, best_mismatches


@inner
def uncalled(word):
    """All four bits of every position of `word` that has none."""
    called = word | word >> np.uint64(1)
    called = (called | called >> np.uint64(2)) & np.uint64(0x1111111111111111)
    return ~(called * np.uint64(15))


@inner
def _pack(call, column, word_of, key):
    """Fills `key`; gives the number of no-calls."""
    key[:] = np.uint64(0)
    no_calls = 0
    shift = 0
    for i in range(len(column)):
        if i and word_of[i] != word_of[i - 1]:
            shift = 0
        if call[column[i]] == NO_CALL:
            no_calls += 1
        else:
            key[word_of[i]] |= np.uint64(1) << np.uint64(shift + (call[column[i]] & 3))
        shift += 4
    return no_calls


@allocating
def assign(calls, column, word_of, barcodes, sample, mismatches):
    """Sets `sample` and `mismatches` (clusters) int32 from calls (clusters, cycles) uint8.

    column, word_of  (index bases) int64: the column of each base, its word in the key
    """
    n_words = barcodes.bits.shape[1]
    key = np.empty(n_words, np.uint64)
    seen = np.zeros((CACHE, n_words + 1), np.uint64)
    known = np.empty((CACHE, 2), np.int32)
    for cluster in range(len(sample)):
        no_calls = _pack(calls[cluster], column, word_of, key)
        slot = np.uint64(0)
        for word in range(n_words):
            slot = (slot ^ key[word]) * np.uint64(0x9E3779B97F4A7C15)
            slot ^= slot >> np.uint64(29)
        slot &= np.uint64(CACHE - 1)
        hit = seen[slot, n_words] != 0
        for word in range(n_words):
            hit &= seen[slot, word] == key[word]
        if not hit:
            known[slot, 0], known[slot, 1] = nearest(key, no_calls, barcodes)
            seen[slot, :n_words] = key
            seen[slot, n_words] = 1
        sample[cluster], mismatches[cluster] = known[slot, 0], known[slot, 1]
