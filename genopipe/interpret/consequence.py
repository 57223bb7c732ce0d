"""What a variant does to each transcript it lies in: Sequence Ontology terms, impact, and the transcript that stands for the gene.

With a reference, `bcftools csq` (inside pysam) calls the consequences, variant by variant, from an Ensembl-style GFF3 that is
written anew for the transcripts the case touches; mitochondrial genes are read with their own genetic code. Without a reference
there is no sequence: what lies in coding exons and splice sites is told, but not which amino acid changes.

Impact classes: Ensembl's order of Sequence Ontology terms.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genopipe.errors import BadEnvironment
from genopipe.formats.genome import fasta_path
from genopipe.formats.gff import Transcript
from genopipe.interpret.hgvs import change_of, coding_name, protein_name
from genopipe.interpret.normalise import contig_key
from genopipe.interpret.sequence import bases_of
from genopipe.interpret.transcripts import Model, preference
from genopipe.interpret.variants import Variants
from genopipe.model import Genome
from genopipe.outputs import temporary_folder

SPLICE_SITE = 2
"""Bases of an intron beside each exon."""

IMPACTS = ("HIGH", "MODERATE", "LOW", "MODIFIER")
_TERMS = {
    "HIGH": "splice_acceptor splice_donor stop_gained frameshift stop_lost start_lost exon_loss",
    "MODERATE": "inframe_insertion inframe_deletion missense protein_altering",
    "LOW": "splice_region start_retained stop_retained synonymous",
    "MODIFIER": "coding_sequence 5_prime_UTR 3_prime_UTR non_coding_transcript_exon intron non_coding_transcript intergenic",
}
IMPACT = {f"{term}_variant": impact for impact, terms in _TERMS.items() for term in terms.split()}
IMPACT |= {
    f"{term}": IMPACT[f"{term}_variant"] for term in ("stop_gained", "stop_lost", "start_lost", "inframe_insertion", "inframe_deletion")
}
IMPACT |= dict.fromkeys(("transcript_ablation", "transcript_amplification", "feature_truncation", "feature_elongation"), "HIGH")
_NAMES = {
    "stop_gained": "stop_gained",
    "stop_lost": "stop_lost",
    "start_lost": "start_lost",
    "inframe_insertion": "inframe_insertion",
    "inframe_deletion": "inframe_deletion",
    "inframe_altering": "protein_altering_variant",
    "5_prime_utr": "5_prime_UTR_variant",
    "3_prime_utr": "3_prime_UTR_variant",
    "non_coding": "non_coding_transcript_variant",
    "intergenic": "intergenic_variant",
}
"""Words of bcftools csq that are not the Sequence Ontology's without `_variant`."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What one variant does to one transcript. `terms` are Sequence Ontology names, the gravest first."""

    gene: str
    gene_id: str
    transcript: str
    terms: tuple[str, ...]
    impact: str
    mane: bool = False
    canonical: bool = False
    hgvs_c: str | None = None
    hgvs_p: str | None = None


def consequences(
    variants: Variants, rows: Sequence[int], transcripts: Sequence[Transcript], *, genome: Genome | None, reference: Path | None
) -> dict[int, dict[str, Consequence]]:
    """By row and gene symbol, the consequence on the transcript that stands for the gene.

    Where that transcript is not hit, the next one in preference that is.
    """
    if genome is None or reference is None:
        found = _by_place(variants, rows, transcripts)
    else:
        found = _by_csq(variants, rows, transcripts, genome, reference)
    order = {transcript.id: rank for rank, transcript in enumerate(sorted(transcripts, key=preference))}
    picked: dict[int, dict[str, Consequence]] = {}
    for row, hits in found.items():
        for hit in sorted(hits, key=lambda hit: order[hit.transcript]):
            picked.setdefault(row, {}).setdefault(hit.gene, hit)
    if genome is not None:
        name_changes(variants, picked, transcripts, genome)
    return picked


def impact_of(terms: Iterable[str]) -> str:
    """The gravest impact among Sequence Ontology terms."""
    return min((IMPACT.get(term, "MODIFIER") for term in terms), key=IMPACTS.index, default="MODIFIER")


def consequence_of(transcript: Transcript, terms: Iterable[str]) -> Consequence:
    """The terms, the gravest first, on a transcript."""
    ordered = tuple(sorted(set(terms), key=lambda term: (IMPACTS.index(impact_of([term])), term)))
    return Consequence(
        transcript.gene, transcript.gene_id, transcript.id, ordered, impact_of(ordered), transcript.mane, transcript.canonical
    )


