"""What quality strings take in the archive, beside the published sizes of CRAM 3.1's best codec; as JSON.

    benchmarks/quality_streams.py [--data DIR] [--work DIR] [--output benchmarks/results/archive_qualities.json]

Real quality strings become a FASTQ with N as bases, put with the archive profile. `stored` counts all objects and manifests, names and
orders too; the published sizes are those of the codec's blocks alone, so `quality_blocks` counts these. Strings whose published size was
made knowing which mate each is of, which the file does not say, also go as two FASTQ files, one of each mate, found by clustering.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pysam
from measure import cpu_seconds, options, report, versions, work_folder

from genopipe.archive.opened import Archive

_MAIN = "from genopipe.cli import main; main()"
QUALITIES = {"DERIVED_q4": 726_974, "DERIVED_q8": 2_877_628, "DERIVED_q40+dir": 3_197_066}
"""Published sizes."""
TOLD_MATES = "DERIVED_q40+dir"
"""Its published size was made knowing which mate a string is of, which the file does not say."""


def main() -> None:
    arguments = options(__doc__).parse_args()
    with work_folder(arguments.work) as work:
        result = {name: qualities(arguments.data / "quality_streams" / f"{name}.qual.gz", work) for name in QUALITIES}
    report(result, arguments, versions("pysam", "zstandard"))


def qualities(path: Path, work: Path) -> dict:
    """FASTQ of the quality strings, put with the archive profile."""
    name = path.name.removesuffix(".qual.gz")
    strings, published = gzip.decompress(path.read_bytes()).split(), QUALITIES[name]
    result = {"published": published, "one file": put_strings([strings], published, work)}
    if name == TOLD_MATES:
        mate = mates_of(strings)
        files = [[string for string, one in zip(strings, mate, strict=True) if one == which] for which in (0, 1)]
        result["a file for each mate"] = put_strings(files, published, work)
    return result


def put_strings(files: list[list[bytes]], published: int, work: Path) -> dict:
    """Stored bytes of files of quality strings, and of their quality blocks alone."""
    archive = work / "qualities"
    shutil.rmtree(archive, ignore_errors=True)
    for n, strings in enumerate(files):
        fastq = work / f"qualities{n}.fastq"
        fastq.write_bytes(b"".join(b"@r%d\n%s\n+\n%s\n" % (i, b"N" * len(string), string) for i, string in enumerate(strings)))
        cpu_seconds(sys.executable, "-c", _MAIN, "archive", "put", fastq, "--archive", archive, "--profile", "archive")
    opened = Archive.existing(archive)
    crams = [opened.store.local(manifest.content["pool"]["cram"], work) for manifest in opened.manifests()]
    blocks = sum(int(line.split()[3]) for cram in crams for line in pysam.cram_size(str(cram)).splitlines() if line.endswith("QS"))
    stored = sum(path.stat().st_size for part in ("objects", "manifests") for path in (archive / part).rglob("*") if path.is_file())
    return {
        "stored": stored,
        "ratio": round(stored / published, 4),
        "quality_blocks": blocks,
        "ratio_of_quality_blocks": round(blocks / published, 4),
    }


def mates_of(strings: list[bytes]) -> Any:
    """0 or 1 for each string: two groups whose steps from quality to quality, place by place, are most alike within."""
    value = np.frombuffer(b"".join(strings), np.uint8).reshape(len(strings), -1).astype(np.int64)
    value = np.unique(value, return_inverse=True)[1].reshape(value.shape)
    n = int(value.max()) + 1
    step = value[:, :-1] * n + value[:, 1:]
    some = value[:5000] - value.mean(0)
    direction = np.linalg.svd(some, full_matrices=False)[2][0]
    mate, before = (value - value.mean(0)) @ direction > 0, None
    while before is None or (mate != before).mean() > 0.001:
        likely = np.zeros((2, len(strings)))
        for which in (0, 1):
            for place in range(step.shape[1]):
                count = np.bincount(step[mate == which, place], minlength=n * n).reshape(n, n) + 0.01
                likely[which] += np.log(count / count.sum(1, keepdims=True)).ravel()[step[:, place]]
        mate, before = likely[1] > likely[0], mate
    return mate.astype(int)


if __name__ == "__main__":
    main()
