"""What `genopipe archive` needs for reads, second alignments and regions, and how long it takes, beside CRAM, zstd and gzip; as JSON.

    benchmarks/archive.py [--data DIR] [--work DIR] [--repeats N] [--part NAME]... [--bam B --reference R]
                          [--output benchmarks/results/archive.json]

Sets: R1 and R2 of `na12878_chr21` as they are, the BAM that came with them, the BAM that `genopipe align` makes of them, the BAM with 41
quality levels, HiFi reads. Every set goes into an archive of its own and is got back; `identical` says whether all files came back bit
for bit. `stored` counts every object but the reference, manifests too. Layers: what another BAM of the same reads adds to an archive of
genopipe's BAM, as a share of what that took (bwa, samtools of Debian; left out without them). Quality streams: see
`benchmarks/quality_streams.py`. Speed: a simulated BAM of 200,000 reads (ART, 30x over a megabase), or the BAM given with the folder of its
reference. Region: the bytes read of that BAM's objects, and of those of another alignment of its reads (bwa). Seconds are CPU time of the
whole program, start-up and verification included, the least of the repeats; kernels are compiled before. Peers: `samtools view` of pysam to
CRAM 3.1 (its records, not the bytes of the BAM), zstd -19 and gzip -9 of the plain content of each file.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import cpu_seconds, options, report, versions, work_folder

_MAIN = "from genopipe.cli import main; main()"
_IMPORT = "import sys, pysam; pysam.samtools.fqimport(*sys.argv[1:], catch_stdout=False)"
_VIEW = "import sys, pysam; pysam.view(*sys.argv[1:], catch_stdout=False)"


COVERAGE = 30
REFERENCE_1MB = "hg38_chr21_22000000_23000000.fa.gz"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", action="append", help="Only this part of the result; may be given several times.")
    parser.add_argument("--bam", type=Path, help="A coordinate-sorted BAM for speed and region.")
    parser.add_argument("--reference", type=Path, help="The reference folder of that BAM.")
    arguments = parser.parse_args()
    with work_folder(arguments.work) as work:
        reference, sets = inputs(arguments.data, work)
        own = sets["genopipe's BAM alone"][0]
        large, its_reference = (arguments.bam, arguments.reference) if arguments.bam else simulated(arguments, work)
        aligned = ("--align", "--threads", "1")
        repeats = arguments.repeats
        parts = {
            "sets": lambda: {name: measured(files, reference, work, repeats) for name, files in sets.items()},
            "reads aligned on the way in": lambda: measured(sets["reads alone"], reference, work, repeats, *aligned),
            "layers": lambda: layers(own, reference, arguments.data / "na12878_chr21", work),
            "speed": lambda: {"bytes": large.stat().st_size, "result": measured([large], its_reference, work, repeats)},
            "region": lambda: region(large, its_reference, work),
            "peers": lambda: {
                path.name: peers(path, reference, work) for path in sorted({path for files in sets.values() for path in files})
            },
        }
        result = {name: part() for name, part in parts.items() if name in (arguments.part or parts)}
    report(result, arguments, versions("pysam", "deflate", "zstandard"))


def inputs(folder: Path, work: Path) -> tuple[Path, dict[str, list[Path]]]:
    """The reference folder, and the files of each set."""
    data, reference, own = folder / "na12878_chr21", work / "reference", work / "genopipe.bam"
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
        "a BAM with 41 quality levels": [folder / "na12878_chr20_unbinned" / "gatk_mini_bundle_extract.bam"],
        "HiFi reads": [folder / "long_reads" / "nfcore_test_hifi.fastq.gz"],
    }


def layers(own: Path, reference: Path, data: Path, work: Path) -> dict:
    """Bytes that each further BAM adds, and their share of the first's."""
    archive, made = work / "layered", further(own, reference, data, work)
    shutil.rmtree(archive, ignore_errors=True)
    given = ("--archive", archive, "--sample", "S1", "--reference", reference, "--profile", "archive")
    genopipe("archive", "put", own, *given)
    first = folder_size(archive) - reference_size(archive)
    result = {"first": first}
    for name, path in made.items():
        before = folder_size(archive)
        genopipe("archive", "put", path, *given)
        added = folder_size(archive) - before
        genopipe("archive", "get", path.name, "--archive", archive, "-o", work / "again.bam")
        same = gzip.decompress((work / "again.bam").read_bytes()) == gzip.decompress(path.read_bytes())
        result[name] = {"added": added, "share": round(added / first, 4), "content_identical": same}
    return result


