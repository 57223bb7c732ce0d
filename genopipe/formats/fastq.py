"""FASTQ in and out: names, bases and qualities kept exactly, in batches of bounded size and in the order of the files.

Reading goes in pieces of text: `fastq_source` finds the records of one file, and here those of one or two files become one batch, mates
side by side. A batch ends at the first read (or pair) with which it holds `batch_bases` bases or `BATCH_READS` reads, however the files are
compressed. Lines may end in CR LF; the CR is dropped. Upper-case IUPAC letters are bases, anything else is an error. A read may be empty.
The `+` line is bare or repeats the header. Empty lines are allowed after the last record.

Source: Cock et al. 2010, The Sanger FASTQ file format (doi:10.1093/nar/gkp1137), without its multi-line records; read names of mates end in
/1 and /2 or carry a comment that begins with 1: or 2: (Casava 1.8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats import fastq_lines
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.fastq_source import GET_AGAIN, Source
from genopipe.model import Reads
from genopipe.outputs import whole_file

_Number = TypeVar("_Number", bound=np.generic)

BATCH_BASES = 2_000_000
BATCH_READS = 1 << 17


def read_fastq(r1: Path, r2: Path | None = None, *, interleaved: bool = False, batch_bases: int = BATCH_BASES) -> Iterator[Reads]:
    """Batches of reads; paired when `r2` is given or `interleaved` is set. `-` is standard input.

    Raises BadInput, with file and line, for everything that breaks the format, for files of different length, mates of different names,
    single reads that begin with a pair, and a file without reads. Batches before the fault have been given by then.
    """
    assert not (interleaved and r2 is not None)
    sources = [Source(path) for path in (r1, r2) if path is not None]
    pairing = _Pairing([source.path for source in sources], interleaved)
    paired = interleaved or r2 is not None
    batch = _Batch(paired, rows=0, header_bytes=0, bases=0)
    while reads := _fill_batch(batch, sources, batch_bases):
        pairing.check(reads)
        batch = _Batch(paired, rows=len(reads), header_bytes=len(reads.header), bases=len(reads.base))
        yield reads
    if not pairing.n_reads:
        raise BadInput("the file holds no reads", wanted="at least one FASTQ record", do=GET_AGAIN, path=r1, line=1)


def _fill_batch(batch: _Batch, sources: list[Source], batch_bases: int) -> Reads | None:
    while not batch.full(batch_bases):
        available = [source.available() for source in sources]
        if min(map(len, available)) == 0:
            _check_all_ended(sources, available)
            break
        batch.add(sources, available, batch_bases)
    return batch.reads() if batch.n_reads else None


def _check_all_ended(sources: list[Source], available: list[NDArray[np.int64]]) -> None:
    if max(map(len, available)) == 0:
        return
    ended, longer = sources if len(available[0]) == 0 else reversed(sources)
    came = f"the file ends after {ended.n_taken:,} reads, but {longer.path} goes on"
    line = max(4 * ended.n_taken, 1)
    raise BadInput(came, wanted="the same number of reads in both files", do=GET_AGAIN, path=ended.path, line=line)


class _Part(NamedTuple):
    """Records of one file, and the rows of the batch that they go into: every `stride`-th from `row` on."""

    source: Source
    record: NDArray[np.int64]
    row: int
    stride: int


class _Batch:
    """A batch being filled; `rows`, `header_bytes` and `bases` are the room to begin with, what the last batch took."""

    def __init__(self, paired: bool, *, rows: int, header_bytes: int, bases: int) -> None:
        self.paired = paired
        self.n_reads = 0
        self._header = np.empty(header_bytes + header_bytes // 8, np.uint8)
        self._base = np.empty(bases + bases // 8, np.uint8)
        self._quality = np.empty(len(self._base), np.uint8)
        self._header_start = np.empty(rows + rows // 8 + 1, np.int64)
        self._base_start = np.empty(len(self._header_start), np.int64)
        self._header_start[0] = self._base_start[0] = 0
        self._name_length = np.empty(len(self._header_start), np.int32)

    def full(self, batch_bases: int) -> bool:
        enough = self._base_start[self.n_reads] >= batch_bases or self.n_reads >= BATCH_READS
        return bool(enough and not (self.paired and self.n_reads % 2))

    def add(self, sources: list[Source], available: list[NDArray[np.int64]], batch_bases: int) -> None:
        """Takes records, as many from every source, until the batch is full or one source has none left."""
        stride = len(sources)
        n = min(map(len, available))
        header_length, base_length = _lengths([record[:n] for record in available])
        rows = self._rows_that_fit(np.cumsum(base_length), batch_bases)
        self._make_room(header_length[:rows], base_length[:rows])
        given = zip(sources, available, strict=True)
        parts = [_Part(source, record[: rows // stride], self.n_reads + first, stride) for first, (source, record) in enumerate(given)]
        faults = [self._fill(part) for part in parts]
        letters = self._base[self._base_start[self.n_reads] : self._base_start[self.n_reads + rows]]
        if not fastq_lines.translate(letters) or any(wrong >= 0 for wrong, _ in faults):
            for part, fault in zip(parts, faults, strict=True):
                self._fill_bases(part, *fault)
        for part in parts:
            part.source.take(len(part.record))
        self.n_reads += rows

    def _rows_that_fit(self, base_end: NDArray[np.int64], batch_bases: int) -> int:
        """How many of the rows whose bases end at `base_end` go into this batch: up to the one that fills it, and its mate."""
        missing = batch_bases - int(self._base_start[self.n_reads])
        rows = min(int(np.searchsorted(base_end, missing)) + 1, BATCH_READS - self.n_reads)
        if self.paired and (self.n_reads + rows) % 2:
            rows += 1
        return min(rows, len(base_end))

    def _make_room(self, header_length: NDArray[np.int64], base_length: NDArray[np.int64]) -> None:
        first, last = self.n_reads, self.n_reads + len(base_length)
        self._header_start = _with_room(self._header_start, last + 1)
        self._base_start = _with_room(self._base_start, last + 1)
        self._name_length = _with_room(self._name_length, last)
        self._header_start[first + 1 : last + 1] = self._header_start[first] + np.cumsum(header_length)
        self._base_start[first + 1 : last + 1] = self._base_start[first] + np.cumsum(base_length)
        self._header = _with_room(self._header, int(self._header_start[last]))
        self._base = _with_room(self._base, int(self._base_start[last]))
        self._quality = _with_room(self._quality, int(self._base_start[last]))

    def _fill(self, part: _Part) -> tuple[int, int]:
        arrays = (self._header, self._header_start, self._name_length, self._base, self._quality, self._base_start)
        return fastq_lines.fill(part.source.text, part.record, part.row, part.stride, *arrays)

    def _fill_bases(self, part: _Part, wrong: int, fault: int) -> None:
        """Codes of letters that are more than A, C, G, T, N. Raises BadInput for the first wrong record, which may be `wrong`."""
        sound = part.record if wrong < 0 else part.record[:wrong]
        other = fastq_lines.fill_bases(part.source.text, sound, fastq_lines.CODE, part.row, part.stride, self._base, self._base_start)
        if other >= 0:
            raise part.source.error(other, fastq_lines.WRONG_BASE)
        if wrong >= 0:
            raise part.source.error(wrong, fault)

    def reads(self) -> Reads:
        n = self.n_reads
        n_bases = self._base_start[n]
        return Reads(
            paired=self.paired,
            header=self._header[: self._header_start[n]],
            header_start=self._header_start[: n + 1],
            name_length=self._name_length[:n],
            base=self._base[:n_bases],
            quality=self._quality[:n_bases],
            base_start=self._base_start[: n + 1],
        )


def _lengths(records: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows) int64 twice: header and sequence lengths, one file's rows beside the other's."""
    header = np.stack([record[:, fastq_lines.HEADER_END] - record[:, fastq_lines.HEADER] for record in records], 1)
    sequence = np.stack([record[:, fastq_lines.SEQUENCE_END] - record[:, fastq_lines.SEQUENCE] for record in records], 1)
    return header.ravel(), sequence.ravel()


