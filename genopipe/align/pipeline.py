"""FASTQ batches to a sorted, duplicate-marked, indexed BAM, or to packed reads that variants are called from, or to both.

In order: batches are placed in a pool of threads; the first pairs wait until the insert size is learnt from them; then each batch is
paired, rescued, described and encoded in the pool, and comes out in input order; its records go to the sorter, its packed reads to their
store, its signatures to the duplicate finder. At the end the sorted records get their duplicate flag and are written, compressed in
threads, and indexed: in the background where the reads are called from meanwhile. What is temporary lies in one folder beside the output,
which goes away whatever happens.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe import __version__
from genopipe.align.bam_output import Marked, write_bam
from genopipe.align.choose_on_gpu import Batch as DeviceBatch
from genopipe.align.choose_on_gpu import Chooser
from genopipe.align.destinations import Destinations, Finished, Room, Wishes, memory_left
from genopipe.align.duplicates import OPTICAL_PIXELS, by_ends
from genopipe.align.duplication_metrics import Metrics, duplicates_path, metrics_of, write_metrics
from genopipe.align.ends_on_gpu import Told, ends
from genopipe.align.fragment_ends import FOLLOWERS, Libraries, signatures
from genopipe.align.gpu_chain import Chain, Keep, Parsed, Part
from genopipe.align.index import SeedIndex, load_index
from genopipe.align.insert_size import LEARN_PAIRS, InsertSize, learn, no_inserts
from genopipe.align.on_gpu import Placer
from genopipe.align.pairing import choose, clear_inserts, name_hash
from genopipe.align.placement import LONGEST_READ, Placements, Target, Workspace, empty_placements, place, target_of
from genopipe.align.read_ends import ends_of_reads, placed_by
from genopipe.align.records import describe
from genopipe.align.rescue import rescue
from genopipe.align.sorting import Chunk, temporary_folder
from genopipe.align.split import Parts, split
from genopipe.align.tags import tag_text
from genopipe.align.texts import Memory, Text, in_background, of_program
from genopipe.align.trimming import COUNTS, trim, trimming_path, write_counts
from genopipe.align.workers import Workers
from genopipe.device import Card, Device, Gpu
from genopipe.formats.bam import ReadGroup, encode, header_text
from genopipe.formats.bam_index import Bam
from genopipe.formats.genome import load_genome
from genopipe.kernels import packed_on_gpu
from genopipe.kernels.extend import WIDE
from genopipe.kernels.fastq_on_gpu import DeviceReads
from genopipe.kernels.packed_alignments import Levels, Packed, Placed, Sequenced, pack
from genopipe.model import Genome, Reads
from genopipe.outputs import whole_file
from genopipe.progress import Progress, log, progress

WORKING_MEMORY = 600 << 20
"""Bytes taken besides the index, the sorter and the duplicate finder: the program, batches under way, compiled kernels."""

FEW_THREADS = 8
BATCH_MEMORY = 32 << 20
"""So many bytes for a batch under way, where more than a few threads have one each."""

UNDER_WAY = 6 << 30
"""Bytes of text on its way to a GPU, and of reads that come back."""

LONGEST_SPAN = LONGEST_READ + WIDE
"""Bases of the genome that a record may span: those of the window of a read."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. Threads, memory and device do not change the result.

    pixels  how far optical duplicates may lie apart
    other_places  a read with at most so many other places has an XA tag
    trim    whether adapters that pairs were read through into are cut off
    """

    threads: int = 1
    memory: int = 4 << 30
    pixels: int = OPTICAL_PIXELS
    other_places: int = 0
    trim: bool = False
    device: Device = "cpu"


class Batch(NamedTuple):
    """Reads, and which of the read groups all of them are of."""

    reads: Reads
    group: int


@dataclass(slots=True)
class _Placed:
    """A batch whose reads have their candidates."""

    reads: Reads
    group: int
    placements: Placements
    cigar: NDArray[np.uint32]
    trimmed: NDArray[np.int64]


class Aligner:
    """Index, genome and threads' working space; its methods are safe to call from several threads."""

    def __init__(self, reference: Path, given: Given, options: Options, wishes: Wishes) -> None:
        self._given, self._wishes, self.levels = given, wishes, Levels()
        self.libraries = Libraries.of(given.groups)
        self._trim = options.trim
        self._tag = [np.frombuffer(b"RGZ" + group.identifier.encode() + b"\0", np.uint8) for group in given.groups]
        self.genome: Genome = load_genome(reference)
        self.index: SeedIndex = load_index(reference, self.genome)
        self.target: Target = target_of(self.genome, self.index.alternative)
        self._placer = Placer(Card(), self.index, self.target) if options.device == "gpu" else None
        self._many_places = options.other_places > 0
        self.gpu: Gpu | None = self._placer.gpu if self._placer is not None else None
        self._text = tag_text(self.genome.contigs, options.other_places)
        self._local = threading.local()

    def place(self, given: Batch | Text) -> _Placed:
        """The candidates of a batch, to be kept."""
        return self._place(given, empty_placements)

    def align(self, given: Batch | Text, insert: InsertSize, first_read: int) -> Finished:
        """The records of a batch, its reads being numbered from `first_read`."""
        return self.finish(self._place(given, self._work().placements), insert, first_read)

    def finish(self, placed: _Placed, insert: InsertSize, first_read: int) -> Finished:
        """The records of a batch that has its candidates."""
        reads, placements, cigar = placed.reads, placed.placements, placed.cigar
        if reads.paired:
            cigar = rescue(reads, self.target, placements, cigar, insert, self._work())
        choice = choose(reads, self.target, placements, insert)
        return self.describe(Part(reads, placed.group, placements, choice, cigar, placed.trimmed, is_kept=False), first_read)

    def chosen(self, items: Iterator[Batch | Text], insert: InsertSize, keep: Keep | None, first_read: int) -> Iterator[_Item]:
        """The same reads, with their places where a GPU chooses these, and kept there where that is wanted; what is told of those that
        stay there. They are numbered from `first_read`."""
        if self._placer is None or self._many_places:
            return items
        chooser = Chooser(self._placer, self.target.alternative, insert)

        def tell(reads: DeviceReads, batch: DeviceBatch, placed: Placed, before: int) -> list[Any]:
            return ends(chooser, reads, batch, placed, library=int(self.libraries.of_group[0]), first_read=first_read + before)

        chain = Chain(
            self._placer.gpu,
            chooser,
            instead=lambda text: map(self._parsed, self._given.instead(text)),
            keep=keep,
            tell=None if self._wishes.records else tell,
        )
        return chain.parts(item if isinstance(item, Text) else self._parsed(item) for item in items)

    def describe(self, part: Part, first_read: int) -> Finished:
        """The records of reads whose places are chosen."""
        reads, placements, choice = part.reads, part.placements, part.choice
        placed = placed_by(placements, choice, part.cigar)
        parts, cigar = split(reads, self.index, self.target, placements, choice, part.cigar, self._work())
        numbered = {"group": part.group, "first_read": first_read, "n_followers": len(parts.read)}
        row, count = ends_of_reads(reads, placed, self.target, self.libraries, **numbered)
        records = self._records(part, parts, cigar, first_read) if self._wishes.records else None
        packed = self._packed(reads, placed, first_read) if self._wishes.calling and not part.is_kept else None
        return Finished(records, packed, first_read, len(reads), by_ends(signatures(row).signature), count, part.trimmed)

    def told(self, reads: Told, first_read: int) -> Finished:
        """What is known of reads that stay on a GPU."""
        count = np.zeros((len(self.libraries.name), 4), np.int64)
        found, count[self.libraries.of_group[0]] = reads.ends()
        return Finished(None, None, first_read, reads.n_reads, found, count, np.zeros(len(COUNTS), np.int64))

    def _records(self, part: Part, parts: Parts, cigar: NDArray[np.uint32], first_read: int) -> Chunk:
        text = self._text._replace(read_group=self._tag[part.group])
        records, key = describe(part.reads, self.target, part.placements, part.choice, parts, cigar, text)
        return Chunk(*encode(part.reads, records), key, first_read + records.read.astype(np.int64))

    def _packed(self, reads: Reads, placed: Placed, first_read: int) -> Packed:
        chance = name_hash(reads.header, reads.header_start, reads.name_length)
        sequenced = Sequenced(reads.base, reads.quality, reads.base_start, chance)
        return pack(sequenced, placed, self.levels, paired=reads.paired, first_ordinal=first_read)

    def _parsed(self, given: Batch | Text) -> Parsed:
        batch = self._given.parsed(given) if isinstance(given, Text) else given
        reads, trimmed = trim(batch.reads) if self._trim else (batch.reads, np.zeros(len(COUNTS), np.int64))
        return Parsed(reads, batch.group, trimmed)

    def _place(self, given: Batch | Text, room: Callable[[int], Placements]) -> _Placed:
        reads, group, trimmed = self._parsed(given)
        if self._placer is not None:
            placements, cigar = self._placer.place(reads)
        else:
            placements = room(len(reads))
            cigar = place(reads, self.index, self.target, placements, self._work())
        return _Placed(reads, group, placements, cigar, trimmed)

    def _work(self) -> Workspace:
        if not hasattr(self._local, "work"):
            self._local.work = Workspace()
        work: Workspace = self._local.work
        return work