def further(own: Path, reference: Path, data: Path, work: Path) -> dict[str, Path]:
    """Other BAMs of the same reads."""
    import pysam

    flagged, named = work / "flagged.bam", work / "by_name.bam"
    with pysam.AlignmentFile(str(own)) as source:
        header = source.header.to_dict() | {"CO": ["another header"]}
        with pysam.AlignmentFile(str(flagged), "wb", header=header) as target:
            for i, record in enumerate(source):
                record.is_duplicate = i % 12 == 0
                target.write(record)
    pysam.sort("-n", "--no-PG", "-o", str(named), str(own))
    made = {"duplicate flags and header changed": flagged, "sorted by name": named}
    if shutil.which("bwa"):
        made |= {name: aligned_by_bwa(work, reference, data, name, settings) for name, settings in BWA.items()}
    return made


BWA = {"another aligner and reference": (), "another aligner, other settings, another reference": ("-B", "6", "-O", "5", "-k", "25")}


def aligned_by_bwa(work: Path, reference: Path, data: Path, name: str, settings: tuple[str, ...]) -> Path:
    """The reads on a slice of the reference under another name."""
    import pysam

    slice_, bam = work / "slice.fa", work / f"{name.replace(' ', '_').replace(',', '')}.bam"
    if not slice_.exists():
        with pysam.FastaFile(str(reference / "genome.fa.gz")) as fasta:
            slice_.write_text(f">21\n{fasta.fetch('chr21', 16_500_000, 16_900_000)}\n")
        subprocess.run(["bwa", "index", str(slice_)], check=True, capture_output=True)
    reads = [str(data / f"reads_R{mate}.fastq.gz") for mate in (1, 2)]
    command = ["bwa", "mem", "-R", r"@RG\tID:L1\tSM:NA12878", *settings, str(slice_), *reads]
    (work / "bwa.sam").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    pysam.sort("--no-PG", "-o", str(bam), str(work / "bwa.sam"))
    return bam


def simulated(arguments: Any, work: Path) -> tuple[Path, Path]:
    """A BAM of 30x over a megabase, by genopipe, and its reference folder."""
    folder, reference, bam = work / "simulated", work / "reference_1mb", work / "simulated.bam"
    if not bam.exists():
        source = work / "reference_1mb.fa"
        source.write_bytes(gzip.decompress((arguments.data / "reference_1mb" / REFERENCE_1MB).read_bytes()))
        cpu_seconds(sys.executable, arguments.tools / "simulate_sample.py", source, folder, "--seed", 1, "--coverage", COVERAGE)
        genopipe("reference", "build", source, "-o", reference)
        reads = (folder / f"reads_R{mate}.fastq.gz" for mate in (1, 2))
        genopipe("align", "--reference", reference, "-1", next(reads), "-2", next(reads), "--sample", "S1", "-o", bam)
    return bam, reference


def region(bam: Path, reference: Path, work: Path) -> dict:
    """Bytes of the archive's objects that 2,000 bases in the middle of the first contig read; those of the reference apart."""
    archive = work / "regions"
    shutil.rmtree(archive, ignore_errors=True)
    genopipe("archive", "put", bam, "--archive", archive, "--sample", "S1", "--reference", reference)
    result = {"of the BAM": read_for_region(archive, bam, work)}
    if shutil.which("bwa"):
        other = realigned_by_bwa(bam, reference, work)
        genopipe("archive", "put", other, "--archive", archive, "--sample", "S1", "--reference", reference)
        result["of another alignment of its reads"] = read_for_region(archive, other, work)
    return result


def realigned_by_bwa(bam: Path, reference: Path, work: Path) -> Path:
    """The reads of a BAM by another aligner."""
    import pysam

    other, genome = work / "other.bam", work / "genome.fa"
    genome.write_bytes(gzip.decompress((reference / "genome.fa.gz").read_bytes()))
    subprocess.run(["bwa", "index", str(genome)], check=True, capture_output=True)
    pysam.collate("-o", str(work / "collated.bam"), str(bam))
    pysam.fastq("-N", "-o", str(work / "collated.fastq"), str(work / "collated.bam"))
    command = ["bwa", "mem", "-p", "-R", r"@RG\tID:1\tSM:S1", str(genome), str(work / "collated.fastq")]
    with open(work / "bwa.sam", "wb") as out:
        subprocess.run(command, check=True, stdout=out, stderr=subprocess.DEVNULL)
    pysam.sort("--no-PG", "-o", str(other), str(work / "bwa.sam"))
    return other


