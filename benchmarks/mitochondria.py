"""Mitochondrial mixtures found by `genopipe call`, beside freebayes, as JSON; and a real sample beside GATK's calls of it.

    benchmarks/mitochondria.py [--seeds 1,2] [--shares 0.01,0.02,0.05,0.1,0.5] [--depth 1000] [--output RESULT.json]

For each seed a genome with variants 150 to 320 bases apart (four of five SNVs, else single-base indels; none in the first and last 300
bases) is mixed into the reference genome's reads at each share, simulated by ART and aligned by bwa. A variant counts as found where a
passing record has its base, or an indel within 12 bases; any other passing record is false. freebayes reports whatever has 1 % and five
reads (its QUAL is about genotypes, and next to nothing for low shares). The real sample has reads over the first 1,149
bases; a record of GATK's counts from a TLOD of 6.3 and a share of 1 % on, and the stretch of its homopolymer (301 to 316) is left out.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pysam
from measure import cpu_seconds, options, program_version, report, versions, work_folder

ENDS, NEAR = 300, 12
HOMOPOLYMER = range(300, 316)
GENOPIPE = (sys.executable, "-c", "from genopipe.cli import main; main()")
Variant = tuple[int, str, str]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--shares", default="0.01,0.02,0.05,0.1,0.5")
    parser.add_argument("--depth", type=int, default=1000)
    arguments = parser.parse_args()
    with work_folder(arguments.work) as work:
        fasta = genome(arguments, work)
        found = {share: mixtures(arguments, fasta, float(share), work) for share in arguments.shares.split(",")}
        result = {"mixtures": found, "na12878": real(arguments, work)}
    report(result, arguments, versions("numba", "numpy") | {"freebayes": program_version("freebayes", "--version")})


def genome(arguments: argparse.Namespace, work: Path) -> Path:
    """The mitochondrial genome as FASTA, indexed for bwa, and packed beside it."""
    lines = (arguments.data / "mito" / "gatk_Homo_sapiens_assembly38.mt_only.fasta").read_text().splitlines()
    fasta = work / "chrM.fa"
    fasta.write_text("\n".join([">chrM", *lines[1:]]) + "\n")
    if not (work / "reference").exists():
        cpu_seconds(*GENOPIPE, "reference", "build", fasta, "-o", work / "reference")
        cpu_seconds("bwa", "index", fasta)
        pysam.faidx(str(fasta))
    return fasta


def mixtures(arguments: argparse.Namespace, fasta: Path, share: float, work: Path) -> dict:
    counts: dict[str, Counter] = {"genopipe": Counter()} | ({"freebayes": Counter()} if shutil.which("freebayes") else {})
    for seed in arguments.seeds.split(","):
        folder = work / f"{share}-{seed}"
        truth, bam = mixed(fasta, share, int(seed), arguments.depth, folder)
        cpu_seconds(*GENOPIPE, "call", "--reference", work / "reference", "-i", bam, "-o", folder / "genopipe.vcf.gz", "--threads", 1)
        if "freebayes" in counts:
            more = ("--pooled-continuous", "-F", 0.01, "-C", 5, "--min-base-quality", 20)
            cpu_seconds("freebayes", "-f", fasta, *more, "-v", folder / "freebayes.vcf", bam)
        for caller, count in counts.items():
            count.update(scored(truth, calls(folder / f"{caller}.vcf{'.gz' if caller == 'genopipe' else ''}")))
    return {caller: dict(count) for caller, count in counts.items()}


def mixed(fasta: Path, share: float, seed: int, depth: int, folder: Path) -> tuple[list[Variant], Path]:
    """The variants of a genome, and the aligned reads of a mixture that holds that share of it."""
    folder.mkdir(exist_ok=True)
    reference = "".join(fasta.read_text().splitlines()[1:]).upper()
    truth, changed = variants(reference, random.Random(seed))
    bam = folder / "reads.bam"
    if not bam.exists():
        for number, (name, letters, part) in enumerate((("common", reference, 1 - share), ("rare", changed, share))):
            (folder / f"{name}.fa").write_text(f">chrM\n{letters}\n")
            art = ("art_illumina", "-q", "-na", "-ss", "HS25", "-p", "-l", 150, "-m", 400, "-s", 60, "-d", name)
            more = ("-f", depth * part, "-rs", 10 * seed + number, "-o", folder / name, "-i", folder / f"{name}.fa")
            with open(folder / "art.log", "w") as log:
                cpu_seconds(*art, *more, stdout=log)
        for mate in (1, 2):
            (folder / f"{mate}.fq").write_text("".join((folder / f"{name}{mate}.fq").read_text() for name in ("common", "rare")))
        line = f"bwa mem -v 1 -R '@RG\\tID:1\\tSM:mixture' {fasta} {folder}/1.fq {folder}/2.fq | samtools sort -o {bam} -"
        cpu_seconds("bash", "-c", f"{line} && samtools index {bam}")
    return truth, bam


def variants(reference: str, random_: random.Random) -> tuple[list[Variant], str]:
    """Position (0-based), kind and base of each variant; and the genome with all of them."""
    letters, truth, position = list(reference), [], ENDS
    while (position := position + random_.randint(150, 320)) < len(reference) - ENDS:
        kind = random_.choices(("snv", "deletion", "insertion"), (8, 1, 1))[0]
        base = random_.choice([letter for letter in "ACGT" if letter != reference[position]])
        if "N" in reference[position - 5 : position + 10]:
            continue
        truth.append((position, kind, base))
        if kind == "snv":
            letters[position] = base
        elif kind == "deletion":
            letters[position + 1] = ""
        else:
            letters[position] += base
    return truth, "".join(letters)


def calls(path: Path) -> list[tuple[int, str, str, float]]:
    """Position, alleles and share of the passing alleles."""
    found = []
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            depths = record.samples[0]["AD"]
            passes = "PASS" in record.filter or not record.filter.keys()
            for allele, depth in zip(record.alts or (), depths[1:], strict=True):
                if passes:
                    found.append((record.start, record.ref, allele, depth / max(sum(depths), 1)))
    return found


def scored(truth: list[Variant], found: list[tuple[int, str, str, float]]) -> Counter:
    def tells(call: tuple[int, str, str, float], variant: Variant) -> bool:
        position, kind, base = variant
        if kind == "snv":
            place = position - call[0]
            return len(call[1]) == len(call[2]) > place >= 0 and call[2][place] == base
        return len(call[1]) != len(call[2]) and abs(call[0] - position) <= NEAR

    count = Counter({"false": sum(not any(tells(call, variant) for variant in truth) for call in found)})
    for variant in truth:
        kind = "snv" if variant[1] == "snv" else "indel"
        count[f"{kind}_true"] += 1
        count[f"{kind}_found"] += any(tells(call, variant) for call in found)
    return count


def real(arguments: argparse.Namespace, work: Path) -> dict:
    """Records of genopipe and of GATK outside the homopolymer, and those of one that the other lacks."""
    folder = arguments.data / "mito"
    bam = work / "na12878.bam"
    shutil.copy(folder / "gatk_NA12878.bam", bam)
    pysam.index(str(bam))
    cpu_seconds(*GENOPIPE, "call", "--reference", work / "reference", "-i", bam, "-o", work / "na12878.vcf.gz", "--threads", 1)
    ours = {(start, ref, alt) for start, ref, alt, _ in calls(work / "na12878.vcf.gz") if start not in HOMOPOLYMER}
    gatk = {call for call in gatk_calls(folder / "gatk_NA12878.MT.g.vcf") if call[0] not in HOMOPOLYMER}
    return {"genopipe": len(ours), "gatk": len(gatk), "only_genopipe": sorted(ours - gatk), "only_gatk": sorted(gatk - ours)}


def gatk_calls(path: Path) -> set[tuple[int, str, str]]:
    found = set()
    for line in path.read_text().splitlines():
        columns = line.split("\t")
        if line.startswith("#") or columns[4] == "<NON_REF>" or int(columns[1]) > 1_149:
            continue
        odds = map(float, re.search(r"TLOD=([^;]+)", columns[7])[1].split(","))
        sample = dict(zip(columns[8].split(":"), columns[9].split(":"), strict=True))
        for allele, odd, share in zip(columns[4].split(","), odds, map(float, sample["AF"].split(",")), strict=False):
            if odd >= 6.3 and share >= 0.01 and not allele.startswith("<"):
                found.add((int(columns[1]) - 1, columns[3], allele))
    return found


if __name__ == "__main__":
    main()
