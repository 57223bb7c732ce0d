"""What a VCF or gVCF says at the positions of the definitions: an allele for each copy of the chromosome, or why there is none.

A position counts as reference only where the file says so: by a record with GT 0, or by a reference block of a gVCF. Nothing is taken for
reference because the file is silent. Records must be left-aligned, as callers write them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import pysam

from genopipe.errors import BadInput
from genopipe.interpret.normalise import contig_key, is_sequence, trim
from genopipe.interpret.pgx.definitions import BUILD, Position
from genopipe.interpret.vcf_source import reading

UNDOCUMENTED = -1
LEAST_QUALITY = 20
"""GQ below which a genotype counts as missing."""

FAR = 1_000_000
"""Bases without a position over which an indexed file is not read."""

_CHR1_LENGTH = {"GRCh38": 248_956_422, "GRCh37": 249_250_621}


_Step = tuple[int, str, str]
"""A place from 0, and what stands there before and after."""
_Change = tuple[_Step, ...] | str | None
"""What one copy has of a line: None is the reference, a string no sequence."""


@dataclass(frozen=True, slots=True)
class Call:
    """Allele numbers of the position, one a copy, UNDOCUMENTED for one that no definition knows.

    `block` names the phase set; None where the copies differ and their order is not known.
    """

    alleles: tuple[int, ...]
    block: str | None

    @property
    def same(self) -> bool:
        return len(set(self.alleles)) == 1


@dataclass(frozen=True, slots=True)
class _Record:
    """One line as changes on each copy: None is the reference, a string a change that is no sequence."""

    start: int
    end: int
    ref: str
    copies: tuple[_Change, ...]
    phased: bool
    block: str
    fault: str | None


@dataclass(frozen=True, slots=True)
class Genotypes:
    """The calls by position, and for every other position why it is missing; `silent` are those without any record."""

    sample: str
    call: dict[Position, Call]
    missing: dict[Position, str]


def read_genotypes(path: Path, positions: Iterable[Position], sample: str | None = None) -> Genotypes:
    """What `path` says of `sample` (its only one when None) at `positions`.

    Raises BadInput for no or another sample, no GT, another build, a REF that contradicts the definitions.
    """
    wanted = sorted(set(positions), key=lambda place: (contig_key(place.contig), place.start, place.alleles))
    with reading(path) as file:
        name = _sample(file, sample, path)
        _check_build(file, path)
        records = _records(file, wanted, name)
    calls: dict[Position, Call] = {}
    missing: dict[Position, str] = {}
    for position in wanted:
        told = _resolve(position, records[position], path)
        if isinstance(told, Call):
            calls[position] = told
        else:
            missing[position] = told
    return Genotypes(name, calls, missing)


def _sample(file: pysam.VariantFile, sample: str | None, path: Path) -> str:
    names = list(file.header.samples)
    if sample is None and len(names) != 1:
        raise BadInput(f"{len(names)} samples", wanted="one, or the name of one", do="Name it with --sample.", path=path)
    if sample is not None and sample not in names:
        raise BadInput(f"no sample {sample}", wanted=f"one of {', '.join(names[:5])}", do="Correct --sample.", path=path)
    if "GT" not in file.header.formats:
        raise BadInput("no genotypes (FORMAT GT)", wanted="a VCF with GT", do="Call genotypes first.", path=path)
    return sample or names[0]


def _check_build(file: pysam.VariantFile, path: Path) -> None:
    for name in map(str, file.header.contigs):
        length = file.header.contigs[name].length
        if contig_key(name) == "1" and length == _CHR1_LENGTH["GRCh37"]:
            raise BadInput("contig lengths of GRCh37", wanted=f"variants on {BUILD}", do="Call or lift over to GRCh38.", path=path)


def _records(file: pysam.VariantFile, positions: list[Position], sample: str) -> dict[Position, list[_Record]]:
    """The records that touch each position."""
    by_contig: dict[str, list[Position]] = defaultdict(list)
    for position in positions:
        by_contig[contig_key(position.contig)].append(position)
    starts = {key: [place.start for place in places] for key, places in by_contig.items()}
    reach = {key: list(accumulate((place.end for place in places), max)) for key, places in by_contig.items()}
    found: dict[Position, list[_Record]] = defaultdict(list)
    for record in _lines(file, by_contig):
        key = contig_key(record.chrom)
        if key not in by_contig:
            continue
        first = bisect_left(reach[key], record.start + 1)
        last = bisect_left(starts[key], record.stop)
        touched = [place for place in by_contig[key][first:last] if place.end > record.start]
        if touched:
            read = _read(record, sample)
            for position in touched:
                found[position].append(read)
    return found


def _lines(file: pysam.VariantFile, by_contig: dict[str, list[Position]]) -> Iterator[pysam.VariantRecord]:
    """The records near the positions where the file has an index, else all of them."""
    if file.index is None:
        yield from file
        return
    for name in map(str, file.header.contigs):
        places = by_contig.get(contig_key(name))
        if places and name in file.index:
            for start, end in _stretches(places):
                yield from file.fetch(name, start, end)


def _stretches(places: list[Position]) -> Iterator[tuple[int, int]]:
    """Start and end of what the sorted `places` span, gene by gene: what lies far from all of them is not read."""
    start, end = places[0].start, places[0].end
    for place in places[1:]:
        if place.start > end + FAR:
            yield start, end
            start = place.start
        end = max(end, place.end)
    yield start, end


def _read(record: pysam.VariantRecord, sample: str) -> _Record:
    call = record.samples[sample]
    genotype = call.get("GT") or (None,)
    ref = (record.ref or "").upper()
    return _Record(
        start=record.start,
        end=record.stop,
        ref=ref,
        copies=tuple(_change(record.start, ref, _allele(record, number)) for number in genotype),
        phased=call.phased,
        block=str(call.get("PS") or "."),
        fault=_fault(record, genotype, call.get("GQ")),
    )


def _allele(record: pysam.VariantRecord, number: int | None) -> str:
    alleles = record.alleles or ()
    return alleles[number].upper() if number is not None and number < len(alleles) else "."


def _fault(record: pysam.VariantRecord, genotype: tuple[int | None, ...], quality: int | None) -> str | None:
    failed = [name for name in map(str, record.filter) if name not in ("PASS", ".")]
    if failed:
        return f"filtered ({', '.join(failed)})"
    if None in genotype:
        return "no genotype"
    if quality is not None and quality < LEAST_QUALITY:
        return f"genotype quality below {LEAST_QUALITY}"
    return None


def _change(start: int, ref: str, alt: str) -> _Change:
    if alt == ref:
        return None
    if not is_sequence(alt) or not is_sequence(ref):
        return alt
    if len(ref) == len(alt):
        return tuple((start + i, a, b) for i, (a, b) in enumerate(zip(ref, alt, strict=True)) if a != b)
    return (trim(start, ref, alt),)


def _resolve(position: Position, records: list[_Record], path: Path) -> Call | str:
    if not records:
        return "not in the file"
    for record in records:
        _check_reference(position, record, path)
    telling = _as_one(position, [record for record in records if record.fault is None])
    faulty = [record for record in records if record.fault is not None]
    for record in faulty:
        if any(_number(position, change) for change in record.copies):
            return str(record.fault)
    if not _covers(position, telling):
        return str(faulty[0].fault) if faulty else "not wholly in the file"
    copies = max(len(record.copies) for record in telling)
    alleles: list[int] = [0] * copies
    block: str | None = None
    for record in telling:
        numbers = [_number(position, change) for change in record.copies]
        if len(numbers) == copies and any(numbers):
            _merge(alleles, numbers, record.phased)
            block = record.block if record.phased else None
    if len(set(alleles)) == 1:
        block = "."
    return Call(tuple(alleles), block)


def _as_one(position: Position, records: list[_Record]) -> list[_Record]:
    """Of a position whose allele changes several bases, records of single bases as one: they are taken to lie on the same copy."""
    bases = {at for known in _known(position) if len(known) > 1 for at, _, _ in known}
    parts = [record for record in records if len(record.ref) == 1 and record.start in bases and not _symbolic(record)]
    if len(parts) < 2 or len({len(record.copies) for record in parts}) > 1:
        return records
    copies = tuple(_union(on_copy) for on_copy in zip(*(record.copies for record in parts), strict=True))
    first, last = min(record.start for record in parts), max(record.end for record in parts)
    joined = replace(parts[0], start=first, end=last, ref="", copies=copies, phased=all(record.phased for record in parts))
    return [*(record for record in records if record not in parts), joined]


def _symbolic(record: _Record) -> bool:
    return any(isinstance(change, str) for change in record.copies)


def _union(changes: Iterable[_Change]) -> _Change:
    return tuple(step for change in changes if isinstance(change, tuple) for step in change) or None


def _known(position: Position) -> list[frozenset[_Step]]:
    """The changes of each other allele, base by base where the length stays."""
    return [
        frozenset((start + i, a, b) for i, (a, b) in enumerate(zip(ref, alt, strict=True)) if a != b)
        if len(ref) == len(alt)
        else frozenset({(start, ref, alt)})
        for start, ref, alt in position.changes()
    ]


def _check_reference(position: Position, record: _Record, path: Path) -> None:
    offset = position.start - record.start
    theirs = record.ref[offset : offset + len(position.alleles[0])] if offset >= 0 else ""
    if theirs and is_sequence(theirs) and not position.alleles[0].startswith(theirs):
        raise BadInput(
            f"REF {theirs} at {position.contig}:{position.start + 1}",
            wanted=f"{position.alleles[0]}, as in the definitions ({BUILD})",
            do="Use variants called on GRCh38, left-aligned.",
            path=path,
        )


def _covers(position: Position, records: list[_Record]) -> bool:
    """Whether the records change the position, or say something of every base that its alleles would change."""
    if any(_number(position, change) for record in records for change in record.copies):
        return True
    seen = position.start
    for record in sorted(records, key=lambda one: one.start):
        if record.start <= seen:
            seen = max(seen, record.end)
    return seen >= max(start + len(ref) for start, ref, _ in position.changes())


def _number(position: Position, change: _Change) -> int:
    """The position's allele that a change makes: 0 where it leaves the position as it is."""
    if change is None:
        return 0
    if isinstance(change, str):
        return UNDOCUMENTED
    steps = frozenset(change)
    for number, known in enumerate(_known(position), 1):
        if known <= steps:
            return number
    return UNDOCUMENTED if any(_touches(one, place) for one in change for place in position.changes()) else 0


def _touches(one: tuple[int, str, str], other: tuple[int, str, str]) -> bool:
    """Whether two changes are at the same bases, or are insertions at the same place."""
    a, b = _span(one), _span(other)
    if a[0] == a[1] and b[0] == b[1]:
        return a == b
    return a[0] < b[1] and b[0] < a[1]


def _span(change: tuple[int, str, str]) -> tuple[int, int]:
    """The reference bases that go; for an insertion, the empty place between two."""
    start, ref, alt = change
    if len(ref) != len(alt) and ref[0] == alt[0]:
        return start + 1, start + len(ref)
    return start, start + len(ref)


def _merge(alleles: list[int], numbers: list[int], phased: bool) -> None:
    """Adds what one record says to what others said; an unphased second change goes to the copy that is still the reference."""
    if not phased and any(mine and theirs for mine, theirs in zip(alleles, numbers, strict=True)):
        numbers = numbers[::-1]
    for copy, number in enumerate(numbers):
        if number:
            alleles[copy] = number if not alleles[copy] else UNDOCUMENTED