def read_for_region(archive: Path, bam: Path, work: Path) -> dict:
    """The bytes that a region of an archived BAM reads."""
    import pysam

    from genopipe.archive.opened import Archive
    from genopipe.archive.regions import get_region
    from genopipe.store import FolderStore

    read: dict[str, int] = {}
    parts, whole, local = FolderStore.open_parts, FolderStore.read, FolderStore.local

    def counted(store: FolderStore, digest: str) -> Any:
        source = parts(store, digest)
        plain_read = source.read

        class Counted:
            def __getattr__(self, name: str) -> Any:
                return getattr(source, name)

            def read(self, size: int = -1) -> bytes:
                found = plain_read(size)
                read[digest] = read.get(digest, 0) + len(found)
                return found

            def __enter__(self) -> Counted:
                return self

            def __exit__(self, *_: object) -> None:
                source.close()

        return Counted()

    def counted_whole(store: FolderStore, digest: str) -> bytes:
        found = whole(store, digest)
        read[digest] = read.get(digest, 0) + len(found)
        return found

    def counted_local(store: FolderStore, digest: str, folder: Path) -> Path:
        found = local(store, digest, folder)
        read[digest] = read.get(digest, 0) + found.stat().st_size
        return found

    with pysam.AlignmentFile(str(bam)) as source:
        contig, middle = source.references[0], source.lengths[0] // 2
    FolderStore.open_parts, FolderStore.read, FolderStore.local = counted, counted_whole, counted_local  # type: ignore[method-assign, assignment]
    get_region(archive, bam.name, work / "part.bam", region=f"{contig}:{middle + 1}-{middle + 2000}", form="bam")
    FolderStore.open_parts, FolderStore.read, FolderStore.local = parts, whole, local  # type: ignore[method-assign]
    manifest = Archive.existing(archive).find(bam.name)
    role = {entry["digest"]: (entry["role"], entry["size"]) for entry in manifest.objects}
    mine = sum(n for digest, n in read.items() if role[digest][0] != "reference")
    stored = sum(size for kind, size in role.values() if kind != "reference")
    of_reference = sum(n for digest, n in read.items() if role[digest][0] == "reference")
    index = next(size for kind, size in role.values() if kind == "index")
    return {
        "kept_as": manifest.content["kind"],
        "stored": stored,
        "read": mine,
        "share": round(mine / stored, 4),
        "of_it_index": index,
        "of_the_reference": of_reference,
    }


def sizes(archive: Path) -> Iterator[tuple[Path, int]]:
    yield from (
        (path, path.stat().st_size) for folder in ("objects", "manifests") for path in (archive / folder).rglob("*") if path.is_file()
    )


def folder_size(archive: Path) -> int:
    """Bytes of objects and manifests."""
    return sum(size for _, size in sizes(archive))


def reference_size(archive: Path) -> int:
    """Bytes of the objects of references."""
    manifests = [json.loads(path.read_text()) for path in (archive / "manifests").glob("*.json")]
    objects = {entry["digest"]: entry["size"] for m in manifests for entry in m["objects"] if entry["role"] == "reference"}
    return sum(objects.values())


def measured(files: list[Path], reference: Path, work: Path, repeats: int, *more: str) -> dict:
    """Of each profile: bytes before and after, and CPU seconds of put and get."""
    given = sum(path.stat().st_size for path in files)
    results: dict = {"bytes": given}
    for profile in ("fast", "archive"):
        rounds = [one_round(files, reference, work, profile, *more) for _ in range(repeats)]
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


def one_round(files: list[Path], reference: Path, work: Path, profile: str, *more: str) -> dict:
    archive, back = work / "archive", work / "back"
    for folder in (archive, back):
        shutil.rmtree(folder, ignore_errors=True)
    options = ("--archive", archive, "--sample", "S1", "--reference", reference, "--profile", profile, "--receipt", work / "receipt.json")
    put = genopipe("archive", "put", *files, *options, *more)
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
    else:
        results["CRAM 3.1 archive, unaligned"] = unaligned_cram(path, work / "peer.cram")
    return results


def unaligned_cram(path: Path, out: Path) -> dict:
    seconds = cpu_seconds(sys.executable, "-c", _IMPORT, "-0", path, "-O", "cram,version=3.1,archive", "-o", out)
    return {"bytes": out.stat().st_size, "cpu_seconds": round(seconds, 2)}


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
