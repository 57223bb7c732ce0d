"""One place for each read, chosen on a GPU: rescue near the mate and the choice, `rescue.rescue` and `pairing.choose` there.

What is left of a batch is one place a read, and its CIGAR: some fifty bytes go back to the host in place of all places. `Chosen.part` gives
them for a stretch of the batch in the form that the CPU goes on with: placements that hold the chosen place in slot 0, and two free slots
for the parts of split reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align import insert_size, pairing, rescue
from genopipe.align.insert_size import InsertSize
from genopipe.align.on_gpu import PLACE, Placer, used_cells
from genopipe.align.pairing import Choice
from genopipe.align.placement import LONGEST_READ, SLOTS, Placements
from genopipe.device import Gpu
from genopipe.device.sources import Source
from genopipe.kernels.on_gpu import blocks
from genopipe.kernels.packed_alignments import Placed

_OF_PAIRING = (
    "UNPAIRED_PENALTY",
    "PARTS_OF_POINT",
    "LEAST_SCORE",
    "HIGHEST_QUALITY",
    "PHRED_OF_POINT",
    "PHRED_OF_GAP_BASE",
    "PHRED_OF_DOUBLING",
    "LEAST_RIVAL",
    "FAR_BELOW",
)
_OF_RESCUE = ("WORD", "ANCHORS", "ANCHOR_MARGIN", "FEWEST_VOTES", "LONGEST_STRETCH")

_CONSTANTS = (
    dict(PLACE.defines, SLOTS=SLOTS)
    | {name: getattr(pairing, name) for name in _OF_PAIRING}
    | {name: getattr(rescue, name) for name in _OF_RESCUE}
    | {name: getattr(insert_size, name) for name in insert_size.ORIENTATIONS}
)
PAIR = Source(PLACE.path.with_name("pair.cu"), tuple(sorted(_CONSTANTS.items())))

FREE_SLOTS = 2
"""For the parts of a split read."""

_BINS = 1024
_KEPT: dict[str, Any] = {
    "reverse": np.uint8,
    "score": np.int32,
    "start": np.int64,
    "end": np.int64,
    "clip_start": np.int32,
    "clip_end": np.int32,
}


class Batch(NamedTuple):
    """Reads on the device: bases, qualities, where each read begins in them, and the hash of each name; `paired` as in `model.Reads`."""

    paired: bool
    base: Any
    quality: Any
    base_start: Any
    chance: Any

    def __len__(self) -> int:
        return len(self.base_start) - 1

    def rows(self, first: int, last: int) -> Batch:
        """The reads `first` to `last`, of the same bases."""
        return Batch(self.paired, self.base, self.quality, self.base_start[first : last + 1], self.chance[first:last])


class There(NamedTuple):
    """The place of each read of a batch, on the device: score of the place, and of the best other one (reads) int32."""

    placed: Placed
    score: Any
    second: Any

    def on_host(self, gpu: Gpu) -> Chosen:
        """The same, copied."""
        placed, score, second = Placed(*map(gpu.host, self.placed)), gpu.host(self.score), gpu.host(self.second)
        kept = {name: getattr(placed, name) for name in ("reverse", "start", "end", "clip_start", "clip_end")}
        choice = Choice(placed.slot, placed.quality, second, placed.proper)
        return Chosen(choice, kept | {"score": score}, placed.operations, placed.offset, placed.cigar)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The place of each read of a batch, on the host.

    kept        columns of `Placements` (reads): those of the chosen place
    operations  (reads) int32: operations of its CIGAR, 0 for one without gaps
    offset      (reads + 1) int64: where these begin in `cigar`
    """

    choice: Choice
    kept: dict[str, NDArray[Any]]
    operations: NDArray[np.int32]
    offset: NDArray[np.int64]
    cigar: NDArray[np.uint32]

    def part(self, first: int, last: int) -> tuple[Placements, Choice, NDArray[np.uint32]]:
        """Placements, choice and operations of the reads `first` to `last`."""
        rows, n = slice(first, last), last - first
        mapped, operations = self.choice.slot[rows] >= 0, self.operations[rows]
        columns = {name: _in_first_slot(array[rows]) for name, array in self.kept.items()}
        columns["cigar_n"] = _in_first_slot(operations)
        columns["cigar_at"] = _in_first_slot(np.where(operations > 0, self.offset[first:last] - self.offset[first], -1))
        of_seeds: dict[str, Any] = dict.fromkeys(("diagonal", "low", "high"), np.empty((n, 1 + FREE_SLOTS), np.int64))
        of_seeds["vote"] = np.empty((n, 1 + FREE_SLOTS), np.int32)
        placements = Placements(n=mapped.astype(np.int32), crowded=np.zeros(n, np.uint8), **of_seeds, **columns)
        _, quality, second, proper = self.choice
        choice = Choice(mapped.astype(np.int32) - 1, quality[rows], second[rows], proper[rows])
        return placements, choice, self.cigar[self.offset[first] : self.offset[last]]


