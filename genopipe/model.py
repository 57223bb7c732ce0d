"""The arrays the pipeline is about: name, axes, dtype, unit and missing value of each.

Everything is a struct of arrays. Positions are 0-based, intervals half-open, always `start` and `end`. Ragged axes are flat arrays with a
`*_start` array one longer than the number of rows: row i is `flat[start[i]:start[i + 1]]`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BASES = b"ACGTNRYSWKMBDHV"
"""The letter of each base code. 0 to 3 are the bases, 4 is an unknown base, the rest are the IUPAC codes of a FASTA or BAM."""

UNKNOWN_BASE = 4
NO_BASE = 255

CODE = np.full(256, NO_BASE, np.uint8)
"""The code of each character of a read: lower-case letters mean the same as upper-case ones, a full stop an unknown base."""
CODE[list(BASES)] = CODE[list(BASES.lower())] = range(len(BASES))
CODE[ord(".")] = UNKNOWN_BASE


@dataclass(frozen=True, slots=True)
class Reads:
    """A batch of sequencer reads, one row a read; with `paired`, rows 2i and 2i + 1 are the mates of pair i.

    header        (header_bytes) uint8: FASTQ header lines without the '@'
    header_start  (reads + 1) int64: where each header begins
    name_length   (reads) int32: bytes of the header that are the read name (up to the first blank, without /1 and /2)
    base          (bases) uint8: base codes, letters in `BASES`
    quality       (bases) uint8: phred, no offset; 255 in every base of a read without qualities
    base_start    (reads + 1) int64: where the bases and qualities of each read begin
    """

    paired: bool
    header: NDArray[np.uint8]
    header_start: NDArray[np.int64]
    name_length: NDArray[np.int32]
    base: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    base_start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.name_length)

    def rows(self, first: int, last: int) -> Reads:
        """The reads `first` to `last`."""
        header, base = (slice(int(start[first]), int(start[last])) for start in (self.header_start, self.base_start))
        rows = slice(first, last + 1)
        return Reads(
            self.paired,
            self.header[header],
            self.header_start[rows] - self.header_start[first],
            self.name_length[first:last],
            self.base[base],
            self.quality[base],
            self.base_start[rows] - self.base_start[first],
        )


@dataclass(frozen=True, slots=True)
class Contig:
    """One sequence of a reference.

    start   where it begins in the concatenated genome, a multiple of 32
    length  bases
    md5     the SAM M5 digest: MD5 of the upper-case letters, hex
    refget  the GA4GH digest: `SQ.` and the sha512t24u of the upper-case letters
    """

    name: str
    start: int
    length: int
    md5: str
    refget: str


@dataclass(frozen=True, slots=True)
class Genome:
    """A reference genome, two bits a base, contigs one after another, each beginning at a multiple of 32.

    packed         (ceil(genome_length / 32)) uint64: base i is bits 2 * (i % 32) and up of word i // 32; unknown bases and padding are 0
    unknown_start  (unknowns) int64: where runs of bases other than A, C, G, T begin in the concatenated genome, sorted
    unknown_end    (unknowns) int64: where they end (exclusive)
    """

    name: str
    contigs: tuple[Contig, ...]
    packed: NDArray[np.uint64]
    unknown_start: NDArray[np.int64]
    unknown_end: NDArray[np.int64]

    @property
    def length(self) -> int:
        """Bases of the concatenated genome, padding included."""
        last = self.contigs[-1]
        return last.start + last.length


@dataclass(frozen=True, slots=True)
class Alignments:
    """Reads placed on one contig, sorted by position, filtered to those that count as evidence.

    position         (reads) int64: leftmost reference base
    end              (reads) int64: one past the rightmost reference base
    flag             (reads) uint16: SAM FLAG
    mapping_quality  (reads) uint8
    name_hash        (reads) uint64: FNV-1a of the read name; the mates of a pair share it
    cigar            (operations) uint32: as in BAM, length << 4 | operation
    cigar_start      (reads + 1) int64
    base             (bases) uint8: base codes, letters in `BASES`; every ambiguous base is `UNKNOWN_BASE`
    quality          (bases) uint8: phred
    base_start       (reads + 1) int64
    """

    position: NDArray[np.int64]
    end: NDArray[np.int64]
    flag: NDArray[np.uint16]
    mapping_quality: NDArray[np.uint8]
    name_hash: NDArray[np.uint64]
    cigar: NDArray[np.uint32]
    cigar_start: NDArray[np.int64]
    base: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    base_start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.position)
