"""What `genopipe archive` needs for the reads of one genome, and how long it takes, beside CRAM, zstd and gzip; as JSON.

    benchmarks/archive.py [--data DIR] [--work DIR] [--repeats N] [--output benchmarks/results/archive.json]

Input: R1 and R2 of `na12878_chr21` as they are, the BAM that came with them, and the BAM that `genopipe align` makes of them. Every set
goes into an archive of its own and is got back; `identical` says whether all files came back bit for bit. `stored` counts every object but
the reference, manifests too. Seconds are CPU time of the whole program, start-up and verification included, the least of the repeats;
kernels are compiled before. Peers: `samtools view` of pysam to CRAM 3.1 (its records, not the bytes of the BAM), zstd -19 and gzip -9 of
the plain content of each file.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from measure import cpu_seconds, options, report, versions, work_folder

_MAIN = "from genopipe.cli import main; main()"
_VIEW = "import sys, pysam; pysam.view(*sys.argv[1:], catch_stdout=False)"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with work_folder(arguments.work) as work:
        reference, sets = inputs(arguments.data / "na12878_chr21", work)
        result = {
            "sets": {name: measured(files, reference, work, arguments.repeats) for name, files in sets.items()},
            "peers": {path.name: peers(path, reference, work) for path in sorted({path for files in sets.values() for path in files})},
        }
    report(result, arguments, versions("pysam", "deflate", "zstandard"))


def inputs(data: Path, work: Path) -> tuple[Path, dict[str, list[Path]]]:
    """The reference folder, and the files of each set."""
    reference, own = work / "reference", work / "genopipe.bam"
    reads = [data / "reads_R1.fastq.gz", data / "reads_R2.fastq.gz"]
    if not reference.exists():
        genopipe("reference", "build", data / "GRCh38.chr21.partial.fa.gz", "-o", reference)
    if not own.exists():
        genopipe("align", "--reference", reference, "-1", reads[0], "-2", reads[1], "--sample", "NA12878", "-o", own)
    return reference, {
        "reads and genopipe's BAM": [*reads, own],
        "reads and the BAM they came from": [*reads, data / "reads.bam"],
        "reads alone": reads,
        "genopipe's BAM alone": [own],
    }


def measured(files: list[Path], reference: Path, work: Path, repeats: int) -> dict:
    """Of each profile: bytes before and after, and CPU seconds of put and get."""
    given = sum(path.stat().st_size for path in files)
    results: dict = {"bytes": given}
    for profile in ("fast", "archive"):
        rounds = [one_round(files, reference, work, profile) for _ in range(repeats)]
        stored, identical = rounds[0]["stored"], all(one["identical"] for one in rounds)
        put, get = min(one["put"] for one in rounds), min(one["get"] for one in rounds)
        results[profile] = {
            "stored": stored,
            "times_smaller": round(given / stored, 2),
            "identical": identical,
            "put_cpu_seconds": round(put, 2),
            "get_cpu_seconds": round(get, 2),
            "put_megabytes_per_cpu_second": round(given / put / 1e6, 2),
            "get_megabytes_per_cpu_second": round(given / get / 1e6, 2),
        }
    return results


def one_round(files: list[Path], reference: Path, work: Path, profile: str) -> dict:
    archive, back = work / "archive", work / "back"
    for folder in (archive, back):
        shutil.rmtree(folder, ignore_errors=True)
    options = ("--archive", archive, "--sample", "S1", "--reference", reference, "--profile", profile, "--receipt", work / "receipt.json")
    put = genopipe("archive", "put", *files, *options)
    get, identical = 0.0, True
    for path in files:
        get += genopipe("archive", "get", path.name, "--archive", archive, "-o", back / path.name)
        identical &= (back / path.name).read_bytes() == path.read_bytes()
    stored = json.loads((work / "receipt.json").read_text())["stored_size"]
    stored += sum(path.stat().st_size for path in (archive / "manifests").iterdir())
    return {"stored": stored, "identical": identical, "put": put, "get": get}


def peers(path: Path, reference: Path, work: Path) -> dict:
    """Bytes and CPU seconds of the peers on one file."""
    import zstandard

    plain = gzip.decompress(path.read_bytes())
    results = {
        "bytes": path.stat().st_size,
        "zstd -19": timed(lambda: len(zstandard.ZstdCompressor(level=19).compress(plain))),
        "gzip -9": timed(lambda: len(gzip.compress(plain, 9))),
    }
    if path.suffix == ".bam":
        for profile in ("normal", "archive"):
            results[f"CRAM 3.1 {profile}"] = cram(path, reference, work / "peer.cram", profile)
    return results


def cram(path: Path, reference: Path, out: Path, profile: str) -> dict:
    """CRAM against the reference where the header allows it, else with the reference embedded."""
    for more in (("-T", str(reference / "genome.fa.gz")), ("--output-fmt-option", "embed_ref=2")):
        arguments = ("-C", "--no-PG", *more, "--output-fmt", f"cram,version=3.1,{profile}", "-o", str(out), str(path))
        try:
            seconds = cpu_seconds(sys.executable, "-c", _VIEW, *arguments)
        except subprocess.CalledProcessError:
            continue
        return {"bytes": out.stat().st_size, "cpu_seconds": round(seconds, 2), "reference": "given" if "-T" in more else "embedded"}
    return {"bytes": None}


def timed(work) -> dict:  # type: ignore[no-untyped-def]
    before = time.process_time()
    size = work()
    return {"bytes": size, "cpu_seconds": round(time.process_time() - before, 2)}


def genopipe(*arguments: object) -> float:
    return cpu_seconds(sys.executable, "-c", _MAIN, *arguments)


if __name__ == "__main__":
    main()
