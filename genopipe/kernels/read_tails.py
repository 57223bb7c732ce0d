"""The ends of reads that went bad: Picard's EAMSS, which lowers the qualities of a tail to 2 and keeps its bases.

From the end of a read towards its start, a base of quality 30 or more takes two points away and one below 15 gives one; the tail begins
where the sum is highest, at the base nearest the start among equals, and is masked where that sum is at least 1. A run of G that reaches
up to the tail (at least ten bases, one in ten of another letter) is masked with it.

Source: "End Anchored Maximal Scoring Segments" of Illumina's pipelines, as Picard documents it (APPLY_EAMSS_FILTER).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np

from genopipe.kernels.base_calls import NO_CALL
from genopipe.kernels.compiled import inner, kernel

_GOOD, _BAD = 30, 15
_MASKED = 2
_G = 2
_SHORTEST_RUN = 10
_NO_CALL_QUALITY = 2


@inner
def _quality(call):
    return np.int64(_NO_CALL_QUALITY) if call == NO_CALL else np.int64(call >> 2)


@inner
def _is_g(call):
    return call != NO_CALL and (call & 3) == _G


@inner
def _tail_start(read):
    """Where the tail begins; the length of the read where there is none."""
    points, most, start = 0, 0, len(read)
    for i in range(len(read) - 1, -1, -1):
        quality = _quality(read[i])
        points += -2 if quality >= _GOOD else 1 if quality < _BAD else 0
        if points >= max(most, 1):
            most, start = points, i
    return start


@inner
def _other_letters(read, at, run, others):
    """How many letters other than G, from `at` towards the start, a run of `run` bases with `others` of them may pass; 0 for none."""
    for n in range(1, at + 1):
        if others + n > max((run + n) // 10, 1):
            return 0
        if _is_g(read[at - n]):
            return n
    return 0


@inner
def _run_of_g(read, end):
    """Bases of the run of G that reaches up to and includes `end`."""
    run, others, i = 0, 0, end
    while i >= 0:
        passed = 1 if _is_g(read[i]) else _other_letters(read, i, run, others)
        if passed == 0:
            break
        if not _is_g(read[i]):
            others += passed
        run += passed
        i -= passed
    return run


@kernel
def mask_tails(calls, start, end):
    """Lowers the qualities of the tails of the read in columns `start` to `end` of calls (clusters, columns) uint8."""
    for cluster in range(len(calls)):
        read = calls[cluster, start:end]
        tail = _tail_start(read)
        if tail < len(read):
            run = _run_of_g(read, tail)
            if run >= _SHORTEST_RUN:
                tail = tail + 1 - run
            for i in range(tail, len(read)):
                if read[i] != NO_CALL:
                    read[i] = _MASKED << 2 | (read[i] & 3)
