"""What the worker processes of `genopipe call` take and give, by their number, as JSON.

    benchmarks/call_workers.py [--rows 17mb-30x,1mb-30x,deep-1000x] [--threads 1,2,4,8,16] [--seed 11] [--aligner genopipe]
                               [--data DIR] [--tools DIR] [--work DIR] [--output benchmarks/results/call_workers.json]

Rows are those of `benchmarks/call.py`. A fit, and a call by that fit, are done by one program, kernels compiled before. Of each: wall
seconds (they mean something only on a machine with so many cores that do nothing else); CPU seconds of all processes, of the one that was
started, and of its main thread, which is all that nobody else can do: `serial_share` is its part of all. `start_up` are the CPU seconds
until work begins.

Memory is looked at 50 times a second: `private_mb_worker` is the most that one worker has for itself, `memory_mb` the most that all have
together, what they share counted once. `starting` compares ways to have 8 workers that can call: forked from a process that has imported
everything, forked from a server that has, or each begun anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from call import aligned, donor, genome
from measure import options, report, versions, work_folder

SECONDS_BETWEEN_LOOKS = 0.02

# Prints CPU seconds until work begins, and of fit and call: wall seconds, CPU seconds of all, of this process, and of its main thread.
_PROGRAM = """
import gc, json, os, sys, time
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
gc.set_threshold(100_000)
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.call.fit import fit

def now():
    own, others = (sum(getrusage(who)[:2]) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return [time.perf_counter(), own + others, own, time.thread_time()]

reference, bam, folder, threads = *map(Path, sys.argv[1:4]), int(sys.argv[4])
took = {"start_up": now()[1]}
outputs = Outputs(folder / "workers.vcf.gz", folder / "workers.g.vcf.gz")
work = {
    "fit": lambda: fit(reference, bam, folder / "workers.json", threads=threads),
    "call": lambda: call_variants(reference, bam, outputs, sample=Sample(model=folder / "workers.json"), threads=threads),
}
for name, do in work.items():
    before = now()
    do()
    took[name] = [after - first for first, after in zip(before, now())]
print(json.dumps(took))
"""

# Starts 8 workers in the way that is named and ends them; prints CPU seconds of all.
_START = """
import multiprocessing.forkserver, sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
import genopipe.call.caller

before = sum(sum(getrusage(who)[:2]) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
way = multiprocessing.get_context(sys.argv[1])
if sys.argv[1] == "forkserver":
    way.set_forkserver_preload(["genopipe.call.caller"])
started = [way.Process(target=genopipe.call.caller.Sample) for _ in range(8)]
for process in started:
    process.start()
for process in started:
    process.join()
multiprocessing.forkserver._forkserver._stop()
print(sum(sum(getrusage(who)[:2]) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)) - before)
"""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rows", default="17mb-30x,1mb-30x,deep-1000x")
    parser.add_argument("--threads", default="1,2,4,8,16")
    parser.add_argument("--seed", default="11")
    parser.add_argument("--aligner", default="genopipe")
    given = parser.parse_args()
    with work_folder(given.work) as work:
        subprocess.run([sys.executable, "-m", "genopipe", "doctor", "--warm"], capture_output=True, check=False)
        result = {row: of_row(given, work, row) for row in given.rows.split(",")}
    result["starting"] = {way: starting(way) for way in ("fork", "forkserver", "spawn")}
    report(result, given, versions("numba", "numpy"))


def of_row(given: argparse.Namespace, work: Path, row: str) -> dict:
    name, coverage = row.removesuffix("x").split("-")
    fasta, reference = genome(given, work, name)
    folder = donor(given, fasta, work / f"{name}-s{given.seed}-{coverage}x", given.seed, coverage)
    bam = aligned(given.aligner, folder, fasta, reference)
    return {f"{threads} threads": of_threads(reference, bam, folder, threads) for threads in map(int, given.threads.split(","))}


def of_threads(reference: Path, bam: Path, folder: Path, threads: int) -> dict:
    command = [sys.executable, "-c", _PROGRAM, reference, bam, folder, threads]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        private, together = memory_of(program)
        told = program.communicate()[0]
    took = json.loads(told)
    out = {"start_up": round(took["start_up"], 2)} | {name: seconds(*took[name]) for name in ("fit", "call")}
    return out | {"memory_mb": together >> 10} | ({"private_mb_worker": private >> 10} if threads > 1 else {})


def seconds(wall: float, everybody: float, own: float, main_thread: float) -> dict[str, float]:
    return {
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(everybody, 2),
        "cpu_seconds_own": round(own, 2),
        "cpu_seconds_main_thread": round(main_thread, 2),
        "serial_share": round(main_thread / everybody, 4),
    }


def memory_of(program: subprocess.Popen) -> tuple[int, int]:
    """Until it ends, in kB: the most that one of its children has for itself, and the most that it and all of them have together."""
    private = together = 0
    while program.poll() is None:
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
        try:
            looks = [rollup(int(pid)) for pid in children.read_text().split()]
            own = rollup(program.pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        private = max(private, *(look["Private_Clean"] + look["Private_Dirty"] for look in looks), 0)
        together = max(together, own["Pss"] + sum(look["Pss"] for look in looks))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return private, together


def rollup(pid: int) -> dict[str, int]:
    """The lines of /proc/PID/smaps_rollup, in kB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return {key.rstrip(":"): int(value) for key, value, *_ in lines}


def starting(way: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", _START, way], check=True, capture_output=True, text=True)
    return {"cpu_seconds": round(float(done.stdout), 2)}


if __name__ == "__main__":
    main()
