"""What goes into the aligner: lanes of FASTQ, BAM or CRAM, told apart by their first bytes, as batches of reads of one read group each.

Everything is opened, and all headers are compared, before the first read is taken. FASTQ gets the read group of the command line. A BAM or
CRAM keeps the read groups of its header; one that has none gets the command line's too.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.align.fragment_ends import Libraries, group_of
from genopipe.align.pipeline import Batch
from genopipe.align.placement import LONGEST_READ
from genopipe.align.texts import Cutting, Lane, Text, texts_of
from genopipe.errors import BadInput
from genopipe.formats.bam import LONGEST_NAME, ReadGroup
from genopipe.formats.bam_reads import Held, reads_of, sequenced
from genopipe.formats.bam_stream import BamStream, int32
from genopipe.formats.fastq import read_fastq, read_texts
from genopipe.formats.fastq_source import CutRecord
from genopipe.formats.genome import fasta_path
from genopipe.formats.read_files import kind_of, open_records
from genopipe.kernels.compiled import allocating
from genopipe.model import Reads

BATCH_BASES = 1 << 20
"""Bases of a batch, whose text takes 2.15 bytes for each, with qualities and names. Larger ones take more memory for each thread; of
smaller ones, more of the time is Python's, which only one thread can take."""


@dataclass(frozen=True, slots=True)
class Files:
    """What the command line says of the reads: first (or only) and second ones of each lane, and their read group."""

    r1: Sequence[Path]
    r2: Sequence[Path]
    interleaved: bool
    read_group: ReadGroup


