"""A small genome and people whose true genotypes are known, with reads laid onto it as a perfect aligner would."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.formats import contig_names
from genopipe.formats.genome import build_genome

READ = 120


@dataclass(frozen=True)
class Person:
    """Variants on each haplotype: (contig, position, reference, alternative), 0-based, sorted, with an anchor base for indels."""

    name: str
    haplotypes: tuple[list[tuple[str, int, str, str]], ...]


@dataclass(frozen=True)
class World:
    """The genome folder and the sequences of its contigs."""

    reference: Path
    fasta: Path
    sequences: dict[str, str]


def build_world(folder: Path, sizes: dict[str, int], seed: int = 5) -> World:
    rng = np.random.default_rng(seed)
    sequences = {name: "".join(np.array(list("ACGT"))[rng.integers(0, 4, size)]) for name, size in sizes.items()}
    fasta = folder / "genome.fa"
    fasta.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    (folder / "reference").mkdir()
    build_genome(fasta, folder / "reference", name="invented")
    return World(folder / "reference", fasta, sequences)


def change(world: World, contig: str, position: int, kind: str, letters: str = "") -> tuple[str, int, str, str]:
    """A variant at or left of a position, as far left as it goes: `snv`, `del` of len(letters) bases, or `ins` of the letters."""
    sequence = world.sequences[contig]
    while kind == "del" and sequence[position] == sequence[position + len(letters)]:
        position -= 1
    while kind == "ins" and sequence[position] == letters[-1]:
        position, letters = position - 1, letters[-1] + letters[:-1]
    if kind == "snv":
        return contig, position, sequence[position], "ACGT"[("ACGT".index(sequence[position]) + 1) % 4]
    if kind == "del":
        return contig, position, sequence[position : position + len(letters) + 1], sequence[position]
    return contig, position, sequence[position], sequence[position] + letters


def write_reads(
    world: World, person: Person, path: Path, *, depth: int = 30, seed: int = 1, error: float = 0.002, only: str | None = None
) -> Path:
    """A sorted, indexed BAM of the person, with reads on all contigs or `only` one."""
    rng = np.random.default_rng(seed)
    contigs = [{"SN": name, "LN": len(sequence)} for name, sequence in world.sequences.items()]
    head = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": contigs, "RG": [{"ID": "g", "SM": person.name}]}
    records = []
    for row, (name, sequence) in enumerate(world.sequences.items()):
        for variants in person.haplotypes if only in (None, name) else ():
            letters, steps = _haplotype(sequence, [v for v in variants if v[0] == name])
            n = len(letters) * depth // (len(person.haplotypes) * READ)
            for start in rng.integers(0, len(letters) - READ, n):
                records.append(_record(row, letters[start : start + READ], steps[start : start + READ], rng, error))
    records.sort(key=lambda r: (r.reference_id, r.reference_start))
    with pysam.AlignmentFile(str(path), "wb", header=head) as file:
        for i, record in enumerate(records):
            record.query_name = f"r{i}"
            file.write(record)
    pysam.index(str(path))
    return path


def _haplotype(sequence, variants):
    """Letters, and for each the reference base it stands on (the same one for inserted letters)."""
    letters, steps, at = [], [], 0
    for _, position, reference, alternative in variants:
        keep = position + 1 if len(reference) != len(alternative) else position
        letters.append(sequence[at:keep])
        steps.append(np.arange(at, keep))
        if len(reference) == len(alternative):
            letters.append(alternative)
            steps.append([position])
        else:
            letters.append(alternative[1:])
            steps.append([position] * (len(alternative) - 1))
        at = position + len(reference)
    letters.append(sequence[at:])
    steps.append(np.arange(at, len(sequence)))
    return "".join(letters), np.concatenate(steps).astype(int)


def _record(row, letters, steps, rng, error):
    record = pysam.AlignedSegment()
    wrong = np.flatnonzero(rng.random(len(letters)) < error)
    text = list(letters)
    for i in wrong:
        text[i] = "ACGT"[(("ACGT".index(text[i])) + int(rng.integers(1, 4))) % 4]
    record.query_sequence = "".join(text)
    record.flag = 16 if rng.random() < 0.5 else 0
    record.reference_id, record.reference_start, record.mapping_quality = row, int(steps[0]), 60
    record.cigartuples = _cigar(steps)
    qualities = bytearray(b"F" * len(text))
    for i in wrong:
        qualities[i] = ord("+")
    record.query_qualities = pysam.qualitystring_to_array(qualities.decode())
    record.set_tag("RG", "g")
    return record


def _cigar(steps):
    if steps[-1] - steps[0] == len(steps) - 1 and (np.diff(steps) == 1).all():
        return [(0, len(steps))]
    operations: list[list[int]] = [[0, 1]]
    for before, here in pairwise(steps):
        gap = here - before - 1
        if gap < 0:
            operation = 1
        else:
            operation = 0
            if gap:
                operations.append([2, int(gap)])
        if operations[-1][0] == operation:
            operations[-1][1] += 1
        else:
            operations.append([operation, 1])
    if operations[-1][0] == 1:
        operations[-1][0] = 4
    return [tuple(operation) for operation in operations]


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return build_world(tmp_path_factory.mktemp("world"), {"chr1": 70_000, "chrX": 8_000, "chrM": 4_000})


@pytest.fixture(scope="session")
def donor(world):
    """Someone with variants of every kind; the second haplotype lacks some."""
    shared = [
        change(world, "chr1", 5000, "snv"),
        change(world, "chr1", 9000, "del", "xxx"),
        change(world, "chr1", 14_000, "ins", "ACGTTGCA"),
    ]
    first = [change(world, "chr1", 2000, "snv"), *shared, change(world, "chr1", 20_000, "snv"), change(world, "chr1", 20_007, "del", "xx")]
    first += [change(world, "chr1", 65_530, "del", "x" * 12), change(world, "chrX", 3000, "snv"), change(world, "chrM", 1000, "snv")]
    second = [*shared, change(world, "chrM", 1000, "snv")]
    return Person("donor", (sorted(first), sorted(second)))


@pytest.fixture(scope="session")
def donor_bam(world, donor, tmp_path_factory):
    return write_reads(world, donor, tmp_path_factory.mktemp("donor") / "donor.bam")


@pytest.fixture(scope="session")
def donor_calls(world, donor_bam, tmp_path_factory):
    """VCF and gVCF of the donor."""
    folder = tmp_path_factory.mktemp("calls")
    outputs = Outputs(folder / "donor.vcf.gz", folder / "donor.g.vcf.gz")
    call_variants(world.reference, donor_bam, outputs, sample=Sample())
    return outputs


@pytest.fixture
def names_untold():
    """Names of contigs are logged once a process; here as if none had been."""
    contig_names._tell.cache_clear()


def truth_of(person):
    """(contig, position, reference, alternative) to copies."""
    copies: dict = {}
    for variants in person.haplotypes:
        for variant in variants:
            copies[variant] = copies.get(variant, 0) + 1
    return copies


def called(path):
    """(contig, position, reference, alternative) to copies, of the first sample's PASS records."""
    found = {}
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            if "PASS" in record.filter:
                for i, alternative in enumerate(record.alts, 1):
                    n = record.samples[0]["GT"].count(i)
                    if n and alternative != "<NON_REF>":
                        found[record.chrom, record.start, record.ref, alternative] = n
    return found
