"""Aligning more than fits the memory given: what is resident at most, and that the result is the same as with ample memory.

    benchmarks/spill.py [--pairs 6000000] [--memory 2G] [--work DIR] [--output benchmarks/results/spill.json]

The reads are simulated from a genome of 17 Mbp (`genopipe.simulate.human_genome`). `--memory` is the limit for all of it: program, index,
batches under way, sorting and duplicates. The resident memory is that of the one process, mapped files included.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
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
    runs = re.findall(r"sorted run \d+ written", log.read_text())
    with open(output, "rb") as bam:
        digest = hashlib.file_digest(bam, "sha256").hexdigest()
    return {"memory": memory, "spilled_runs": len(runs)} | taken.figures() | {"bam_bytes": output.stat().st_size, "sha256": digest}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, default=6_000_000)
    parser.add_argument("--memory", default="2G")
    args = parser.parse_args()
    with work_folder(args.work) as work:
        simulated(work, SMALL_LENGTH, args.pairs, seed=1)
        subprocess.run([*GENOPIPE, "reference", "build", work / "genome.fa", "-o", work / "ref"], check=True, capture_output=True)
        limited, ample = (aligned(work, args.pairs, memory) for memory in (args.memory, AMPLE))
    limit = int(args.memory.removesuffix("G")) << 10
    result = {"limited": limited, "ample": ample, "peak_of_limit": round(limited["peak_resident_mb"] / limit, 3)}
    report(result | {"same_bytes": limited["sha256"] == ample["sha256"]}, args, versions("numba", "numpy"))


if __name__ == "__main__":
    main()
