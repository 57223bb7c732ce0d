"""How gzip by different programs comes back from the archive: by which encoder, and with how many bytes of corrections; as JSON.

    benchmarks/recipes.py [--data DIR] [--work DIR] [--output benchmarks/results/recipes.json]

R1 of `na12878_chr21` compressed by GNU gzip, by zlib in the pieces of pigz, by ISA-L as one stream (as cutadapt does) and as BGZF, and
written by fastp; its BAM by samtools of this machine at several levels; and files as others wrote them, among them a BAM by GATK.
`corrections` is their share of the file's bytes, 0 where an encoder at hand makes it; the file is made again and compared. Programs that
are not installed are left out.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

from isal import igzip, isal_zlib
from measure import options, report, versions, work_folder

from genopipe.archive.container import RecipeFailed, Unwrapped, unwrap, wrap
from genopipe.archive.nearest import correct, nearest
from genopipe.formats.bgzf import END_OF_FILE, PAYLOAD

_PIGZ_BYTES, _WINDOW = 1 << 17, 1 << 15
FOREIGN = {
    "BAM by GATK": "mito/gatk_NA12878.bam",
    "VCF of the GATK bundle": "known_sites_chr21/mills_and_1000G.indels.hg38.vcf.gz",
    "VCF of the GATK bundle, another": "known_sites_chr21/1000G_omni2.5.hg38.vcf.gz",
    "BAM by Picard": "markdup_bqsr/BQSR/HiSeq.1mb.1RG.2k_lines.bam",
    "FASTQ of HiFi reads": "long_reads/nfcore_test_hifi.fastq.gz",
}


def main() -> None:
    arguments = options(__doc__).parse_args()
    with work_folder(arguments.work) as work:
        files = made(arguments.data / "na12878_chr21", work) | {name: arguments.data / path for name, path in FOREIGN.items()}
        result = {name: recipe(path, work) for name, path in files.items()}
    report(result, arguments, versions("deflate", "zlib-ng", "isal"))


def made(data: Path, work: Path) -> dict[str, Path]:
    """Files by the programs of this machine."""
    plain = gzip.decompress((data / "reads_R1.fastq.gz").read_bytes())
    (work / "r.fastq").write_bytes(plain)
    files = {"BGZF by ISA-L, level 1": work / "igzip_bgzf.fastq.gz", "FASTQ as pigz 6": work / "pigz.fastq.gz"}
    files["BGZF by ISA-L, level 1"].write_bytes(bgzf_by_igzip(plain))
    files["FASTQ as pigz 6"].write_bytes(as_pigz(plain))
    for level in (1, 2):
        files[f"FASTQ by ISA-L, level {level}"] = path = work / f"igzip{level}.fastq.gz"
        path.write_bytes(igzip.compress(plain, level, mtime=0))
    if shutil.which("fastp"):
        files["FASTQ by fastp"] = path = work / "fastp.fastq.gz"
        reports = ["-j", work / "fastp.json", "-h", work / "fastp.html"]
        subprocess.run(["fastp", "-w", "1", "-i", data / "reads_R1.fastq.gz", "-o", path, *reports], check=True, stderr=subprocess.DEVNULL)
    for level in (1, 6, 9):
        files[f"FASTQ by GNU gzip {level}"] = work / f"gnu{level}.fastq.gz"
        with open(files[f"FASTQ by GNU gzip {level}"], "wb") as out:
            subprocess.run(["gzip", f"-{level}", "-c", str(work / "r.fastq")], check=True, stdout=out)
    if shutil.which("samtools"):
        for level in (1, 4, 6, 9):
            files[f"BAM by samtools {level}"] = out_path = work / f"samtools{level}.bam"
            subprocess.run(["samtools", "view", "--output-fmt", f"bam,level={level}", "-o", out_path, data / "reads.bam"], check=True)
    return files


def recipe(path: Path, work: Path) -> dict:
    """What makes a file again."""
    found = Unwrapped()
    for _ in unwrap(path, found):
        pass
    exact = next((each for each in found.recipes if again(path, each)), None)
    if exact:
        return {"bytes": path.stat().st_size, "encoder": named(exact), "corrections": 0}
    near = nearest(found)
    corrected = correct(path, near[0], work / "corrections") if near else None
    if corrected is None or not again(path, corrected):
        return {"bytes": path.stat().st_size, "encoder": None}
    share = (work / "corrections").stat().st_size / path.stat().st_size
    return {"bytes": path.stat().st_size, "encoder": named(corrected), "corrections": round(share, 4)}


def again(path: Path, recipe) -> bool:  # type: ignore[no-untyped-def]
    """True when the recipe makes the file."""
    digest = hashlib.sha256()
    try:
        for piece in wrap(unwrap(path, Unwrapped()), recipe):
            digest.update(piece)
    except RecipeFailed:
        return False
    return digest.digest() == hashlib.sha256(path.read_bytes()).digest()


def named(recipe) -> str:  # type: ignore[no-untyped-def]
    return f"{recipe.encoder.library} {recipe.encoder.level}"


def bgzf_by_igzip(plain: bytes) -> bytes:
    out = []
    for i in range(0, len(plain), PAYLOAD):
        piece = plain[i : i + PAYLOAD]
        stream = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        deflated = stream.compress(piece) + stream.flush()
        head = bytes.fromhex("1f8b08040000000000ff060042430200") + struct.pack("<H", len(deflated) + 25)
        out.append(head + deflated + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(out) + END_OF_FILE


def as_pigz(plain: bytes) -> bytes:
    out = [bytes.fromhex("1f8b08000000000000ff")]
    for i in range(0, len(plain), _PIGZ_BYTES):
        before = plain[max(0, i - _WINDOW) : i]
        stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8, 0, *([before] if before else []))
        last = i + _PIGZ_BYTES >= len(plain)
        out.append(stream.compress(plain[i : i + _PIGZ_BYTES]) + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH))
    return b"".join(out) + struct.pack("<II", zlib.crc32(plain), len(plain))


if __name__ == "__main__":
    main()
