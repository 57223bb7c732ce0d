"""FASTQ in and out: names, bases and qualities kept exactly, in batches of bounded size and in the order of the files.

Reading goes in pieces of text: `fastq_source` finds the records of one file, and here those of one or two files become one batch, mates
side by side. A batch ends at the first read (or pair) with which it holds `batch_bases` bases or `BATCH_READS` reads, however the files are
compressed. Text that others have cut into whole records is parsed by `read_texts`, in any thread.

Lines may end in CR LF; the CR is dropped. IUPAC letters, upper-case or lower-case, are bases a full stop is N, anything else an error.
A read may be empty. The `+` line is bare or repeats the header. Empty lines are allowed after the last record.

Source: Cock et al. 2010, The Sanger FASTQ file format (doi:10.1093/nar/gkp1137), without its multi-line records; read names of mates end in
/1 and /2, or .1 and .2, or carry a comment that begins with 1: or 2: (Casava 1.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats import fastq_lines
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.fastq_source import GET_AGAIN, GivenTexts, Texts
from genopipe.model import Reads
from genopipe.outputs import whole_file
from genopipe.progress import log

BATCH_BASES = 2_000_000
BATCH_READS = 1 << 17

_SMALLEST_RECORD = len("@a\n\n+\n\n")
_OLD_LEAST, _OLD_HIGH = 31, 60
"""Where no quality is below the one and some are above the other, all may be 31 too high: their characters are then `@` to `h`."""


def read_fastq(r1: Path, r2: Path | None = None, *, interleaved: bool = False, batch_bases: int = BATCH_BASES) -> Iterator[Reads]:
    """Batches of reads; paired when `r2` is given or `interleaved` is set. `-` is standard input.

    Raises BadInput, with file and line, for everything that breaks the format, for files of different length, mates of different names,
    single reads that begin with a pair, and a file without reads. Batches before the fault have been given by then.
    """
    assert not (interleaved and r2 is not None)
    source = _Source(Texts([path for path in (r1, r2) if path is not None]), mates=2 if interleaved or r2 is not None else 1)
    pairing = _Pairing(source.texts.paths, interleaved)
    batch = _Batch(source)
    while reads := batch.filled((batch_bases, BATCH_READS)):
        if not pairing.n_reads:
            _tell_old_qualities(reads.quality, r1)
        pairing.check(reads)
        batch = _Batch(source, rows=len(reads), header_bytes=len(reads.header), bases=len(reads.base))
        yield reads
    if not pairing.n_reads:
        raise BadInput("the file holds no reads", wanted="at least one FASTQ record", do=GET_AGAIN, path=r1, line=1)


def _tell_old_qualities(quality: NDArray[np.uint8], path: Path) -> None:
    if len(quality) and quality.min() >= _OLD_LEAST and quality.max() > _OLD_HIGH:
        told = "%s: qualities are from %d to %d: if the file is of Illumina before 1.8, they are 31 too high; `seqtk seq -Q64 -V` mends it"
        log.warning(told, path, quality.min(), quality.max())


def read_texts(texts: Sequence[NDArray[np.uint8]], paths: Sequence[Path], *, paired: bool, first_read: int, n_reads: int) -> Reads:
    """The reads of so many records, as many of each file, that stand behind `first_read` others; a line feed ends each text.

    Raises BadInput, with file and line, for records that are not sound, and mates of different names; CutRecord where the last one lacks
    qualities.
    """
    source = _Source(GivenTexts(paths, texts), mates=2 if paired else 1, n_records=first_read // len(paths))
    pairing = _Pairing(paths, interleaved=paired and len(paths) == 1, n_reads=first_read)
    most = len(source.texts.text), n_reads
    reads = _Batch(source).filled(most)
    assert reads is not None
    pairing.check(reads)
    if len(reads) < n_reads:
        _Batch(source).filled(most)  # tells what is wrong with the record behind these
    return reads


class _Source:
    """The records of one or two files, `mates` at a time; `n_records` of each file have been taken."""

    def __init__(self, texts: Texts, *, mates: int, n_records: int = 0) -> None:
        self.texts = texts
        self.mates = mates
        self.n_records = n_records

    def take(self, n_reads: int) -> None:
        self.n_records += n_reads // len(self.texts.paths)

    def read_on(self, mate: int, start: int) -> bool:
        """More text for the mate whose record, at `start`, is not whole; False when all files end. Raises BadInput where one goes on."""
        file = min(mate, len(self.texts.paths) - 1)
        if not self.texts.ended(file):
            self.texts.read_on(file)
            return True
        self.texts.check_end(file, self.n_records + mate - file, start)
        if mate > file:
            self._no_mate()
        if len(self.texts.paths) == 2:
            self._check_ended_too(1 - file, file)
        return False

    def error(self, fault: int, mate: int, start: int) -> BadInput:
        """What is wrong with the record at `start` of the text."""
        file = min(mate, len(self.texts.paths) - 1)
        return self.texts.error(file, fault, self.n_records + mate - file, start)

    def _no_mate(self) -> None:
        do = "Check that the files belong together and are given in the right order."
        line = 4 * self.n_records + 1
        wanted = "an even number of interleaved reads"
        raise BadInput("the last read has no mate", wanted=wanted, do=do, path=self.texts.paths[0], line=line)

    def _check_ended_too(self, file: int, ended: int) -> None:
        """Raises BadInput where a file goes on after the other one has ended."""
        while (fault := fastq_lines.find(self.texts.text, *self.texts.span[file])) == fastq_lines.INCOMPLETE:
            if self.texts.ended(file):
                self.texts.check_end(file, self.n_records, int(self.texts.span[file, 0]))
                return
            self.texts.read_on(file)
        if fault != fastq_lines.INTACT:
            raise self.texts.error(file, fault, self.n_records, int(self.texts.span[file, 0]))
        came = f"the file ends after {self.n_records:,} reads, but {self.texts.paths[file]} goes on"
        line = max(4 * self.n_records, 1)
        raise BadInput(came, wanted="the same number of reads in both files", do=GET_AGAIN, path=self.texts.paths[ended], line=line)


class _Batch:
    """A batch being filled; `rows`, `header_bytes` and `bases` are the room to begin with, what the last batch took."""

    def __init__(self, source: _Source, *, rows: int = 0, header_bytes: int = 0, bases: int = 0) -> None:
        self._source = source
        self._n = 0
        start = np.zeros(rows + rows // 8 + 1, np.int64)
        header, base = (np.empty(size + size // 8, np.uint8) for size in (header_bytes, bases))
        length = np.empty(len(start), np.int32)
        self._filled = fastq_lines.Filled(header, start, length, base, np.empty_like(base), start.copy())

    def filled(self, most: tuple[int, int]) -> Reads | None:
        """The reads up to the one that fills the batch; those before the end or a fault, which is raised when there are none."""
        texts = self._source.texts
        while True:
            self._make_room(len(texts.text), most[1])
            n, fault, mate, start = fastq_lines.parse(texts.text, texts.span, self._source.mates, self._n, most, self._filled)
            self._source.take(n - self._n)
            self._n = n
            if fault == fastq_lines.INTACT or (fault != fastq_lines.INCOMPLETE and n):
                return self._reads()
            if fault != fastq_lines.INCOMPLETE:
                raise self._source.error(fault, mate, start)
            if not self._read_on(mate, start):
                return self._reads() if n else None

    def _read_on(self, mate: int, start: int) -> bool:
        """More text; False at the end of the files, or where they are broken and there are reads to give before that is told."""
        try:
            return self._source.read_on(mate, start)
        except BadInput:
            if self._n:
                return False
            raise

    def _make_room(self, text_bytes: int, most_reads: int) -> None:
        """Room for the records that `text_bytes` may hold."""
        n, filled = self._n, self._filled
        header_bytes = int(filled.header_start[n]) + text_bytes + fastq_lines.SPARE
        bases = int(filled.base_start[n]) + text_bytes // 2 + fastq_lines.SPARE
        rows = n + min(text_bytes // _SMALLEST_RECORD, most_reads) + 2
        if header_bytes > len(filled.header) or bases > len(filled.base) or rows >= len(filled.base_start):
            sizes = (header_bytes, rows + 1, rows, bases, bases, rows + 1)
            self._filled = fastq_lines.Filled(*(_with_room(array, size) for array, size in zip(self._filled, sizes, strict=True)))

    def _reads(self) -> Reads:
        n, filled = self._n, self._filled
        n_bases = filled.base_start[n]
        return Reads(
            paired=self._source.mates == 2,
            header=filled.header[: filled.header_start[n]],
            header_start=filled.header_start[: n + 1],
            name_length=filled.name_length[:n],
            base=filled.base[:n_bases],
            quality=filled.quality[:n_bases],
            base_start=filled.base_start[: n + 1],
        )


def _with_room(array: Any, size: int) -> NDArray[Any]:
    if size <= len(array):
        return array
    larger = np.empty(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger


class _Pairing:
    """Checks that mates belong together, and that single reads are no pairs, batch after batch."""

    def __init__(self, paths: Sequence[Path], interleaved: bool, n_reads: int = 0) -> None:
        self.n_reads = n_reads
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
        first, second = _mate_number(reads, 0), _mate_number(reads, 1)
        if self.n_reads == 0 and first and second and (first, second) != (1, 2):
            came = f"the first read says that it is mate {first}, the one beside it that it is mate {second}"
            raise self._error(1, came, "mate 1 beside mate 2")
        names = reads.header, reads.header_start, reads.name_length
        stranger = fastq_lines.first_stranger(*names)
        if stranger >= 0 and fastq_lines.drop_mate_numbers(*names):
            stranger = fastq_lines.first_stranger(*names)
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
    with fastq_writer(path, r2=r2, threads=threads) as write:
        for batch in [reads] if isinstance(reads, Reads) else reads:
            write(batch)


@contextmanager
def fastq_writer(path: Path, *, r2: Path | None = None, threads: int = 1) -> Iterator[Callable[[Reads], None]]:
    """Gives what writes a batch, as `write_fastq` does."""
    targets = [path] if r2 is None else [path, r2]
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(target, threads)) for target in targets]

        def write(batch: Reads) -> None:
            assert batch.paired or r2 is None
            for first, writer in enumerate(writers):
                writer.write(_text(batch, first, len(writers)))

        yield write


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
    n = fastq_lines.write_records(*arrays, (first, stride), text)
    return text[:n].data