class Lanes:
    """The lanes of a sample: `groups` are all their read groups, `batches` their reads.

    Raises BadInput for a file of another kind than those accepted, second files of records, and read groups that contradict each other or
    the sample.
    """

    def __init__(self, given: Files, reference: Path, *, threads: int = 1) -> None:
        self._given = given
        kinds = [kind_of(path) for path in given.r1]
        records = [path for path, kind in zip(given.r1, kinds, strict=True) if kind != "fastq"]
        if records and (given.r2 or given.interleaved):
            raise BadInput(
                "the file holds records, which say themselves what is a pair",
                wanted="no -2 and no --interleaved with it",
                do="Align FASTQ files and BAM files apart.",
                path=records[0],
            )
        for path in given.r2:
            if kind_of(path) != "fastq":
                raise BadInput("the file of second reads is no FASTQ", wanted="FASTQ", do="Give a BAM or CRAM with -1 alone.", path=path)
        self._streams = [
            None if kind == "fastq" else open_records(path, kind, fasta=fasta_path(reference), threads=threads)
            for path, kind in zip(given.r1, kinds, strict=True)
        ]
        self.groups = self._all_groups()

    def items(self, folder: Path, *, threads: int) -> Iterator[Batch | Text]:
        """The same as `batches`, but for text of about a batch in the place of most reads of FASTQ."""
        for item in self.with_text(folder, n_first=0, cutting=Cutting(BATCH_BASES * 43 // 20, threads)):
            if isinstance(item, Text) and not item.text:
                yield from self.instead(item)
            else:
                yield item

    def batches(self, folder: Path) -> Iterator[Batch]:
        """The reads lane after lane; `folder` is for those whose mates are far away."""
        for number, stream in enumerate(self._streams):
            yield from self._of_fastq(self._lane(number)) if stream is None else self._of_records(stream, folder)

    def with_text(self, folder: Path, *, n_first: int, cutting: Cutting) -> Iterator[Batch | Text]:
        """The same, with text, cut as is said, in the place of most reads of FASTQ: not of the first `n_first` pairs (or
        single reads) of all lanes, and not of the first batch of any lane, whose reads tell whether they are mates."""
        n = 0
        for number, stream in enumerate(self._streams):
            lane = self._lane(number)
            if stream is not None or not lane.can_be_read_twice():
                yield from self._of_fastq(lane) if stream is None else self._of_records(stream, folder)
                continue
            n_of_lane = 0
            for batch in self._of_fastq(lane):
                yield batch
                n_of_lane += len(batch.reads)
                n += len(batch.reads) // 2 if lane.paired else n_first
                if n >= n_first:
                    break
            yield from texts_of(lane, first_read=n_of_lane, cutting=cutting)

    def parsed(self, text: Text) -> Batch:
        """The reads of a text. Raises BadInput for what is wrong with them."""
        files = self._lane(text.lane).files
        try:
            reads = read_texts(text.text, files, paired=text.paired, first_read=text.first_read, n_reads=text.n_reads)
        except CutRecord:
            deque(self.instead(text), maxlen=0)
            raise
        _check_lines(reads, text.first_read, files)
        return Batch(reads, 0)

    def instead(self, text: Text) -> Iterator[Batch]:
        """The reads of a lane, parsed here, from those of `text` on. Raises BadInput for what is wrong with them."""
        n = 0
        for batch in self._of_fastq(self._lane(text.lane)):
            if n + len(batch.reads) > text.first_read:
                yield batch._replace(reads=batch.reads.rows(max(text.first_read - n, 0), len(batch.reads)))
            n += len(batch.reads)

    def _lane(self, number: int) -> Lane:
        second = self._given.r2[number : number + 1]
        return Lane(number, (self._given.r1[number], *second), bool(second) or self._given.interleaved)

    def _of_fastq(self, lane: Lane) -> Iterator[Batch]:
        n_reads = 0
        for reads in read_fastq(*lane.files, interleaved=self._given.interleaved, batch_bases=BATCH_BASES):
            _check_lines(reads, n_reads, lane.files)
            n_reads += len(reads)
            yield Batch(reads, 0)

    def _all_groups(self) -> list[ReadGroup]:
        """The groups of all lanes, each once; the command line's first, if anything is of it."""
        groups: dict[str, ReadGroup] = {}
        for stream in self._streams:
            own = stream.read_groups() if stream is not None else []
            for group in own or [self._given.read_group]:
                if groups.setdefault(group.identifier, group).line() != group.line():
                    raise _other_group(stream, f"the read group {group.identifier!r} is described in two ways", "each read group once")
                if group.sample != self._given.read_group.sample:
                    came = f"the read group {group.identifier!r} is of the sample {group.sample!r}"
                    raise _other_group(stream, came, f"only reads of {self._given.read_group.sample!r}, as --sample says")
        return list(groups.values())

    def _of_records(self, stream: BamStream, folder: Path) -> Iterator[Batch]:
        own = stream.read_groups() or [self._given.read_group]
        index = [next(i for i, group in enumerate(self.groups) if group.identifier == mine.identifier) for mine in own]
        names = Libraries.of(stream.read_groups())
        for held, paired in sequenced(stream, folder):
            group = np.zeros(len(held), np.int64)
            if stream.read_groups():
                group = _groups(held.record, held.start, names.group_name, names.group_start)
                _check_groups(stream, held, group, len(own))
            if paired:
                group[1::2] = group[::2]
            for number in np.unique(group).tolist():
                for rows in _cut(np.flatnonzero(group == number), held.start):
                    part = held.take(rows)
                    reads = reads_of(part, paired=paired)
                    _check_records(reads, part, stream.path)
                    yield Batch(reads, index[number])


def _check_lines(reads: Reads, n_before: int, files: Sequence[Path]) -> None:
    """Raises BadInput for a read that is too long, or whose name is, with its file and the line of its header."""
    for row, came, wanted, do in _too_long(reads):
        line = 4 * ((n_before + row) // len(files)) + 1
        raise BadInput(came, wanted=wanted, do=do, path=files[row % len(files)], line=line)


def _check_records(reads: Reads, held: Held, path: Path) -> None:
    """The same for the reads of records, with the number of the record."""
    for row, came, wanted, do in _too_long(reads):
        raise BadInput(f"record {int(held.number[row]) + 1:,}: {came}", wanted=wanted, do=do, path=path)


def _too_long(reads: Reads) -> Iterator[tuple[int, str, str, str]]:
    """Row and words for reads that the kernels, and names that a BAM, cannot hold."""
    length = np.diff(reads.base_start)
    for row in np.flatnonzero(length > LONGEST_READ).tolist():
        came = f"read {_name(reads, row)!r} has {length[row]:,} bases"
        yield row, came, f"short reads of at most {LONGEST_READ} bases", "Use an aligner for long reads, or trim them."
    for row in np.flatnonzero(reads.name_length > LONGEST_NAME).tolist():
        name = _name(reads, row)
        yield row, f"the read name {name[:40]!r}... has {len(name)} bytes", f"at most {LONGEST_NAME}", "Shorten the names."


def _name(reads: Reads, row: int) -> str:
    first = int(reads.header_start[row])
    return reads.header[first : first + int(reads.name_length[row])].tobytes().decode(errors="replace")


def _other_group(stream: BamStream | None, came: str, wanted: str) -> BadInput:
    do = "Check that the files belong together, or correct the headers with samtools reheader."
    return BadInput(came, wanted=wanted, do=do, path=stream.path if stream is not None else None)


def _check_groups(stream: BamStream, held: Held, group: NDArray[np.int64], n_groups: int) -> None:
    unknown = np.flatnonzero(group >= n_groups)
    if len(unknown):
        row = int(unknown[0])
        raise BadInput(
            f"record {int(held.number[row]) + 1:,}: the read {held.name(row)!r} has no read group of the header",
            wanted="an RG tag that the header describes",
            do="Correct it with samtools addreplacerg.",
            path=stream.path,
        )


def _cut(rows: NDArray[np.int64], start: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows in parts of about a batch, cut between pairs; a record has less than two bytes a base more than its bases."""
    end = np.cumsum((start[1:] - start[:-1])[rows])
    n_parts = max(int(end[-1]) // (2 * BATCH_BASES), 1)
    borders = (np.linspace(0, len(rows), n_parts + 1).astype(np.int64) // 2 * 2).tolist()
    borders[-1] = len(rows)
    for first, last in pairwise(borders):
        yield rows[first:last]


@allocating
def _groups(record, start, group_name, group_start):
    """Row of each record's read group, the one after the last where it has none of them."""
    out = np.empty(len(start) - 1, np.int64)
    for i in range(len(out)):
        at = start[i]
        n_cigar = np.int64(record[at + 16]) | np.int64(record[at + 17]) << 8
        n_bases = int32(record, at + 20)
        tags = at + 36 + record[at + 12] + 4 * n_cigar + (n_bases + 1) // 2 + n_bases
        out[i] = group_of(record, tags, start[i + 1], group_name, group_start)
    return out
