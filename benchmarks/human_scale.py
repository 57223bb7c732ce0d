"""A genome of human size and repeat content: how long its reference takes to build, and how fast and how well reads find their place in it.

    benchmarks/human_scale.py [--length 3100000000] [--pairs 1500000] [--work DIR] [--output benchmarks/results/human_scale.json]

Genomes and reads are simulated (`genopipe.simulate.human_genome`): one of `--length`, one of 200 Mbp where minimap2 does the same work, and
one of 17 Mbp to compare with; the largest needs 8 bytes of disk a base. Reads per CPU-second are those beyond what starting costs: each run
is done with the first 100,000 pairs too (twice, for the first one compiles), and the difference counts. Resident memory is the largest of
one process, mapped files included.
"""

from __future__ import annotations

import gzip
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from align import GENOPIPE, read_truth, score
from measure import options, program_version, report, used, versions, work_folder

from genopipe.simulate.human_genome import HUMAN_LENGTH, human_contigs, written
from genopipe.simulate.human_reads import Target, simulate_spread_reads

PEER_LENGTH, SMALL_LENGTH = 200_000_000, 17_000_000
SMALL_PAIRS = 500_000
BEGINNING = 100_000
MEMORY = "20G"
INDEX_ALONE = """
import sys
from pathlib import Path
from genopipe.align.index import build_index
from genopipe.formats.genome import load_genome
build_index(load_genome(Path(sys.argv[1])))
"""


def simulated(folder: Path, length: int, pairs: int, seed: int) -> Target:
    """The genome and its reads, made unless the folder has them."""
    target = Target(folder / "R1.fastq.gz", folder / "R2.fastq.gz", folder / "positions.tsv")
    if not target.positions.exists():
        folder.mkdir(parents=True, exist_ok=True)
        simulate_spread_reads(written(human_contigs(length, seed=seed), folder / "genome.fa"), pairs, target, seed=seed)
    return target


def beginning(target: Target) -> list[Path]:
    """FASTQ files with the first `BEGINNING` pairs."""
    few = [path.with_name(f"few_{path.name}") for path in (target.r1, target.r2)]
    for source, path in zip((target.r1, target.r2), few, strict=True):
        with gzip.open(source, "rb") as lines, gzip.open(path, "wb", compresslevel=1) as out:
            out.writelines(islice(lines, 4 * BEGINNING))
    return few


def measured(folder: Path, length: int, pairs: int, seed: int) -> dict[str, Any]:
    """genopipe on one genome."""
    target = simulated(folder, length, pairs, seed)
    reference = folder / "ref"
    build = used(*GENOPIPE, "reference", "build", folder / "genome.fa", "-o", reference, "--threads", "1")
    index = used(sys.executable, "-c", INDEX_ALONE, reference)
    seeds = sum(path.stat().st_size for path in reference.glob("seeds.*"))
    align = [*GENOPIPE, "align", "--reference", reference, "--sample", "S", "--threads", "1", "--memory", MEMORY, "-o", folder / "S.bam"]
    begin = beginning(target)
    _, few, all_reads = (used(*align, "-1", r1, "-2", r2) for r1, r2 in (begin, begin, (target.r1, target.r2)))
    return {
        "genome_bases": length,
        "reference_build": build.figures() | {"bases_per_cpu_second": round(length / build.cpu_seconds)},
        "index_alone": index.figures() | {"bases_per_cpu_second": round(length / index.cpu_seconds)},
        "index_bytes_a_base": round(seeds / length, 3),
        "align": all_reads.figures()
        | {"cpu_seconds_beginning": few.cpu_seconds}
        | scored(folder / "S.bam", target, all_reads.cpu_seconds - few.cpu_seconds),
    }


def scored(alignments: Path, target: Target, seconds: float) -> dict[str, Any]:
    """Placements against the truth, and the rate of the reads after the beginning, which took `seconds`."""
    figures = score(alignments, read_truth(target.positions))
    return {"reads_per_cpu_second": round((figures["reads"] - 2 * BEGINNING) / seconds)} | figures


def peer(folder: Path) -> dict[str, Any]:
    """minimap2 on a genome that `measured` has left in `folder`."""
    target = Target(folder / "R1.fastq.gz", folder / "R2.fastq.gz", folder / "positions.tsv")
    index = used("minimap2", "-x", "sr", "-d", folder / "genome.mmi", folder / "genome.fa")
    align = ["minimap2", "-t", "1", "-ax", "sr", "-o", folder / "peer.sam", folder / "genome.mmi"]
    few, all_reads = (used(*align, r1, r2) for r1, r2 in (beginning(target), (target.r1, target.r2)))
    return {
        "index": index.figures(),
        "align": all_reads.figures() | scored(folder / "peer.sam", target, all_reads.cpu_seconds - few.cpu_seconds),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--length", type=int, default=HUMAN_LENGTH)
    parser.add_argument("--pairs", type=int, default=1_500_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    result: dict[str, Any] = {"memory_option": MEMORY}
    with work_folder(args.work) as work:
        result["human"] = measured(work / "human", args.length, args.pairs, args.seed)
        result["small"] = measured(work / "small", SMALL_LENGTH, SMALL_PAIRS, args.seed)
        result["smaller"] = measured(work / "smaller", PEER_LENGTH, SMALL_PAIRS, args.seed)
        result["minimap2_on_smaller"] = peer(work / "smaller")
    rate = [result[name]["align"]["reads_per_cpu_second"] for name in ("human", "small")]
    result["human_rate_of_small_rate"] = round(rate[0] / rate[1], 3)
    report(result, args, versions("numba", "numpy") | {"minimap2": program_version("minimap2", "--version")})


if __name__ == "__main__":
    main()
