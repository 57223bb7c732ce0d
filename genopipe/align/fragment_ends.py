"""Where the ends of fragments lie and how good their bases are: what duplicates are found by, read from the bytes of BAM records.

`ends` gives a row for each primary record that has a place, and for each secondary or supplementary one, which can only follow.
`signatures` joins neighbouring rows of one template: into a pair, a lone read, or the end of a pair whose other read is not there. An end
is the unclipped 5' position with its strand; the library is part of it, so that reads of different libraries never share one. The spot on
the flow cell is read from names of seven or more fields (Casava 1.8) or of five. Qualities are the original ones (tag OQ) where a
recalibrated file keeps them: recalibration does not change which copy is the best.

Source: SAM format specification, sections 1.4 and 4.2; the documentation of Picard MarkDuplicates (what counts as an end, bases below phred
15 not counted); the read names of Illumina's bcl2fastq2 Conversion Software guide and of Casava before 1.8.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bam import ReadGroup
from genopipe.formats.bam_stream import int32
from genopipe.kernels.compiled import allocating, inner, kernel

LEAST_QUALITY = 15
MOST_QUALITY = 16383
"""The largest sum of one read that counts; a read that failed the vendor's check has so much and one less."""

NO_SPOT = -1
LONE, UNJUDGED = -1, -2
"""Instead of the higher end: a read without a placed mate; the end of a pair whose other read is not there."""

NO_MATE = -1
"""Instead of the ordinal of the second read: a lone read that by its flags is of a pair, though its record names no place of its mate."""

SIGNATURE = np.dtype(
    [(name, np.int64) for name in ("low", "high", "spot", "first", "second")] + [("quality", np.int32), ("place", np.int32)]
)
"""low, high: the ends in order, library << 53 | contig << 33 | 5' position << 1 | strand. spot: tile << 44 | x << 22 | y, or NO_SPOT.
first, second: ordinals of the reads (equal for a lone read, or NO_MATE). quality: sum. place: read group << 1 | strand of the first."""

LIBRARY_SHIFT = 53
CONTIG_SHIFT = 33
MOST_CONTIGS, MOST_LIBRARIES = 1 << (LIBRARY_SHIFT - CONTIG_SHIFT), 1 << (62 - LIBRARY_SHIFT)
OFFSET = 1 << 28
_PAIRED, _LAST, _FOLLOWS, _NOWHERE = 1, 2, 4, 8
UNKNOWN_LIBRARY = "Unknown Library"

TEMPLATE, END, SPOT, ORDINAL, QUALITY, TRAITS = range(6)
"""Columns of the rows of `ends`: what the reads of a template share, end, spot, ordinal, quality, and read group << 4 | traits."""

SINGLE_READS, PAIRED_READS, UNMAPPED_READS, FOLLOWERS = range(4)
"""Columns of the counts."""


@dataclass(frozen=True, slots=True)
class Libraries:
    """The read groups and libraries of a file, as the kernels take them; the last of each stands for reads without one.

    name         of each library
    of_group     (read groups + 1) int64: library of each
    group_name   (bytes) uint8: identifiers one after another
    group_start  (read groups + 1) int64
    """

    name: tuple[str, ...]
    of_group: NDArray[np.int64]
    group_name: NDArray[np.uint8]
    group_start: NDArray[np.int64]

    @classmethod
    def of(cls, groups: Sequence[ReadGroup]) -> Libraries:
        """The libraries of `groups`. Raises BadInput for more than the rows can number."""
        names = list(dict.fromkeys([*(group.library or UNKNOWN_LIBRARY for group in groups), UNKNOWN_LIBRARY]))
        if len(names) > MOST_LIBRARIES:
            raise BadInput(f"the header names {len(names):,} libraries", wanted=f"at most {MOST_LIBRARIES}", do="Mark them apart.")
        of_group = [names.index(group.library or UNKNOWN_LIBRARY) for group in groups] + [names.index(UNKNOWN_LIBRARY)]
        identifiers = [group.identifier.encode() for group in groups]
        group_start = np.cumsum([0, *map(len, identifiers)], dtype=np.int64)
        return cls(tuple(names), np.array(of_group, np.int64), np.frombuffer(b"".join(identifiers), np.uint8), group_start)


class Ends(NamedTuple):
    """Rows (records, 6) int64, columns as above, and counts (libraries, 4) int64."""

    row: NDArray[np.int64]
    counts: NDArray[np.int64]


class Joined(NamedTuple):
    """Signatures, and links (followers, 2) int64: ordinal of a primary record and of one that follows it under another ordinal."""

    signature: NDArray[np.void]
    link: NDArray[np.int64]


