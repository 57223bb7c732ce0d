"""What turning a run folder into reads costs: decoding, demultiplexing, the whole command beside Picard; as JSON.

    benchmarks/ingest.py [--clusters N] [--command-clusters N] [--samples N] [--work DIR] [--output benchmarks/results/ingest.json]

Input: one generated tile of `--clusters` clusters, two reads of 51 bases and two indexes of 8, four in five clusters passed, nine in ten
with the barcode of one of `--samples` samples, as BCL (gzip) and as CBCL. CPU seconds of one thread:

decode        base calls of all cycles from disk to a matrix of clusters by cycles; beside it inflating the same files alone, the floor
demultiplex   clusters given to samples and put in their order; then the FASTQ text of all reads, and the same compressed
command       `genopipe ingest run` and Picard's IlluminaBasecallsToFastq on a BCL folder of `--command-clusters` clusters: reads that
              passed, FASTQ of each sample, gzip, one thread, start-up included (Debian's Picard reads no CBCL). Picard once as it
              comes (reads sorted by name, level 5) and once at its fastest (not sorted, level 1, as genopipe does)
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from measure import options, program_version, report, used, versions, work_folder

from genopipe.formats.cbcl import read_header
from genopipe.formats.read_structure import RunRead
from genopipe.ingest import encode
from genopipe.ingest.demultiplex import assign_samples
from genopipe.ingest.run_plan import LanePlan, Options, RunPlan, plan_run
from genopipe.ingest.tiles import Tile
from genopipe.simulate.run_folder import DrawnTile, Layout, draw_tile, write_run, write_sheet

READS = (RunRead(51, False), RunRead(8, True), RunRead(8, True), RunRead(51, False))
STRUCTURE = "51T8B8B51T"
PLACE = (1, 1101)
BLOCK = 100_000
REPEATS = 3
PICARD = "PicardCommandLine"
LAYOUTS: tuple[Layout, ...] = ("bcl.gz", "cbcl")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--clusters", type=int, default=4_000_000)
    parser.add_argument("--command-clusters", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=96)
    args = parser.parse_args()
    with work_folder(args.work) as work:
        result = {"run_folder": run_folder(args, work)}
    report(
        result,
        args,
        versions("numba", "numpy", "deflate", "isal")
        | {"picard": program_version(PICARD, "IlluminaBasecallsToFastq", "--version", line="Version")},
    )


def run_folder(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The figures of run folders."""
    barcodes = draw_barcodes(args.samples)
    write_folders(work, LAYOUTS, args.clusters, barcodes)
    write_folders(work / "command", LAYOUTS[:1], args.command_clusters, barcodes)
    with ThreadPoolExecutor(1) as pool:
        figures: dict[str, Any] = {"bases": args.clusters * sum(read.cycles for read in READS)}
        for layout in LAYOUTS:
            plan = plan_run(work / layout, work / layout / "SampleSheet.csv", Options())
            figures[f"decode {layout}"], tile = decode(plan.lanes[0], pool, figures["bases"], work / layout)
        figures["demultiplex"] = demultiplex(plan, tile)
    del tile
    return figures | {"command": command(args, work, barcodes)}


def draw_barcodes(n: int) -> list[tuple[str, str]]:
    """Pairs of barcodes that differ from each other in four bases or more of each index."""
    rng = np.random.default_rng(4)
    chosen: list[tuple[str, str]] = []
    while len(chosen) < n:
        pair = tuple("".join("ACGT"[base] for base in rng.integers(0, 4, 8)) for _ in range(2))
        if all(sum(a != b for a, b in zip("".join(pair), "".join(other), strict=True)) > 6 for other in chosen):
            chosen.append((pair[0], pair[1]))
    return chosen


