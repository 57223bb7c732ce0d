"""How long questions to the catalogue of an archive take, as JSON.

    benchmarks/catalogue.py [--data DIR] [--work DIR] [--samples N] [--output benchmarks/results/catalogue.json]

Each sample carries 46,000 variants on one contig: 44,000 of 60,000 common places and 2,000 of 1,500,000 rare ones. `put_cpu_seconds` is
archiving one such VCF, its catalogue included, start-up left out; `database_cpu_seconds` making the query database of all. Questions
are asked of an open database: best and median milliseconds of wall clock, and median of CPU over all threads; one opens the database anew,
and `command_cpu_seconds` is a whole `genopipe archive carriers`. Beside them the same two questions to the Parquet files alone.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from cohort import write_person
from measure import options, report, used, versions, work_folder
from numpy.typing import NDArray

from genopipe.archive.query import cohort, database_path
from genopipe.archive.questions import carriers
from genopipe.archive.representations import PutOptions
from genopipe.cases.keep import keep

_MAIN = "from genopipe.cli import main; main()"
COMMON, RARE = 60_000, 1_500_000
BASES = np.array(["A", "C", "G", "T"])
RARE_SITES = "SELECT count(*), sum(carriers) FROM sites WHERE contig = '21' AND carriers <= 2"
RARE_ROWS = (
    "SELECT count(*), sum(n) FROM (SELECT position, ref, alt, count(*) AS n FROM {variants} WHERE contig = '21' "
    "GROUP BY ALL HAVING count(*) <= 2)"
)
RARE_BY_SAMPLE = (
    "SELECT v.sample, count(*) FROM variants v SEMI JOIN (SELECT * FROM sites WHERE carriers <= 2) s USING (contig, position, ref, alt) "
    "GROUP BY v.sample"
)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    with work_folder(arguments.work) as work:
        archive = work / "archive"
        note = work / "put.json"
        if not note.exists():
            note.write_text(json.dumps([archived(number, archive, work) for number in range(arguments.samples)]))
        put = json.loads(note.read_text())
        database_path(archive).unlink(missing_ok=True)
        started = time.process_time()
        with cohort(archive) as connection:
            rows = connection.execute("SELECT count(*) FROM variants").fetchall()[0][0]
        result: dict[str, Any] = {
            "samples": arguments.samples,
            "rows": rows,
            "put_cpu_seconds": round(statistics.median(put), 2),
            "database_cpu_seconds": round(time.process_time() - started, 2),
            "bytes": {"parquet": parquet_bytes(archive), "database": database_path(archive).stat().st_size},
            "questions": questions(archive, arguments.repeats),
        }
        command = [sys.executable, "-c", _MAIN, "archive", "carriers", "21-1000-A-C", "--archive", archive]
        result["command_cpu_seconds"] = used(*command).cpu_seconds
    report(result, arguments, versions("duckdb", "pyarrow", "numpy"))


def parquet_bytes(archive: Path) -> int:
    return sum(path.stat().st_size for path in (archive / "catalogue" / "variants").rglob("*.parquet"))


@cache
def places() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Of all places the position from 1, the base, the step to the other base, and whether it is common."""
    draw = np.random.default_rng(0)
    position = np.sort(draw.choice(40_000_000, COMMON + RARE, replace=False)) + 1
    common = np.zeros(len(position), bool)
    common[draw.choice(len(position), COMMON, replace=False)] = True
    return position, draw.integers(0, 4, len(position)), draw.integers(1, 4, len(position)), common


def archived(number: int, archive: Path, work: Path) -> float:
    """Archives one sample; gives the CPU seconds."""
    position, ref, step, common = places()
    draw = np.random.default_rng(number + 1)
    mine = [draw.choice(np.flatnonzero(which), n, replace=False) for which, n in ((common, 44_000), (~common, 2_000))]
    row = np.sort(np.concatenate(mine))
    bases = {"ref": pa.array(BASES[ref[row]]), "alt": pa.array(BASES[(ref[row] + step[row]) % 4])}
    sites = pa.table({"contig": pa.array(["21"] * len(row)), "position": pa.array(position[row]), **bases})
    vcf = work / f"S{number:03d}.vcf.gz"
    write_person(vcf, f"S{number:03d}", sites, draw)
    started = time.process_time()
    keep(archive, [vcf], PutOptions())
    vcf.unlink()
    return time.process_time() - started


def questions(archive: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each question."""
    parquet = f"read_parquet('{archive}/catalogue/variants/*/*.parquet')"
    with cohort(archive) as connection, duckdb.connect() as alone:
        some = connection.execute("SELECT contig, position, ref, alt, carriers FROM sites WHERE position > 20000000 LIMIT 5000").fetchall()
        rare, common = (pick(some, key=lambda site: site[4])[:4] for pick in (min, max))
        at = "SELECT sample FROM {} WHERE contig = '{}' AND position = {} AND ref = '{}' AND alt = '{}'"
        asked = {
            "carriers of a rare variant": lambda: connection.execute(at.format("variants", *rare)).fetchall(),
            "carriers of a common variant": lambda: connection.execute(at.format("variants", *common)).fetchall(),
            "ready-made carriers, database opened anew": lambda: carriers(archive, common),
            "rare variants counted": lambda: connection.execute(RARE_SITES).fetchall(),
            "rare variants counted from the rows": lambda: connection.execute(RARE_ROWS.format(variants="variants")).fetchall(),
            "rare variants by sample": lambda: connection.execute(RARE_BY_SAMPLE).fetchall(),
            "Parquet alone: carriers of a common variant": lambda: alone.execute(at.format(parquet, *common)).fetchall(),
            "Parquet alone: rare variants counted": lambda: alone.execute(RARE_ROWS.format(variants=parquet)).fetchall(),
        }
        return {name: timed(question, repeats) for name, question in asked.items()}


def timed(question: Any, repeats: int) -> dict[str, float]:
    wall, cpu = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        question()
        wall.append(1000 * (time.perf_counter() - started[0]))
        cpu.append(1000 * (time.process_time() - started[1]))
    return {"best_ms": round(min(wall), 1), "median_ms": round(statistics.median(wall), 1), "cpu_ms": round(statistics.median(cpu), 1)}


if __name__ == "__main__":
    main()
