"""FASTQ to variants in one process, for a case that cannot wait: align, then call what was aligned.

What would fail hours later is looked for first: memory for the index, space for the sorted runs and the BAM, the output folder. The index
is let go of before calling begins. The files are those that `genopipe align` and `genopipe call` write one after the other. Where no BAM is
wanted, reads are kept packed from aligning to calling, in memory, and in files where they exceed it. With a GPU they stay packed on it, as
far as it has room, both steps run their kernels there, and a BAM that is wanted is written while variants are called.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from genopipe.align.inputs import Files
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files, aligned_files
from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.call.handed import memory_of, settlers
from genopipe.device import using
from genopipe.errors import BadEnvironment
from genopipe.formats.bam import ReadGroup
from genopipe.outputs import make_folder, writing

LEAST_BESIDE_INDEX = 2 << 30
"""Bytes of memory besides the index."""

SPACE_FOR_READS = 3
"""Bytes on disk for each byte of compressed FASTQ: sorted runs, the BAM, and some room; or packed reads, and some room."""


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
    workers = memory_of(options.threads) if options.device == "gpu" else 0
    _check_memory(reference, options.memory, LEAST_BESIDE_INDEX + workers)
    options = replace(options, memory=options.memory - workers)
    both = keep_bam and options.device == "gpu"
    _check_disk([*reads.r1, *reads.r2], make_folder(prefix.parent), SPACE_FOR_READS * (2 if both else 1))
    bam = named(prefix, ".bam")
    outputs = Outputs(named(prefix, ".vcf.gz"), named(prefix, ".g.vcf.gz"))
    if keep_bam and options.device == "cpu":
        align_files(reads.r1, reads.r2, reference, bam, interleaved=False, read_group=reads.read_group, options=options)
        call_variants(reference, bam, outputs, sample=whom, threads=options.threads)
        return
    files = Files(reads.r1, reads.r2, False, reads.read_group)
    with (
        settlers(options.threads) if options.device == "gpu" else nullcontext() as settling,
        aligned_files(files, reference, bam, options=options, keep_bam=keep_bam) as aligned,
    ):
        assert aligned.bam.held is not None
        with using(aligned.bam.held.gpu):
            call_variants(reference, aligned.bam, outputs, sample=whom, threads=options.threads, check=aligned.check, settlers=settling)


def named(prefix: Path, suffix: str) -> Path:
    """The output of that suffix."""
    return prefix.with_name(prefix.name + suffix)


def _check_memory(reference: Path, memory: int, besides: int) -> None:
    index = sum(file.stat().st_size for file in reference.glob("*.npy"))
    if memory < index + besides:
        raise BadEnvironment(
            f"{memory >> 20} MB of memory are too few for this reference",
            wanted=f"at least {(index + besides >> 20) + 1} MB: the index and {besides >> 20:,} MB",
            do="Give more with --memory.",
            key="--memory",
        )


def _check_disk(files: Sequence[Path], folder: Path, times: int) -> None:
    needed = times * sum(file.stat().st_size for file in files if file.exists())
    with writing(folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise BadEnvironment(
            f"{free >> 20:,} MB are free for the outputs",
            wanted=f"at least {needed >> 20:,} MB, {times} times the reads",
            do="Free space or choose another output folder.",
            path=folder,
        )
