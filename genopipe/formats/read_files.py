"""What a file of reads is, told from its first bytes: FASTQ, BAM or CRAM; and the records of the last two as one stream."""

from __future__ import annotations

import sys
from io import BufferedReader
from pathlib import Path

from isal import isal_zlib

from genopipe.errors import BadInput
from genopipe.formats import bam_stream, cram
from genopipe.formats.bam_stream import BamStream, open_stream
from genopipe.formats.inflate import STANDARD_INPUT

_HEAD_BYTES = 1 << 16
_GZIP_MAGIC, _GZIP_WINDOW_BITS = b"\x1f\x8b", 31


def kind_of(path: Path) -> str:
    """`fastq`, `bam` or `cram`, by the first bytes; a named pipe is FASTQ, as what is looked at there is gone.

    Raises BadInput for SAM text, and for a CRAM on standard input.
    """
    if path.is_fifo():
        return "fastq"
    if path == STANDARD_INPUT:
        assert isinstance(sys.stdin.buffer, BufferedReader)
        head = sys.stdin.buffer.peek(_HEAD_BYTES)
    else:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    if head.startswith(_GZIP_MAGIC):
        try:
            head = isal_zlib.decompressobj(wbits=_GZIP_WINDOW_BITS).decompress(head)
        except isal_zlib.error:  # type: ignore[misc]
            return "fastq"
    if head.startswith((b"@HD\t", b"@SQ\t", b"@RG\tID:")):
        raise BadInput("the reads are SAM text", wanted="FASTQ, BAM or CRAM", do="Make a BAM of it with samtools view -b.", path=path)
    if head.startswith(cram.MAGIC):
        if path == STANDARD_INPUT:
            raise BadInput("standard input is a CRAM", wanted="FASTQ or BAM", do="Give the CRAM as a file.", path=path)
        return "cram"
    return "bam" if head.startswith(bam_stream.MAGIC) else "fastq"


def open_records(path: Path, kind: str, *, fasta: Path | None, threads: int = 1) -> BamStream:
    """The records of a BAM or CRAM; `fasta` is what a CRAM of aligned reads was written with, if it holds no reference itself."""
    if kind == "cram":
        return BamStream(path, cram.cram_pieces(path, fasta))
    return open_stream(path, threads=threads)
