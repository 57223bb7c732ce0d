"""Files in, files out: the lanes of a sample to one BAM or CRAM."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

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


def align_files(
    r1: Sequence[Path], r2: Sequence[Path], reference: Path, output: Path, *, interleaved: bool, read_group: ReadGroup, options: Options
) -> list[Metrics]:
    """Aligns the lanes `r1` (with `r2`, interleaved, or of records) into `output`, a .bam or .cram; index and metrics stand beside."""
    check_sample_name(read_group.sample)
    if output.suffix not in (".bam", ".cram"):
        raise BadInput(
            f"the output is called {output.name!r}", wanted="a name that ends in .bam or .cram", do="Choose such a name.", key="-o"
        )
    lanes = Lanes(Given(r1, r2, interleaved, read_group), reference, threads=options.threads)
    with temporary_folder(output) as folder:
        bam = output if output.suffix == ".bam" else folder / output.with_suffix(".bam").name
        metrics = align(lanes.batches(folder), reference, bam, groups=lanes.groups, options=options)
        if bam != output:
            write_cram(bam, fasta_path(reference), output, threads=options.threads)
            shutil.move(duplicates_path(bam), duplicates_path(output))
            if options.trim:
                shutil.move(trimming_path(bam), trimming_path(output))
    return metrics