def _by_csq(
    variants: Variants, rows: Sequence[int], transcripts: Sequence[Transcript], genome: Genome, reference: Path
) -> dict[int, list[Consequence]]:
    by_id = {transcript.id: transcript for transcript in transcripts}
    found: dict[int, list[Consequence]] = {}
    for mitochondrial in (False, True):
        models = [transcript for transcript in transcripts if (contig_key(transcript.contig) == "MT") == mitochondrial]
        contigs = {transcript.contig for transcript in models}  # csq stops at a contig without gene models
        mine = [row for row in rows if variants.contig[row] in contigs]
        if not mine:
            continue
        for row, text in _run_csq(variants, mine, models, reference, genome, genetic_code=2 if mitochondrial else 1):
            found[row] = [consequence_of(by_id[name], terms) for name, terms in _terms_by_transcript(text).items() if name in by_id]
    return found


def _terms_by_transcript(text: str) -> dict[str, list[str]]:
    """The terms of a BCSQ value; a transcript may occur several times in it."""
    terms: dict[str, list[str]] = {}
    for hit in text.split(","):
        fields = hit.split("|")
        if len(fields) >= 4:
            terms.setdefault(fields[2], []).extend(_so_terms(fields[0]))
    return terms


def _so_terms(text: str) -> list[str]:
    """Sequence Ontology names for the words of bcftools csq; `*` before a word (behind a stop) is left out."""
    return [_NAMES.get(word, f"{word}_variant") for word in text.lstrip("*").split("&")]


def _run_csq(
    variants: Variants, rows: Sequence[int], transcripts: Sequence[Transcript], reference: Path, genome: Genome, *, genetic_code: int
) -> Iterator[tuple[int, str]]:
    """Yields (row, BCSQ) for the variants with a consequence."""
    with temporary_folder() as folder:
        genes, sites, called = (folder / name for name in ("genes.gff3", "sites.vcf", "called.vcf"))
        genes.write_text("".join(ensembl_lines(transcripts)))
        sites.write_text(_sites(variants, rows, genome))
        arguments = ("--local-csq", "--ncsq", "256", "-C", str(genetic_code), "-f", str(fasta_path(reference)), "-g", str(genes))
        _csq(*arguments, "-Ov", "-o", str(called), str(sites))
        for line in called.read_text().splitlines():
            if not line.startswith("#"):
                column = line.split("\t")
                bcsq = next((value[5:] for value in column[7].split(";") if value.startswith("BCSQ=")), None)
                if bcsq is not None:
                    yield int(column[2]), bcsq


def _csq(*arguments: str) -> None:
    """Runs pysam's bcftools csq in a process of its own: it keeps the place of the last record from one call to the next."""
    code = "import sys, pysam.bcftools; pysam.bcftools.csq(*sys.argv[1:], catch_stdout=False)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        told = re.findall(r"(?:Error|Fatal)[^\\\n]*", done.stderr) or done.stderr.splitlines() or [f"exit code {done.returncode}"]
        raise BadEnvironment(
            f"bcftools csq failed ({told[-1]})",
            wanted="consequences of the variants",
            do="Check the gene models of the evidence set; report this with them.",
        )


def _sites(variants: Variants, rows: Sequence[int], genome: Genome) -> str:
    """A VCF without samples; the row stands in the ID."""
    order = {contig.name: number for number, contig in enumerate(genome.contigs)}
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={contig.name},length={contig.length}>" for contig in genome.contigs)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    for row in sorted(rows, key=lambda row: (order[variants.contig[row]], variants.position[row], row)):
        lines.append(f"{variants.contig[row]}\t{variants.position[row] + 1}\t{row}\t{variants.ref[row]}\t{variants.alt[row]}\t.\t.\t.")
    return "\n".join(lines) + "\n"


def ensembl_lines(transcripts: Sequence[Transcript]) -> Iterator[str]:
    """GFF3 in the form of Ensembl, as bcftools csq reads it."""
    yield "##gff-version 3\n"
    genes: dict[tuple[str, str], list[Transcript]] = {}
    for transcript in transcripts:
        genes.setdefault((transcript.gene_id, transcript.contig), []).append(transcript)
    for number, members in enumerate(genes.values()):  # a gene on X and Y has the same id on both
        first = members[0]
        start, end = min(member.start for member in members), max(member.end for member in members)
        biotype = "protein_coding" if any(member.coding for member in members) else first.biotype
        yield _line(first, "gene", (start, end), ".", f"ID=gene:{number};Name={first.gene};biotype={biotype}")
        for member in members:
            yield from _transcript_lines(member, number)


def _transcript_lines(transcript: Transcript, gene: int) -> Iterator[str]:
    biotype = "protein_coding" if transcript.coding else transcript.biotype
    parent = f"Parent=transcript:{transcript.id}"
    span = (transcript.start, transcript.end)
    yield _line(transcript, "mRNA", span, ".", f"ID=transcript:{transcript.id};Parent=gene:{gene};biotype={biotype}")
    for exon in transcript.exons:
        yield _line(transcript, "exon", exon, ".", parent)
        for kind, part in _untranslated(transcript, exon):
            yield _line(transcript, kind, part, ".", parent)
    skipped = transcript.phase
    for coding in transcript.coding if transcript.strand == "+" else transcript.coding[::-1]:
        yield _line(transcript, "CDS", coding, str(skipped), parent)
        skipped = (skipped - (coding[1] - coding[0])) % 3


