"""Reference blocks: how sure the reference genotype of each base is, runs of bases about equally sure, and a line of text for each run."""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import kernel
from genopipe.kernels.read_text import SPARE, put_bytes, put_number

DEPTH, QUALITY, LIKELIHOOD = 0, 1, 2
"""Columns of `least_of`: depth, GQ, and from there on the PL of each genotype."""
_MOST_DIGITS = 10


@kernel
def reference_quality(fit, ploidy, most, out):
    """Fills `out` (bases) uint8 with the GQ of the reference genotype, `most` at most, by `fit` (bases, 3) of the pileup."""
    for i in range(len(out)):
        other = min(fit[i, 1], fit[i, 2]) if ploidy == 2 else fit[i, 2]
        cost = min(max(other - fit[i, 0] + 500, 0), 1000 * most)
        out[i] = np.uint32(cost) // np.uint32(1000)


def even_runs(value: NDArray[np.uint8], wanted: NDArray[np.bool_], *, step: int, percent: int) -> NDArray[np.int64]:
    """(runs, 2) int64: first and one past the last row of each run of wanted values, from the left as long as they go.

    In a run the largest value is above the smallest one by no more than `step`, or by so many per cent of the smallest.
    """
    out = np.empty((len(value), 2), np.int64)
    return out[: _runs(value, wanted, step, percent, out)]


@kernel
def _runs(value, wanted, step, percent, out):
    n = 0
    inside = False
    low = high = 0
    for i in range(len(value)):
        if inside and wanted[i]:
            low = min(low, value[i])
            high = max(high, value[i])
            if high - low <= max(step, low * percent // 100):
                continue
        if inside:
            out[n, 1] = i
            n += 1
        inside = wanted[i]
        if inside:
            out[n, 0] = i
            low = high = value[i]
    if inside:
        out[n, 1] = len(value)
        n += 1
    return n


@kernel
def least_of(run, depth, quality, fit, most, out):
    """Fills `out` (runs, 2 + genotypes) int64 with the lowest depth, GQ and PL (`most` at most) over the bases of each run.

    The genotypes are the columns of `fit` (bases, genotypes), the costs in milli-phred.
    """
    for n in range(len(run)):
        first = run[n, 0]
        out[n, DEPTH], out[n, QUALITY] = depth[first], quality[first]
        out[n, LIKELIHOOD:] = 1000 * most
        for i in range(first, run[n, 1]):
            out[n, DEPTH] = min(out[n, DEPTH], depth[i])
            out[n, QUALITY] = min(out[n, QUALITY], quality[i])
            best = fit[i, 0]
            for genotype in range(1, fit.shape[1]):
                best = min(best, fit[i, genotype])
            for genotype in range(fit.shape[1]):
                out[n, LIKELIHOOD + genotype] = min(out[n, LIKELIHOOD + genotype], fit[i, genotype] - best)
        for column in range(LIKELIHOOD, out.shape[1]):
            out[n, column] = (out[n, column] + 500) // 1000


def spelled(words: list[str], letter: NDArray[np.uint8], number: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    """A line of text for each row of `number` (lines, numbers), all below 2^32, and where each begins (lines + 1) int64.

    A line is a word, the first number, a word, the `letter` of the line, and from there on words and numbers in turn.
    """
    padded = [np.frombuffer(word.encode() + bytes(SPARE), np.uint8) for word in words]
    start = np.concatenate(([0], np.cumsum([len(word) for word in padded])))
    longest = sum(map(len, words)) + 1 + _MOST_DIGITS * number.shape[1]
    out, line = np.empty(len(number) * longest + SPARE, np.uint8), np.zeros(len(number) + 1, np.int64)
    _spell(np.concatenate(padded), start, letter, number, out, line)
    return out[: line[-1]].tobytes().decode(), line


@kernel
def _spell(word, start, letter, number, out, line):
    at = 0
    for row in range(len(number)):
        at = put_bytes(out, at, word[: start[1]])
        at = put_number(out, at, number[row, 0])
        at = put_bytes(out, at, word[start[1] : start[2]])
        out[at] = letter[row]
        at += 1
        for column in range(1, number.shape[1]):
            at = put_bytes(out, at, word[start[column + 1] : start[column + 2]])
            at = put_number(out, at, number[row, column])
        at = put_bytes(out, at, word[start[-2] :])
        line[row + 1] = at