def _in_first_slot(column: NDArray[Any]) -> NDArray[Any]:
    slots = np.empty((len(column), 1 + FREE_SLOTS), column.dtype)
    slots[:, 0] = column
    return slots


class Chooser:
    """Chooses places, once it is known how far mates lie apart."""

    def __init__(self, placer: Placer, alternative: NDArray[np.bool_], insert: InsertSize) -> None:
        self.placer, self._gpu, xp = placer, placer.gpu, placer.gpu.xp
        self._alternative = xp.asarray(alternative.view(np.uint8)) if alternative.any() else None
        self._longest = insert.high - insert.low
        self._insert = (np.int64(insert.low), np.int64(insert.high), np.int32(insert.orientation))
        self._penalty = xp.asarray(pairing.penalties(insert))

    def choose(self, batch: Batch) -> There:
        """The place of every read."""
        p, cigar = self.placer.place_there(batch.base, batch.base_start)
        n = len(batch)
        if batch.paired and n:
            cigar = self._rescue(batch, p, cigar)
        choice = self._choice(batch, p)
        return self._taken(n, p, choice, cigar)

    def name_hash(self, header: Any, header_start: Any, name_length: Any) -> Any:
        """The hash of each read name, by which `choose` decides between equal places."""
        n, chance = len(name_length), self._gpu.xp.empty(len(name_length), np.uint64)
        if n:
            self._gpu.launch(PAIR, "hash_names", blocks(n), header, header_start, name_length, np.int64(n), chance)
        return chance

    def _rescue(self, batch: Batch, p: Placements, cigar: Any) -> Any:
        """Adds places near the mates; gives the operations with theirs added."""
        gpu, xp, n, target = self._gpu, self._gpu.xp, len(batch), self.placer.target
        shape = (n, rescue.ANCHORS)
        reverse, first, last = xp.empty(shape, np.uint8), xp.empty(shape, np.int64), xp.empty(shape, np.int64)
        n_tasks, n_jobs = xp.empty(n, np.int32), xp.empty(n, np.int32)
        of_reads = (batch.base_start, np.int64(n), *target, *places(p))
        gpu.launch(PAIR, "rescue_tasks", blocks(n), *of_reads, *self._insert, reverse, first, last, n_tasks)
        anchor, cell = used_cells(xp, n_tasks, rescue.ANCHORS)
        if not len(cell):
            return cigar
        tasks = (reverse.ravel()[cell], first.ravel()[cell])
        found = self._scan(batch, (anchor ^ 1).astype(np.int32), *tasks, last.ravel()[cell])
        task_at = xp.cumsum(n_tasks, dtype=np.int64) - n_tasks
        columns = (p.n, p.diagonal, p.low, p.high, p.reverse, p.vote, p.score, p.start, p.end, p.clip_start, p.clip_end)
        slot, width = (xp.empty(shape, np.int32) for _ in range(2))
        given = (np.int64(n), *target, np.int32(SLOTS), task_at, n_tasks, *tasks, *found)
        gpu.launch(PAIR, "rescue_add", blocks(n), *given, *columns, p.cigar_at, p.cigar_n, slot, width, n_jobs)
        anchor, cell = used_cells(xp, n_jobs, rescue.ANCHORS)
        job = ((anchor ^ 1).astype(np.int32), slot.ravel()[cell], width.ravel()[cell])
        return self.placer.extend(batch.base, batch.base_start, p, job=job, cigar=cigar)

    def _scan(self, batch: Batch, read: Any, reverse: Any, first: Any, last: Any) -> tuple[Any, Any, Any]:
        """Votes, lowest and highest diagonal of each task, as many at a time as memory holds."""
        xp, n = self._gpu.xp, len(read)
        votes, lowest, highest = xp.empty(n, np.int32), xp.empty(n, np.int64), xp.empty(n, np.int64)
        longest_read = int((batch.base_start[1:] - batch.base_start[:-1]).max())
        diagonals = min(self._longest + longest_read, rescue.LONGEST_STRETCH) + longest_read + 1
        stride = LONGEST_READ + (_BINS + LONGEST_READ) // 2 + (diagonals + 1) // 2
        at_once = min(n, self._gpu.room(4 * stride))
        scratch = xp.empty(at_once * stride, np.uint32)
        for begin in range(0, n, at_once):
            part = slice(begin, min(begin + at_once, n))
            tasks = (read[part], reverse[part], first[part], last[part], np.int64(part.stop - begin))
            of_reads = (batch.base, batch.base_start, *self.placer.target)
            found = (votes[part], lowest[part], highest[part])
            self._gpu.launch(PAIR, "rescue_scan", blocks(part.stop - begin), *of_reads, *tasks, np.int64(stride), scratch, *found)
        return votes, lowest, highest

    def _choice(self, batch: Batch, p: Placements) -> tuple[Any, Any, Any, Any]:
        xp, n, target = self._gpu.xp, len(batch), self.placer.target
        slot, quality, second, proper = (xp.empty(n, dtype) for dtype in (np.int32, np.uint8, np.int32, np.uint8))
        if not n:
            return slot, quality, second, proper
        self.leave_out(batch.base_start, p)
        given = (batch.base_start, np.int64(n), *target, *places(p), batch.chance, np.int32(batch.paired), self._penalty, *self._insert)
        self._gpu.launch(PAIR, "choose", blocks(n // 2 if batch.paired else n), *given, slot, quality, second, proper)
        return slot, quality, second, proper

    def leave_out(self, base_start: Any, p: Placements) -> None:
        """Drops the places on alternative contigs of reads that fit elsewhere; see `pairing.leave_out_alternatives`."""
        n = len(base_start) - 1
        if self._alternative is not None and n:
            of_reads = (np.int32(SLOTS), p.n, p.start, p.clip_start, p.clip_end, p.score)
            self._gpu.launch(PAIR, "leave_out", blocks(n), base_start, np.int64(n), *self.placer.target, self._alternative, *of_reads)

    def _taken(self, n: int, p: Placements, choice: tuple[Any, Any, Any, Any], cigar: Any) -> There:
        """The chosen places alone."""
        xp, (slot, quality, second, proper) = self._gpu.xp, choice
        operations = xp.empty(n, np.int32)
        kept = {name: xp.zeros(n, dtype) for name, dtype in _KEPT.items()}
        if n:
            self._gpu.launch(PAIR, "count_chosen", blocks(n), np.int64(n), np.int32(SLOTS), slot, p.cigar_at, p.cigar_n, operations)
        offset = xp.zeros(n + 1, np.int64)
        offset[1:] = xp.cumsum(operations, dtype=np.int64)
        out = xp.empty(int(offset[-1]), np.uint32)
        if n:
            given = (np.int64(n), np.int32(SLOTS), slot, *(getattr(p, name) for name in _KEPT), p.cigar_at, cigar)
            self._gpu.launch(PAIR, "take_chosen", blocks(n), *given, operations, offset, *kept.values(), out)
        score = kept.pop("score")
        chosen = {"slot": slot, "quality": quality, "proper": proper, "operations": operations, "offset": offset, "cigar": out}
        return There(Placed(**chosen, **kept), score, second)


def places(p: Placements) -> tuple[Any, ...]:
    """The places as the kernels take them."""
    return np.int32(SLOTS), p.n, p.crowded, p.reverse, p.score, p.start, p.end, p.clip_start, p.clip_end
