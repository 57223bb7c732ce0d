"""Reads to chosen places on a GPU, in batches that fill it: text is parsed there, reads are placed, mates rescued, places chosen.

In order, each step in a thread of its own and one batch ahead of the next: text is read and inflated; batches are copied to the device
while the one before is worked on; what comes back is cut into parts, which the CPU turns into records. Where no records are wanted, reads
of text stay on the device, and only the ends of their fragments come back. A batch that does not fit the card is worked on in pieces. Reads
that come parsed already (from records, from standard input, trimmed ones) are joined to batches, and come back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from genopipe.align.choose_on_gpu import Batch as DeviceBatch
from genopipe.align.choose_on_gpu import Chooser, Chosen
from genopipe.align.ends_on_gpu import Told
from genopipe.align.on_gpu import BYTES_OF_READ
from genopipe.align.pairing import Choice, name_hash
from genopipe.align.placement import LONGEST_READ, Placements
from genopipe.align.texts import Text, ahead
from genopipe.align.trimming import COUNTS
from genopipe.device import Gpu, out_of_memory
from genopipe.formats.bam import LONGEST_NAME
from genopipe.kernels.fastq_on_gpu import DeviceReads, parse
from genopipe.kernels.packed_alignments import Placed
from genopipe.model import Reads

BATCH_READS = 1 << 19
"""Reads of a batch that were parsed on the CPU."""

PART_READS = 4096
"""Reads that are handed on at a time; an even number."""

_Made = TypeVar("_Made")


class Parsed(NamedTuple):
    """Reads of one read group that the CPU has parsed; `trimmed` as in `trimming.COUNTS`."""

    reads: Reads
    group: int
    trimmed: NDArray[np.int64]


class Part(NamedTuple):
    """Reads with their chosen places, as the CPU goes on with them; `is_kept` says that they are kept where they were placed, too."""

    reads: Reads
    group: int
    placements: Placements
    choice: Choice
    cigar: NDArray[np.uint32]
    trimmed: NDArray[np.int64]
    is_kept: bool


Keep = Callable[[DeviceBatch, Placed, int], None]
"""Takes reads with their places, on the device, and how many came before."""

Tell = Callable[[DeviceReads, DeviceBatch, Placed, int], list[Any]]
"""Gives what `ends_on_gpu.Told` holds of these, still on the device."""


class _Load(NamedTuple):
    """What goes to the device at once: the arrays, and what they are of, of text without the text."""

    arrays: Sequence[NDArray[Any]]
    of: Text | list[Parsed]


class Chain:
    """Takes text and parsed reads, gives parts in their order, or what is told of reads that stay.

    instead  gives the parsed reads of a lane from a read on, where its text cannot be parsed on the device
    keep     is given all reads, where they are to be kept
    tell     tells of those that are not to come back
    """

    def __init__(
        self, gpu: Gpu, chooser: Chooser, *, instead: Callable[[Text], Iterator[Parsed]], keep: Keep | None, tell: Tell | None
    ) -> None:
        self._gpu, self._chooser, self._instead, self._keep, self._tell = gpu, chooser, instead, keep, tell
        self._n_chosen = 0
        self._left_out = -1
        self._untrimmed = np.zeros(len(COUNTS), np.int64)

    def parts(self, items: Iterator[Text | Parsed]) -> Iterator[Part | Told]:
        """The reads of all items, part by part, some parts ahead of who takes them."""
        n_ahead = 2 * BATCH_READS // PART_READS if self._tell is None else 2
        return ahead(self._parts(ahead(self._locked(_loads(items)))), n_ahead)

    def _parts(self, loads: Iterable[_Load]) -> Iterator[Part | Told]:
        try:
            for of, there in self._uploaded(loads):
                if isinstance(of, list):
                    yield from self._of_parsed(of, there)
                elif of.lane != self._left_out:
                    yield from self._of_text(of, there)
        except MemoryError as error:
            raise out_of_memory() from error

    def _locked(self, loads: Iterable[_Load]) -> Iterator[_Load]:
        """The loads, ready to be copied from: text is so already."""
        for load in loads:
            yield load if isinstance(load.of, Text) else load._replace(arrays=list(map(self._gpu.locked, load.arrays)))

    def _uploaded(self, loads: Iterable[_Load]) -> Iterator[tuple[Text | list[Parsed], list[Any]]]:
        sent: deque[Text | list[Parsed]] = deque()

        def arrays() -> Iterator[Sequence[NDArray[Any]]]:
            for load in loads:
                sent.append(load.of)
                yield load.arrays

        for there in self._gpu.uploaded(arrays()):
            yield sent.popleft(), there

    def _of_text(self, text: Text, there: list[Any]) -> Iterator[Part | Told]:
        parsed = parse(self._gpu, there) if there else None
        chance = self._chooser.name_hash(*parsed[:3]) if parsed is not None else None
        if parsed is None or self._is_odd(parsed, chance, paired=text.paired):
            self._left_out = text.lane
            for load in _loads(self._instead(text)):
                assert isinstance(load.of, list)
                yield from self._of_parsed(load.of, [self._gpu.xp.asarray(array) for array in load.arrays])
            return
        batch = DeviceBatch(text.paired, parsed.base, parsed.quality, parsed.base_start, chance)
        border = [*range(0, len(batch), PART_READS), len(batch)]
        yield from self._brought(parsed, batch, border) if self._tell is None else self._told(self._tell, parsed, batch, border)

    def _brought(self, parsed: DeviceReads, batch: DeviceBatch, border: list[int]) -> Iterator[Part]:
        """Reads of text that come back."""
        fetched = self._gpu.fetched(parsed)
        reads: Reads | None = None
        for (first, last), chosen in zip(pairwise(border), self._chosen(batch, border), strict=True):
            reads = Reads(batch.paired, *fetched()) if reads is None else reads
            yield Part(reads.rows(first, last), 0, *chosen, self._untrimmed, self._keep is not None)

    def _told(self, tell: Tell, parsed: DeviceReads, batch: DeviceBatch, border: list[int]) -> Iterator[Told]:
        """What is told of reads of text that stay."""

        def told(first: int, last: int) -> Told:
            reads, some = parsed.rows(first, last), batch.rows(first, last)
            there = self._chooser.choose(some)
            fetched = self._gpu.fetched(tell(reads, some, there.placed, self._n_chosen))
            try:
                self._kept(some, there.placed)
            except MemoryError:
                fetched()  # only then may its memory be used again
                raise
            return Told(len(some), fetched)

        yield from (made for *_, made in self._in_pieces(border, told))

    def _is_odd(self, parsed: DeviceReads, chance: Any, *, paired: bool) -> bool:
        """Whether mates have different names, or a read or a name is too long."""
        xp = self._gpu.xp
        strangers = paired and bool((chance[::2] != chance[1::2]).any())
        return strangers or int(xp.diff(parsed.base_start).max()) > LONGEST_READ or int(parsed.name_length.max()) > LONGEST_NAME

    def _of_parsed(self, given: list[Parsed], there: list[Any]) -> Iterator[Part]:
        border = np.cumsum([0, *(len(each.reads) for each in given)]).tolist()
        batch = DeviceBatch(given[0].reads.paired, *there)
        for each, chosen in zip(given, self._chosen(batch, border), strict=True):
            yield Part(each.reads, each.group, *chosen, each.trimmed, self._keep is not None)

    def _chosen(self, batch: DeviceBatch, border: list[int]) -> Iterator[tuple[Placements, Choice, NDArray[np.uint32]]]:
        """What was chosen for the reads between each two borders."""
        for first, last, chosen in self._in_pieces(border, lambda start, end: self._one_place_each(batch.rows(start, end))):
            for start, end in pairwise(border[first : last + 1]):
                yield chosen.part(start - border[first], end - border[first])

    def _in_pieces(self, border: list[int], work: Callable[[int, int], _Made]) -> Iterator[tuple[int, int, _Made]]:
        """What `work` makes of reads between two borders, and which these are; as many at a time as the device has room for."""
        at_once, first = self._gpu.room(BYTES_OF_READ), 0
        while first < len(border) - 1:
            last = max(bisect_right(border, border[first] + at_once) - 1, first + 1)
            try:
                made = work(border[first], border[last])
            except MemoryError as error:
                # others may have taken what was free
                if last - first == 1:
                    raise out_of_memory() from error
                at_once = (border[last] - border[first]) // 2
                continue
            yield first, last, made
            first = last

    def _one_place_each(self, batch: DeviceBatch) -> Chosen:
        there = self._chooser.choose(batch)
        chosen = there.on_host(self._gpu)
        self._kept(batch, there.placed)
        return chosen

    def _kept(self, batch: DeviceBatch, placed: Placed) -> None:
        if self._keep is not None:
            self._keep(batch, placed, self._n_chosen)
        self._n_chosen += len(batch)


def _loads(items: Iterable[Text | Parsed]) -> Iterator[_Load]:
    """Text by itself, parsed reads joined to batches."""
    held: list[Parsed] = []
    for item in items:
        joins = isinstance(item, Parsed) and held and item.reads.paired == held[0].reads.paired
        if held and (not joins or sum(len(each.reads) for each in held) >= BATCH_READS):
            yield _joined(held)
            held = []
        if isinstance(item, Parsed):
            held.append(item)
        else:
            yield _Load(item.text, replace(item, text=()))
    if held:
        yield _joined(held)


def _joined(held: list[Parsed]) -> _Load:
    reads = [each.reads for each in held]
    length = np.concatenate([np.diff(each.base_start) for each in reads])
    base_start = np.concatenate((np.zeros(1, np.int64), np.cumsum(length)))
    chance = np.concatenate([name_hash(each.header, each.header_start, each.name_length) for each in reads])
    base, quality = (np.concatenate([getattr(each, name) for each in reads]) for name in ("base", "quality"))
    return _Load((base, quality, base_start, chance), held)