@dataclass(frozen=True, slots=True)
class Given:
    """Reads to align, and of which read groups they are.

    items     batches, or text, in memory of this kind
    parsed    the reads of a text
    instead   the reads of a lane from a text on, for a text that a GPU cannot parse
    expected  about how many reads there are, for the progress line
    """

    items: Callable[[Memory], Iterator[Batch | Text]]
    groups: Sequence[ReadGroup]
    parsed: Callable[[Text], Batch]
    instead: Callable[[Text], Iterator[Batch]]
    expected: int | None


def align(given: Given, reference: Path, output: Path, *, options: Options) -> list[Metrics]:
    """Aligns reads to the genome in the folder `reference` and writes `output` (BAM), its index and its duplicate metrics."""
    with _marked(given, reference, output, options, Wishes()) as marked:
        with progress("writing") as written:
            write_bam(marked, output, written.advance)
        return marked.metrics


class Aligned(NamedTuple):
    """Reads to call from, and what raises the error of a BAM that is written meanwhile, as soon as there is one."""

    bam: Bam
    check: Callable[[], None]


@contextmanager
def aligned(given: Given, reference: Path, output: Path, *, options: Options, keep_bam: bool) -> Iterator[Aligned]:
    """The same, to be called from as long as this lasts, without a BAM; one that is wanted is written meanwhile."""
    with _marked(given, reference, output, options, Wishes(records=keep_bam, calling=True)) as marked:
        assert marked.store is not None
        bam = marked.store.held(marked.genome.contigs, LONGEST_SPAN, marked.bits).bam(marked.header, output)
        with in_background(partial(write_bam, marked, output)) if keep_bam else nullcontext(lambda: None) as check:
            yield Aligned(bam, check)


