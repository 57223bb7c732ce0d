"""Files of the simulated genome and its evidence: FASTA, GFF3, VCF, OBO and tab-separated tables.

Writers only: each takes what was simulated and gives a whole file, with the same bytes for the same simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genopipe.formats.bgzf import BgzfWriter
from genopipe.model import BASES
from genopipe.outputs import whole_file
from genopipe.simulate.genes import Gene, Transcript
from genopipe.simulate.sequence import ContigPlan
from genopipe.simulate.sequence import Sequence as ContigSequence

LINE = 60
LINES_AT_ONCE = 1 << 16
LOWER_CASE = 32


def write_contig(sequence: ContigSequence, file: BinaryIO) -> None:
    """Appends a contig to a FASTA, repeats in lower case."""
    file.write(f">{sequence.plan.name}\n".encode())
    for start in range(0, len(sequence.base), LINE * LINES_AT_ONCE):
        stretch = slice(start, start + LINE * LINES_AT_ONCE)
        letters = np.frombuffer(BASES, np.uint8)[sequence.base[stretch]]
        letters[sequence.repeat[stretch]] |= LOWER_CASE
        full = len(letters) // LINE * LINE
        lines = np.full((full // LINE, LINE + 1), 10, np.uint8)
        lines[:, :LINE] = letters[:full].reshape(-1, LINE)
        file.write(lines.data)
        if full < len(letters):
            file.write(letters[full:].tobytes() + b"\n")


def write_genes(plans: Sequence[ContigPlan], genes: Iterable[Gene], path: Path) -> None:
    """The gene models as GFF3 in the form of Ensembl."""
    lines = ["##gff-version 3", *(f"##sequence-region {plan.name} 1 {plan.length}" for plan in plans)]
    for gene in genes:
        lines += _gene_lines(gene)
    write_lines(path, lines)


def _gene_lines(gene: Gene) -> list[str]:
    attributes = f"ID=gene:{gene.identifier};Name={gene.symbol};biotype=protein_coding;gene_id={gene.identifier};version=1"
    lines = [_feature(gene, "gene", gene.start, gene.end, attributes)]
    for number, transcript in enumerate(gene.transcripts, 201):
        name = f"{gene.symbol}-{number}"
        tags = ";tag=basic,Ensembl_canonical" if number == 201 else ";tag=basic"
        attributes = f"ID=transcript:{transcript.identifier};Parent=gene:{gene.identifier};Name={name};biotype=protein_coding{tags}"
        attributes += f";transcript_id={transcript.identifier};version=1"
        lines.append(_feature(gene, "mRNA", transcript.exons[0][0], transcript.exons[-1][1], attributes))
        lines += _exon_lines(gene, transcript)
    return [*lines, "###"]


def _exon_lines(gene: Gene, transcript: Transcript) -> list[str]:
    forward, parent = gene.strand == "+", f"Parent=transcript:{transcript.identifier}"
    left, right = ("five_prime_UTR", "three_prime_UTR") if forward else ("three_prime_UTR", "five_prime_UTR")
    exons = transcript.exons if forward else transcript.exons[::-1]
    protein = transcript.identifier.replace("DEMOT", "DEMOP")
    lines, coded = [], 0
    for rank, (start, end) in enumerate(exons, 1):
        exon_id = gene.identifier.replace("DEMOG", "DEMOE") + f".{start}"
        lines.append(_feature(gene, "exon", start, end, f"{parent};Name={exon_id};exon_id={exon_id};rank={rank};version=1"))
        coding_start, coding_end = max(start, transcript.coding_start), min(end, transcript.coding_end)
        if start < min(end, transcript.coding_start):
            lines.append(_feature(gene, left, start, min(end, transcript.coding_start), parent))
        if coding_start < coding_end:
            attributes = f"ID=CDS:{protein};{parent};protein_id={protein};version=1"
            lines.append(_feature(gene, "CDS", coding_start, coding_end, attributes, phase=str(-coded % 3)))
            coded += coding_end - coding_start
        if max(start, transcript.coding_end) < end:
            lines.append(_feature(gene, right, max(start, transcript.coding_end), end, parent))
    return lines


def _feature(gene: Gene, kind: str, start: int, end: int, attributes: str, *, phase: str = ".") -> str:
    return f"{gene.contig}\tsimulated\t{kind}\t{start + 1}\t{end}\t.\t{gene.strand}\t{phase}\t{attributes}"


def write_vcf(path: Path, plans: Sequence[ContigPlan], header: Sequence[str], records: Iterable[str]) -> None:
    """A bgzip-compressed VCF from its header lines (the last one the column names) and its records."""
    contigs = [f"##contig=<ID={plan.name},length={plan.length}>" for plan in plans]
    lines = ["##fileformat=VCFv4.2", "##source=genopipe_simulation", *contigs, *header]
    with whole_file(path) as partial, BgzfWriter(partial) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
        for record in records:
            file.write(f"{record}\n".encode())


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """A text file."""
    with whole_file(path) as partial, open(partial, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
