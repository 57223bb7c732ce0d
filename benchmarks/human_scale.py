"""A genome of human size and repeat content: how long its reference takes to build, and how fast and how well reads find their place in it.

    benchmarks/human_scale.py [--length 3100000000] [--pairs 1500000] [--peer] [--work DIR] [--output benchmarks/results/human_scale.json]

Genome and reads are simulated (`genopipe.simulate.human_genome`), 5 bytes of disk a base. Reads per CPU-second are those beyond what
starting costs: each run is done with the first 100,000 pairs too (twice, for the first one compiles), and the difference counts. Resident
memory is the largest of one process, mapped files included. With `--peer` minimap2 does the same.
"""

from __future__ import annotations

import gzip
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from align import GENOPIPE, read_truth, score
from measure import Used, options, program_version, report, step, versions, work_folder

from genopipe.simulate.human_genome import HUMAN_LENGTH, human_contigs, written
from genopipe.simulate.human_reads import Target, simulate_spread_reads

BEGINNING = 100_000
MEMORY = "20G"
INDEX_ALONE = """
import sys
from pathlib import Path
from genopipe.align.index import build_index
from genopipe.formats.genome import load_genome
build_index(load_genome(Path(sys.argv[1])))
"""


def target_in(folder: Path) -> Target:
    """Where the reads are."""
    return Target(folder / "R1.fastq.gz", folder / "R2.fastq.gz", folder / "positions.tsv")


def simulated(folder: Path, length: int, pairs: int, seed: int) -> Target:
    """The genome and its reads, made unless the folder has them."""
    target = target_in(folder)
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


def both(folder: Path, name: str, command: list[object], options: tuple[str, ...]) -> tuple[Used, Used]:
    """What aligning takes with the reads of the beginning and with all; `options` stand before the two files."""
    target = target_in(folder)
    few, whole = (
        [*command, *(word for option, path in zip(options, paths, strict=True) for word in (option, path) if word)]
        for paths in (beginning(target), [target.r1, target.r2])
    )
    step(folder / f"{name}.compiled.json", *few)
    return step(folder / f"{name}.few.json", *few), step(folder / f"{name}.all.json", *whole)


def measured(folder: Path, length: int) -> dict[str, Any]:
    """genopipe on the genome in `folder`."""
    reference, output = folder / "ref", folder / "S.bam"
    build = step(folder / "build.json", *GENOPIPE, "reference", "build", folder / "genome.fa", "-o", reference, "--threads", "1")
    index = step(folder / "index.json", sys.executable, "-c", INDEX_ALONE, reference)
    seeds = sum(path.stat().st_size for path in reference.glob("seeds.*"))
    command = [*GENOPIPE, "align", "--reference", reference, "--sample", "S", "--threads", "1", "--memory", MEMORY, "-o", output]
    few, whole = both(folder, "align", command, ("-1", "-2"))
    return {
        "reference_build": build.figures() | {"bases_per_cpu_second": round(length / build.cpu_seconds)},
        "index_alone": index.figures() | {"bases_per_cpu_second": round(length / index.cpu_seconds)},
        "index_bytes_a_base": round(seeds / length, 3),
        "align": whole.figures() | scored(output, target_in(folder), few, whole) | {"cpu_seconds_beginning": few.cpu_seconds},
    }


def scored(alignments: Path, target: Target, few: Used, whole: Used) -> dict[str, Any]:
    """Placements against the truth, and the rate of the reads after the beginning."""
    figures = score(alignments, read_truth(target.positions))
    return {"reads_per_cpu_second": round((figures["reads"] - 2 * BEGINNING) / (whole.cpu_seconds - few.cpu_seconds))} | figures


def peer(folder: Path) -> dict[str, Any]:
    """minimap2 on the genome in `folder`."""
    index = step(folder / "peer.index.json", "minimap2", "-x", "sr", "-d", folder / "genome.mmi", folder / "genome.fa")
    command = ["minimap2", "-t", "1", "-ax", "sr", "-o", folder / "peer.sam", folder / "genome.mmi"]
    few, whole = both(folder, "peer", command, ("", ""))
    return {"index": index.figures(), "align": whole.figures() | scored(folder / "peer.sam", target_in(folder), few, whole)}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--length", type=int, default=HUMAN_LENGTH)
    parser.add_argument("--pairs", type=int, default=1_500_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peer", action="store_true", default=None)
    args = parser.parse_args()
    with work_folder(args.work) as folder:
        simulated(folder, args.length, args.pairs, args.seed)
        result = {"genome_bases": args.length, "memory_option": MEMORY, "genopipe": measured(folder, args.length)}
        if args.peer:
            result["minimap2"] = peer(folder)
    report(result, args, versions("numba", "numpy") | ({"minimap2": program_version("minimap2", "--version")} if args.peer else {}))


if __name__ == "__main__":
    main()
