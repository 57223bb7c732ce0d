"""Deletions, duplications, inversions, insertions and breakends, ranked together with the small variants.

A structural variant is a row like any other, so that a small variant and a deletion can be the two hits of a gene; its ALT stays symbolic,
and what it does to a gene follows from where its ends lie:

deletion      of the whole transcript: transcript_ablation; of whole exons: exon_loss_variant; into coding exons: feature_truncation
duplication   of the whole transcript: transcript_amplification; within it, with coding bases: feature_elongation; of a part of it that
              reaches beyond: nothing, as one whole copy stays
inversion     with one end in the transcript, or two not in the same intron: feature_truncation
breakend      in the transcript: feature_truncation
insertion     in coding bases: feature_elongation

What is told by FORMAT/CN is read by `copy_numbers`. Breakends of one event, by EVENT or MATEID, lie on one copy.

Sources: The Variant Call Format specification 4.4, structural variants; Sequence Ontology; Ensembl's order of consequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pysam

from genopipe.errors import BadInput
from genopipe.formats.contig_names import resolve_contig
from genopipe.formats.gff import Transcript
from genopipe.interpret.consequence import Consequence, consequence_of
from genopipe.interpret.copy_numbers import NOT_CALLED, Usual, by_allele, changed, copy_number_call, told_by_copies
from genopipe.interpret.normalise import is_sequence
from genopipe.interpret.transcripts import preference
from genopipe.interpret.variants import Part, Variants, arrays, check_header
from genopipe.interpret.vcf_columns import CALL, MISSING, UNPHASED, no_genotypes
from genopipe.interpret.vcf_source import reading
from genopipe.model import Genome

LEAST_LENGTH = 50
"""Bases from which a change written out counts as structural; smaller ones belong among the small variants."""

KINDS = ("DEL", "DUP", "INV", "INS")
_NO_VARIANT = ("*", "<*>", "<NON_REF>")


def kind_of(alt: str) -> str:
    """DEL, DUP, INV, INS or BND of a symbolic ALT."""
    return alt.strip("<>").split(":")[0] if alt.startswith("<") else "BND"


def with_structural(variants: Variants, path: Path, *, genome: Genome | None, usual: Usual | None = None) -> tuple[Variants, Counter[str]]:
    """The variants and those structural ones of `path` that the proband has, in one order; who is not in that file was not called.

    `usual` tells how many copies there usually are; without it nobody's sex is known. Also, how many of the proband's ALTs could not be
    taken, by what they are. Raises BadInput for a file that is no VCF, has no GT, lacks the proband, or is of another build.
    """
    parts, left_out = _read(path, variants.samples, genome, usual or Usual())
    return _together(variants, arrays(variants.samples, parts), n_records=1 + int(variants.record.max(initial=-1))), left_out


def check_structural(path: Path, proband: str, genome: Genome | None) -> None:
    """Reads a VCF of structural variants to its end. Raises as `with_structural`."""
    _read(path, [proband], genome, Usual())


def _read(path: Path, samples: Sequence[str], genome: Genome | None, usual: Usual) -> tuple[list[Part], Counter[str]]:
    """Its parts, and what could not be taken."""
    with reading(path) as file:
        check_header(file, genome, path, called_by=("GT", "CN"))
        _check_samples(file, samples[0], path)
        reader = _Reader(samples, present=set(file.header.samples), usual=usual)
        parts, number, called = [], -1, False
        for number, record in enumerate(file):
            called |= "GT" in record.format or "CN" in record.format
            contig = record.contig if genome is None else resolve_contig(genome, record.contig, path=path).name
            parts += [reader.part(record, number, contig, found) for found in reader.found(record)]
    if number >= 0 and not called:
        raise no_genotypes(path)
    return parts, reader.left_out


def _check_samples(file: pysam.VariantFile, proband: str, path: Path) -> None:
    if proband not in set(file.header.samples):
        raise BadInput(
            f"sample {proband} of the case is not in the VCF of structural variants",
            wanted="the proband's sample in it",
            do="Use the family's VCF, or correct the sample in the case.",
            path=path,
        )


_Found = tuple[str, int, list[Mapping[str, Any]]]
"""ALT, end, and a call for each sample."""


class _Reader:
    """What the proband has of the records of one file; what is of unknown kind or length is counted in `left_out`."""

    def __init__(self, samples: Sequence[str], *, present: Collection[str], usual: Usual) -> None:
        self.samples, self.present, self.usual = samples, present, usual
        self.left_out: Counter[str] = Counter()
        self.events: dict[Hashable, int] = {}

    def found(self, record: pysam.VariantRecord) -> Iterator[_Found]:
        if told_by_copies(record, self.samples[0], self.usual):
            yield from self._by_copies(record)
            return
        for allele in sorted({allele for allele in record.samples[self.samples[0]].allele_indices or () if allele}):
            described = _described(record, allele)
            if described is None:
                continue
            alt, end = described
            if end is None:
                self.left_out[alt] += 1
                continue
            calls = [_call(record.samples[name], allele) if name in self.present else NOT_CALLED for name in self.samples]
            if (event := self._event(record)) and calls[0]["haplotype"] == UNPHASED:
                calls[0] = {**calls[0], "haplotype": 0, "phase_set": -event}
            yield alt, end, calls

    def _by_copies(self, record: pysam.VariantRecord) -> Iterator[_Found]:
        alt, end = changed(record, self.samples[0], self.usual), _end(record, 1)
        if alt is None or (alt and end is None):
            self.left_out[(record.alts or ("<CNV>",))[0]] += 1
        elif alt and end is not None:
            there = self.present
            yield alt, end, [copy_number_call(record, name, alt, self.usual) if name in there else NOT_CALLED for name in self.samples]

    def _event(self, record: pysam.VariantRecord) -> int:
        """A number that the breakends of one event share; 0 for what has no other end."""
        event, mate = _told(record, "EVENT"), _told(record, "MATEID")
        if not event and not mate:
            return 0
        return self.events.setdefault(event or frozenset({record.id, *mate}), len(self.events) + 1)

    def part(self, record: pysam.VariantRecord, number: int, contig: str, found: _Found) -> Part:
        alt, end, calls = found
        values = {"end": end, "structural": True, "passed": set(record.filter.keys()) <= {"PASS"}, "new": np.nan, "record": number}
        columns = {name: np.array([value]) for name, value in (values | {"in_dbsnp": "DB" in record.info}).items()}
        columns |= {name: np.array([[call[name] for call in calls]]) for name in CALL}
        return Part(contig, np.array([record.start]), pa.array([(record.ref or "N")[0].upper()]), pa.array([alt]), columns)


def _call(call: Any, allele: int) -> Mapping[str, Any]:
    """What `CALL` names of one sample's call."""
    alleles = call.allele_indices or ()
    count, depths, quality = alleles.count(allele), call.get("AD"), call.get("GQ")
    if not alleles or (None in alleles and not count):
        return NOT_CALLED
    phased = call.phased and len(alleles) == 2 and count == 1 and None not in alleles
    set_ = call.get("PS") if phased else None
    return {
        "alt_count": count,
        "ploidy": len(alleles),
        "depth": MISSING if call.get("DP") is None else call.get("DP"),
        "alt_depth": depths[allele] if isinstance(depths, tuple) and len(depths) > allele and depths[allele] is not None else MISSING,
        "genotype_quality": MISSING if quality is None else int(quality),
        "haplotype": alleles.index(allele) if phased else UNPHASED,
        "phase_set": set_ if isinstance(set_, int) else 0,
        "other_allele": any(index not in (0, allele) for index in alleles),
    }


