"""Accuracy and speed of `genopipe call` beside bcftools and freebayes, as JSON.

    benchmarks/call.py [--seeds 1,2] [--coverage 30,15] [--data DIR] [--tools DIR] [--work DIR] [--output benchmarks/results/call.json]

Donors: one megabase of real sequence with the real variants of NA12878, reads simulated for each seed and coverage, aligned by bwa and by
genopipe, and called by every caller from both BAMs; then the real NA12878 reads of the same data set. Scores are genotype errors (FP + FN)
and F1 by the data set's own scorer: ours as filtered by default, the peers at QUAL >= 20. Speed is CPU time of the whole program, kernels
compiled before, so start-up is in it. Needs art_illumina, bwa and samtools; freebayes is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pysam
from measure import cpu_seconds, options, program_version, report, versions, work_folder

MEGABASES = 1.0
REGION = "chr21:16600001-16800000"
_BCFTOOLS = "import sys, pysam.bcftools as b; getattr(b, sys.argv[1])(*sys.argv[2:], catch_stdout=False)"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--coverage", default="30")
    arguments = parser.parse_args()
    with work_folder(arguments.work) as work:
        result = {"simulated_1mb": simulated(arguments, work), "na12878_chr21": real(arguments, work)}
    peers = {"bcftools": pysam.version.__bcftools_version__, "freebayes": program_version("freebayes", "--version")}
    report(result, arguments, versions("numba", "numpy") | peers)


def simulated(arguments: argparse.Namespace, work: Path) -> dict:
    fasta = plain(arguments.data / "reference_1mb" / "hg38_chr21_22000000_23000000.fa.gz", work / "1mb.fa")
    reference = build(fasta, work / "1mb")
    pooled: dict = {}
    for coverage in arguments.coverage.split(","):
        sums: dict = defaultdict(lambda: defaultdict(float))
        for seed in arguments.seeds.split(","):
            folder = donor(arguments, fasta, work, seed, coverage)
            for aligner, bam in alignments(folder, fasta, reference).items():
                for caller, (vcf, seconds) in calls(bam, fasta, reference).items():
                    add(sums[f"{caller} on {aligner}"], score(arguments, fasta, folder / "truth.vcf.gz", vcf, caller), seconds)
        pooled[f"{coverage}x"] = {name: summary(total) for name, total in sums.items()}
    return pooled


def real(arguments: argparse.Namespace, work: Path) -> dict:
    folder = arguments.data / "na12878_chr21"
    fasta = plain(folder / "GRCh38.chr21.partial.fa.gz", work / "chr21.fa")
    reference = build(fasta, work / "chr21")
    own = work / "na12878.genopipe.bam"
    align_own(reference, folder / "reads_R1.fastq.gz", folder / "reads_R2.fastq.gz", own)
    restrict = ("--bed", folder / "confident.bed.gz", "--region", REGION)
    results = {}
    for aligner, bam in {"bwa": folder / "reads.bam", "genopipe": own}.items():
        for caller, (vcf, seconds) in calls(bam, fasta, reference, region=REGION, out=work / f"na12878.{aligner}").items():
            total: dict = defaultdict(float)
            add(total, score(arguments, fasta, folder / "truth.vcf.gz", vcf, caller, restrict), seconds)
            results[f"{caller} on {aligner}"] = {k: v for k, v in summary(total).items() if k != "megabases_per_cpu_second"}
    return results


def donor(arguments: argparse.Namespace, fasta: Path, work: Path, seed: str, coverage: str) -> Path:
    """Folder with the reads and truth of a simulated donor."""
    folder = work / f"donor-{seed}-{coverage}x"
    if not (folder / "reads_R2.fastq.gz").exists():
        variants = arguments.data / "na12878_chr21" / "truth.vcf.gz"
        options = ("--variants", variants, "--contig", "chr21", "--offset", 21_999_999, "--seed", seed, "--coverage", coverage)
        cpu_seconds(sys.executable, arguments.tools / "simulate_sample.py", fasta, folder, *options)
    return folder


def alignments(folder: Path, fasta: Path, reference: Path) -> dict[str, Path]:
    reads = folder / "reads_R1.fastq.gz", folder / "reads_R2.fastq.gz"
    bwa, own = folder / "bwa.bam", folder / "genopipe.bam"
    if not bwa.exists():
        if not fasta.with_name(fasta.name + ".bwt").exists():
            cpu_seconds("bwa", "index", fasta)
        line = f"bwa mem -R '@RG\\tID:1\\tSM:donor' {fasta} {reads[0]} {reads[1]} | samtools sort -o {bwa} - && samtools index {bwa}"
        cpu_seconds("bash", "-c", line)
    align_own(reference, *reads, own)
    return {"bwa": bwa, "genopipe": own}


def align_own(reference: Path, first: Path, second: Path, bam: Path) -> None:
    cpu_seconds(*genopipe("align"), "--reference", reference, "-1", first, "-2", second, "--sample", "donor", "-o", bam)


def calls(bam: Path, fasta: Path, reference: Path, *, region: str | None = None, out: Path | None = None) -> dict[str, tuple[Path, float]]:
    """VCF and CPU seconds of every caller."""
    base = out or bam.with_suffix("")
    name = lambda caller: Path(f"{base}.{caller}.vcf.gz")  # noqa: E731
    limits = ("--region", region) if region else ()
    results = {}
    own = (*genopipe("call"), "--reference", reference, "-i", bam, "-o", name("genopipe"), "--threads", 1, *limits)
    cpu_seconds(*own)
    results["genopipe"] = name("genopipe"), cpu_seconds(*own)
    for caller, more in (("bcftools", ()), ("bcftools_cns", ("--indels-cns",))):
        pileup = base.with_name(f"{base.name}.{caller}.bcf")
        place = ("-r", region) if region else ()
        seconds = cpu_seconds(sys.executable, "-c", _BCFTOOLS, "mpileup", *more, *place, "-f", fasta, "-Ou", "-o", pileup, bam)
        seconds += cpu_seconds(sys.executable, "-c", _BCFTOOLS, "call", "-mv", "-Oz", "-o", name(caller), pileup)
        results[caller] = name(caller), seconds
    if shutil.which("freebayes"):
        text = base.with_name(f"{base.name}.freebayes.vcf")
        place = ("-r", region) if region else ()
        seconds = cpu_seconds("freebayes", "-f", fasta, "-v", text, *place, bam)
        results["freebayes"] = text, seconds
    return results


def score(arguments: argparse.Namespace, fasta: Path, truth: Path, vcf: Path, caller: str, restrict: tuple = ()) -> dict:
    quality = 0 if caller == "genopipe" else 20
    command = (sys.executable, arguments.tools / "compare_calls.py", fasta, truth, vcf, "--min-qual", quality, "--json", *restrict)
    return json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)


def add(total: dict, scores: dict, seconds: float) -> None:
    for kind in ("snv", "indel"):
        for count in ("tp", "fp", "fn"):
            total[f"{kind}_{count}"] += scores[f"{kind}_genotype"][count]
    total["cpu_seconds"] += seconds
    total["runs"] += 1


def summary(total: dict) -> dict:
    out = {}
    for kind in ("snv", "indel"):
        tp, fp, fn = (int(total[f"{kind}_{count}"]) for count in ("tp", "fp", "fn"))
        out[kind] = {"fp": fp, "fn": fn, "errors": fp + fn, "f1": round(2 * tp / max(2 * tp + fp + fn, 1), 5)}
    out["cpu_seconds"] = round(total["cpu_seconds"], 2)
    out["megabases_per_cpu_second"] = round(MEGABASES * total["runs"] / total["cpu_seconds"], 3)
    return out


def build(fasta: Path, folder: Path) -> Path:
    if not folder.exists():
        cpu_seconds(*genopipe("reference"), "build", fasta, "-o", folder)
    if not fasta.with_name(fasta.name + ".fai").exists():
        cpu_seconds("samtools", "faidx", fasta)
    return folder


def plain(source: Path, target: Path) -> Path:
    if not target.exists():
        target.write_bytes(gzip.decompress(source.read_bytes()))
    return target


def genopipe(command: str) -> tuple[str, ...]:
    return sys.executable, "-c", "from genopipe.cli import main; main()", command


if __name__ == "__main__":
    main()
