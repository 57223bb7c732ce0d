"""How honest mapping qualities are: wrong placements by mapping quality over many simulated reads of several donors, beside bwa mem.

    benchmarks/mapq.py [--coverage 10] [--seeds 1,2,3,4,5,6,7,8,9,10] [--bwa-seeds 1,2] [--output benchmarks/results/mapq.json]

Each seed is another donor with other reads; with `--work`, those that were counted before are not counted again. A bin holds where the
upper 95 % bound of its error (Poisson) is at most three times what its mapping qualities say, the mean of 10^(-min(Q, 40) / 10). bwa mem
aligns the reads of its seeds only: it is slow.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from align import BINS, GENOPIPE, is_correct, primary, read_truth, timed
from measure import options, program_version, report, versions, work_folder

HIGHEST = 60
Counts = Counter[tuple[int, bool]]
"""Reads by mapping quality and whether the placement is right."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--coverage", type=float, default=10)
    parser.add_argument("--seeds", default="1,2,3,4,5,6,7,8,9,10")
    parser.add_argument("--bwa-seeds", default="1")
    args = parser.parse_args()
    counts: dict[str, Counts] = {"genopipe": Counter(), "genopipe_on_reads_of_bwa": Counter(), "bwa": Counter()}
    with work_folder(args.work) as work:
        fasta = prepared(args, work)
        for seed in args.seeds.split(","):
            programs = ("genopipe", "bwa") if seed in args.bwa_seeds.split(",") else ("genopipe",)
            one = counts_of_donor(args, fasta, work / f"seed-{seed}", programs)
            counts["genopipe"] += one["genopipe"]
            if "bwa" in programs:
                counts["genopipe_on_reads_of_bwa"] += one["genopipe"]
                counts["bwa"] += one["bwa"]
            print(f"seed {seed}: {sum(counts['genopipe'].values()):,} reads", file=sys.stderr)
    bins = (*BINS, (HIGHEST, HIGHEST))
    result = {name: {"reads": sum(count.values()), "bins": [bin_of(count, *limits) for limits in bins]} for name, count in counts.items()}
    report(result, args, versions("numba", "numpy") | {"bwa": program_version("bwa", line="Version")})


def prepared(args: argparse.Namespace, work: Path) -> Path:
    """The reference as FASTA, indexed for both programs."""
    fasta = work / "ref.fa"
    with gzip.open(next((args.data / "reference_17mb").glob("*.fa.gz")), "rb") as source, open(fasta, "wb") as target:
        shutil.copyfileobj(source, target)
    timed([*GENOPIPE, "reference", "build", str(fasta), "-o", str(work / "ref")])
    timed(["bwa", "index", str(fasta)])
    return fasta


def counts_of_donor(args: argparse.Namespace, fasta: Path, sample: Path, programs: Sequence[str]) -> dict[str, Counts]:
    """Counts of each program on the reads of one donor, whose seed the name of the folder ends with."""
    kept = {program: sample.with_name(f"{sample.name}.{program}.json") for program in programs}
    if missing := [program for program in programs if not kept[program].exists()]:
        command = [sys.executable, args.tools / "simulate_sample.py", fasta, sample, "--seed", sample.name.split("-")[1]]
        command = [str(word) for word in (*command, "--coverage", args.coverage)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        truth = read_truth(sample / "positions.tsv.gz")
        for program in missing:
            aligned = primary(aligned_by(program, fasta, sample))
            count = Counter((record.mapping_quality, is_correct(record, truth)) for record in aligned if not record.is_unmapped)
            kept[program].write_text(json.dumps([[quality, right, n] for (quality, right), n in sorted(count.items())]))
        shutil.rmtree(sample)
    return {program: Counter({(quality, right): n for quality, right, n in json.loads(path.read_text())}) for program, path in kept.items()}


def aligned_by(program: str, fasta: Path, sample: Path) -> Path:
    mates = [str(sample / f"reads_R{mate}.fastq.gz") for mate in (1, 2)]
    if program == "bwa":
        timed(["bwa", "mem", "-t", "1", str(fasta), *mates], sample / "bwa.sam")
        return sample / "bwa.sam"
    given = ["--reference", str(fasta.with_name("ref")), "-1", mates[0], "-2", mates[1], "--sample", "S", "--threads", "1"]
    timed([*GENOPIPE, "align", *given, "-o", str(sample / "genopipe.bam")])
    return sample / "genopipe.bam"


def bin_of(count: Counts, low: int, high: int) -> dict[str, Any]:
    """Reads, wrong ones, what the qualities of the bin say, and whether the bound of the error is within three times that."""
    reads = sum(n for (quality, _), n in count.items() if low <= quality <= high)
    wrong = sum(n for (quality, right), n in count.items() if low <= quality <= high and not right)
    said = sum(n * 10 ** (-min(quality, 40) / 10) for (quality, _), n in count.items() if low <= quality <= high) / max(reads, 1)
    bound = upper_bound(wrong) / max(reads, 1)
    return {"mapq": f"{low}-{high}", "reads": reads, "wrong": wrong, "said": said, "upper_95": bound, "holds": bound <= 3 * said}


def upper_bound(wrong: int) -> float:
    """The mean of which a Poisson variable is at most `wrong` in one case of 20."""
    low, high = float(wrong), wrong + 10 * math.sqrt(wrong + 1) + 10
    while high - low > 1e-9 * high:
        mean = (low + high) / 2
        terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(wrong + 1))
        below = math.fsum(math.exp(term) for term in terms)
        low, high = (mean, high) if below > 0.05 else (low, mean)
    return high


if __name__ == "__main__":
    main()
