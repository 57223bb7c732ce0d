"""A small invented world for the tests: a genome with genes on both strands, and the evidence about them.

Everything is drawn from a fixed seed. Genes have an open reading frame over several exons, GT...AG introns and untranslated ends.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.gff import Transcript

CONTIGS = {"chr1": 30_000, "chr2": 30_000, "chrX": 20_000, "chrM": 3_000}
STOPS = ("TAA", "TAG", "TGA")
_PAIR = str.maketrans("ACGT", "TGCA")


def other_strand(bases: str) -> str:
    return bases.translate(_PAIR)[::-1]


@dataclass
class World:
    """`sequence` by contig, `transcripts` by gene symbol."""

    sequence: dict[str, list[str]] = field(default_factory=dict)
    transcripts: dict[str, Transcript] = field(default_factory=dict)

    def bases(self, contig: str, start: int, end: int) -> str:
        return "".join(self.sequence[contig][start:end])

    def coding_positions(self, gene: str) -> list[int]:
        """Positions of the coding bases in the direction of translation."""
        transcript = self.transcripts[gene]
        positions = [at for start, end in transcript.coding for at in range(start, end)]
        return positions if transcript.strand == "+" else positions[::-1]

    def codon_change(self, gene: str, codon: int, new: str) -> tuple[str, int, str, str]:
        """The variant (contig, position, ref, alt) that writes `new` over a codon, as one replacement of three bases trimmed."""
        transcript = self.transcripts[gene]
        positions = self.coding_positions(gene)[3 * codon : 3 * codon + 3]
        start, end = min(positions), max(positions) + 1
        assert end - start == 3, "the codon is split by an intron"
        ref = self.bases(transcript.contig, start, end)
        alt = new if transcript.strand == "+" else other_strand(new)
        while ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while ref[0] == alt[0]:
            ref, alt, start = ref[1:], alt[1:], start + 1
        return transcript.contig, start, ref, alt

    def write_fasta(self, path: Path) -> Path:
        path.write_text("".join(f">{name}\n{''.join(bases)}\n" for name, bases in self.sequence.items()))
        return path


def make_world(seed: int = 7) -> World:
    """Two genes on each nuclear contig, one on the mitochondrion."""
    draw = random.Random(seed)
    world = World({name: draw.choices("ACGT", k=length) for name, length in CONTIGS.items()})
    places = [("GENA", "chr1", 2_000, "+"), ("GENB", "chr1", 12_000, "-"), ("GENC", "chr2", 2_000, "-"), ("GEND", "chr2", 12_000, "+")]
    places += [("GENX", "chrX", 2_000, "+"), ("GENY", "chrX", 9_000, "-"), ("GENM", "chrM", 500, "+")]
    for number, (gene, contig, start, strand) in enumerate(places, 1):
        _add_gene(world, draw, f"T{number:04d}.1", gene, (contig, start, strand))
    return world


def _add_gene(world: World, draw: random.Random, identifier: str, gene: str, place: tuple[str, int, str]) -> None:
    contig, start, strand = place
    n_exons = 1 if contig == "chrM" else 4
    exons, at = [], start
    for _ in range(n_exons):
        length = draw.randrange(150, 260)
        exons.append((at, at + length))
        at += length + draw.randrange(150, 400)
    spliced = [base for first, last in exons for base in range(first, last)]
    n_codons = (len(spliced) - 90) // 3
    coding = spliced[30 : 30 + 3 * n_codons]
    body = ["".join(draw.choices("ACGT", k=3)) for _ in range(n_codons - 2)]
    codons = ["ATG", *("GCC" if codon in (*STOPS, "AGA", "AGG", "ATA") else codon for codon in body), "TAA"]
    text = "".join(codons) if strand == "+" else other_strand("".join(codons))
    if strand == "-":
        coding = spliced[len(spliced) - 30 - 3 * n_codons : len(spliced) - 30]
    for base, letter in zip(coding, text, strict=True):
        world.sequence[contig][base] = letter
    for (_, left), (right, _) in pairwise(exons):
        donor, acceptor = ("GT", "AG") if strand == "+" else ("CT", "AC")
        world.sequence[contig][left : left + 2] = donor
        world.sequence[contig][right - 2 : right] = acceptor
    inside = set(coding)
    parts = [(max(first, min(inside)), min(last, max(inside) + 1)) for first, last in exons]
    world.transcripts[gene] = Transcript(
        id=identifier,
        gene_id=f"G_{gene}",
        gene=gene,
        biotype="protein_coding",
        contig=contig,
        strand="+" if strand == "+" else "-",
        exons=tuple(exons),
        coding=tuple(part for part in parts if part[0] < part[1]),
        phase=0,
        mane=True,
        canonical=True,
    )


def write_genes(world: World, path: Path) -> Path:
    """Gene models as Ensembl-style GFF3."""
    lines = ["##gff-version 3"]
    for transcript in world.transcripts.values():
        where = f"{transcript.contig}\tt"
        strand = transcript.strand
        span = f"{transcript.start + 1}\t{transcript.end}"
        name, gene = transcript.id.split(".")[0], transcript.gene_id
        lines.append(f"{where}\tgene\t{span}\t.\t{strand}\t.\tID=gene:{gene};Name={transcript.gene};biotype=protein_coding")
        tags = "tag=MANE_Select,Ensembl_canonical;version=1"
        lines.append(f"{where}\tmRNA\t{span}\t.\t{strand}\t.\tID=transcript:{name};Parent=gene:{gene};biotype=protein_coding;{tags}")
        for start, end in transcript.exons:
            lines.append(f"{where}\texon\t{start + 1}\t{end}\t.\t{strand}\t.\tParent=transcript:{name}")
        done = 0
        for start, end in transcript.coding if strand == "+" else transcript.coding[::-1]:
            lines.append(f"{where}\tCDS\t{start + 1}\t{end}\t.\t{strand}\t{-done % 3}\tParent=transcript:{name}")
            done += end - start
    path.write_text("\n".join(lines) + "\n")
    return path


OBO = """format-version: 1.2
data-version: test

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000118
name: Phenotypic abnormality
is_a: HP:0000001

