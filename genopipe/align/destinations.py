"""Where aligned reads go, in bounded memory: records to a sorter for the BAM, packed reads to a store that is called from, or both, and
the signatures of fragments to the finder of duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align.duplicates import Finder, Signatures
from genopipe.align.sorting import Chunk, Sorter, order_of
from genopipe.align.workers import Workers
from genopipe.device import Gpu
from genopipe.errors import BadEnvironment
from genopipe.formats.held_alignments import AlignmentStore
from genopipe.kernels import on_gpu
from genopipe.kernels.packed_alignments import Levels, Packed

LEAST_SORTING = 64 << 20


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of the reads: their records, for a BAM; and themselves, to be called from."""

    records: bool = True
    calling: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch whose reads have their places: records and packed reads where these are wanted, the ordinal of the first read and how many
    there are, signatures of the fragments, and counts of reads (as in `fragment_ends.ends`) and of trimming."""

    records: Chunk | None
    packed: Packed | None
    first_read: int
    n_reads: int
    signatures: Signatures
    count: NDArray[np.int64]
    trimmed: NDArray[np.int64]


class Room(NamedTuple):
    """What there is for reads: a folder for files, bytes of memory, workers, and a GPU."""

    folder: Path
    memory: int
    workers: Workers
    gpu: Gpu | None


@dataclass(frozen=True, slots=True)
class Destinations:
    """The sorter and the store, as far as they are wanted, and the finder."""

    sorter: Sorter | None
    store: AlignmentStore | None
    finder: Finder

    @classmethod
    def within(cls, room: Room, wishes: Wishes, *, pixels: int, levels: Levels) -> Destinations:
        """These; a quarter of the memory is for signatures."""
        order = partial(on_gpu.order, room.gpu) if room.gpu is not None else order_of
        share = room.memory * 3 // 4 // (wishes.records + wishes.calling)
        sorter = Sorter(room.folder, room.workers, memory=share, order=order) if wishes.records else None
        store = AlignmentStore(room.folder, levels, memory=share, gpu=room.gpu) if wishes.calling else None
        return cls(sorter, store, Finder(room.folder, room.workers, memory=room.memory // 4, pixels=pixels))

    def add(self, finished: Finished) -> None:
        """Hands on what was made of a batch, in the order of the reads."""
        if self.sorter is not None and finished.records is not None:
            self.sorter.add(finished.records)
        if self.store is not None and finished.packed is not None:
            self.store.add(finished.packed, finished.first_read, finished.n_reads)
        self.finder.add(finished.signatures)


def memory_left(memory: int, taken: int, under_way: int) -> int:
    """What `taken` bytes, and a quarter or `under_way`, leave of the memory. Raises BadEnvironment where that is too little."""
    left = memory - taken - min(memory // 4, under_way)
    if left < LEAST_SORTING:
        least = taken + LEAST_SORTING
        raise BadEnvironment(
            f"{memory >> 20} MB of memory are too few for this reference",
            wanted=f"at least {(least + min(least // 3, under_way) >> 20) + 1} MB",
            do="Give more with --memory.",
            key="--memory",
        )
    return left
