"""What reading and measuring FASTQ costs, in CPU seconds of one thread; as JSON.

    benchmarks/fastq.py [--pairs N] [--work DIR] [--output benchmarks/results/fastq.json]

Input: pairs of 2 x 150 bases of a simulated newborn, in random order, as two gzip files (level 6).

inflate   the two files inflated by isal alone: the floor of everything below
parse     `read_fastq`: names, base codes (one byte a base) and qualities in arrays, every character checked, mates compared
pack      the same, and the bases at two bits each beside a bit for each unknown one
count     what `genopipe ingest fastq` counts, of batches in memory
command   `genopipe ingest fastq --threads 1`, and fastp -w 1 with filters and trimming off, without output files; start-up included
"""

from __future__ import annotations

import gzip
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import cpu_seconds, options, program_version, report, versions, work_folder

from genopipe.formats.fastq import read_fastq
from genopipe.formats.inflate import inflated
from genopipe.ingest.counting import count
from genopipe.kernels.packed_reads import pack_bases
from genopipe.simulate.family import simulate_family

REPEATS, COMMAND_REPEATS = 10, 3
DEPTH = 30


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, default=500_000)
    args = parser.parse_args()
    with work_folder(args.work) as work:
        files = write_reads(work, args.pairs)
        result = {"reads": 2 * args.pairs, "reads_per_cpu_second": rates(files, 2 * args.pairs, work)}
    used = versions("numba", "numpy", "isal") | {"fastp": program_version("fastp", "--version")}
    report(result, args, used)


def write_reads(work: Path, pairs: int) -> tuple[Path, Path]:
    """Two gzip files of simulated reads."""
    files = work / "R1.fastq.gz", work / "R2.fastq.gz"
    if not all(path.exists() for path in files):
        newborn = simulate_family(work / "family", genome_length=2 * 150 * pairs // DEPTH, coverage=DEPTH * 1.1).newborn
        for source, target in zip((newborn.r1, newborn.r2), files, strict=True):
            with gzip.open(source, "rb") as text, gzip.open(target, "wb", 6) as packed:
                for _ in range(4 * pairs):
                    packed.write(next(text))
    return files


def rates(files: tuple[Path, Path], n_reads: int, work: Path) -> dict[str, Any]:
    """Reads per CPU second of each step."""
    batches = list(read_fastq(*files))
    assert sum(map(len, batches)) == n_reads
    count(batches[0])
    seconds = {
        "inflate": best(lambda: [len(piece) for path in files for piece in inflated(path)]),
        "parse": best(lambda: [len(batch) for batch in read_fastq(*files)]),
        "pack": best(lambda: [len(pack_bases(batch.base).word) for batch in read_fastq(*files)]),
        "count": best(lambda: [count(batch) for batch in batches]),
    }
    genopipe = [sys.executable, "-m", "genopipe", "ingest", "fastq", *files, "--sample", "S", "--threads", 1, "-o", work / "qc"]
    seconds["command"] = min(cpu_seconds(*genopipe) for _ in range(COMMAND_REPEATS))
    if shutil.which("fastp"):
        outputs = ["-j", work / "fastp.json", "-h", work / "fastp.html"]
        fastp = ["fastp", "-i", files[0], "-I", files[1], "-w", 1, "-A", "-Q", "-L", "-G", *outputs]
        seconds["fastp"] = min(cpu_seconds(*fastp) for _ in range(COMMAND_REPEATS))
    return {step: round(n_reads / value) for step, value in seconds.items()}


def best(work: Callable[[], Any]) -> float:
    """The least CPU seconds of `REPEATS` runs."""

    def once() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(once() for _ in range(REPEATS))


if __name__ == "__main__":
    main()
