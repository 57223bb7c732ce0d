"""Files in, files out: the lanes of a sample to one BAM or CRAM."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from isal import igzip

from genopipe.align.duplication_metrics import Metrics, duplicates_path
from genopipe.align.inputs import Given, Lanes
from genopipe.align.pipeline import Options, align
from genopipe.align.sorting import temporary_folder
from genopipe.align.trimming import trimming_path
from genopipe.errors import BadInput
from genopipe.formats.bam import ReadGroup
from genopipe.formats.cram import write_cram
from genopipe.formats.genome import fasta_path
from genopipe.formats.sample_name import check_sample_name
from genopipe.outputs import check_no_input

_HEAD_BYTES = 1 << 20


def align_files(
    r1: Sequence[Path], r2: Sequence[Path], reference: Path, output: Path, *, interleaved: bool, read_group: ReadGroup, options: Options
) -> list[Metrics]:
    """Aligns the lanes `r1` (with `r2`, interleaved, or of records) into `output`, a .bam or .cram; index and metrics stand beside."""
    check_sample_name(read_group.sample)
    if output.suffix not in (".bam", ".cram"):
        raise BadInput(
            f"the output is called {output.name!r}", wanted="a name that ends in .bam or .cram", do="Choose such a name.", key="-o"
        )
    check_no_input(output, [*r1, *r2])
    lanes = Lanes(Given(r1, r2, interleaved, read_group), reference, threads=options.threads)
    with temporary_folder(output) as folder:
        bam = output if output.suffix == ".bam" else folder / output.with_suffix(".bam").name
        expected = about_how_many([*r1, *r2])
        metrics = align(lanes.batches(folder), reference, bam, groups=lanes.groups, options=options, expected=expected)
        if bam != output:
            write_cram(bam, fasta_path(reference), output, threads=options.threads)
            shutil.move(duplicates_path(bam), duplicates_path(output))
            if options.trim:
                shutil.move(trimming_path(bam), trimming_path(output))
    return metrics


def about_how_many(files: Sequence[Path]) -> int | None:
    """About how many reads the FASTQ files hold, by the beginning of each; None where that cannot be said."""
    total = 0
    for path in files:
        if not path.is_file():
            return None
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
        n_lines = _lines(head)
        if not n_lines:
            return None
        total += path.stat().st_size * n_lines // (4 * len(head))
    return total


def _lines(head: bytes) -> int:
    """Lines in the beginning of a FASTQ, plain or gzip; 0 for anything else."""
    if not head.startswith(b"\x1f\x8b"):
        return head.count(b"\n") if head.startswith(b"@") else 0
    n_lines = 0
    with igzip.GzipFile(fileobj=BytesIO(head)) as plain, suppress(EOFError, igzip.BadGzipFile):  # type: ignore[no-untyped-call]
        for piece in iter(lambda: plain.read(1 << 16), b""):
            if not n_lines and not piece.startswith(b"@"):
                return 0
            n_lines += piece.count(b"\n")
    return n_lines