[Term]
id: HP:0000005
name: Mode of inheritance
is_a: HP:0000001

[Term]
id: HP:0000006
name: Autosomal dominant inheritance
is_a: HP:0000005

[Term]
id: HP:0000007
name: Autosomal recessive inheritance
is_a: HP:0000005

[Term]
id: HP:0000707
name: Abnormality of the nervous system
is_a: HP:0000118

[Term]
id: HP:0001250
name: Seizure
alt_id: HP:0002279
is_a: HP:0000707

[Term]
id: HP:0001252
name: Hypotonia
is_a: HP:0000707

[Term]
id: HP:0001263
name: Global developmental delay
is_a: HP:0000707

[Term]
id: HP:0000951
name: Abnormality of the skin
is_a: HP:0000118

[Term]
id: HP:0008066
name: Abnormal blistering of the skin
is_a: HP:0000951

[Term]
id: HP:0000988
name: Skin rash
is_a: HP:0000951

[Term]
id: HP:0009999
name: obsolete Fits
is_obsolete: true
replaced_by: HP:0001250
"""

SHOWN = {
    "GENA": ("HP:0000006", "HP:0001250", "HP:0001252"),
    "GENB": ("HP:0000007", "HP:0000988"),
    "GENC": ("HP:0000007", "HP:0008066", "HP:0000988"),
    "GEND": ("HP:0000006", "HP:0001263"),
    "GENX": ("HP:0001263", "HP:0001252"),
    "GENM": ("HP:0001252",),
    "FARAWAY": ("HP:0000988", "HP:0008066"),
}


def write_annotations(path: Path) -> Path:
    """genes_to_phenotype.txt in today's form."""
    lines = ["ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id"]
    lines += [f"{i + 1}\t{gene}\t{term}\tname\t-\tOMIM:{600000 + i}" for i, (gene, terms) in enumerate(SHOWN.items()) for term in terms]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_sites(path: Path, header_lines: list[str], records: list[tuple[str, int, str, str, str]]) -> Path:
    """A VCF without samples from (contig, position from 0, ref, alt, INFO)."""
    lines = [
        "##fileformat=VCFv4.2",
        *header_lines,
        *(f"##contig=<ID={name}>" for name in CONTIGS),
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
    ]
    order = list(CONTIGS)
    for contig, position, ref, alt, info in sorted(records, key=lambda record: (order.index(record[0]), record[1])):
        lines.append(f"{contig}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t{info}")
    with BgzfWriter(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
    return path


FREQUENCY_HEADER = ['##INFO=<ID=AF,Number=A,Type=Float,Description="x">', '##INFO=<ID=nhomalt,Number=A,Type=Integer,Description="x">']
CLINVAR_HEADER = [f'##INFO=<ID={key},Number=.,Type=String,Description="x">' for key in ("CLNSIG", "CLNREVSTAT", "CLNDN", "GENEINFO")]


def write_family_vcf(
    path: Path, samples: list[str], records: list[tuple[tuple[str, int, str, str], list[str]]], *, extra: str = ""
) -> Path:
    """A VCF of (variant, one `GT[:...]` a sample); missing fields are filled with good calls."""
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name},length={length}>" for name, length in CONTIGS.items())]
    lines += [f'##FORMAT=<ID={key},Number={number},Type={kind},Description="x">' for key, number, kind in _FORMATS]
    if extra:
        lines.append(extra)
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]))
    order = list(CONTIGS)
    for (contig, position, ref, alt), calls in sorted(records, key=lambda record: (order.index(record[0][0]), record[0][1])):
        filled = [call if ":" in call else f"{call}:{_DEPTHS[call]}:30:99" for call in calls]
        lines.append("\t".join([contig, str(position + 1), ".", ref, alt, "50", "PASS", ".", "GT:AD:DP:GQ", *filled]))
    path.write_text("\n".join(lines) + "\n")
    return path


_FORMATS = [("GT", "1", "String"), ("AD", "R", "Integer"), ("DP", "1", "Integer"), ("GQ", "1", "Integer"), ("DNM", "1", "Integer")]
_DEPTHS = {"0/0": "30,0", "0/1": "15,15", "1/1": "0,30", "1": "0,30", "0": "30,0", "0|1": "15,15", "1|0": "15,15", "./.": "."}
