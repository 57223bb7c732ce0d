"""The pair-HMM forward recurrence cell by cell in double precision, as `genopipe.kernels.pairhmm` states it, and a scalar compiled twin."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


def forward(read, quality, haplotype, gap, *, extension=0.1):
    """Likelihood of the read per start: the full matrices, no tricks."""
    m, h = len(read), len(haplotype)
    error = [10 ** (-max(int(q), 1) / 10) for q in quality]
    match, insertion, deletion = (np.zeros((m + 1, h + 1)) for _ in range(3))
    deletion[0, :] = 1.0
    opened = np.concatenate(([0.0], np.asarray(gap, float)))
    for i in range(1, m + 1):
        for j in range(1, h + 1):
            same = read[i - 1] == haplotype[j - 1] or read[i - 1] >= 4
            p = 1 - error[i - 1] if same else error[i - 1] / 3
            before = match[i - 1, j - 1] * (1 - 2 * opened[j - 1]) + (insertion[i - 1, j - 1] + deletion[i - 1, j - 1]) * (1 - extension)
            match[i, j] = p * before
            insertion[i, j] = match[i - 1, j] * opened[j] + insertion[i - 1, j] * extension
            deletion[i, j] = match[i, j - 1] * opened[j - 1] + deletion[i, j - 1] * extension
    return match[m, 1:].sum() + insertion[m, 1:].sum()


def milli_phred(likelihood, columns):
    """-10000 log10 of the likelihood with a uniform start."""
    return round(-10000 * (math.log10(likelihood) - math.log10(columns)))


@njit(cache=False)
def scalar(
    read_base, read_quality, read_start, haplotype_base, haplotype_gap, haplotype_start, pair_read, pair_haplotype, match, mismatch, out
):
    """The same recurrence, one pair and one cell at a time in fp32: what the lanes are measured against."""
    for pair in range(len(pair_read)):
        a, b = read_start[pair_read[pair]], read_start[pair_read[pair] + 1]
        c, d = haplotype_start[pair_haplotype[pair]], haplotype_start[pair_haplotype[pair] + 1]
        matched = np.zeros(d - c + 1, np.float32)
        inserted = np.zeros(d - c + 1, np.float32)
        deleted = np.full(d - c + 1, np.float32(2.0**120), np.float32)
        for i in range(a, b):
            matched_left = deleted_left = np.float32(0)
            matched_corner, inserted_corner, deleted_corner = matched[0], inserted[0], deleted[0]
            matched[0] = inserted[0] = deleted[0] = np.float32(0)
            for j in range(1, d - c + 1):
                same = read_base[i] == haplotype_base[c + j - 1] or read_base[i] >= 4
                p = match[read_quality[i]] if same else mismatch[read_quality[i]]
                before = haplotype_gap[c + j - 2] if j > 1 else np.float32(0)
                here = haplotype_gap[c + j - 1]
                new_matched = p * (
                    matched_corner * (np.float32(1) - np.float32(2) * before) + (inserted_corner + deleted_corner) * np.float32(0.9)
                )
                new_inserted = matched[j] * here + inserted[j] * np.float32(0.1)
                new_deleted = matched_left * before + deleted_left * np.float32(0.1)
                matched_corner, inserted_corner, deleted_corner = matched[j], inserted[j], deleted[j]
                matched[j], inserted[j], deleted[j] = new_matched, new_inserted, new_deleted
                matched_left, deleted_left = new_matched, new_deleted
        out[pair] = matched[1:].sum() + inserted[1:].sum()