def ends(
    record: NDArray[np.uint8], start: NDArray[np.int64], ordinal: NDArray[np.int64], libraries: Libraries, *, group: int | None = None
) -> Ends:
    """The ends of records, laid out as in `sorting.Chunk`.

    Without `group`, read group and template are taken from RG tag and name; with it, all are of that read group, and reads 2i and 2i + 1
    are mates.
    """
    row = np.empty((len(ordinal), 6), np.int64)
    count = np.zeros((len(libraries.name), 4), np.int64)
    names = (libraries.group_name, libraries.group_start, libraries.of_group)
    n = _fill(record, start, ordinal, *names, -1 if group is None else group, row, count)
    return Ends(row[:n], count)


def signatures(row: NDArray[np.int64], source: Path | None = None) -> Joined:
    """Joins rows of which those of one template, of the file `source`, are neighbours.

    Raises BadInput where two primary records are the same read of one template.
    """
    out = np.empty(len(row), SIGNATURE)
    columns: list[Any] = [out[name] for name in SIGNATURE.names or ()]
    link = np.empty((int((row[:, TRAITS] & _FOLLOWS != 0).sum()), 2), np.int64)
    n, n_links = _join(row, *columns, link)
    if n < 0:
        one, other = sorted(row[-n - 1 : -n + 1, ORDINAL].tolist())
        raise BadInput(
            f"the records {one + 1:,} and {other + 1:,} are the same read of one pair",
            wanted="read names that are each used for one pair",
            do="Give the read names of merged files different prefixes.",
            path=source,
        )
    return Joined(out[:n], link[:n_links])


@inner
def _spot(record, at, end):
    """Tile, x and y of the name between `at` and `end`, packed."""
    n_fields = 1
    for i in range(at, end):
        n_fields += record[i] == 58
    if n_fields != 5 and n_fields < 7:
        return np.int64(NO_SPOT)
    first = 2 if n_fields == 5 else 4
    field = 0
    packed = np.int64(0)
    value = np.int64(-1)
    for i in range(at, end + 1):
        if i == end or record[i] == 58:
            if first <= field < first + 3:
                if value < 0 or value >= (1 << 18 if field == first else 1 << 22):
                    return np.int64(NO_SPOT)
                packed = packed << 22 | value
            field += 1
            value = -1
        elif value > -2:
            digit = np.int64(record[i]) - 48
            if 0 <= digit <= 9:
                value = min((value if value > 0 else 0) * 10 + digit, 1 << 40)
            elif field != first + 2 or value < 0:
                value = -2
            else:
                return packed << 22 | value if value < 1 << 22 else np.int64(NO_SPOT)
    return packed


@inner
def _text_tag(record, at, end, first, second):
    """Where the text of the tag begins and ends among the tags between `at` and `end`; -1 twice where it is not there."""
    while at + 3 < end:
        kind = record[at + 2]
        wanted = record[at] == first and record[at + 1] == second and kind == 90
        at += 3
        if kind == 90 or kind == 72:
            begin = at
            while at < end and record[at] != 0:
                at += 1
            if wanted:
                return begin, at
            at += 1
        elif kind == 66:
            item = record[at]
            width = 1 if item == 99 or item == 67 else (2 if item == 115 or item == 83 else 4)
            at += 5 + width * max(int32(record, at + 1), 0) if at + 5 <= end else 5
        else:
            at += 1 if kind == 65 or kind == 99 or kind == 67 else (2 if kind == 115 or kind == 83 else 4)
    return -1, -1


@inner
def group_of(record, at, end, group_name, group_start):
    """Row of the read group that the tags between `at` and `end` name; the one after the last where they name none that is known."""
    begin, stop = _text_tag(record, at, end, 82, 71)
    for group in range(len(group_start) - 1):
        if begin >= 0 and group_start[group + 1] - group_start[group] == stop - begin:
            same = True
            for i in range(stop - begin):
                same &= group_name[group_start[group] + i] == record[begin + i]
            if same:
                return group
    return len(group_start) - 1


@inner
def _five_prime(record, at, n_cigar, position, reverse):
    """The unclipped 5' position: bases clipped there count as if aligned."""
    if not reverse:
        for k in range(n_cigar):
            item = int32(record, at + 4 * k) & 0xFFFFFFFF
            if item & 15 != 4 and item & 15 != 5:
                return position
            position -= item >> 4
        return position
    aligned = False
    for k in range(n_cigar):
        item = int32(record, at + 4 * k) & 0xFFFFFFFF
        operation = item & 15
        if operation == 4 or operation == 5:
            position += item >> 4 if aligned else 0
        else:
            aligned = True
            if operation != 1 and operation != 6:
                position += item >> 4
    return position - 1


@inner
def _quality_sum(record, at, n, offset, failed):
    total = np.int64(0)
    for i in range(at, at + n):
        quality = np.int64(record[i]) - offset
        if LEAST_QUALITY <= quality < 255:
            total += quality
    return min(total, MOST_QUALITY) - (MOST_QUALITY + 1 if failed else 0)


