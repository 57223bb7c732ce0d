"""FASTQ to variants in one process, for a case that cannot wait: align, then call what was aligned.

What would fail hours later is looked for first: memory for the index, space for the sorted runs and the BAM, the output folder. The index
is let go of before calling begins. The files are those that `genopipe align` and `genopipe call` write one after the other. Where no BAM is
wanted, the records stay in memory and are called from there; where they do not fit, sorted runs are spilled to disk, and they are called
from a temporary BAM. With a GPU, both steps run their kernels there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genopipe.align.duplication_metrics import duplicates_path
from genopipe.align.inputs import Files
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files, align_files_in_memory
from genopipe.align.sorting import temporary_folder
from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.device import Card, using
from genopipe.errors import BadEnvironment
from genopipe.formats.bam import ReadGroup
from genopipe.formats.bam_index import Bam
from genopipe.outputs import make_folder, writing

LEAST_BESIDE_INDEX = 2 << 30
"""Bytes of memory besides the index."""

SPACE_FOR_READS = 3
"""Bytes on disk for each byte of compressed FASTQ: sorted runs, the BAM, and some room."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Lanes of first and second reads, and their read group."""

    r1: Sequence[Path]
    r2: Sequence[Path]
    read_group: ReadGroup


def run_secondary(reads: Reads, reference: Path, prefix: Path, *, options: Options, whom: Sample, keep_bam: bool = True) -> None:
    """Writes PREFIX.vcf.gz and PREFIX.g.vcf.gz, what stands beside them, and PREFIX.bam unless it is not kept.

    Raises BadEnvironment, before work starts, for too little memory or disk.
    """
    _check_memory(reference, options.memory)
    _check_disk([*reads.r1, *reads.r2], make_folder(prefix.parent))
    bam = named(prefix, ".bam")
    outputs = Outputs(named(prefix, ".vcf.gz"), named(prefix, ".g.vcf.gz"))
    if keep_bam:
        align_files(reads.r1, reads.r2, reference, bam, interleaved=False, read_group=reads.read_group, options=options)
        _call(reference, bam, outputs, options, whom)
        return
    with temporary_folder(bam) as folder:
        files, spilled = Files(reads.r1, reads.r2, False, reads.read_group), folder / bam.name
        held = align_files_in_memory(files, reference, spilled, options=options)
        shutil.move(duplicates_path(spilled), duplicates_path(bam))
        _call(reference, held or spilled, outputs, options, whom)


def _call(reference: Path, alignments: Path | Bam, outputs: Outputs, options: Options, whom: Sample) -> None:
    with using(Card() if options.device == "gpu" else None):
        call_variants(reference, alignments, outputs, sample=whom, threads=options.threads)


def named(prefix: Path, suffix: str) -> Path:
    """The output of that suffix."""
    return prefix.with_name(prefix.name + suffix)


def _check_memory(reference: Path, memory: int) -> None:
    index = sum(file.stat().st_size for file in reference.glob("*.npy"))
    if memory < index + LEAST_BESIDE_INDEX:
        raise BadEnvironment(
            f"{memory >> 20} MB of memory are too few for this reference",
            wanted=f"at least {(index + LEAST_BESIDE_INDEX >> 20) + 1} MB: the index and 2 GB",
            do="Give more with --memory.",
            key="--memory",
        )


def _check_disk(files: Sequence[Path], folder: Path) -> None:
    needed = SPACE_FOR_READS * sum(file.stat().st_size for file in files if file.exists())
    with writing(folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise BadEnvironment(
            f"{free >> 20:,} MB are free for the outputs",
            wanted=f"at least {needed >> 20:,} MB, {SPACE_FOR_READS} times the reads",
            do="Free space or choose another output folder.",
            path=folder,
        )
