"""Accuracy, calibration, speed and memory of `genopipe call` beside bcftools and freebayes, as JSON.

    benchmarks/call.py [--rows 1mb-30x,1mb-15x,...] [--seeds 1,2,3,4,5] [--large-seeds 11,12] [--aligners bwa,genopipe]
                       [--data DIR] [--tools DIR] [--work DIR] [--output benchmarks/results/call.json]

Rows `GENOME-COVERAGEx` are donors simulated for each seed: `1mb` is one megabase of real sequence with the real variants of NA12878, `b37`
another one with random variants, `17mb` seventeen with random variants. With `-SHARE%` behind it, that share of the reads is another
donor's, who has random variants of his own. They are aligned by bwa and by genopipe, and called by every caller
from each BAM. `deep-COVERAGEx` has pieces of the same megabase as contigs of one window each, and tells memory and CPU seconds, ours alone
(by workers: `call_workers.py`). `na12878_chr21` and `na12878_chr20` are real reads, the latter aligned anew by genopipe only.

Scores are genotype errors (FP + FN) and F1 by the data set's own scorer, pooled over the seeds: ours as filtered by default, the peers at
QUAL >= 20; `genopipe_learnt` is ours with `--filter learnt`. `gq20` counts our calls with GQ >= 20 and those of them with a wrong
genotype. CPU seconds are of the whole program, kernels compiled before, so start-up is in them; `start_up` is the same command on 1,000
bases, `memory_mb` the most memory on parts of the large genome, and on all of it. `--work` keeps what was made, so that
a broken run goes on. Needs art_illumina, bwa and samtools; freebayes is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pysam
from measure import cpu_seconds, options, program_version, report, used, versions, work_folder

CHR21 = "chr21:16600001-16800000"
GENOMES = {
    "1mb": Path("reference_1mb", "hg38_chr21_22000000_23000000.fa.gz"),
    "b37": Path("markdup_bqsr", "human_g1k_v37.chr17_1Mb.fasta"),
    "17mb": Path("reference_17mb", "hg38_chr17_1-8M_chr18_1-9M.fa.gz"),
    "chr21": Path("na12878_chr21", "GRCh38.chr21.partial.fa.gz"),
    "chr20": Path("na12878_chr20_unbinned", "ucsc.hg19.chr20.unittest.fasta.gz"),
}
DEEP_WINDOWS = 8
ROWS = "1mb-30x,1mb-15x,1mb-8x,17mb-30x,na12878_chr21,na12878_chr20,deep-1000x"
_BCFTOOLS = "import sys, pysam.bcftools as b; getattr(b, sys.argv[1])(*sys.argv[2:], catch_stdout=False)"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rows", default=ROWS)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--large-seeds", default="11,12")
    parser.add_argument("--aligners", default="bwa,genopipe")
    given = parser.parse_args()
    with work_folder(given.work) as work:
        subprocess.run([*genopipe("doctor"), "--warm"], capture_output=True, check=False)
        result = {}
        for row in given.rows.split(","):
            result[row] = of_row(given, work, row)
    peers = {"bcftools": pysam.version.__bcftools_version__, "freebayes": program_version("freebayes", "--version")}
    report(result, given, versions("numba", "numpy") | peers)


def of_row(given: argparse.Namespace, work: Path, row: str) -> dict:
    if row.startswith("na12878"):
        return real(given, work, row)
    return deep(given, work, row) if row.startswith("deep") else simulated(given, work, row)


def deep(given: argparse.Namespace, work: Path, row: str) -> dict:
    """Memory and CPU seconds at a depth, and the errors."""
    fasta, reference = genome(given, work, "deep")
    folder = donor(given, fasta, work / row, given.seeds.split(",")[0], row.removeprefix("deep-").removesuffix("x"))
    bam, vcf = aligned("bwa", folder, fasta, reference), folder / "deep.vcf.gz"
    command = (*genopipe("call"), "--reference", reference, "-i", bam, "-o", vcf, "--gvcf", folder / "deep.g.vcf.gz", "--threads", 1)
    return used(*command).figures() | summary(Counter(scores(given, fasta, folder / "truth.vcf.gz", vcf, "genopipe")))


def simulated(given: argparse.Namespace, work: Path, row: str) -> dict:
    name, coverage, *share = row.removesuffix("%").split("-")
    coverage = coverage.removesuffix("x")
    fasta, reference = genome(given, work, name)
    pooled: dict[str, Counter] = {}
    for seed in (given.large_seeds if name == "17mb" else given.seeds).split(","):
        folder = donor(given, fasta, work / f"{name}-s{seed}-{coverage}x", seed, coverage)
        if share:
            folder = contaminated(given, fasta, folder, seed, float(coverage) * float(share[0]) / 100)
        for aligner in given.aligners.split(","):
            bam = aligned(aligner, folder, fasta, reference)
            for caller in callers():
                vcf, took = called(caller, bam, fasta, reference)
                counts = pooled.setdefault(f"{caller} on {aligner}", Counter())
                most = max(counts["memory"], took.pop("memory", 0))
                counts.update(scores(given, fasta, folder / "truth.vcf.gz", vcf, caller) | took)
                counts["memory"] = most
                counts["bases"] += sum(pysam.FastaFile(str(fasta)).lengths)
    rows = {each: summary(counts) for each, counts in pooled.items()}
    return rows | ({"start_up": start_up(bam, reference, work), "memory_mb": memory(bam, reference, work)} if name == "17mb" else {})


def real(given: argparse.Namespace, work: Path, row: str) -> dict:
    """The real reads of NA12878: chr21 from bwa's BAM and our own, chr20 aligned anew."""
    name = row.removeprefix("na12878_")
    folder = work / row
    folder.mkdir(exist_ok=True)
    fasta, reference = genome(given, work, name)
    restrict: tuple = ()
    if name == "chr21":
        source = given.data / row
        truth, restrict = source / "truth.vcf.gz", ("--bed", source / "confident.bed.gz", "--region", CHR21)
        for end in ("R1", "R2"):
            link(source / f"reads_{end}.fastq.gz", folder / f"reads_{end}.fastq.gz")
        link(source / "reads.bam", folder / "bwa.bam")
        link(source / "reads.bam.bai", folder / "bwa.bam.bai")
    else:
        source = given.data / "na12878_chr20_unbinned"
        truth, bed = renamed(source, folder)
        restrict = ("--bed", bed)
        if not (folder / "reads_R2.fastq.gz").exists():
            bam = source / "gatk_mini_bundle_extract.bam"
            reads = f"-1 {folder}/reads_R1.fastq.gz -2 {folder}/reads_R2.fastq.gz -0 /dev/null -s /dev/null"
            cpu_seconds("bash", "-c", f"samtools collate -u -O {bam} {folder}/collate | samtools fastq -n {reads} -")
    out = {}
    for aligner in given.aligners.split(",") if name == "chr21" else ["genopipe"]:
        bam = aligned(aligner, folder, fasta, reference)
        for caller in callers():
            vcf, took = called(caller, bam, fasta, reference, CHR21 if name == "chr21" else "")
            counts = scores(given, fasta, truth, vcf, caller, restrict) | took
            out[f"{caller} on {aligner}"] = summary(Counter(counts))
    return out