@kernel
def _fill(record, start, ordinal, group_name, group_start, of_group, given_group, row, count):
    n = 0
    for i in range(len(ordinal)):
        at = start[i]
        name_end = at + 35 + record[at + 12]
        n_cigar = np.int64(record[at + 16]) | np.int64(record[at + 17]) << 8
        flag = np.int64(record[at + 18]) | np.int64(record[at + 19]) << 8
        n_bases = int32(record, at + 20)
        tags = name_end + 1 + 4 * n_cigar + (n_bases + 1) // 2 + n_bases
        group = given_group
        quality, offset = tags - n_bases, 0
        if group < 0:
            group = group_of(record, tags, start[i + 1], group_name, group_start)
            original, end = _text_tag(record, tags, start[i + 1], 79, 81)
            if end - original == n_bases and original >= 0:
                quality, offset = original, 33
        library = of_group[group]
        follows = flag & 0x900 != 0
        paired = flag & 1 != 0 and flag & 8 == 0
        unmapped = flag & 4 != 0 or int32(record, at + 4) < 0
        count[library, FOLLOWERS if follows else (UNMAPPED_READS if unmapped else (PAIRED_READS if paired else SINGLE_READS))] += 1
        if unmapped:
            continue
        template = ordinal[i] >> 1 if flag & 1 else ordinal[i]
        if given_group < 0:
            digest = np.uint64(14695981039346656037) ^ np.uint64(group)
            for k in range(at + 36, name_end):
                digest = (digest ^ np.uint64(record[k])) * np.uint64(1099511628211)
            template = np.int64(digest ^ (digest >> np.uint64(29)))
        reverse = flag & 16 != 0
        position = _five_prime(record, name_end + 1, n_cigar, int32(record, at + 8), reverse)
        row[n, 0] = template
        row[n, 1] = library << 53 | int32(record, at + 4) << 33 | (position + OFFSET) << 1 | reverse
        row[n, 2] = _spot(record, at + 36, name_end)
        row[n, 3] = ordinal[i]
        row[n, 4] = 0 if follows else _quality_sum(record, quality, n_bases, offset, flag & 0x200 != 0)
        row[n, 5] = group << 4 | (_PAIRED if paired else 0) | (_LAST if flag & 128 else 0) | (_FOLLOWS if follows else 0)
        row[n, 5] |= _NOWHERE if int32(record, at + 24) < 0 else 0
        n += 1
    return n


@inner
def _follow(row, first, last, primary, link, n):
    """Links the followers among rows first to last to the primary record of the same read."""
    for i in range(first, last):
        if row[i, 5] & _FOLLOWS:
            mine = primary[1 if row[i, 5] & _LAST else 0]
            if mine >= 0 and row[mine, 3] != row[i, 3]:
                link[n, 0], link[n, 1] = row[mine, 3], row[i, 3]
                n += 1
    return n


@allocating
def _join(row, low, high, spot, first, second, quality, place, link):
    """Fills the columns of the signatures; gives how many there are and how many links, or -1 - row for a row like the one after it."""
    n = n_links = 0
    begin = 0
    primary = np.empty(2, np.int64)
    while begin < len(row):
        end = begin + 1
        while end < len(row) and row[end, 0] == row[begin, 0]:
            end += 1
        primary[0] = primary[1] = -1
        for i in range(begin, end):
            if row[i, 5] & _FOLLOWS == 0:
                which = 1 if row[i, 5] & _LAST else 0
                if primary[which] >= 0:
                    return -1 - primary[which], 0
                primary[which] = i
        n_links = _follow(row, begin, end, primary, link, n_links)
        a, b = primary[0], primary[1]
        if a >= 0 and b >= 0 and row[a, 5] & row[b, 5] & _PAIRED:
            low[n], high[n] = min(row[a, 1], row[b, 1]), max(row[a, 1], row[b, 1])
            first[n], second[n] = min(row[a, 3], row[b, 3]), max(row[a, 3], row[b, 3])
            spot[n] = row[a, 2]
            quality[n] = row[a, 4] + row[b, 4]
            place[n] = row[a, 5] >> 4 << 1 | (row[a, 1] & 1)
            n += 1
        else:
            for i in primary:
                if i >= 0:
                    traits = row[i, 5] & (_PAIRED | _NOWHERE)
                    low[n], high[n] = row[i, 1], UNJUDGED if traits == _PAIRED else LONE
                    first[n] = row[i, 3]
                    second[n] = NO_MATE if traits == _PAIRED | _NOWHERE else first[n]
                    spot[n], quality[n], place[n] = row[i, 2], row[i, 4], row[i, 5] >> 4 << 1 | (row[i, 1] & 1)
                    n += 1
        begin = end
    return n, n_links
