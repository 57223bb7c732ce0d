"""Files in, files out: the lanes of a sample to one BAM or CRAM."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from genopipe.align.duplicates import Metrics
from genopipe.align.pipeline import Options, align, duplicates_path, temporary_folder
from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats.bam import ReadGroup
from genopipe.formats.fastq import read_fastq
from genopipe.formats.genome import fasta_path
from genopipe.formats.sample_name import check_sample_name
from genopipe.model import Reads
from genopipe.outputs import whole_file

BATCH_BASES = 1 << 19


def align_files(
    r1: Sequence[Path], r2: Sequence[Path], reference: Path, output: Path, *, interleaved: bool, read_group: ReadGroup, options: Options
) -> Metrics:
    """Aligns the lanes `r1` (with `r2`, or interleaved) into `output`, a .bam or .cram with its index and duplicate metrics beside it."""
    check_sample_name(read_group.sample)
    batches = _lanes(r1, r2, interleaved)
    if output.suffix == ".bam":
        return align(batches, reference, output, read_group=read_group, options=options)
    if output.suffix != ".cram":
        raise BadInput(
            f"the output is called {output.name!r}", wanted="a name that ends in .bam or .cram", do="Choose such a name.", key="-o"
        )
    with temporary_folder(output) as folder:
        bam = folder / output.with_suffix(".bam").name
        metrics = align(batches, reference, bam, read_group=read_group, options=options)
        _to_cram(bam, fasta_path(reference), output, options.threads)
        shutil.move(duplicates_path(bam), duplicates_path(output))
    return metrics


def _lanes(r1: Sequence[Path], r2: Sequence[Path], interleaved: bool) -> Iterator[Reads]:
    for first, second in zip_longest(r1, r2):
        yield from read_fastq(first, second, interleaved=interleaved, batch_bases=BATCH_BASES)


def _to_cram(bam: Path, fasta: Path, output: Path, threads: int) -> None:
    import pysam
    from pysam.utils import SamtoolsError

    index = output.with_name(output.name + ".crai")
    with whole_file(index) as partial_index, whole_file(output) as partial:
        try:
            pysam.view("-C", "-T", str(fasta), "--no-PG", "-@", str(threads - 1), "-o", str(partial), str(bam), catch_stdout=False)
            pysam.index("-o", str(partial_index), str(partial))
        except SamtoolsError as error:
            raise _write_error(str(error), output) from error


def _write_error(message: str, output: Path) -> Exception:
    """What a failure of samtools to write `output` means: the operating system's error where it names one."""
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(code) in message:
            return OSError(code, os.strerror(code), str(output))
    return BadEnvironment(
        f"samtools could not write the CRAM ({message})",
        wanted="free space for the output and a whole reference",
        do="Check both, then run again, or write a .bam.",
        path=output,
    )
