"""FASTA in and out, streamed: a genome of 3.1 Gbp passes through in pieces of a few hundred kilobytes.

Reading gives upper-case letters with line ends removed; every letter is checked to be one of A, C, G, T, N or another IUPAC code of DNA.
Lower case is a soft mask and means the same base. Writing gives lines of 60 letters in bgzip, with the `.fai` and `.gzi` indexes beside it,
the same files that `bgzip -i` and `samtools faidx` make.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.inflate import inflated
from genopipe.model import BASES

LINE_BASES = 60

_SEQUENCE_NAME = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
_LINE_END = np.uint8(0)
_NO_LETTER = np.uint8(1)


def _upper_case_table() -> NDArray[np.uint8]:
    """(256) uint8: the upper-case letter of each byte; `_LINE_END` for line ends, `_NO_LETTER` for what is no IUPAC letter."""
    table = np.full(256, _NO_LETTER, np.uint8)
    for letter in BASES:
        table[letter] = table[letter | 0x20] = letter
    table[[0x0A, 0x0D]] = _LINE_END
    return table


_UPPER = _upper_case_table()


class Piece(NamedTuple):
    """A part of one contig: pieces of a contig follow each other; `letter` is (letters) uint8, upper-case ASCII, maybe empty."""

    name: str
    letter: NDArray[np.uint8]


@njit(cache=True, nogil=True)
def _take_letters(text: NDArray[np.uint8], upper: NDArray[np.uint8], letter: NDArray[np.uint8]) -> tuple[int, int]:
    """Copies the letters of `text` upper-case into `letter`: how many, and where the first byte that is no letter stands, or -1."""
    n = 0
    for i in range(len(text)):
        code = upper[text[i]]
        if code == _NO_LETTER:
            return n, i
        letter[n] = code
        n += code != _LINE_END
    return n, -1


def read_fasta(path: Path) -> Iterator[Piece]:
    """Pieces of every contig in file order, each contig beginning with an empty piece.

    Raises BadInput for an empty file, a contig without a name or with the name of an earlier one, letters before the first `>`, and any
    byte that is no IUPAC letter, with file and line.
    """
    return _FastaParser(path).pieces()


def _header_line(text: bytes) -> tuple[int, int]:
    """Start and end of the first header line in `text`: its end is -1 when it is cut off, both are the end of `text` when there is none."""
    start = text.find(b">")
    return (start, text.find(b"\n", start)) if start >= 0 else (len(text), len(text))


class _FastaParser:
    """Where the reading stands: the current contig, the 1-based line, and a header line that is not complete yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: set[str] = set()
        self.name = ""
        self.line = 1
        self.at_line_start = True

    def pieces(self) -> Iterator[Piece]:
        header = b""
        for text in inflated(self.path):
            text, header = header + text, b""
            while text:
                start, end = _header_line(text)
                yield from self._sequence(text[:start])
                if end < 0:
                    header = text[start:]
                    break
                if start < len(text):
                    yield self._begin(text, start, end)
                text = text[end + 1 :]
        if header:
            yield self._begin(header, 0, len(header))
        if not self.names:
            raise self._error("the file is empty", wanted="FASTA with at least one contig")

    def _begin(self, text: bytes, start: int, end: int) -> Piece:
        if not self.at_line_start:
            raise self._error("the character '>' stands inside a line", wanted="'>' at the beginning of a line only")
        header = text[start + 1 : end]
        words = header.split(None, 1)
        name = words[0].decode("ascii", "replace") if words and not header[:1].isspace() else ""
        if not _SEQUENCE_NAME.fullmatch(name):
            raise self._error(f"the contig name {name!r} is not allowed", wanted="a name as in the SAM specification, right after '>'")
        if name in self.names:
            raise self._error(f"the contig name {name!r} comes twice", wanted="names that differ")
        self.names.add(name)
        self.name = name
        self.line += 1
        self.at_line_start = True
        return Piece(name, np.empty(0, np.uint8))

    def _sequence(self, text: bytes) -> Iterator[Piece]:
        raw = np.frombuffer(text, np.uint8)
        letter = np.empty(len(raw), np.uint8)
        n, wrong = _take_letters(raw, _UPPER, letter)
        if wrong >= 0:
            self.line += text.count(b"\n", 0, wrong)
            raise self._error(f"the character {chr(raw[wrong])!r} is no base", wanted=f"the letters {BASES.decode()}, either case")
        if n and not self.name:
            self.line += text.count(b"\n", 0, len(text) - len(text.lstrip(b"\r\n")))
            raise self._error("letters come before the first contig name", wanted="a line beginning with '>'")
        self.line += text.count(b"\n")
        if text:
            self.at_line_start = text.endswith(b"\n")
        if n:
            yield Piece(self.name, letter[:n])

    def _error(self, came: str, *, wanted: str) -> BadInput:
        return BadInput(came, wanted=wanted, do="Mend the FASTA file.", path=self.path, line=self.line)


@njit(cache=True, nogil=True)
def _wrap(letter: NDArray[np.uint8], column: int, line_bases: int, text: NDArray[np.uint8]) -> int:
    """Copies `letter` into `text` with a line end after every `line_bases` letters; `column` letters of the line are there already."""
    n = 0
    for code in letter:
        if column == line_bases:
            text[n] = 0x0A
            n += 1
            column = 0
        text[n] = code
        n += 1
        column += 1
    return n


class FastaWriter:
    """Writes `target` (bgzip) with `target.fai` and `target.gzi`; contigs are begun with `begin` and filled with `add`."""

    def __init__(self, target: Path, *, threads: int = 1) -> None:
        self.target = target
        self._writer = BgzfWriter(target, threads=threads, level=1)
        self._fai: list[tuple[str, int, int]] = []
        self._written = 0
        self._length = 0

    def begin(self, name: str) -> None:
        """Starts the next contig."""
        self._end_contig()
        self._put(f">{name}\n".encode())
        self._fai.append((name, 0, self._written))

    def add(self, letter: NDArray[np.uint8]) -> None:
        """Appends letters to the contig begun last."""
        text = np.empty(len(letter) + len(letter) // LINE_BASES + 1, np.uint8)
        column = self._length % LINE_BASES
        if not column and self._length:
            column = LINE_BASES
        self._put(text[: _wrap(letter, column, LINE_BASES, text)].tobytes())
        self._length += len(letter)

    def _put(self, text: bytes) -> None:
        self._writer.write(text)
        self._written += len(text)

    def _end_contig(self) -> None:
        if self._fai:
            name, _, offset = self._fai[-1]
            self._fai[-1] = (name, self._length, offset)
            self._put(b"\n")
            self._length = 0

    def __enter__(self) -> FastaWriter:
        self._writer.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._end_contig()
        self._writer.__exit__(kind, error, trace)
        if kind is None:
            _beside(self.target, ".fai").write_text("".join(_fai_line(*contig) for contig in self._fai))
            _beside(self.target, ".gzi").write_bytes(_block_index(self._writer))


def _fai_line(name: str, length: int, offset: int) -> str:
    line_bases = min(length, LINE_BASES)
    return f"{name}\t{length}\t{offset}\t{line_bases}\t{line_bases + 1}\n"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _block_index(writer: BgzfWriter) -> bytes:
    """The `.gzi` of a bgzip file: compressed and uncompressed offset of every block but the first. Source: htslib `bgzf_index_dump`."""
    entries = list(zip(writer.block_start[1:], writer.block_plain[1:], strict=True))
    return struct.pack("<Q", len(entries)) + b"".join(struct.pack("<QQ", *entry) for entry in entries)
