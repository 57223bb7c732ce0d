"""What the variants of a VCF tell of each sample: how many, transitions to transversions, heterozygotes to homozygotes.

Counted are records that passed all filters, alleles that a sample carries, on contigs other than X, Y and the mitochondrial genome. An SNV
is a pair of single bases; anything else but symbolic alleles is an indel. Where few reads lie, as beside the targets of a capture kit, one
of two alleles is often not seen, so that genotypes of a told depth below `LEAST_DEPTH` are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines
from genopipe.ingest.ratios import ratio
from genopipe.outputs import write_json

SCHEMA_VERSION = 1
LEAST_DEPTH = 10
_TRANSITIONS = {("A", "G"), ("G", "A"), ("C", "T"), ("T", "C")}
_ELSEWHERE = re.compile(r"(?:chr)?(?:X|Y|M|MT)")


@dataclass(slots=True)
class CallCounts:
    """Of one sample: SNV alleles by kind, indel alleles, genotypes by zygosity."""

    transitions: int = 0
    transversions: int = 0
    indels: int = 0
    heterozygous: int = 0
    homozygous: int = 0

    def add(self, genotype: str, reference: str, alternatives: list[str]) -> None:
        alleles = [int(allele) for allele in re.split(r"[/|]", genotype) if allele.isdigit()]
        carried = {allele for allele in alleles if allele}
        if not carried:
            return
        if len(alleles) > 1:
            self.homozygous += len(set(alleles)) == 1
            self.heterozygous += len(set(alleles)) > 1
        for allele in carried:
            pair = (reference, alternatives[allele - 1])
            if pair in _TRANSITIONS:
                self.transitions += 1
            elif len(pair[0]) == len(pair[1]) == 1:
                self.transversions += 1
            else:
                self.indels += 1


def measure_called(vcf: Path, output: Path) -> dict[str, Any]:
    """Counts the variants of each sample of a VCF and writes them as JSON; gives them. Raises BadInput with the line."""
    samples: list[str] = []
    counts: list[CallCounts] = []
    for line, text in read_lines(vcf):
        if text.startswith("#CHROM"):
            samples = text.split("\t")[9:]
            counts = [CallCounts() for _ in samples]
        elif text and not text.startswith("#"):
            _add_record(text, counts, vcf, line)
    if not samples:
        raise BadInput("no sample in it", wanted="a VCF with genotypes", do="Give the VCF of `genopipe call` or `joint`.", path=vcf)
    found = {"schema": SCHEMA_VERSION, "measures": "calls", "samples": dict(zip(samples, map(_told, counts), strict=True))}
    write_json(output, found)
    return found


def _add_record(text: str, counts: list[CallCounts], path: Path, line: int) -> None:
    column = text.split("\t")
    if not counts or len(column) != 9 + len(counts):
        wanted = f"{9 + len(counts)} columns, as in the header"
        raise BadInput(f"{len(column)} columns", wanted=wanted, do="Make the VCF again.", path=path, line=line)
    contig, reference, alternatives, passed = column[0], column[3], column[4].split(","), column[6]
    if passed not in ("PASS", ".") or _ELSEWHERE.fullmatch(contig) or any(not one.isalpha() and one != "*" for one in alternatives):
        return
    place = {key: i for i, key in enumerate(column[8].split(":"))}
    for one, sample in zip(counts, column[9:], strict=True):
        if "GT" not in place:
            raise BadInput("a record without GT", wanted="genotypes", do="Give a VCF of called variants.", path=path, line=line)
        values = sample.split(":")
        depth = values[place["DP"]] if place.get("DP", len(values)) < len(values) else "."
        if depth.isdecimal() and int(depth) < LEAST_DEPTH:
            continue
        try:
            one.add(values[place["GT"]], reference, alternatives)
        except IndexError:
            raise BadInput(
                f"the genotype {sample[:20]!r}", wanted="numbers of alleles of the record", do="Make it again.", path=path, line=line
            ) from None


def _told(counts: CallCounts) -> dict[str, Any]:
    snvs = counts.transitions + counts.transversions
    return {
        "snvs": snvs,
        "indels": counts.indels,
        "heterozygous": counts.heterozygous,
        "homozygous": counts.homozygous,
        "titv": ratio(counts.transitions, counts.transversions, 4) if counts.transversions else None,
        "het_hom": ratio(counts.heterozygous, counts.homozygous, 4) if counts.homozygous else None,
    }
