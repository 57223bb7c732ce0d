"""The aligner against bwa mem and minimap2 on simulated and real reads: CPU time, placements, and how honest mapping qualities are.

    benchmarks/align.py [--coverage 10] [--seed 1] [--data DIR] [--tools DIR] [--work DIR] [--output benchmarks/results/align.json]

Peers are found on PATH; times are CPU-seconds of the child processes (user + system), so other work on the machine hardly matters. genopipe
writes a sorted, duplicate-marked, indexed BAM; the peers write unsorted SAM. What the work folder holds of the peers and the sample is not
made again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pysam
from measure import options, program_version, report, step, used, versions, work_folder

NEAR = 25
"""Bases a placement may be off and still count as correct."""

BINS = ((0, 0), (1, 9), (10, 19), (20, 39), (40, 60))
Truth = dict[str, tuple[str, int, str, int, str]]


def timed(command: list[str], output: Path | None = None) -> float:
    """Runs a command and gives its CPU-seconds."""
    with open(output or os.devnull, "wb") as out:
        return used(*command, stdout=out).cpu_seconds


def read_truth(path: Path) -> Truth:
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as lines:
        rows = (line.split() for line in lines)
        return {name: (contig, int(p1), s1, int(p2), s2) for name, contig, p1, s1, p2, s2 in rows}


def primary(path: Path) -> Iterable[pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        yield from (record for record in file if not record.flag & 0x900)


def is_correct(record: pysam.AlignedSegment, truth: Truth) -> bool:
    contig, p1, s1, p2, s2 = truth[str(record.query_name)]
    position, strand = (p1, s1) if record.is_read1 else (p2, s2)
    if record.is_unmapped or record.reference_name != contig or record.is_reverse != (strand == "-"):
        return False
    operation, length = (record.cigartuples or [(0, 0)])[0]
    unclipped = record.reference_start - (length if operation == 4 else 0)
    return min(abs(record.reference_start - position), abs(unclipped - position)) <= NEAR


def score(path: Path, truth: Truth) -> dict[str, Any]:
    """Shares of correct placements, in all and by mapping quality."""
    reads = correct = confident = wrong_confident = 0
    bins = {f"{low}-{high}": [0, 0] for low, high in BINS}
    for record in primary(path):
        right = is_correct(record, truth)
        reads, correct = reads + 1, correct + right
        quality = record.mapping_quality
        if quality >= 20:
            confident, wrong_confident = confident + 1, wrong_confident + (not right)
        if not record.is_unmapped:
            name = next(f"{low}-{high}" for low, high in BINS if low <= quality <= high)
            bins[name] = [bins[name][0] + 1, bins[name][1] + (not right)]
    return {
        "reads": reads,
        "correct": round(correct / reads, 6),
        "mapq20": round(confident / reads, 6),
        "wrong_at_mapq20": wrong_confident / confident,
        "by_mapq_reads_and_wrong": bins,
    }


def simulated(args: argparse.Namespace, fasta: Path, name: str, coverage: float) -> dict[str, Any]:
    """All three aligners on one simulated sample."""
    work = args.work / name
    work.mkdir(parents=True, exist_ok=True)
    plain = work / "ref.fa"
    if not (work / "sample" / "positions.tsv.gz").exists():
        with gzip.open(fasta, "rb") as source, open(plain, "wb") as target:
            shutil.copyfileobj(source, target)
        command = [sys.executable, str(args.tools / "simulate_sample.py"), str(plain), str(work / "sample"), "--seed", str(args.seed)]
        subprocess.run([*command, "--coverage", str(coverage)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    truth = read_truth(work / "sample" / "positions.tsv.gz")
    mates = [str(work / "sample" / f"reads_R{mate}.fastq.gz") for mate in (1, 2)]
    result: dict[str, Any] = {"coverage": coverage, "seed": args.seed, "programs": {}}
    for program in ("genopipe", "bwa", "minimap2"):
        result["programs"][program] = run_program(program, plain, mates, work) | {"threads": 1}
        result["programs"][program] |= score(work / f"{program}.{'bam' if program == 'genopipe' else 'sam'}", truth)
    for figures in result["programs"].values():
        figures["reads_per_cpu_second"] = round(figures["reads"] / figures["cpu_seconds"])
    return result


def run_program(program: str, fasta: Path, mates: list[str], work: Path) -> dict[str, float]:
    """CPU-seconds of indexing and aligning."""
    if program == "genopipe":
        index = timed([*GENOPIPE, "reference", "build", str(fasta), "-o", str(work / "ref"), "--threads", "1"])
        align = ["align", "--reference", str(work / "ref"), "-1", mates[0], "-2", mates[1], "--sample", "S"]
        timed([*GENOPIPE, *align, "-o", str(work / "warm.bam"), "--threads", "1"])
        by_threads = {
            f"cpu_seconds_{n}_threads": timed([*GENOPIPE, *align, "-o", str(work / f"{n}.bam"), "--threads", n]) for n in ("2", "16")
        }
        few = ["align", "--reference", str(work / "ref"), *few_reads(mates, work), "--sample", "S"]
        one = timed([*GENOPIPE, *align, "-o", str(work / "genopipe.bam"), "--threads", "1"])
        return {"index_cpu_seconds": index, "cpu_seconds": one, **by_threads, **of_one_thread(align, few, work / "shares.bam")}
    index_command, align = {
        "bwa": (["bwa", "index", str(fasta)], ["bwa", "mem", "-t", "1", str(fasta)]),
        "minimap2": (
            ["minimap2", "-x", "sr", "-d", str(work / "ref.mmi"), str(fasta)],
            ["minimap2", "-t", "1", "-ax", "sr", str(work / "ref.mmi")],
        ),
    }[program]
    return {
        "index_cpu_seconds": step(work / f"{program}.index.json", *index_command).cpu_seconds,
        "cpu_seconds": step(work / f"{program}.json", *align, *mates, output=work / f"{program}.sam").cpu_seconds,
    }


GENOPIPE = [sys.executable, "-m", "genopipe"]

FEW = 100
"""Pairs of a run of which nearly all is the start of the program."""


def few_reads(mates: list[str], work: Path) -> list[str]:
    """The options of a lane of the first pairs."""
    lane = []
    for option, path in zip(("-1", "-2"), mates, strict=True):
        with gzip.open(path, "rb") as source, gzip.open(work / f"few{option}.fastq.gz", "wb") as target:
            target.writelines(islice(source, 4 * FEW))
        lane += [option, str(work / f"few{option}.fastq.gz")]
    return lane


def of_one_thread(align: list[str], few: list[str], output: Path) -> dict[str, float]:
    """What more threads cannot make shorter: the start of the program, a run of a few reads; and of what grows with the reads, the share of
    the main thread, and at most that of what holds the interpreter's lock in any thread. `serial_share` is of the whole run."""
    script = str(Path(__file__).with_name("align_threads.py"))

    def taken(command: list[str]) -> dict[str, float]:
        told = subprocess.run([sys.executable, script, *command], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        figures: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
        return figures

    end = ["-o", str(output), "--threads", "2"]
    start = timed([*GENOPIPE, *few, *end])
    first, whole = taken([*few, *end]), taken([*align, *end])
    cpu, main, outside = (whole[key] - first[key] for key in ("cpu_seconds", "main_thread", "outside_kernels"))
    shares = {"serial_share": (start + main) / (start + cpu), "main_thread_share": main / cpu, "outside_kernels_share": outside / cpu}
    return {"start_cpu_seconds": start, **{name: round(share, 3) for name, share in shares.items()}}


def real(args: argparse.Namespace) -> dict[str, Any]:
    """Agreement with bwa on real reads inside the slice of the genome that the reference holds."""
    source, work = args.data / "na12878_chr21", args.work / "real"
    timed([*GENOPIPE, "reference", "build", str(source / "GRCh38.chr21.partial.fa.gz"), "-o", str(work / "ref")])
    mates = ["-1", str(source / "reads_R1.fastq.gz"), "-2", str(source / "reads_R2.fastq.gz")]
    seconds = timed(
        [*GENOPIPE, "align", "--reference", str(work / "ref"), *mates, "--sample", "NA12878", "-o", str(work / "x.bam"), "--threads", "1"]
    )
    theirs = {(r.query_name, r.is_read1): r for r in primary(source / "reads.bam")}
    both = same = 0
    for record in primary(work / "x.bam"):
        other = theirs.get((record.query_name, record.is_read1))
        if other is None or min(record.mapping_quality, other.mapping_quality) < 30:
            continue
        if all(16_600_000 < r.reference_start < 16_799_800 for r in (record, other)):
            both += 1
            same += (record.reference_start, record.is_reverse) == (other.reference_start, other.is_reverse)
    return {"cpu_seconds": seconds, "mapq30_in_both": both, "same_position_as_bwa": round(same / both, 6)}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--coverage", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with work_folder(args.work) as args.work:
        result = {
            "simulated_1mb": simulated(args, next((args.data / "reference_1mb").glob("*.fa.gz")), "1mb", args.coverage),
            "simulated_17mb": simulated(args, next((args.data / "reference_17mb").glob("*.fa.gz")), "17mb", args.coverage),
            "real_chr21": real(args),
        }
    peers = {"bwa": program_version("bwa", line="Version"), "minimap2": program_version("minimap2", "--version")}
    report(result, args, versions("numba", "numpy", "deflate", "isal") | peers)


if __name__ == "__main__":
    main()