def _with_room(array: NDArray[_Number], size: int) -> NDArray[_Number]:
    if size <= len(array):
        return array
    larger = np.empty(2 * size, array.dtype)
    larger[: len(array)] = array
    return larger


class _Pairing:
    """Checks that mates belong together, and that single reads are no pairs, batch after batch."""

    def __init__(self, paths: list[Path], interleaved: bool) -> None:
        self.n_reads = 0
        self._path, self._interleaved = paths[-1], interleaved

    def check(self, reads: Reads) -> None:
        if reads.paired:
            self._check_pairs(reads)
        elif self.n_reads == 0 and len(reads) > 1:
            self._check_single(reads)
        self.n_reads += len(reads)

    def _check_single(self, reads: Reads) -> None:
        """Raises BadInput where a file of single reads begins with the two mates of one pair."""
        if fastq_lines.first_stranger(reads.header, reads.header_start[:3], reads.name_length[:2]) < 0:
            came = f"the read {_header(reads, 1)!r} has the name of the one before it"
            do = "Give --interleaved if mates follow each other in this file."
            raise BadInput(came, wanted="single reads of different names", do=do, path=self._path, line=5)

    def _check_pairs(self, reads: Reads) -> None:
        if len(reads) % 2:
            raise self._error(len(reads) - 1, "the last read has no mate", "an even number of interleaved reads")
        first, second = _mate_number(reads, 0), _mate_number(reads, 1)
        if self.n_reads == 0 and first and second and (first, second) != (1, 2):
            came = f"the first read says that it is mate {first}, the one beside it that it is mate {second}"
            raise self._error(1, came, "mate 1 beside mate 2")
        stranger = fastq_lines.first_stranger(reads.header, reads.header_start, reads.name_length)
        if stranger >= 0:
            came = f"the read {_header(reads, 2 * stranger + 1)!r} stands beside {_header(reads, 2 * stranger)!r}"
            raise self._error(2 * stranger + 1, came, "mates of the same name at the same place")

    def _error(self, row: int, came: str, wanted: str) -> BadInput:
        read = self.n_reads + row if self._interleaved else (self.n_reads + row) // 2
        do = "Check that the files belong together and are given in the right order."
        return BadInput(came, wanted=wanted, do=do, path=self._path, line=4 * read + 1)


