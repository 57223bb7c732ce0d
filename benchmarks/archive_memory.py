"""Memory that `genopipe archive` takes for FASTQ as reads become more: of putting, getting and checking; as JSON.

    benchmarks/archive_memory.py [--pairs N]... [--work DIR] [--output benchmarks/results/archive_memory.json]

The reads are simulated from a genome of 17 Mbp (`genopipe.simulate.human_genome`), 500,000 and 4,000,000 pairs unless told otherwise. R1
and R2 are put alone, and R2 after the BAM (by `genopipe align`); R2 is got, and the archive with the BAM is checked deeply. Resident
memory is the largest of one process, that of htslib among them, mapped files included. CPU seconds are those of the whole program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from align import GENOPIPE
from human_scale import simulated
from measure import options, report, step, versions, work_folder

LENGTH = 17_000_000
PAIRS = [500_000, 4_000_000]
MEMORY = "2G"


def measured(folder: Path, pairs: int) -> dict[str, Any]:
    """What each step takes with so many pairs."""
    target, reference, bam = simulated(folder, LENGTH, pairs, seed=1), folder / "reference", folder / "S.bam"
    fastq, sample = [target.r1, target.r2], ("--sample", "S", "--reference", reference)
    step(folder / "reference.json", *GENOPIPE, "reference", "build", folder / "genome.fa", "-o", reference)
    aligning = ("--memory", MEMORY, "--threads", "1")
    step(folder / "bam.json", *GENOPIPE, "align", *sample, "-1", fastq[0], "-2", fastq[1], *aligning, "-o", bam)
    alone, after = (("--archive", folder / name) for name in ("alone", "after"))
    commands = {
        "put of R1 and R2": ("put", *fastq, *alone, *sample),
        "get R2": ("get", "S/R2.fastq.gz", *alone, "-o", folder / "again.fastq.gz"),
        "put of the BAM": ("put", bam, *after, *sample),
        "put of R2 after the BAM": ("put", fastq[1], *after, *sample),
        "get R2 by way of the BAM": ("get", "S/R2.fastq.gz", *after, "-o", folder / "again.fastq.gz"),
        "verify --deep": ("verify", *after, "--deep"),
    }
    taken = {name: step(folder / f"{name}.json", *GENOPIPE, "archive", *command) for name, command in commands.items()}
    return {"reads": 2 * pairs} | {name: used.figures() for name, used in taken.items()}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, action="append")
    args = parser.parse_args()
    with work_folder(args.work) as work:
        result = [measured(work / str(pairs), pairs) for pairs in args.pairs or PAIRS]
    report({"measured": result}, args, versions("numba", "numpy", "pysam"))


if __name__ == "__main__":
    main()
