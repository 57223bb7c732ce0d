"""Aligning more than fits the memory given: what is resident at most, and whether the result is the same as with ample memory.

    benchmarks/spill.py [--pairs 6000000] [--memory 2G] [--compare] [--work DIR] [--output benchmarks/results/spill.json]

The reads are simulated from a genome of 17 Mbp (`genopipe.simulate.human_genome`). `--memory` is the limit for all of it: program, index,
batches under way, sorting and duplicates. The resident memory is that of the one process, mapped files included. `--compare` aligns once
more with ample memory.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from align import GENOPIPE
from human_scale import simulated
from measure import options, report, step, versions, work_folder

SMALL_LENGTH = 17_000_000
AMPLE = "12G"


def aligned(folder: Path, pairs: int, memory: str) -> dict[str, Any]:
    """One run with this limit, with the runs that were spilled and the digest of what was written."""
    target = simulated(folder, SMALL_LENGTH, pairs, seed=1)
    reads = ["-1", target.r1, "-2", target.r2, "--sample", "S", "--threads", "2"]
    output = folder / f"{memory}.bam"
    log = folder / f"{memory}.log"
    command = [*GENOPIPE, "align", "--reference", folder / "ref", *reads, "--memory", memory, "-o", output]
    taken = step(folder / f"{memory}.json", *command, log=log)
    told = log.read_text()
    runs, reads = re.findall(r"sorted run \d+ written", told), re.findall(r"aligning: ([\d,]+) reads", told)
    with open(output, "rb") as bam:
        digest = hashlib.file_digest(bam, "sha256").hexdigest()
    counts = {"memory": memory, "reads": int(reads[-1].replace(",", "")), "spilled_runs": len(runs)}
    return counts | taken.figures() | {"bam_bytes": output.stat().st_size, "sha256": digest}


def megabytes(memory: str) -> int:
    """A number with the unit M or G."""
    return int(memory[:-1]) << {"M": 0, "G": 10}[memory[-1]]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, default=6_000_000)
    parser.add_argument("--memory", default="2G", help="With the unit M or G.")
    parser.add_argument("--compare", action="store_true", default=None)
    args = parser.parse_args()
    with work_folder(args.work) as work:
        simulated(work, SMALL_LENGTH, args.pairs, seed=1)
        step(work / "build.json", *GENOPIPE, "reference", "build", work / "genome.fa", "-o", work / "ref")
        result: dict[str, Any] = {"limited": aligned(work, args.pairs, args.memory)}
        result["peak_of_limit"] = round(result["limited"]["peak_resident_mb"] / megabytes(args.memory), 3)
        if args.compare:
            result["ample"] = aligned(work, args.pairs, AMPLE)
            result["same_bytes"] = result["limited"]["sha256"] == result["ample"]["sha256"]
    report(result, args, versions("numba", "numpy"))


if __name__ == "__main__":
    main()