def _described(record: pysam.VariantRecord, allele: int) -> tuple[str, int | None] | None:
    """The symbolic ALT and the end of the bases it changes, None where kind or length do not tell it; None for what is not structural."""
    ref, alt = record.ref or "N", (record.alleles or ("",) * (allele + 1))[allele]
    if alt in _NO_VARIANT:
        return None
    alt = by_allele(alt)
    if is_sequence(alt.upper()):
        grown = len(alt) - len(ref)
        if abs(grown) < LEAST_LENGTH:
            return None
        return ("<INS>", record.start + 1) if grown > 0 else ("<DEL>", record.start + len(ref))
    if "[" in alt or "]" in alt:
        return alt, record.start + 1
    kind = kind_of(alt)
    if kind == "INS":
        return alt, record.start + 1
    return alt, _end(record, allele) if kind in KINDS else None


def _end(record: pysam.VariantRecord, allele: int) -> int | None:
    """INFO/END, or POS and SVLEN where there is none or every ALT has its own; None without both."""
    lengths = _told(record, "SVLEN")
    if record.stop > record.start + 1 and len(lengths) < 2:
        return record.stop
    length = lengths[min(allele, len(lengths)) - 1] if lengths else None
    return record.start + 1 + abs(int(length)) if length else None


def _told(record: pysam.VariantRecord, key: str) -> tuple[Any, ...]:
    """The values of a key of INFO; none where the record lacks it, or the header does, of which pysam's `get` complains."""
    value = record.info[key] if key in record.info else ()  # noqa: SIM401
    return value if isinstance(value, tuple) else (value,)


