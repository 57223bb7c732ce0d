"""Kills a running case at random moments and lets it go on: nothing may be lost, half-written or different.

    benchmarks/case_faults.py [--rounds 20] [--seed 1] [--output benchmarks/results/case_faults.json]

Each round starts the case of a small simulated family, kills the whole process group with SIGKILL after a random time, up to three times,
and then lets `genopipe run` finish. The results must be those of an undisturbed run byte for byte, no temporary file may be left, and
`genopipe archive verify` must find the archive whole. Prints JSON; exit code 1 when any round fails.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measure import options, report, versions, work_folder

from genopipe.cases.demo import prepare_case
from genopipe.cases.status import LAST_FILES
from genopipe.outputs import PARTIAL
from genopipe.simulate.family import simulate_family

ISSUED = "2026-01-02T03:04:05Z"
VARIES = {"run.json", "logs", "timings", ".lock"}
KILLS = 3


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with work_folder(given.work) as folder:
        result = measure(folder, given.rounds, random.Random(given.seed))
    report(result, given, versions("snakemake", "pysam"))
    sys.exit(0 if result["lost_or_wrong"] == 0 else 1)


def measure(folder: Path, rounds: int, chance: random.Random) -> dict[str, Any]:
    family = simulate_family(folder / "family", genome_length=200_000, coverage=10, mitochondrial_coverage=10)
    prepare_case(folder, family)
    (folder / "site.key").write_text("3" * 64 + "\n")
    started = time.monotonic()
    finish(folder, "whole")
    seconds = time.monotonic() - started
    expected = contents(folder / "whole")
    faults = [fault for number in range(rounds) for fault in disturbed(folder, number, seconds, chance, expected)]
    return {
        "rounds": rounds,
        "kills": rounds * KILLS,
        "undisturbed_seconds": round(seconds, 1),
        "lost_or_wrong": len(faults),
        "faults": faults,
    }


def disturbed(folder: Path, number: int, seconds: float, chance: random.Random, expected: dict[str, bytes]) -> list[str]:
    """The faults of one round."""
    shutil.rmtree(folder / "archive", ignore_errors=True)
    results = f"round-{number}"
    for _ in range(KILLS):
        process = subprocess.Popen(command(results), cwd=folder, env=environment(folder), stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(chance.uniform(0.2, seconds / 2))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finish(folder, results)
    found = contents(folder / results)
    faults = [f"{results}: {name}" for name in sorted(expected.keys() | found.keys()) if expected.get(name) != found.get(name)]
    verify = subprocess.run([sys.executable, "-m", "genopipe", "archive", "verify", "--archive", "archive"], cwd=folder, check=False)
    shutil.rmtree(folder / results)
    return faults + ([f"{results}: archive"] if verify.returncode else [])


def command(results: str) -> list[str]:
    return [sys.executable, "-m", "genopipe", "run", "case.yaml", "--results", results, "--issued", ISSUED, "--cores", "2"]


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"GENOPIPE_SITE_KEY_FILE": str(folder / "site.key")}


def finish(folder: Path, results: str) -> None:
    subprocess.run(command(results), cwd=folder, env=environment(folder), check=True, stderr=subprocess.DEVNULL)


def contents(results: Path) -> dict[str, bytes]:
    """Every result that must be the same, and every temporary file, which must not be there."""
    [case] = results.iterdir()
    assert all(any(case.glob(pattern.format(case=case.name))) for pattern in LAST_FILES.values())
    names = {path.relative_to(case): path for path in sorted(case.rglob("*")) if path.is_file()}
    kept = {name: path for name, path in names.items() if name.parts[0] not in VARIES or name.name.startswith(PARTIAL)}
    return {str(name): path.read_bytes() for name, path in kept.items()}


if __name__ == "__main__":
    main()
