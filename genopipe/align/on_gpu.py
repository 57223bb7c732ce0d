"""The candidates of a batch of reads, found, laid and extended on a GPU: `placement.place` there, with the same result.

Index and genome are copied to the device once. Reads go there as bases; candidates, ungapped stretches, jobs, extensions and CIGARs stay
there until the batch is placed. The jobs are extended in the order in which the CPU would extend them, as many at a time as memory holds,
so that their CIGARs come to stand where the CPU puts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genopipe.align.placement import FULL_LENGTH_MISMATCHES, LONGEST_READ, SLOTS, Placements, Target
from genopipe.device import Gpu
from genopipe.device.sources import Source
from genopipe.kernels import extend as extension
from genopipe.kernels import on_gpu as kernels
from genopipe.model import Reads

if TYPE_CHECKING:
    from genopipe.align.index import SeedIndex

PLACE = Source(
    kernels.EXTEND.path.with_name("place.cu"),
    tuple(
        sorted(
            dict(
                kernels.EXTEND.defines,
                MAX_READ=LONGEST_READ,
                FULL_LENGTH_MISMATCHES=FULL_LENGTH_MISMATCHES,
                UNKNOWN_GENOME=extension.UNKNOWN_GENOME,
            ).items()
        )
    ),
)

BYTES_OF_READ = 70 * SLOTS + 12 * SLOTS + LONGEST_READ
"""On the device, without the extensions: places, what says which are to be extended, and the read."""

_COLUMNS: dict[str, Any] = {
    "score": np.int32,
    "start": np.int64,
    "end": np.int64,
    "clip_start": np.int32,
    "clip_end": np.int32,
    "cigar_at": np.int64,
    "cigar_n": np.int32,
}


class Placer:
    """A genome and its seed index on the device, to place reads on."""

    def __init__(self, gpu: Gpu, index: SeedIndex, target: Target) -> None:
        self.gpu = gpu
        xp = gpu.xp
        gpu.need(index.entry.nbytes + index.bucket.nbytes + target.packed.nbytes, "the genome and its index")
        self._index = kernels.Index(gpu.put(index.entry), gpu.put(index.bucket), index.bucket_bits)
        packed, unknown_start, contig_start = (gpu.put(array) for array in (target.packed, target.unknown_start, target.contig_start))
        unknowns = (unknown_start, xp.asarray(target.unknown_end), np.int64(len(unknown_start)))
        contigs = (contig_start, xp.asarray(target.contig_end), np.int64(len(contig_start)))
        self.target = (packed, np.int64(len(packed)), *unknowns, *contigs)

    def place(self, reads: Reads) -> tuple[Placements, NDArray[np.uint32]]:
        """The placements of a batch, and the operations of their CIGARs; see `placement.place`."""
        p, cigar = self.place_there(self.gpu.xp.asarray(reads.base), self.gpu.xp.asarray(reads.base_start))
        return Placements._make(map(self.gpu.host, p)), self.gpu.host(cigar)

    def place_there(self, base: Any, base_start: Any) -> tuple[Placements, Any]:
        """The same of reads on the device, left there."""
        p = self.candidates(base, base_start)
        return p, self.lay(base, base_start, p)

    def lay(self, base: Any, base_start: Any, p: Placements) -> Any:
        """Aligns the candidates in `p`, and gives the operations of their CIGARs; see `placement.lay`."""
        return self.extend(base, base_start, p, job=self._jobs(base, base_start, p), cigar=self.gpu.xp.empty(0, np.uint32))

    def extend(self, base: Any, base_start: Any, p: Placements, *, job: tuple[Any, Any, Any], cigar: Any) -> Any:
        """Extends jobs (read, slot and band), drops repeated places, and gives `cigar` with their operations added; see `run_jobs`."""
        cigars, used, n = [cigar], len(cigar), len(p.n)
        for read, slot, width in self._pieces(base_start, job):
            cigars.append(self._extend(base, base_start, p, job=(read, slot), width=width, used=used))
            used += len(cigars[-1])
        kept = (p.n, p.reverse, p.start, p.end, p.score)
        if n:
            self.gpu.launch(PLACE, "drop_repeated", kernels.blocks(n), np.int64(n), np.int32(SLOTS), *kept)
        return self.gpu.xp.concatenate(cigars)

    def candidates(self, base: Any, base_start: Any) -> Placements:
        """The candidates of reads by their seeds; see `placement.seed`."""
        found = kernels.candidates(self.gpu, base, base_start, self._index, slots=SLOTS)
        more = {name: self.gpu.xp.empty(found.diagonal.shape, dtype) for name, dtype in _COLUMNS.items()}
        by_seeds = (found.diagonal, found.low, found.high, found.reverse, found.vote)
        return Placements(found.n_candidate, found.crowded, *by_seeds, **more)

    def _jobs(self, base: Any, base_start: Any, p: Placements) -> tuple[Any, Any, Any]:
        """Lays every candidate without gaps, and gives read, slot and band of those to extend."""
        xp, n = self.gpu.xp, len(p.n)
        slot, width = (xp.empty((n, SLOTS), np.int32) for _ in range(2))
        n_jobs = xp.zeros(n, np.int32)
        if n:
            reads = (base, base_start, np.int64(n))
            laid = (p.score, p.start, p.end, p.clip_start, p.clip_end, p.cigar_at, p.cigar_n)
            found = (p.n, p.diagonal, p.low, p.high, p.reverse, p.vote)
            grid = kernels.blocks(n)
            self.gpu.launch(PLACE, "score_ungapped", grid, *reads, *self.target, np.int32(SLOTS), *found, *laid, slot, width, n_jobs)
        row, cell = used_cells(xp, n_jobs, SLOTS)
        return row.astype(np.int32), slot.ravel()[cell], width.ravel()[cell]

    def _pieces(self, base_start: Any, job: tuple[Any, Any, Any]) -> Iterator[tuple[Any, Any, int]]:
        """The jobs of one band after the other, reads of one length together, as many at a time as memory holds."""
        xp, (read, slot, width) = self.gpu.xp, job
        length = (base_start[1:] - base_start[:-1])[read]
        longest = int(length.max()) if len(length) else 0
        for band in (extension.NARROW, extension.WIDE):
            rows = xp.flatnonzero(width == band)
            rows = rows[xp.argsort(length[rows], kind="stable")]
            at_once = self.gpu.room(longest * (2 + 4 * kernels.trace_words(band)) + band + 4 * extension.MAX_OPERATIONS + 64)
            for first in range(0, len(rows), at_once):
                piece = rows[first : first + at_once]
                yield read[piece], slot[piece], band

    def _extend(self, base: Any, base_start: Any, p: Placements, *, job: tuple[Any, Any], width: int, used: int) -> Any:
        """Extends the jobs, puts what they gave into the placements, and gives their CIGARs, which follow `used` others."""
        gpu, xp, n = self.gpu, self.gpu.xp, len(job[0])
        of_job = (*job, np.int64(n))
        rows = int((base_start[1:] - base_start[:-1])[job[0][-1]])
        query, window = xp.empty((rows, n), np.uint8), xp.empty((rows + width, n), np.uint8)
        length, window_start = xp.empty(n, np.int16), xp.empty(n, np.int64)
        of_place = (np.int32(SLOTS), p.low, p.high, p.reverse, p.start)
        filled = (query, window, length, window_start)
        gpu.launch(PLACE, "fill_jobs", kernels.blocks(n), base, base_start, *self.target, *of_place, *of_job, np.int32(width), *filled)
        extended = kernels.extend(gpu, query, window, length, width=width)
        refused = extended.score < p.score[job]
        extended.score[refused] = 0
        job_cigar, operations, column = kernels.trace_back(gpu, extended, length, width=width)
        end = xp.cumsum(operations, dtype=np.int64)
        cigar = xp.empty(int(end[-1]), np.uint32)
        given = (extended.score, job_cigar, operations, column, window_start, end - operations, np.int64(used))
        placed = (p.score, p.start, p.end, p.clip_start, p.clip_end, p.cigar_at, p.cigar_n)
        gpu.launch(PLACE, "write_back", kernels.blocks(n), *of_job, np.int32(SLOTS), *given, *placed, cigar)
        return cigar


def used_cells(xp: Any, n_used: Any, columns: int) -> tuple[Any, Any]:
    """Row and flat index of the cells in use of an array (rows, columns), of which the first `n_used` (rows) of each row are."""
    cell = xp.flatnonzero(xp.arange(columns, dtype=np.int32) < n_used[:, None])
    return cell // columns, cell