def write_folders(work: Path, layouts: Sequence[Layout], clusters: int, barcodes: list[tuple[str, str]]) -> None:
    """The same tile in each layout, where it is not there yet."""
    missing = [layout for layout in layouts if not (work / layout / "CopyComplete.txt").exists()]
    rng = np.random.default_rng(5)
    blocks = [draw_tile(rng, PLACE, min(BLOCK, clusters - start), READS, barcodes) for start in range(0, clusters if missing else 0, BLOCK)]
    for layout in missing:
        joined = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("calls", "position", "passed", "sample"))
        for _ in write_run(work / layout, [DrawnTile(*PLACE, *joined)], READS, layout):
            pass
        write_sheet(work / layout / "SampleSheet.csv", [(1, f"S{number}", pair) for number, pair in enumerate(barcodes)])


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The least CPU seconds of `REPEATS` runs, and what came out."""
    seconds = []
    for _ in range(REPEATS):
        out = None  # memory for one result at a time
        started = time.process_time()
        out = work()
        seconds.append(time.process_time() - started)
    return min(seconds), out


def decode(lane: LanePlan, pool: ThreadPoolExecutor, bases: int, folder: Path) -> tuple[dict[str, float], Tile]:
    lane.reader.read(PLACE[1], pool)  # kernels compiled, files in memory
    seconds, tile = timed(lambda: lane.reader.read(PLACE[1], pool))
    floor, _ = timed(lambda: [inflate(path) for path in sorted(folder.rglob("C*.1/*"))])
    return {"bases_per_cpu_second": round(bases / seconds), "inflating_alone": round(bases / floor)}, tile


def inflate(path: Path) -> int:
    """Bytes of the gzip in a base call file."""
    content = path.read_bytes()
    start = next(iter(read_header(path).blocks.values())).offset if path.suffix == ".cbcl" else 0
    return len(isal_zlib.decompress(content[start:], 31))


def demultiplex(plan: RunPlan, tile: Tile) -> dict[str, float]:
    lane = plan.lanes[0]
    assign_samples(plan, lane, tile)
    seconds, parts = timed(lambda: list(assign_samples(plan, lane, tile).clusters_of(len(lane.outputs))))
    jobs = [
        (output, stream, part)
        for output, chosen in zip(lane.outputs, parts, strict=True)
        for stream in encode.fastq_streams(output, index_reads=False)
        for part in encode.slices(chosen)
    ]
    n_reads = sum(len(part) for _, _, part in jobs)
    encode.plain(plan, tile, *jobs[0])
    text, _ = timed(lambda: [len(encode.plain(plan, tile, *job)) for job in jobs])
    packed, _ = timed(lambda: [len(encode.compressed(plan, tile, *job)) for job in jobs])
    return {
        "clusters_assigned_per_cpu_second": round(len(tile.calls) / seconds),
        "reads_assigned_and_written_as_text_per_cpu_second": round(n_reads / (seconds + text)),
        "reads_assigned_written_and_compressed_per_cpu_second": round(n_reads / (seconds + packed)),
    }


def command(args: argparse.Namespace, work: Path, barcodes: list[tuple[str, str]]) -> dict[str, Any]:
    """CPU seconds of the whole command and of its peer, on the same folder."""
    run = work / "command" / "bcl.gz"
    own = [sys.executable, "-m", "genopipe", "ingest", "run", run, "--threads", 1, "-o"]
    shutil.rmtree(work / "own", ignore_errors=True)
    figures: dict[str, Any] = {"clusters": args.command_clusters, "genopipe": used(*own, work / "own").figures()}
    if shutil.which(PICARD) is None:
        return figures | {"picard": "not on this machine (Debian: picard-tools)"}
    for name, asked in (("picard", ["SORT=true"]), ("picard at its fastest", ["SORT=false", "COMPRESSION_LEVEL=1"])):
        figures[name] = used(*picard(run, work / "picard", barcodes), *asked).figures()
        figures[f"times faster than {name}"] = round(figures[name]["cpu_seconds"] / figures["genopipe"]["cpu_seconds"], 1)
    return figures


def picard(run: Path, output: Path, barcodes: list[tuple[str, str]]) -> list[object]:
    """The command of the peer, with its parameter file written."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    rows = [f"{output / f'S{number}'}\t{first}\t{second}" for number, (first, second) in enumerate(barcodes)]
    parameters = output / "parameters"
    parameters.write_text("\n".join(["OUTPUT_PREFIX\tBARCODE_1\tBARCODE_2", *rows, f"{output / 'rest'}\tN\tN"]) + "\n")
    command: list[object] = [
        PICARD,
        "IlluminaBasecallsToFastq",
        f"B={run / 'Data' / 'Intensities' / 'BaseCalls'}",
        "LANE=1",
        f"RS={STRUCTURE}",
    ]
    command += ["RUN_BARCODE=7", "MACHINE_NAME=A00001", "FLOWCELL_BARCODE=HTESTDSXX", f"MULTIPLEX_PARAMS={parameters}", "GZIP=true"]
    return [*command, "NUM_PROCESSORS=1", "MATCH_BARCODES_INLINE=true", "NONPF=false", "FORCE_GC=false"]


if __name__ == "__main__":
    main()
