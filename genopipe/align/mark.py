"""`genopipe mark-duplicates`: an existing BAM again, with the duplicate flags of its reads set anew.

The file is read twice. The first time each record's end is noted; ends are brought together by read name, in files of one hash range each
when memory is short, and joined to fragments, of which the duplicates are found. Secondary and supplementary records follow the primary one
of their read. The second time the records are written as they are but for that flag, in their order. Nothing is held for a record but one
bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe import __version__
from genopipe.align.duplicates import OPTICAL_PIXELS, Finder, by_ends, flag_records, spread
from genopipe.align.duplication_metrics import Metrics, duplicates_path, metrics_of, write_metrics
from genopipe.align.fragment_ends import MOST_CONTIGS, TEMPLATE, Libraries, ends, signatures
from genopipe.align.sorting import temporary_folder
from genopipe.align.workers import Workers
from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats import bai
from genopipe.formats.bam import ReadGroup
from genopipe.formats.bam_stream import BamStream, fields_of, open_stream
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.read_files import kind_of
from genopipe.outputs import check_no_input, whole_file, writing
from genopipe.progress import log, progress

PROGRAM = "genopipe.mark-duplicates"
WORKING_MEMORY = 400 << 20
LEAST_MEMORY = 64 << 20
"""Bytes for ends and signatures, of which there must be some."""

_PARTITIONS = 256
_ROOM_TO_JOIN = 3


def mark_duplicates(source: Path, output: Path, *, threads: int = 1, memory: int = 4 << 30, pixels: int = OPTICAL_PIXELS) -> list[Metrics]:
    """Writes the BAM `source` to `output` with duplicates marked, its metrics beside, and an index where it is sorted by coordinate.

    Raises BadInput for what is no whole BAM, a read name used for two pairs, or too many libraries; BadEnvironment for too little memory.
    """
    _check(source, output, memory)
    with temporary_folder(output) as folder, Workers(threads) as workers, whole_file(duplicates_path(output)) as table:
        stream = open_stream(source, threads=threads)
        groups = stream.read_groups()
        libraries = Libraries.of(groups)
        joiner = _Joiner(folder, source, memory=(memory - WORKING_MEMORY) // 2)
        examined = _note_ends(stream, libraries, joiner)
        finder = Finder(folder, workers, memory=(memory - WORKING_MEMORY) // 2, pixels=pixels)
        for signature in joiner.signatures():
            finder.add(by_ends(signature))
        bits, found = finder.find(stream.n_records, len(libraries.name))
        joiner.follow(bits)
        metrics = metrics_of(libraries.name, examined, found)
        write_metrics(metrics, _samples(groups), table)
        _write(source, output, bits, threads=threads)
    return metrics


def _check(source: Path, output: Path, memory: int) -> None:
    if output.suffix != ".bam":
        raise BadInput(f"the output is called {output.name!r}", wanted="a name that ends in .bam", do="Choose such a name.", key="-o")
    check_no_input(output, [source])
    if source.is_fifo():
        raise BadInput("this is a pipe, and a BAM is read twice", wanted="a BAM file", do="Write it to a file first.", path=source)
    if kind_of(source) == "cram":
        raise BadInput("the file is a CRAM", wanted="a BAM", do="Make a BAM of it with samtools view -b.", path=source)
    if memory < WORKING_MEMORY + LEAST_MEMORY:
        raise BadEnvironment(
            f"{memory >> 20} MB of memory are too few",
            wanted=f"at least {WORKING_MEMORY + LEAST_MEMORY >> 20} MB",
            do="Give more with --memory.",
            key="--memory",
        )


def _note_ends(stream: BamStream, libraries: Libraries, joiner: _Joiner) -> NDArray[np.int64]:
    """Hands the ends of all records on; gives the counts (libraries, 4) of what was examined."""
    if len(stream.contigs) > MOST_CONTIGS:
        raise BadInput(
            f"the header names {len(stream.contigs):,} contigs", wanted=f"at most {MOST_CONTIGS:,}", do="Use fewer.", path=stream.path
        )
    examined = np.zeros((len(libraries.name), 4), np.int64)
    with progress("reading", unit="records") as done:
        for batch in stream.batches():
            row, count = ends(batch.byte, batch.start, batch.first + np.arange(len(batch)), libraries)
            examined += count
            joiner.add(row)
            done.advance(len(batch))
    return examined


class _Joiner:
    """Brings the ends of a template of the file `source` together, spilling to `folder` what would need more than `memory` bytes."""

    def __init__(self, folder: Path, source: Path, *, memory: int) -> None:
        self._folder, self._source, self._most = folder, source, memory // _ROOM_TO_JOIN
        self._held: list[NDArray[np.int64]] = []
        self._bytes = 0
        self._spilled = False

    def add(self, row: NDArray[np.int64]) -> None:
        """Adds rows of `fragment_ends.ends`."""
        self._held.append(row)
        self._bytes += row.nbytes
        if self._bytes > self._most:
            self._spill()

    def signatures(self) -> Iterator[NDArray[np.void]]:
        """The signatures of all templates. Call once; keeps on disk who follows whom."""
        with writing(self._links), open(self._links, "wb") as links:
            for row in self._parts():
                joined = signatures(row[np.argsort(row[:, TEMPLATE], kind="stable")], self._source)
                links.write(joined.link.tobytes())
                yield joined.signature

    def follow(self, bits: NDArray[np.uint8]) -> None:
        """Sets the bits of those that follow a duplicate."""
        with open(self._links, "rb") as links:
            while data := links.read(1 << 24):
                link = np.frombuffer(data, np.int64).reshape(-1, 2)
                follower = link[(bits[link[:, 0] >> 3] >> (link[:, 0] & 7) & 1).astype(bool), 1]
                np.bitwise_or.at(bits, follower >> 3, (1 << (follower & 7)).astype(np.uint8))

    @property
    def _links(self) -> Path:
        return self._folder / "links"

    def _parts(self) -> Iterator[NDArray[np.int64]]:
        if not self._spilled:
            held, self._held = self._held, []
            yield np.concatenate(held) if held else np.empty((0, 6), np.int64)
            return
        self._spill()
        for number in range(_PARTITIONS):
            yield np.fromfile(self._path(number), np.int64).reshape(-1, 6)
            self._path(number).unlink()

    def _spill(self) -> None:
        row = np.concatenate(self._held)
        for number, part in enumerate(spread(row, row[:, TEMPLATE]).parts()):
            with writing(self._path(number)), open(self._path(number), "ab") as out:
                out.write(part.tobytes())
        self._held, self._bytes, self._spilled = [row[:0]], 0, True

    def _path(self, number: int) -> Path:
        return self._folder / f"names-{number}"


def _samples(groups: list[ReadGroup]) -> str:
    return ",".join(sorted({group.sample for group in groups if group.sample})) or "unknown"


def _write(source: Path, output: Path, bits: NDArray[np.uint8], *, threads: int) -> None:
    stream = open_stream(source, threads=threads)
    index = bai.Builder([length for _, length in stream.contigs]) if _is_sorted(stream) else None
    table = output.with_name(output.name + ".bai")
    with whole_file(output) as partial, progress("writing", total=len(bits) * 8, unit="records") as written:
        with BgzfWriter(partial, threads=threads) as bam:
            bam.write(_head(stream))
            bam.flush()
            for batch in stream.batches():
                flag_records(batch.byte, batch.start, batch.first + np.arange(len(batch)), bits)
                if index is not None:
                    index.add(bai.summary_of(batch.byte, batch.start), bam.tell())
                bam.write(batch.byte.data)
                written.advance(len(batch))
        if index is not None:
            with whole_file(table) as partial_table:
                index.write(partial_table, bam)
    log.info("%s written", output.name)


def _is_sorted(stream: BamStream) -> bool:
    return any("SO:coordinate" in line.split("\t") for line in stream.header_lines("@HD"))


def _head(stream: BamStream) -> bytes:
    """The header with one more line: this program, behind the last one."""
    programs = [fields_of(line) for line in stream.header_lines("@PG")]
    identifiers = [fields["ID"] for fields in programs if "ID" in fields]
    before = {fields.get("PP") for fields in programs}
    last = [identifier for identifier in identifiers if identifier not in before]
    name, n = PROGRAM, 1
    while name in identifiers:
        name, n = f"{PROGRAM}.{n}", n + 1
    line = f"@PG\tID:{name}\tPN:genopipe\tVN:{__version__}" + (f"\tPP:{last[-1]}" if last else "")
    text = (stream.text.rstrip("\n") + "\n" if stream.text else "") + line + "\n"
    encoded = text.encode()
    old_length = int.from_bytes(stream.header[4:8], "little")
    return stream.header[:4] + len(encoded).to_bytes(4, "little") + encoded + stream.header[8 + old_length :]