class _Run(NamedTuple):
    """One run: `folder` is for temporary files."""

    reference: Path
    folder: Path
    options: Options
    wishes: Wishes
    workers: Workers


@contextmanager
def _marked(given: Given, reference: Path, output: Path, options: Options, wishes: Wishes) -> Iterator[Marked]:
    """Aligns all reads; metrics and counts stand beside `output` when this ends well."""
    with temporary_folder(output) as folder, Workers(options.threads) as workers, ExitStack() as stack:
        marked, trimmed = _align(given, _Run(reference, folder, options, wishes, workers))
        table = stack.enter_context(whole_file(duplicates_path(output)))
        write_metrics(marked.metrics, ",".join(sorted({group.sample for group in given.groups})), table)
        if options.trim:
            log.info("adapters: %s of %s pairs, %s bases cut off", *(f"{count:,}" for count in trimmed[[1, 0, 2]]))
            write_counts(trimmed, stack.enter_context(whole_file(trimming_path(output))))
        if not wishes.records:
            workers.end()  # calling forks processes, which wants a process of one thread
        yield marked


def _align(given: Given, run: _Run) -> tuple[Marked, NDArray[np.int64]]:
    """All reads with duplicates found, and the counts of trimming; the index is let go of."""
    aligner = Aligner(run.reference, given, run.options, run.wishes)
    kept = _destinations(aligner, run)
    with progress("aligning", total=given.expected) as done:
        examined, trimmed = _collect(aligner, given, kept, run.workers, done)
    log.info("marking duplicates")
    genome, libraries = aligner.genome, aligner.libraries.name
    del aligner  # a GPU sorts where the index was
    bits, found = kept.finder.find(int(examined[:, :FOLLOWERS].sum()), len(libraries))
    header = header_text(genome.contigs, given.groups, version=__version__)
    return Marked(genome, header, kept.sorter, kept.store, bits, metrics_of(libraries, examined, found)), trimmed


