"""Reads passed on while they are measured: all lanes of a sample in one file, in their order, with their names, read groups and tags.

FASTQ stays FASTQ, its headers as they are. An unaligned BAM is written from records, which are kept byte for byte, or from FASTQ: a comment
made of SAM tags, as basecallers write it, becomes these tags, any other comment becomes CO. Records of a file that names no read group, and
reads of FASTQ, get that of the command line. Programs and comments of the headers are kept, each line once.

Source: SAM/BAM format specification, sections 1.3 (header), 1.5 (tags) and 4.2 (BAM).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import logging
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from genopipe import __version__
from genopipe.errors import BadInput
from genopipe.formats.bam import FIRST, LAST, LONGEST_NAME, MATE_UNMAPPED, PAIRED, UNMAPPED, ReadGroup, Records, encode, header_bytes
from genopipe.formats.bam_reads import Held
from genopipe.formats.bam_stream import BamStream, fields_of, int32
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.fastq import fastq_writer
from genopipe.ingest.unaligned import to_cram
from genopipe.kernels.compiled import allocating, kernel
from genopipe.model import Reads
from genopipe.outputs import PARTIAL, temporary_folder, whole_file

log = logging.getLogger(__name__)

Add = Callable[[Reads, Held | None, Path], None]
"""Takes a batch, its records where it has any, and the file that it is of."""

_TAG = re.compile(r"[A-Za-z][A-Za-z0-9]:(A:[!-~]|i:[-+]?\d{1,10}|f:[-+]?[0-9.]+(e[-+]?\d+)?|[ZH]:[ -~]*|B:[cCsSiIf](,[-+0-9.e]+)*)")
_ARRAY = {"c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "f": "f"}


def passed_on(outputs: Sequence[Path], files: Sequence[BamStream | None], group: ReadGroup, *, threads: int) -> AbstractContextManager[Add]:
    """Gives what takes batches; `outputs`, which appear whole, are a BAM, a CRAM, or one or two FASTQ, the second for second mates.

    Raises BadInput for records that should become FASTQ, aligned records, read groups that contradict each other, and tags or names that a
    BAM cannot hold.
    """
    return _to_records(outputs[0], files, group, threads) if outputs[0].suffix in (".bam", ".cram") else _to_fastq(outputs, files, threads)


@contextmanager
def _to_records(output: Path, files: Sequence[BamStream | None], group: ReadGroup, threads: int) -> Iterator[Add]:
    header = header_bytes(_header(files, group), [])
    lacking = {file.path for file in files if file and not file.read_groups()}
    with whole_file(output) as partial, temporary_folder(output.parent, prefix=PARTIAL) as folder:
        bam = partial if output.suffix == ".bam" else folder / "reads.bam"
        with BgzfWriter(bam, threads=threads) as writer:
            writer.write(header)
            writer.flush()
            yield _Adder(writer, group, lacking).add
        if bam is not partial:
            to_cram(bam, partial)


@contextmanager
def _to_fastq(outputs: Sequence[Path], files: Sequence[BamStream | None], threads: int) -> Iterator[Add]:
    for file in files:
        if file is not None:
            do = "Say --as bam, or make FASTQ of it with samtools fastq."
            raise BadInput("the file holds records", wanted="FASTQ with --as fastq", do=do, path=file.path)
    with fastq_writer(outputs[0], r2=outputs[1] if len(outputs) > 1 else None, threads=threads) as write:
        yield lambda reads, held, path: write(reads)


def _header(files: Sequence[BamStream | None], own: ReadGroup) -> str:
    groups: dict[str, str] = {}
    programs: dict[str, str] = {}
    comments: list[str] = []
    for file in files:
        for group in (file.read_groups() if file else []) or [own]:
            if groups.setdefault(group.identifier, group.line()) != group.line():
                raise _bad(f"the read group {group.identifier!r} is described in two ways", "each read group once", file)
            if group.sample != own.sample:
                came = f"the read group {group.identifier!r} is of the sample {group.sample!r}"
                raise _bad(came, f"only reads of {own.sample!r}, as --sample says", file)
        for line in file.header_lines("@PG") if file else []:
            name = fields_of(line).get("ID", "")
            if programs.setdefault(name, line) != line:
                log.warning("the program %r is described in two ways; the first is kept", name)
        comments += [line for line in (file.header_lines("@CO") if file else []) if line not in comments]
    if "genopipe" not in programs:
        programs["genopipe"] = f"@PG\tID:genopipe\tPN:genopipe\tVN:{__version__}"
    return "\n".join(["@HD\tVN:1.6\tSO:unsorted\tGO:query", *groups.values(), *programs.values(), *comments]) + "\n"


def _bad(came: str, wanted: str, file: BamStream | None) -> BadInput:
    do = "Check that the files belong together, or correct the headers with samtools reheader."
    return BadInput(came, wanted=wanted, do=do, path=file.path if file else None)


class _Adder:
    """Writes records as they are, and reads of FASTQ as records."""

    def __init__(self, writer: BgzfWriter, group: ReadGroup, lacking: set[Path]) -> None:
        self._writer, self._group, self._lacking = writer, group, lacking
        self._tag = b"RGZ" + group.identifier.encode() + b"\0"

    def add(self, reads: Reads, held: Held | None, path: Path) -> None:
        if held is None:
            record, _ = encode(reads, self._records(reads, path))
        else:
            aligned = _first_aligned(held.record, held.start)
            if aligned >= 0:
                came = f"record {int(held.number[aligned]) + 1:,}: the read {held.name(aligned)!r} is aligned"
                raise BadInput(came, wanted="unaligned records", do="Undo the alignment with samtools reset.", path=path)
            record = held.record[: held.start[-1]]
            if path in self._lacking:
                record = _with_tag(held.record, held.start, np.frombuffer(self._tag, np.uint8))
        self._writer.write(record.data)

    def _records(self, reads: Reads, path: Path) -> Records:
        """What the records of FASTQ reads say beyond the reads."""
        n = len(reads)
        tags = [self._tag + self._tags_of_comment(reads, row, path) for row in range(n)]
        flag = np.full(n, UNMAPPED, np.uint16)
        if reads.paired:
            flag |= np.tile(np.array([FIRST, LAST], np.uint16), n // 2) | np.uint16(PAIRED | MATE_UNMAPPED)
        none, zero = np.full(n, -1, np.int32), np.zeros(n, np.int32)
        return Records(
            read=np.arange(n, dtype=np.int32),
            flag=flag,
            contig=none,
            position=none,
            end=none,
            quality=zero.astype(np.uint8),
            mate_contig=none,
            mate_position=none,
            template_length=zero,
            cigar=np.empty(0, np.uint32),
            cigar_start=np.zeros(n + 1, np.int64),
            tag=np.frombuffer(b"".join(tags), np.uint8),
            tag_start=np.cumsum([0, *map(len, tags)], dtype=np.int64),
        )

    def _tags_of_comment(self, reads: Reads, row: int, path: Path) -> bytes:
        header = reads.header[reads.header_start[row] : reads.header_start[row + 1]].tobytes().decode(errors="replace")
        name, _, comment = header.replace(" ", "\t", 1).partition("\t")
        if reads.name_length[row] > LONGEST_NAME:
            came = f"the read name {name[:40]!r}... has {reads.name_length[row]} bytes"
            raise BadInput(came, wanted=f"at most {LONGEST_NAME}", do="Shorten the names.", path=path)
        if not comment:
            return b""
        fields = comment.split("\t")
        if not all(map(_TAG.fullmatch, fields)):
            return b"COZ" + comment.encode() + b"\0"
        group = f"RG:Z:{self._group.identifier}"
        if other := [field for field in fields if field.startswith("RG:") and field != group]:
            do = f"Give --read-group {other[0][5:]}, or the reads of each read group as a lane of a BAM."
            raise BadInput(f"the read {name!r} is of another read group: {other[0]}", wanted=group, do=do, path=path)
        return b"".join(_binary(field) for field in fields if field != group)


def _binary(field: str) -> bytes:
    """A tag as in a BAM. Source: SAM specification, section 4.2.4."""
    name, kind, value = field.split(":", 2)
    if kind == "A":
        return f"{name}A{value}".encode()
    if kind == "i":
        number = int(value)
        return name.encode() + (struct.pack("<cI", b"I", number) if number >= 1 << 31 else struct.pack("<ci", b"i", number))
    if kind == "f":
        return name.encode() + struct.pack("<cf", b"f", float(value))
    if kind == "B":
        of, *numbers = value.split(",")
        array = [float(number) if of == "f" else int(number) for number in numbers]
        return f"{name}B{of}".encode() + struct.pack(f"<i{len(array)}{_ARRAY[of]}", len(array), *array)
    return f"{name}{kind}{value}".encode() + b"\0"


@kernel
def _first_aligned(record, start):
    """The first record that has a place, or -1."""
    for i in range(len(start) - 1):
        if int32(record, start[i] + 4) >= 0 or record[start[i] + 18] & 4 == 0:
            return i
    return -1


@allocating
def _with_tag(record, start, tag):
    """The records, with a tag at the end of each."""
    n = len(start) - 1
    out = np.empty(start[n] + n * len(tag), np.uint8)
    at = 0
    for i in range(n):
        size = start[i + 1] - start[i]
        out[at : at + size] = record[start[i] : start[i + 1]]
        for k in range(4):
            out[at + k] = ((size - 4 + len(tag)) >> (8 * k)) & 255
        out[at + size : at + size + len(tag)] = tag
        at += size + len(tag)
    return out