def renamed(source: Path, folder: Path) -> tuple[Path, Path]:
    """Truth and BED of the chr20 data under the name that its reference has."""
    truth, bed = folder / "truth.vcf.gz", folder / "confident.bed"
    lines = gzip.decompress((source / "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz").read_bytes()).decode().splitlines()
    text = "\n".join(line if line.startswith("#") else "chr" + line.removeprefix("chr") for line in lines)
    with pysam.BGZFile(str(truth), "w") as file:
        file.write((text.replace("##contig=<ID=20", "##contig=<ID=chr20") + "\n").encode())
    spans = (source / "test_nist.b37_chr20_100kbp_at_10mb.bed").read_text().splitlines()
    bed.write_text("".join("chr" + span.removeprefix("chr") + "\n" for span in spans))
    return truth, bed


def genome(given: argparse.Namespace, work: Path, name: str) -> tuple[Path, Path]:
    """FASTA with its indices, and the folder of the reference."""
    fasta, folder = work / f"{name}.fa", work / f"ref-{name}"
    if name == "deep" and not fasta.exists():
        letters = "".join(gzip.decompress((given.data / GENOMES["1mb"]).read_bytes()).decode().splitlines()[1:])
        fasta.write_text("".join(f">chr{i + 1}\n{letters[65536 * (i + 1) :][:65536]}\n" for i in range(DEEP_WINDOWS)))
    if not fasta.exists():
        content = (given.data / GENOMES[name]).read_bytes()
        fasta.write_bytes(gzip.decompress(content) if GENOMES[name].suffix == ".gz" else content)
    if not folder.exists():
        cpu_seconds(*genopipe("reference"), "build", fasta, "-o", folder)
    if not Path(f"{fasta}.fai").exists():
        cpu_seconds("samtools", "faidx", fasta)
    return fasta, folder


