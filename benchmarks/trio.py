"""De novo variants and Mendelian violations that `genopipe joint` finds in simulated trios, as JSON.

    benchmarks/trio.py [--coverage 30,15] [--seeds 1,2] [--planted 60] [--data DIR] [--tools DIR] [--work DIR]
                       [--output benchmarks/results/trio.json]

On one megabase of real sequence, father and mother have variants of their own; the child has one haplotype of each and `--planted` new
variants besides, SNVs and indels. Reads are simulated and aligned by bwa, the three are called and joined. A new variant is found where its
record has a DNM of some level in the child; every other record with it is a false one. `violations` counts the records with MENDEL. Counts
are pooled over the seeds, `gvcf_bytes` is the mean size of a gVCF. Needs art_illumina, bwa and samtools.
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
from collections import Counter
from pathlib import Path

import pysam
from measure import cpu_seconds, options, report, versions, work_folder

PEOPLE = ("father", "mother", "child")
LEVELS = (1, 3, 10)
"""Phred by which a new variant is told: chances of a fifth, a half and nine tenths."""
Variant = tuple[int, str, str]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--coverage", default="30,15")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--planted", type=int, default=60)
    given = parser.parse_args()
    with work_folder(given.work) as work:
        result = {f"{coverage}x": pooled(given, work, coverage) for coverage in given.coverage.split(",")}
    report(result, given, versions("numba", "numpy"))


def pooled(given: argparse.Namespace, work: Path, coverage: str) -> dict:
    """The counts of the trios of all seeds together."""
    seeds = [int(seed) for seed in given.seeds.split(",")]
    counts: Counter = Counter()
    for seed in seeds:
        counts.update(trio(given, work, coverage, seed))
    rows: dict = {"gvcf_bytes": counts.pop("gvcf_bytes") // len(seeds), "violations": counts.pop("violations")}
    for (row, kind), n in counts.items():
        rows.setdefault(row, {})[kind] = n
    return rows


def trio(given: argparse.Namespace, work: Path, coverage: str, seed: int) -> Counter:
    fasta = work / "1mb.fa"
    if not fasta.exists():
        fasta.write_bytes(gzip.decompress((given.data / "reference_1mb" / "hg38_chr21_22000000_23000000.fa.gz").read_bytes()))
        cpu_seconds("bwa", "index", fasta)
    reference = work / "reference"
    if not reference.exists():
        cpu_seconds(*genopipe("reference"), "build", fasta, "-o", reference)
    folder = work / f"trio-{seed}-{coverage}x"
    folder.mkdir(exist_ok=True)
    people, new = family(pysam.FastaFile(str(fasta)), random.Random(seed), given.planted)
    for row, (name, haplotypes) in enumerate(people.items()):
        called(given, folder / name, fasta, reference, haplotypes, seed=1000 * seed + 10 * row, coverage=coverage)
    (folder / "family.ped").write_text("F\tchild\tfather\tmother\t1\t2\nF\tfather\t0\t0\t1\t1\nF\tmother\t0\t0\t2\t1\n")
    joint = folder / "family.vcf.gz"
    gvcfs = [folder / name / "calls.g.vcf.gz" for name in PEOPLE]
    cpu_seconds(*genopipe("joint"), *gvcfs, "--ped", folder / "family.ped", "-o", joint)
    counts = told(joint, new)
    counts["gvcf_bytes"] = sum(path.stat().st_size for path in gvcfs) // len(gvcfs)
    return counts


def family(fasta: pysam.FastaFile, rng: random.Random, planted: int) -> tuple[dict[str, tuple[list[Variant], list[Variant]]], set[Variant]]:
    """The variants of each haplotype of father, mother and child, and those that are new in the child."""
    contig = fasta.references[0]
    sequence = fasta.fetch(contig).upper()
    places = iter(rng.sample(range(2_000, len(sequence) - 2_000, 60), 1500 + planted))
    new = {variant(sequence, next(places), rng) for _ in range(planted)}
    haplotypes: list[list[Variant]] = [[], [], [], []]
    for place in places:
        one = variant(sequence, place, rng)
        for haplotype in rng.choice(((0,), (1,), (2,), (3,), (0, 2), (1, 3), (0, 1), (2, 3), (0, 1, 2, 3))):
            haplotypes[haplotype].append(one)
    child: tuple[list[Variant], list[Variant]] = (list(haplotypes[0]), list(haplotypes[2]))
    for one in new:
        rng.choice(child).append(one)
    people = {"father": (haplotypes[0], haplotypes[1]), "mother": (haplotypes[2], haplotypes[3]), "child": child}
    return {name: (sorted(a), sorted(b)) for name, (a, b) in people.items()}, new


def variant(sequence: str, place: int, rng: random.Random) -> Variant:
    """An SNV, or in one of eight an indel as far left as it goes."""
    base, size = sequence[place], rng.randint(1, 6)
    kind = rng.randrange(16)
    if kind > 1:
        return place, base, rng.choice("ACGT".replace(base, ""))
    inserted = "".join(rng.choice("ACGT") for _ in range(size)) if kind else ""
    while kind and base == inserted[-1]:
        place, inserted = place - 1, inserted[-1] + inserted[:-1]
        base = sequence[place]
    while not kind and sequence[place] == sequence[place + size]:
        place -= 1
    return (place, sequence[place], sequence[place] + inserted) if kind else (place, sequence[place : place + size + 1], sequence[place])


def called(given: argparse.Namespace, folder: Path, fasta: Path, reference: Path, haplotypes: tuple, *, seed: int, coverage: str) -> None:
    """Simulates, aligns and calls one person."""
    if not (folder / "reads_R2.fastq.gz").exists():
        variants = folder.with_suffix(".vcf")
        write_truth(variants, fasta, haplotypes)
        cpu_seconds(
            *(sys.executable, given.tools / "simulate_sample.py", fasta, folder, "--seed", seed, "--coverage", coverage),
            *("--variants", variants, "--sample", folder.name),
        )
    bam = folder / "reads.bam"
    if not Path(f"{bam}.bai").exists():
        pair = f"{folder}/reads_R1.fastq.gz {folder}/reads_R2.fastq.gz"
        group = f"@RG\\tID:1\\tSM:{folder.name}"
        cpu_seconds("bash", "-c", f"bwa mem -R '{group}' {fasta} {pair} | samtools sort -o {bam} - && samtools index {bam}")
    outputs = ("-o", folder / "calls.vcf.gz", "--gvcf", folder / "calls.g.vcf.gz")
    cpu_seconds(*genopipe("call"), "--reference", reference, "-i", bam, *outputs, "--threads", 1)


def write_truth(path: Path, fasta: Path, haplotypes: tuple[list[Variant], list[Variant]]) -> None:
    contig = pysam.FastaFile(str(fasta)).references[0]
    lines = ["##fileformat=VCFv4.2", f"##contig=<ID={contig}>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "donor"]))
    first, second = map(set, haplotypes)
    for place, ref, alt in sorted(first | second):
        genotype = f"{int((place, ref, alt) in first)}|{int((place, ref, alt) in second)}"
        lines.append(f"{contig}\t{place + 1}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t{genotype}")
    path.write_text("\n".join(lines) + "\n")


def told(joint: Path, new: set[Variant]) -> Counter:
    """How many new variants have DNM of at least each level, and how many other records have it."""
    rows = ("planted", *(f"DNM>={level}" for level in LEVELS))
    counts: Counter = Counter({(row, kind): 0 for row in rows for kind in ("snv", "indel")})
    counts.update(("planted", kind_of(one)) for one in new)
    with pysam.VariantFile(str(joint)) as file:
        for record in file:
            counts["violations"] += "MENDEL" in record.info
            ours = {(record.start, record.ref, alt) for alt in record.alts} & new
            for level in LEVELS:
                if (record.samples["child"].get("DNM") or 0) >= level:
                    counts.update((f"DNM>={level}", kind_of(one)) for one in ours)
                    counts[f"DNM>={level}", "false"] += not ours
    return counts


def kind_of(variant: Variant) -> str:
    return "snv" if len(variant[1]) == len(variant[2]) else "indel"


def genopipe(command: str) -> tuple[str, ...]:
    return sys.executable, "-c", "from genopipe.cli import main; main()", command


if __name__ == "__main__":
    main()
