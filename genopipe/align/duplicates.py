"""Which reads are copies of the same fragment: those whose two ends begin at the same bases of the genome, clipped bases counted in.

`signatures` says for each pair of a batch where its ends lie and how good its bases are; `Finder` collects them, in files when memory is
short, and says in the end which reads are duplicates: of pairs with equal ends all but the one with the largest sum of base qualities (the
first of equals). A read whose mate has no place, and a single read, is a duplicate when a pair has an end there, or another such read is
better.

Source: the rules are those of Picard MarkDuplicates, as its documentation states them; qualities below 15 do not count.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.align.pairing import Choice
from genopipe.align.placement import Placements
from genopipe.align.rescue import five_prime
from genopipe.kernels.compiled import kernel
from genopipe.model import Reads
from genopipe.outputs import writing

LEAST_QUALITY = 15
SIGNATURE = np.dtype([("low", np.int64), ("high", np.int64), ("quality", np.int64), ("read", np.int64)])
"""low, high: the ends in order, 5' position << 1 | strand; high is -1 for a lone read. read: ordinal of the (first) read."""

_PARTITIONS = 64
_OFFSET = 1 << 20


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the metrics file says about one library."""

    library: str
    single_reads: int
    pairs: int
    unmapped_reads: int
    single_duplicates: int
    pair_duplicates: int


def signatures(reads: Reads, placements: Placements, choice: Choice, first_read: int) -> NDArray[np.void]:
    """(mapped pairs and lone reads) of dtype SIGNATURE; `first_read` is the ordinal of the first read of the batch."""
    out = np.empty((len(reads), 4), np.int64)
    n = _fill(reads.quality, reads.base_start, reads.paired, placements, choice.slot, first_read, out)
    return out[:n].copy().view(SIGNATURE).ravel()


@kernel
def _fill(quality, base_start, paired, p, slot, first_read, out):
    step = 2 if paired else 1
    n = 0
    for read in range(0, len(slot), step):
        low = high = np.int64(-1)
        total = 0
        lone = read
        for mate in range(read, read + step):
            if slot[mate] < 0:
                continue
            end = ((five_prime(p, mate, slot[mate]) + _OFFSET) << 1) | p.reverse[mate, slot[mate]]
            low, high = end, low
            lone = mate
            for i in range(base_start[mate], base_start[mate + 1]):
                q = quality[i]
                total += q if LEAST_QUALITY <= q < 255 else 0
        if low < 0:
            continue
        if high >= 0:
            lone = read
            if high < low:
                low, high = high, low
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = low, high, total, first_read + lone
        n += 1
    return n


class Finder:
    """Collects signatures and finds the duplicates among them, spilling to `folder` what exceeds `memory` bytes."""

    def __init__(self, folder: Path, *, memory: int) -> None:
        self._folder, self._memory = folder, memory
        self._held: list[NDArray[np.void]] = []
        self._lone: list[NDArray[np.void]] = []
        self._bytes = 0
        self._spilled = False

    def add(self, signature: NDArray[np.void]) -> None:
        """Adds the signatures of a batch."""
        lone = signature["high"] < 0
        self._lone.append(signature[lone])
        self._held.append(signature[~lone])
        self._bytes += signature.nbytes
        if self._bytes > self._memory:
            self._spill()

    def find(self, n_reads: int, library: str) -> tuple[NDArray[np.uint8], Metrics]:
        """Bits of the reads that are duplicates (read i is bit i & 7 of byte i >> 3), and the counts."""
        bits = np.zeros((n_reads + 7) // 8, np.uint8)
        lone = np.concatenate(self._lone) if self._lone else np.empty(0, SIGNATURE)
        beside_pair = np.zeros(len(lone), bool)
        pairs = pair_duplicates = 0
        for part in self._parts():
            beside_pair |= np.isin(lone["low"], part["low"]) | np.isin(lone["low"], part["high"])
            copies = _worse_copies(part)
            pairs, pair_duplicates = pairs + len(part), pair_duplicates + len(copies)
            _set_bits(bits, copies)
            _set_bits(bits, copies + 1)
        lone_duplicates = np.union1d(lone["read"][beside_pair], _worse_copies(lone))
        _set_bits(bits, lone_duplicates)
        unmapped = n_reads - 2 * pairs - len(lone)
        return bits, Metrics(library, len(lone), pairs, unmapped, len(lone_duplicates), pair_duplicates)

    def _parts(self) -> Iterator[NDArray[np.void]]:
        if not self._spilled:
            yield np.concatenate(self._held) if self._held else np.empty(0, SIGNATURE)
            return
        self._spill()
        for partition in range(_PARTITIONS):
            yield np.fromfile(self._path(partition), SIGNATURE)

    def _spill(self) -> None:
        rows = np.concatenate(self._held)
        partition = (rows["low"] >> 1) * 0x9E3779B1 >> 12 & (_PARTITIONS - 1)
        order = np.argsort(partition, kind="stable")
        border = np.searchsorted(partition[order], np.arange(_PARTITIONS + 1))
        for number in range(_PARTITIONS):
            with writing(self._path(number)), open(self._path(number), "ab") as out:
                out.write(rows[order[border[number] : border[number + 1]]].tobytes())
        self._held, self._bytes, self._spilled = [rows[:0]], 0, True

    def _path(self, partition: int) -> Path:
        return self._folder / f"ends-{partition}"


def _worse_copies(part: NDArray[np.void]) -> NDArray[np.int64]:
    """The reads of all signatures that have an equal one that is better or came before."""
    order = np.lexsort((part["read"], -part["quality"], part["high"], part["low"]))
    low, high = part["low"][order], part["high"][order]
    same = np.zeros(len(part), bool)
    same[1:] = (low[1:] == low[:-1]) & (high[1:] == high[:-1])
    return part["read"][order][same]


@kernel
def _set_bits(bits, reads):
    for i in range(len(reads)):
        bits[reads[i] >> 3] |= 1 << (reads[i] & 7)


@kernel
def flag_records(record, start, ordinal, bits):
    """Sets the duplicate flag in the bytes of those records whose bit is set."""
    for i in range(len(ordinal)):
        if bits[ordinal[i] >> 3] >> (ordinal[i] & 7) & 1:
            record[start[i] + 19] |= 4


def write_metrics(metrics: Metrics, target: Path) -> None:
    """The metrics file, in the form of Picard's, which MultiQC reads."""
    reads = metrics.single_reads + 2 * metrics.pairs
    share = (metrics.single_duplicates + 2 * metrics.pair_duplicates) / reads if reads else 0.0
    columns = {
        "LIBRARY": metrics.library,
        "UNPAIRED_READS_EXAMINED": metrics.single_reads,
        "READ_PAIRS_EXAMINED": metrics.pairs,
        "UNMAPPED_READS": metrics.unmapped_reads,
        "UNPAIRED_READ_DUPLICATES": metrics.single_duplicates,
        "READ_PAIR_DUPLICATES": metrics.pair_duplicates,
        "PERCENT_DUPLICATION": f"{share:.6f}",
    }
    lines = ["## htsjdk.samtools.metrics.StringHeader", "# genopipe MarkDuplicates", "", "## METRICS CLASS\tpicard.sam.DuplicationMetrics"]
    lines += ["\t".join(columns), "\t".join(map(str, columns.values())), ""]
    target.write_text("\n".join(lines) + "\n")
