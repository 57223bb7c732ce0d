"""How often bases of each quality, cycle and context differ from the reference, and qualities put right by what was learnt of it.

A cycle is the offset of a base in the read as the sequencer made it; the second read of a pair has cycles of its own, `MOST_CYCLES` further
on, and what lies beyond `MOST_CYCLES` counts with the last one. A context is the base before it on the sequencer and the base itself,
4 * before + base; where one of the two is not known there is none.

Source: DePristo et al., A framework for variation discovery and genotyping, Nature Genetics 43 (2011), section on base quality score
recalibration: the covariates reported quality, machine cycle and dinucleotide.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.model import Alignments

MOST_CYCLES = 256
N_CYCLES = 2 * MOST_CYCLES
N_CONTEXTS = 16
N_QUALITIES = 94
_SECOND_OF_PAIR, _REVERSE = 0x80, 0x10


def count_differences(
    reads: Alignments, reference: NDArray[np.uint8], start: int, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(94, cycles, 2) and (94, contexts, 2) int64: bases on usable reference bases, and those of them that differ, by reported quality.

    `reference` (codes) begins at `start`; `usable` says of each of its bases whether what differs there is an error.
    """
    by_cycle, by_context = np.zeros((N_QUALITIES, N_CYCLES, 2), np.int64), np.zeros((N_QUALITIES, N_CONTEXTS, 2), np.int64)
    placed = reads.position, reads.flag, reads.cigar, reads.cigar_start, reads.base, reads.quality, reads.base_start
    _count(*placed, reference, start, usable, by_cycle, by_context)
    return by_cycle, by_context


@njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]
    position, flag, cigar, cigar_start, base, quality, base_start, reference, start, usable, by_cycle, by_context
):
    for row in range(len(position)):
        at = position[row] - start
        first = base_start[row]
        n = base_start[row + 1] - first
        reverse = flag[row] & _REVERSE
        mate = MOST_CYCLES if flag[row] & _SECOND_OF_PAIR else 0
        offset = np.int64(0)
        for k in range(cigar_start[row], cigar_start[row + 1]):
            operation = cigar[k] & 15
            length = np.int64(cigar[k] >> 4)
            if operation == 0 or operation == 7 or operation == 8:
                for i in range(max(0, -at), min(length, len(reference) - at)):
                    code = np.int64(base[first + offset + i])
                    if code > 3 or not usable[at + i]:
                        continue
                    cycle = n - 1 - offset - i if reverse else offset + i
                    reported = quality[first + offset + i]
                    differs = code != reference[at + i]
                    of_cycle = by_cycle[reported, min(cycle, MOST_CYCLES - 1) + mate]
                    of_cycle[0] += 1
                    of_cycle[1] += differs
                    if cycle > 0:
                        # the base before on the sequencer: the one to the right, complemented, where the read is reversed
                        before = np.int64(base[first + offset + i + (1 if reverse else -1)])
                        if before < 4:
                            of_context = by_context[reported, 15 - 4 * before - code if reverse else 4 * before + code]
                            of_context[0] += 1
                            of_context[1] += differs
                at += length
                offset += length
            elif operation == 1 or operation == 4:
                offset += length
            elif operation == 2 or operation == 3:
                at += length


@njit(cache=True, nogil=True)
def put_right(flag, base, quality, base_start, row_of, table, out):  # type: ignore[no-untyped-def]
    """Fills `out` (bases) uint8 with the recalibrated qualities.

    row_of  (256) int64: row of `table` by reported quality, -1 for those that stay
    table   (rows, cycles, contexts + 1) uint8: quality by cycle and context, the last column without one
    """
    for row in range(len(flag)):
        first = base_start[row]
        last = base_start[row + 1]
        reverse = flag[row] & _REVERSE
        mate = MOST_CYCLES if flag[row] & _SECOND_OF_PAIR else 0
        # the base before on the sequencer: the one to the right, complemented, where the read is reversed
        before = 4
        for i in range(last - first):
            at = last - 1 - i if reverse else first + i
            here = base[at]
            if reverse and here < 4:
                here = 3 - here
            reported = row_of[quality[at]]
            if reported < 0:
                out[at] = quality[at]
            else:
                context = 4 * before + here if before < 4 and here < 4 else N_CONTEXTS
                out[at] = table[reported, min(i, MOST_CYCLES - 1) + mate, context]
            before = here
