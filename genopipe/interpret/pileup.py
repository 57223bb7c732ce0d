"""Picture of the reads around a variant, as SVG: what a clinician looks at before believing a call.

Reads of the proband's BAM that reach the variant, those that differ from the reference there first, at most `MOST_READS` of them, evenly
drawn, so that their share stays what it is. A grey bar is sequence like the reference (pale: mapping quality below 20), a coloured letter
another base, a thin line a deletion, a tick an insertion with its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pysam

from genopipe.errors import BadInput
from genopipe.interpret.normalise import Fetch

FLANK, WIDEST, MOST_READS = 24, 100, 30
LEFT_OUT = 0x4 | 0x100 | 0x200 | 0x400 | 0x800
"""Unmapped, secondary, failed, duplicate and supplementary records."""
SURE = 20
CELL, ROW = 11, 11
_COLOUR = {"A": "#2e7d32", "C": "#1565c0", "G": "#b26a00", "T": "#c62828"}
_BAR, _PALE, _INK, _INSERTION = "#c3ccd4", "#e9edf0", "#22313f", "#6a1b9a"


@dataclass(frozen=True, slots=True)
class _Read:
    """One read over the window: aligned spans, other bases (position, base), deletions (spans) and insertions (position, length)."""

    start: int
    sure: bool
    aligned: tuple[tuple[int, int], ...]
    other: tuple[tuple[int, str], ...]
    deleted: tuple[tuple[int, int], ...]
    inserted: tuple[tuple[int, int], ...]

    def differs(self, start: int, end: int) -> bool:
        """True when it is not like the reference from `start` to `end`."""
        return (
            any(start <= at < end for at, _ in self.other)
            or any(first < end and start < last for first, last in self.deleted)
            or any(start <= at <= end for at, _ in self.inserted)
        )


def pileup_chart(bam: Path, contig: str, span: tuple[int, int], *, fetch: Fetch) -> str:
    """The picture of a variant that changes the reference from span[0] to span[1]; `fetch` gives the contig's letters.

    Raises BadInput for a BAM without index or without the contig.
    """
    start, end = span[0], min(max(span[1], span[0] + 1), span[0] + WIDEST)
    low = max(start - FLANK, 0)
    letters = fetch(low, end + FLANK)
    reads = [_read(record, low, letters) for record in _records(bam, contig, start, end)]
    reads.sort(key=lambda read: (not read.differs(start, end), read.start))
    shown = [reads[place * len(reads) // MOST_READS] for place in range(MOST_READS)] if len(reads) > MOST_READS else reads
    n_other = sum(read.differs(start, end) for read in reads)
    told = f"{n_other} of {len(reads)} reads differ from the reference here" + (f"; {len(shown)} are shown" if shown != reads else "")
    return _draw(shown, letters, (low, start, end), told)


def _records(bam: Path, contig: str, start: int, end: int) -> list[pysam.AlignedSegment]:
    """Reads that reach both ends of the variant."""
    try:
        with pysam.AlignmentFile(str(bam), "rb") as file:
            found = list(file.fetch(contig, start, end))
    except (ValueError, OSError) as error:
        raise BadInput(
            f"no reads of {contig} can be fetched ({error})",
            wanted="an indexed BAM on the reference of the variants",
            do="Index it with samtools, or give the BAM that the variants were called from.",
            path=bam,
        ) from error
    return [read for read in found if not read.flag & LEFT_OUT and read.cigartuples and _reaches(read, start, end)]


def _reaches(read: pysam.AlignedSegment, start: int, end: int) -> bool:
    return read.reference_start <= start and (read.reference_end or 0) >= end


def _read(record: pysam.AlignedSegment, low: int, letters: str) -> _Read:
    """What of a record lies in the window."""
    high = low + len(letters)
    bases = record.query_sequence or ""
    aligned, other, deleted, inserted = [], [], [], []
    at, offset = record.reference_start, 0
    for operation, length in record.cigartuples or ():
        if operation in (0, 7, 8):
            first, last = max(at, low), min(at + length, high)
            if first < last:
                aligned.append((first, last))
                pairs = ((place, bases[offset + place - at]) for place in range(first, last))
                other += [(place, base) for place, base in pairs if base != letters[place - low]]
        elif operation == 1 and low < at < high:
            inserted.append((at, length))
        elif operation in (2, 3) and at < high and at + length > low:
            deleted.append((max(at, low), min(at + length, high)))
        at += length if operation in (0, 2, 3, 7, 8) else 0
        offset += length if operation in (0, 1, 4, 7, 8) else 0
    sure = record.mapping_quality >= SURE
    return _Read(record.reference_start, sure, tuple(aligned), tuple(other), tuple(deleted), tuple(inserted))


def _draw(reads: Sequence[_Read], letters: str, places: tuple[int, int, int], told: str) -> str:
    low, start, end = places
    width, height = CELL * len(letters), ROW * (len(reads) + 1) + 24
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="monospace" role="img"><title>Reads around the variant: {told}</title>'
        ),
        f'<rect x="{CELL * (start - low)}" y="0" width="{CELL * (end - start)}" height="{height - 18}" fill="#fdf3d8"/>',
    ]
    parts += [_letter(place, ROW - 2, base, _COLOUR.get(base, _INK)) for place, base in enumerate(letters)]
    for number, read in enumerate(reads, 1):
        parts += _line(read, low, ROW * number + 3)
    parts.append(f'<text x="0" y="{height - 4}" font-size="12" font-family="sans-serif" fill="{_INK}">{told}</text>')
    return "".join([*parts, "</svg>"])


def _letter(place: int, y: int, base: str, colour: str) -> str:
    return f'<text x="{CELL * place + 2}" y="{y}" font-size="10" fill="{colour}">{base}</text>'


def _line(read: _Read, low: int, y: int) -> list[str]:
    fill = _BAR if read.sure else _PALE
    parts = [f'<rect x="{CELL * (a - low)}" y="{y}" width="{CELL * (b - a)}" height="{ROW - 2}" fill="{fill}"/>' for a, b in read.aligned]
    parts += [f'<rect x="{CELL * (a - low)}" y="{y + 4}" width="{CELL * (b - a)}" height="1.5" fill="{_INK}"/>' for a, b in read.deleted]
    parts += [_letter(at - low, y + 8, base, _COLOUR.get(base, _INK)) for at, base in read.other]
    for at, length in read.inserted:
        parts.append(f'<rect x="{CELL * (at - low) - 1}" y="{y}" width="2" height="{ROW - 2}" fill="{_INSERTION}"/>')
        parts.append(f'<text x="{CELL * (at - low) + 2}" y="{y + 8}" font-size="8" fill="{_INSERTION}">+{length}</text>')
    return parts