def _header(reads: Reads, row: int) -> str:
    return reads.header[reads.header_start[row] : reads.header_start[row + 1]].tobytes().decode("ascii", "replace")


def _mate_number(reads: Reads, row: int) -> int:
    """1 or 2 where the header says so, else 0."""
    name, _, comment = _header(reads, row).replace("\t", " ").partition(" ")
    return next((mate for mate in (1, 2) if name.endswith(f"/{mate}") or comment.startswith(f"{mate}:")), 0)


class _Writer(Protocol):
    def write(self, data: memoryview) -> object: ...


def write_fastq(path: Path, reads: Reads | Iterable[Reads], *, r2: Path | None = None, threads: int = 1) -> None:
    """Writes reads to `path`; with `r2`, the second mates of pairs go there. bgzip when the name ends in .gz, plain text otherwise.

    The files appear whole or not at all.
    """
    batches = [reads] if isinstance(reads, Reads) else reads
    targets = [path] if r2 is None else [path, r2]
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(target, threads)) for target in targets]
        for batch in batches:
            assert batch.paired or r2 is None
            for first, writer in enumerate(writers):
                writer.write(_text(batch, first, len(writers)))


@contextmanager
def _writer(target: Path, threads: int) -> Iterator[_Writer]:
    with whole_file(target) as partial:
        if target.suffix == ".gz":
            with BgzfWriter(partial, threads=threads) as bgzip:
                yield bgzip
        else:
            with open(partial, "wb") as plain:
                yield plain


def _text(reads: Reads, first: int, stride: int) -> memoryview:
    text = np.empty(len(reads.header) + 2 * len(reads.base) + 6 * len(reads), np.uint8)
    arrays = (reads.header, reads.header_start, reads.base, reads.quality, reads.base_start)
    n = fastq_lines.write_records(*arrays, fastq_lines.LETTER, (first, stride), text)
    return text[:n].data
