"""Commands with and without a GPU, on the same reads: how long they take, and whether the files are equal. Part of benchmarks/gpu.py.

Needs what the commands need: the wheels of click, deflate, isal and pysam besides NumPy, Numba and CuPy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measure import ROOT

from genopipe.device import default_threads
from genopipe.simulate.haplotypes import haplotype
from genopipe.simulate.reads import simulate_reads
from genopipe.simulate.sequence import ContigPlan, make_sequence

LETTERS = np.frombuffer(b"ACGTN", np.uint8)
READ_LENGTH = 150


def command(*arguments: object) -> float:
    """Runs a genopipe command and gives its seconds on the wall. Raises RuntimeError with what it said where it fails."""
    begun = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-m", "genopipe", *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return time.perf_counter() - begun


def prepare(folder: Path, bases: int, depth: float, seed: int) -> tuple[Path, Path, Path]:
    """A reference folder and two FASTQ files of one contig."""
    code = make_sequence(ContigPlan("chr1", bases, "autosome"), seed=seed).base
    with open(folder / "genome.fa", "wb") as fasta:
        fasta.write(b">chr1\n" + LETTERS[code].tobytes() + b"\n")
    r1, r2 = folder / "R1.fastq.gz", folder / "R2.fastq.gz"
    simulate_reads([haplotype("chr1", code, (), depth=depth)], r1, r2, seed=seed)
    command("reference", "build", folder / "genome.fa", "-o", folder / "reference")
    return folder / "reference", r1, r2


def aligned(bases: int, depth: float, *, seed: int) -> dict[str, Any]:
    """`align` from bgzip FASTQ in memory to a BAM there, on the GPU and on the CPU; each command once before, to compile its kernels."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with TemporaryDirectory(dir=memory) as name:
        folder = Path(name)
        reference, r1, r2 = prepare(folder, bases, depth, seed)
        (folder / "few").mkdir()
        few = prepare(folder / "few", 200_000, 1.0, seed)
        seconds = {}
        for device in ("gpu", "cpu"):
            options = ("--sample", "S", "--memory", "16G", "--device", device, "-o")
            command("align", "--reference", few[0], "-1", few[1], "-2", few[2], *options, folder / "few.bam")
            seconds[device] = command("align", "--reference", reference, "-1", r1, "-2", r2, *options, folder / f"{device}.bam")
        n = int(bases * depth) // READ_LENGTH
        equal = (folder / "gpu.bam").read_bytes() == (folder / "cpu.bam").read_bytes()
    times = seconds["cpu"] / seconds["gpu"]
    return {"n": n, "unit": "reads", "seconds": seconds["gpu"], "rate": n / seconds["gpu"], "equal": equal} | {
        "lanes_rate": n / seconds["cpu"],
        "lanes_threads": default_threads(),
        "times_the_lanes": times,
    }
