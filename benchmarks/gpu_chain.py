"""From FASTQ to records and to variants, on a GPU and on the CPU, with the same reads: how long each takes, and whether they give the same.

Part of benchmarks/gpu.py. The reads of a donor are made in threads, as bgzip in memory. Everything runs in this process, after a small run
of each kind that compiles kernels: what is measured begins with the loading of the index and ends with the last byte. Needs what the
commands need: the wheels of click, deflate, isal and pysam besides NumPy, Numba and CuPy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from genopipe.align.index import build_reference
from genopipe.align.inputs import Files
from genopipe.align.pipeline import Options
from genopipe.align.run import aligned_files
from genopipe.call.caller import Sample
from genopipe.cases.secondary import Reads, run_secondary
from genopipe.device import Device, default_threads
from genopipe.formats.bam import ReadGroup
from genopipe.formats.bgzf import END_OF_FILE, PAYLOAD, compress_block
from genopipe.simulate.haplotypes import DEPTH_UNIT, Haplotype
from genopipe.simulate.human_reads import donor_haplotypes
from genopipe.simulate.reads import BATCH, DUPLICATES_16, Fragments, count_pairs
from genopipe.simulate.sequence import ContigPlan, make_sequence
from genopipe.simulate.sequencer import READ_LENGTH, places_on_cell, write_records

LETTERS = np.frombuffer(b"ACGTN", np.uint8)
GROUP = ReadGroup("S", "S", "S", "ILLUMINA")
BYTES_OF_READ = 400
"""On disk and in the files of the benchmark, reference and outputs included, with room to spare."""

SMALL = 60_000
DEVICES: tuple[Device, ...] = ("gpu", "cpu")


@dataclass(frozen=True)
class Prepared:
    """A reference folder, two FASTQ files, and how many reads they hold."""

    reference: Path
    r1: Path
    r2: Path
    n_reads: int


def prepare(folder: Path, bases: int, depth: int, *, seed: int) -> Prepared:
    """A genome of one contig, and reads of a donor of it."""
    folder.mkdir()
    sequence = make_sequence(ContigPlan("chr1", bases, "autosome"), seed=seed)
    with open(folder / "genome.fa", "wb") as fasta:
        fasta.write(b">chr1\n" + LETTERS[sequence.base].tobytes() + b"\n")
    build_reference(folder / "genome.fa", folder / "reference", name="simulated")
    copies = [replace(copy, depth=depth * DEPTH_UNIT // 2) for copy in donor_haplotypes(sequence, seed=seed)]
    return Prepared(folder / "reference", *_reads(copies, folder, seed))


def _reads(copies: list[Haplotype], folder: Path, seed: int) -> tuple[Path, Path, int]:
    fragments, n = Fragments(copies, np.uint64(seed), duplicates_16=DUPLICATES_16), count_pairs(copies)

    def made(first: int) -> tuple[int, list[bytes]]:
        pairs = fragments.pairs(first, places_on_cell(first, min(BATCH, n - first), n, np.uint64(seed)))
        return int(pairs.kept.sum()), [_blocks(_text(pairs, mate)) for mate in (0, 1)]

    paths, n_kept = [folder / f"R{mate}.fastq.gz" for mate in (1, 2)], 0
    with open(paths[0], "wb") as one, open(paths[1], "wb") as two, ThreadPoolExecutor(default_threads()) as pool:
        for kept, blocks in pool.map(made, range(0, n, BATCH)):
            n_kept += kept
            one.write(blocks[0])
            two.write(blocks[1])
        one.write(END_OF_FILE)
        two.write(END_OF_FILE)
    return paths[0], paths[1], 2 * n_kept


def _text(pairs: Any, mate: int) -> bytes:
    before, after = b"@SIM:1:FLOWCELL:", b" %d:N:0:ACGTACGT\n" % (mate + 1)
    out = np.empty(len(pairs.kept) * (len(before) + 40 + len(after) + 2 * READ_LENGTH + 4), np.uint8)
    names = np.frombuffer(before, np.uint8), np.frombuffer(after, np.uint8)
    n = write_records(mate, pairs.cell, pairs.kept, pairs.base, pairs.quality, *names, out)
    return out[:n].tobytes()


def _blocks(text: bytes) -> bytes:
    return b"".join(compress_block(text[i : i + PAYLOAD], 1) for i in range(0, len(text), PAYLOAD))


@contextmanager
def prepared(bases: int, depth: int, *, seed: int) -> Iterator[tuple[Prepared, Prepared]]:
    """A small set to compile kernels with, and the one to measure; in memory where it has room."""
    shared = Path("/dev/shm")
    needed = bases * depth // READ_LENGTH * BYTES_OF_READ
    fits = shared.is_dir() and shutil.disk_usage(shared).free > needed
    with TemporaryDirectory(dir=shared if fits else None) as name:
        yield prepare(Path(name, "small"), min(SMALL, bases), 10, seed=seed), prepare(Path(name, "whole"), bases, depth, seed=seed)


def options(device: Device) -> Options:
    """All cores, and half of the memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return Options(default_threads(), memory, device=device)


def align(data: Prepared, device: Device, folder: Path) -> tuple[float, bytes]:
    """Seconds from FASTQ to reads with places and duplicates, ready to be called from; and a digest of these."""
    files = Files([data.r1], [data.r2], False, GROUP)
    begun, digest = time.perf_counter(), hashlib.blake2b()
    with aligned_files(files, data.reference, folder / f"{device}.bam", options=options(device), keep_bam=False) as reads:
        taken, bam = time.perf_counter() - begun, reads.bam
        assert bam.held is not None
        for piece in bam.held.pieces(0, start=0, end=bam.contigs[0].length, min_mapping_quality=0):
            digest.update(b"".join(getattr(piece, name).tobytes() for name in ("position", "flag", "mapping_quality", "cigar", "base")))
    return taken, digest.digest()


def secondary(data: Prepared, device: Device, folder: Path) -> tuple[float, bytes]:
    """Seconds from FASTQ to VCF and gVCF, no BAM; and these files."""
    prefix, reads = folder / device, Reads([data.r1], [data.r2], GROUP)
    begun = time.perf_counter()
    run_secondary(reads, data.reference, prefix, options=options(device), whom=Sample(), keep_bam=False)
    taken = time.perf_counter() - begun
    return taken, b"".join((folder / f"{device}{suffix}").read_bytes() for suffix in (".vcf.gz", ".g.vcf.gz"))


def rows(bases: int, depth: int, *, seed: int) -> Iterator[dict[str, Any]]:
    """A row for each way, with the rates of both devices."""
    with prepared(bases, depth, seed=seed) as (small, whole), TemporaryDirectory() as name:
        for work, what, bar in (
            (align, "align end to end from bgzip FASTQ in memory, no BAM", {"bar": 5e6, "goal": 15e6}),
            (secondary, f"secondary, {bases:,} bases at {depth}x, FASTQ to VCF, no BAM", {"bar_seconds": 30, "goal_seconds": 8}),
        ):
            for device in DEVICES:
                work(small, device, Path(name))
            (seconds, ours), (of_cpu, theirs) = (work(whole, device, Path(name)) for device in DEVICES)
            rate = {"n": whole.n_reads, "unit": "reads", "seconds": seconds, "rate": whole.n_reads / seconds, "equal": ours == theirs}
            lanes = {"lanes_rate": whole.n_reads / of_cpu, "lanes_threads": default_threads(), "times_the_lanes": of_cpu / seconds}
            yield {"what": what} | rate | lanes | bar | {"includes": "loading the index"}
