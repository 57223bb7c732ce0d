"""A CRAM as the stages read and write it: as plain BAM bytes, and with an index.

Source: CRAM format specification 3.1; `samtools view` of pysam.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats.htslib import HtslibFailed, decode_cram, replace_header
from genopipe.outputs import whole_file

MAGIC = b"CRAM"
LEAST_FREE = 1 << 20


def cram_pieces(cram: Path, fasta: Path | None) -> Iterator[bytes]:
    """The BAM that a CRAM holds, in pieces of plain bytes; `fasta` is used where it embeds no reference.

    Raises BadInput where htslib cannot decode it.
    """
    try:
        yield from decode_cram(cram, reference=fasta)
    except HtslibFailed as failure:
        wanted = "a whole CRAM that embeds its reference, needs none, or was made with this one"
        do = "Make a BAM of it with its own reference."
        raise BadInput(f"the CRAM cannot be decoded ({failure})", wanted=wanted, do=do, path=cram) from None


def write_cram(bam: Path, fasta: Path, output: Path, *, threads: int) -> None:
    """Writes `bam` as a CRAM with its index beside it, whole or not at all; working files go beside `bam`.

    htslib puts the name of the file into a CRAM, and the path of the FASTA into its header: so it writes to a file of a fixed name, and the
    header of `bam` is put back.
    """
    import pysam
    from pysam.utils import SamtoolsError

    index = output.with_name(output.name + ".crai")
    with whole_file(index) as partial_index, whole_file(output) as partial:
        try:
            with_path, header = bam.with_name("alignments.cram"), bam.with_name("header.sam")
            pysam.view("-C", "-T", str(fasta), "--no-PG", "-@", str(threads - 1), "-o", str(with_path), str(bam), catch_stdout=False)
            header.write_text(str(pysam.view("-H", "--no-PG", str(bam))))
            replace_header(with_path, header, partial)
            pysam.index("-o", str(partial_index), str(partial))
        except SamtoolsError as error:
            raise _write_error(str(error), output) from error
        except HtslibFailed as failure:
            raise _write_error(failure.said or str(failure), output) from failure


def _write_error(message: str, output: Path) -> Exception:
    """What a failure of samtools to write `output` means: the operating system's error where it names one, or none is left to write to."""
    if shutil.disk_usage(output.parent).free < LEAST_FREE:  # htslib does not say why closing a file failed
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(output))
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(code) in message:
            return OSError(code, os.strerror(code), str(output))
    return BadEnvironment(
        f"samtools could not write the CRAM ({message})",
        wanted="free space for the output and a whole reference",
        do="Check both, then run again, or write a .bam.",
        path=output,
    )