def donor(given: argparse.Namespace, fasta: Path, folder: Path, seed: str, coverage: str) -> Path:
    """Folder with the reads and truth of a simulated donor."""
    if not (folder / "reads_R2.fastq.gz").exists():
        variants = given.data / "na12878_chr21" / "truth.vcf.gz"
        real = ("--variants", variants, "--contig", "chr21", "--offset", 21_999_999) if fasta.stem == "1mb" else ()
        command = (given.tools / "simulate_sample.py", fasta, folder, "--seed", seed, "--coverage", coverage, *real)
        cpu_seconds(sys.executable, *command)
    return folder


def contaminated(given: argparse.Namespace, fasta: Path, clean: Path, seed: str, coverage: float) -> Path:
    """Folder with the reads of a donor and some of another one, and the truth of the first."""
    folder, other = clean.with_name(f"{clean.name}-{coverage}x"), clean.with_name(f"{clean.name}-other-{coverage}x")
    if not (folder / "truth.vcf.gz.tbi").exists():
        more = ("--seed", int(seed) + 1000, "--coverage", coverage)
        cpu_seconds(sys.executable, given.tools / "simulate_sample.py", fasta, other, *more)
        folder.mkdir(exist_ok=True)
        for end in ("R1", "R2"):
            # the names of both begin at 0
            theirs = gzip.decompress((other / f"reads_{end}.fastq.gz").read_bytes()).replace(b"@sim:", b"@other:")
            (folder / f"reads_{end}.fastq.gz").write_bytes((clean / f"reads_{end}.fastq.gz").read_bytes() + gzip.compress(theirs))
        for name in ("truth.vcf.gz", "truth.vcf.gz.tbi"):
            link(clean / name, folder / name)
    return folder


def aligned(aligner: str, folder: Path, fasta: Path, reference: Path) -> Path:
    """The sorted and indexed BAM of an aligner."""
    bam, first, second = folder / f"{aligner}.bam", folder / "reads_R1.fastq.gz", folder / "reads_R2.fastq.gz"
    if Path(f"{bam}.bai").exists():
        return bam
    if aligner == "genopipe":
        cpu_seconds(*genopipe("align"), "--reference", reference, "-1", first, "-2", second, "--sample", "donor", "-o", bam)
    else:
        if not Path(f"{fasta}.bwt").exists():
            cpu_seconds("bwa", "index", fasta)
        line = f"bwa mem -R '@RG\\tID:1\\tSM:donor' {fasta} {first} {second} | samtools sort -o {bam} - && samtools index {bam}"
        cpu_seconds("bash", "-c", line)
    return bam


def callers() -> list[str]:
    return ["genopipe", "genopipe_learnt", "bcftools", "bcftools_cns", *(["freebayes"] if shutil.which("freebayes") else [])]


def called(caller: str, bam: Path, fasta: Path, reference: Path, region: str = "") -> tuple[Path, dict[str, float]]:
    """VCF of a caller with its CPU seconds and, for ours, the most memory (bytes); what a peer has done before is not done again."""
    vcf = bam.with_suffix(f".{caller}.vcf" + ("" if caller == "freebayes" else ".gz"))
    told = Path(f"{vcf}.json")
    if caller.startswith("genopipe"):
        # the reference of the chr21 data is masked, so its digest is not that of the BAM
        command = (*genopipe("call"), "--reference", reference, "-i", bam, "-o", vcf, "--threads", 1, "--accept-other-digests")
        learnt = ("--filter", "learnt") if caller == "genopipe_learnt" else ()
        took = used(*command, *learnt, *(("--region", region) if region else ()))
        return vcf, {"cpu_seconds": took.cpu_seconds, "memory": took.peak_bytes}
    if not told.exists():
        place = ("-r", region) if region else ()
        if caller == "freebayes":
            seconds = cpu_seconds("freebayes", "-f", fasta, "-v", vcf, *place, bam)
        else:
            pileup, more = vcf.with_suffix(".bcf"), ("--indels-cns",) if caller == "bcftools_cns" else ()
            seconds = cpu_seconds(sys.executable, "-c", _BCFTOOLS, "mpileup", *more, *place, "-f", fasta, "-Ou", "-o", pileup, bam)
            seconds += cpu_seconds(sys.executable, "-c", _BCFTOOLS, "call", "-mv", "-Oz", "-o", vcf, pileup)
            pileup.unlink()
        told.write_text(json.dumps({"cpu_seconds": seconds}))
    return vcf, json.loads(told.read_text())