def _together(small: Variants, large: Variants, *, n_records: int) -> Variants:
    """Both in one order: contigs as they come, positions, REF and ALT. The small ones, which may be millions, are in it already."""
    rank = {name: number for number, name in enumerate(dict.fromkeys(small.contig + large.contig))}
    place, other = (np.array([rank[name] for name in some.contig], np.int64) << 32 | some.position for some in (small, large))
    rows = sorted(range(len(large)), key=lambda row: (other[row], large.ref[row], large.alt[row]))
    before = []
    for row in rows:
        first, last = (int(np.searchsorted(place, other[row], side)) for side in ("left", "right"))
        before.append(first + sum((small.ref[i], small.alt[i]) < (large.ref[row], large.alt[row]) for i in range(first, last)))
    order = np.insert(np.arange(len(small)), np.array(before, np.int64), len(small) + np.array(rows, np.int64))

    def joined(name: str) -> Any:
        if name == "samples":
            return small.samples
        mine, theirs = getattr(small, name), getattr(large, name)
        if isinstance(mine, list):
            both = mine + theirs
            return [both[row] for row in order]
        return np.concatenate([mine, theirs + n_records if name == "record" else theirs])[order]

    return Variants(**{field.name: joined(field.name) for field in fields(Variants)})


def structural_consequences(
    variants: Variants, rows: Sequence[int], transcripts: Sequence[Transcript]
) -> dict[int, dict[str, Consequence]]:
    """By row and gene symbol, the consequence on the transcript that stands for the gene."""
    ordered = sorted(transcripts, key=preference)
    contig = np.array([transcript.contig for transcript in ordered], dtype=object)
    first, last = (np.array([getattr(transcript, name) for transcript in ordered], np.int64) for name in ("start", "end"))
    found: dict[int, dict[str, Consequence]] = {}
    for row in rows:
        kind, start, end = kind_of(variants.alt[row]), int(variants.position[row]) + 1, int(variants.end[row])
        for near in np.flatnonzero((contig == variants.contig[row]) & (first <= end) & (last >= start)):
            transcript = ordered[near]
            term = _term(kind, start, max(start, end), transcript)
            if term is not None:
                found.setdefault(row, {}).setdefault(transcript.gene, consequence_of(transcript, [term]))
    return found


def _term(kind: str, start: int, end: int, transcript: Transcript) -> str | None:
    """What a change of the bases from `start` to `end` does; None where it does not reach the transcript."""
    if end < transcript.start or start >= transcript.end or (start < end and end <= transcript.start):
        return None
    if kind == "DEL":
        return _deletion(start, end, transcript)
    if kind == "DUP":
        return _duplication(start, end, transcript)
    if kind == "INV":
        return _inversion(start, end, transcript)
    if kind == "INS":
        return "feature_elongation" if _within(start, transcript.coding) else "intron_variant"
    return "feature_truncation"


def _deletion(start: int, end: int, transcript: Transcript) -> str:
    if start <= transcript.start and transcript.end <= end:
        return "transcript_ablation"
    if any(start <= first and last <= end for first, last in transcript.coding):
        return "exon_loss_variant"
    if any(start < last and first < end for first, last in transcript.coding):
        return "feature_truncation"
    return "intron_variant"


def _duplication(start: int, end: int, transcript: Transcript) -> str | None:
    if start <= transcript.start and transcript.end <= end:
        return "transcript_amplification"
    if start < transcript.start or end > transcript.end:
        return None
    return "feature_elongation" if any(start < last and first < end for first, last in transcript.coding) else "intron_variant"


def _inversion(start: int, end: int, transcript: Transcript) -> str | None:
    inside = [place for place in (start, end) if transcript.start < place < transcript.end]
    if not inside:
        return None
    introns = [(left[1], right[0]) for left, right in zip(transcript.exons, transcript.exons[1:], strict=False)]
    if len(inside) == 2 and any(first <= start and end <= last for first, last in introns):
        return "intron_variant"
    return "feature_truncation"


def _within(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(first < place < last for first, last in spans)