def _destinations(aligner: Aligner, run: _Run) -> Destinations:
    """Where reads go, with the memory that the index and the work in progress leave."""
    index = aligner.index
    of_threads = BATCH_MEMORY * max(run.options.threads - FEW_THREADS, 0)
    taken = index.entry.nbytes + index.bucket.nbytes + aligner.genome.packed.nbytes + WORKING_MEMORY + of_threads
    left = memory_left(run.options.memory, taken, UNDER_WAY if aligner.gpu is not None else 0)
    room = Room(run.folder, left, run.workers, aligner.gpu)
    return Destinations.within(room, run.wishes, pixels=run.options.pixels, levels=aligner.levels)


def _collect(
    aligner: Aligner, given: Given, kept: Destinations, workers: Workers, done: Progress
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Aligns all reads and sends them to `kept`; gives the counts (libraries, 4) of reads, and those of trimming."""
    items = given.items(of_program if aligner.gpu is None else aligner.gpu.empty_locked)
    examined = np.zeros((len(aligner.libraries.name), 4), np.int64)
    trimmed = np.zeros(len(COUNTS), np.int64)
    placed, insert = _learn(aligner, items, workers)

    def work(item: tuple[_Item, int]) -> Finished:
        reads, first_read = item
        if isinstance(reads, Part):
            return aligner.describe(reads, first_read)
        if isinstance(reads, Told):
            return aligner.told(reads, first_read)
        if isinstance(reads, _Placed):
            return aligner.finish(reads, insert, first_read)
        return aligner.align(reads, insert, first_read)

    n_placed = sum(len(batch.reads) for batch in placed)
    rest = aligner.chosen(items, insert, _keeping(aligner, kept, n_placed), n_placed)
    for finished in workers.in_order(work, _numbered(_each(placed, rest))):
        kept.add(finished)
        examined += finished.count
        trimmed += finished.trimmed
        done.advance(int(finished.count[:, :FOLLOWERS].sum()))
    return examined, trimmed


def _keeping(aligner: Aligner, kept: Destinations, first_read: int) -> Keep | None:
    """What keeps reads on the GPU, numbered from an ordinal on."""
    store, gpu = kept.store, aligner.gpu
    if store is None or gpu is None:
        return None

    def keep(batch: DeviceBatch, placed: Placed, before: int) -> None:
        sequenced = Sequenced(batch.base, batch.quality, batch.base_start, batch.chance)
        packed = packed_on_gpu.pack(gpu, sequenced, placed, aligner.levels, paired=batch.paired, first_ordinal=first_read + before)
        store.add_there(packed, first_read + before)

    return keep


_Item = _Placed | Batch | Text | Part | Told


def _numbered(items: Iterator[_Item]) -> Iterator[tuple[_Item, int]]:
    """Each batch with the ordinal of its first read."""
    n_reads = 0
    for item in items:
        yield item, n_reads
        n_reads += _n_reads(item)


def _n_reads(item: _Item) -> int:
    return item.n_reads if isinstance(item, Text | Told) else len(item.reads)


def _each(placed: deque[_Placed], rest: Iterator[_Item]) -> Iterator[_Item]:
    while placed:
        yield placed.popleft()
    yield from rest


def _learn(aligner: Aligner, items: Iterator[Batch | Text], workers: Workers) -> tuple[deque[_Placed], InsertSize]:
    """Places batches until they hold LEARN_PAIRS pairs or end; gives them and the insert size."""
    waiting: deque[_Placed] = deque()
    histogram = no_inserts()
    n_pairs = 0

    def first_items() -> Iterator[Batch | Text]:
        taken = 0
        while taken < LEARN_PAIRS and (item := next(items, None)) is not None:
            paired = item.paired if isinstance(item, Text) else item.reads.paired
            taken += _n_reads(item) // 2 if paired else LEARN_PAIRS
            yield item

    for placed in workers.in_order(aligner.place, first_items()):
        if placed.reads.paired:
            histogram += clear_inserts(placed.reads, aligner.target, placed.placements, LEARN_PAIRS - n_pairs)
            n_pairs += len(placed.reads) // 2
        waiting.append(placed)
    insert = learn(histogram)
    if n_pairs:
        log.info(
            "insert size %d +- %d (%d to %d), learnt from %d pairs", insert.mean, insert.deviation, insert.low, insert.high, insert.n_pairs
        )
    return waiting, insert