def start_up(bam: Path, reference: Path, work: Path) -> float:
    """CPU seconds of calling 1,000 bases."""
    contig = pysam.AlignmentFile(str(bam)).references[0]
    command = (*genopipe("call"), "--reference", reference, "-i", bam, "-o", work / "start.vcf.gz", "--region", f"{contig}:1-1000")
    return cpu_seconds(*command)


def memory(bam: Path, reference: Path, work: Path) -> dict[str, int]:
    """The most memory, by what is called."""
    contig = pysam.AlignmentFile(str(bam)).references[0]
    command = (*genopipe("call"), "--reference", reference, "-i", bam, "-o", work / "memory.vcf.gz", "--gvcf", work / "memory.g.vcf.gz")
    parts = {f"{end:,} bases": ("--region", f"{contig}:1-{end}", "--threads", 1) for end in (100_000, 1_000_000, 5_000_000)}
    return {what: round(used(*command, *which).peak_bytes / 2**20) for what, which in (parts | {"all": ("--threads", 1)}).items()}


def scores(given: argparse.Namespace, fasta: Path, truth: Path, vcf: Path, caller: str, restrict: tuple = ()) -> dict[str, float]:
    """Counts of true and false genotypes; of ours also those with GQ >= 20."""
    ours = caller.startswith("genopipe")
    counts = compared(given, fasta, truth, vcf, 0 if ours else 20, restrict)
    if ours:
        sure = vcf.with_name("gq20.vcf.gz")
        with pysam.VariantFile(str(vcf)) as source, pysam.VariantFile(str(sure), "wz", header=source.header) as target:
            for record in source:
                if record.samples[0]["GQ"] >= 20:
                    target.write(record)
        of_sure = compared(given, fasta, truth, sure, 0, restrict)
        counts["gq20_wrong"] = of_sure["snv_fp"] + of_sure["indel_fp"]
        counts["gq20_calls"] = counts["gq20_wrong"] + of_sure["snv_tp"] + of_sure["indel_tp"]
    return counts


def compared(given: argparse.Namespace, fasta: Path, truth: Path, vcf: Path, quality: int, restrict: tuple) -> dict[str, float]:
    command = (sys.executable, given.tools / "compare_calls.py", fasta, truth, vcf, "--min-qual", quality, "--json", *restrict)
    told = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)
    return {f"{kind}_{count}": told[f"{kind}_genotype"][count] for kind in ("snv", "indel") for count in ("tp", "fp", "fn")}


def summary(counts: Counter) -> dict:
    out: dict = {}
    for kind in ("snv", "indel"):
        tp, fp, fn = (int(counts[f"{kind}_{count}"]) for count in ("tp", "fp", "fn"))
        out[kind] = {"fp": fp, "fn": fn, "errors": fp + fn, "f1": round(2 * tp / max(2 * tp + fp + fn, 1), 5)}
    if counts["gq20_calls"]:
        out["gq20"] = {"calls": int(counts["gq20_calls"]), "wrong": int(counts["gq20_wrong"])}
        out["gq20"]["share_wrong"] = round(counts["gq20_wrong"] / counts["gq20_calls"], 5)
    if counts["memory"]:
        out["most_memory_mb"] = round(counts["memory"] / 2**20)
    if counts["cpu_seconds"]:
        out["cpu_seconds"] = round(counts["cpu_seconds"], 2)
    if counts["bases"]:
        out["megabases_per_cpu_second"] = round(counts["bases"] / 1e6 / counts["cpu_seconds"], 3)
    return out


def link(source: Path, target: Path) -> None:
    if not target.exists():
        target.symlink_to(source.resolve())


def genopipe(command: str) -> tuple[str, ...]:
    return sys.executable, "-c", "from genopipe.cli import main; main()", command


if __name__ == "__main__":
    main()