def _untranslated(transcript: Transcript, exon: tuple[int, int]) -> Iterator[tuple[str, tuple[int, int]]]:
    if not transcript.coding:
        return
    low, high = transcript.coding[0][0], transcript.coding[-1][1]
    left, right = ("five_prime_UTR", "three_prime_UTR") if transcript.strand == "+" else ("three_prime_UTR", "five_prime_UTR")
    if exon[0] < low:
        yield left, (exon[0], min(exon[1], low))
    if exon[1] > high:
        yield right, (max(exon[0], high), exon[1])


def _line(transcript: Transcript, kind: str, span: tuple[int, int], phase: str, attributes: str) -> str:
    return f"{transcript.contig}\tgenopipe\t{kind}\t{span[0] + 1}\t{span[1]}\t.\t{transcript.strand}\t{phase}\t{attributes}\n"


def _by_place(variants: Variants, rows: Sequence[int], transcripts: Sequence[Transcript]) -> dict[int, list[Consequence]]:
    """Consequences that need no sequence: splice sites, frame of insertions and deletions, place in the coding sequence."""
    found: dict[int, list[Consequence]] = {}
    for transcript, row in _near_exons(variants, rows, transcripts):
        term = _term_by_place(transcript, int(variants.position[row]), variants.ref[row], variants.alt[row])
        if term is not None:
            found.setdefault(row, []).append(consequence_of(transcript, [term]))
    return found


def _near_exons(variants: Variants, rows: Sequence[int], transcripts: Sequence[Transcript]) -> Iterator[tuple[Transcript, int]]:
    """Transcripts with the rows that begin in them and may reach an exon or the splice sites beside it, each pair once."""
    rows_on: dict[str, list[int]] = {}
    for row in rows:
        rows_on.setdefault(variants.contig[row], []).append(row)
    transcripts_on: dict[str, list[Transcript]] = {}
    for transcript in transcripts:
        transcripts_on.setdefault(transcript.contig, []).append(transcript)
    for contig in (name for name in rows_on if name in transcripts_on):
        here = sorted(rows_on[contig], key=lambda row: variants.position[row])
        before = SPLICE_SITE + int((variants.end[here] - variants.position[here]).max())
        exons = [
            (number, max(start - before, transcript.start), min(end + SPLICE_SITE, transcript.end))
            for number, transcript in enumerate(transcripts_on[contig])
            for start, end in transcript.exons
        ]
        bounds = np.searchsorted(variants.position[here], np.array(exons)[:, 1:])
        hit = np.flatnonzero(bounds[:, 1] > bounds[:, 0])
        pairs = dict.fromkeys((exons[exon][0], here[i]) for exon in hit for i in range(*bounds[exon]))
        yield from ((transcripts_on[contig][number], row) for number, row in pairs)


def _term_by_place(transcript: Transcript, position: int, ref: str, alt: str) -> str | None:
    change = change_of(position, ref, alt)
    first, last = change.start, max(change.end, change.start + 1)
    if any(start < last and first < end for start, end in transcript.coding):
        grown = len(alt) - len(ref)
        if grown % 3:
            return "frameshift_variant"
        return {0: "coding_sequence_variant"}.get(grown, "inframe_insertion" if grown > 0 else "inframe_deletion")
    for (_, left), (right, _) in zip(transcript.exons, transcript.exons[1:], strict=False):
        if first < left + SPLICE_SITE and left < last:
            return "splice_donor_variant" if transcript.strand == "+" else "splice_acceptor_variant"
        if first < right and right - SPLICE_SITE < last:
            return "splice_acceptor_variant" if transcript.strand == "+" else "splice_donor_variant"
    return None


def name_changes(variants: Variants, picked: dict[int, dict[str, Consequence]], transcripts: Sequence[Transcript], genome: Genome) -> None:
    """Adds HGVS names."""
    by_id: Mapping[str, Transcript] = {transcript.id: transcript for transcript in transcripts}
    models: dict[str, Model] = {}
    for row, genes in picked.items():
        for gene, hit in genes.items():
            transcript = by_id.get(hit.transcript)  # a place between genes has none
            if transcript is None or not transcript.coding:
                continue
            if hit.transcript not in models:
                models[hit.transcript] = Model(transcript, bases_of(genome, transcript.contig))
            model = models[hit.transcript]
            change = change_of(int(variants.position[row]), variants.ref[row], variants.alt[row])
            protein = protein_name(model, change, mitochondrial=variants.key[row] == "MT")
            genes[gene] = replace(hit, hgvs_c=coding_name(model, change), hgvs_p=protein)
