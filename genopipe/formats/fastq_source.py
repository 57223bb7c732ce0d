"""One FASTQ file being read: the text in hand, the records found in it, and what is wrong when it is wrong.

Records before a fault, in the file or in its compression, are given first; the fault comes when they are taken.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats import fastq_lines
from genopipe.formats.inflate import inflated
from genopipe.model import BASES

GET_AGAIN = "Get the file again from where it was made."

_TEXT_BYTES = 1 << 20
_SMALLEST_RECORD = len("@a\n\n+\n\n")


class Source:
    """One file; `text` is what the columns of `available` refer to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = np.empty(0, np.uint8)
        self._pieces = inflated(path)
        self._record = np.empty((0, 5), np.int64)
        self._n_before = self._n = self._taken = self._rest = 0
        self._fault = fastq_lines.INTACT
        self._broken: BadInput | None = None
        self._ended = self._finished = False

    @property
    def n_taken(self) -> int:
        """Records taken so far."""
        return self._n_before + self._taken

    def available(self) -> NDArray[np.int64]:
        """(records, 5) int64: the records not taken yet, after reading on when there are none; empty at the end of the file."""
        while self._taken == self._n and not self._finished:
            self._read_on()
        return self._record[self._taken : self._n]

    def take(self, n: int) -> None:
        """The first `n` available records are done with."""
        self._taken += n

    def error(self, record: int, fault: int) -> BadInput:
        """What is wrong with an available record, or with the text after them."""
        index = self._taken + record
        start = int(self._record[index, fastq_lines.HEADER]) - 1 if index < self._n else self._rest
        return _Described(self.path, self.text[start:].tobytes(), 4 * (self.n_taken + record) + 1).error(fault)

    def _read_on(self) -> None:
        if self._fault:
            raise self.error(0, self._fault)
        if self._ended:
            self._finish()
            return
        text = self._more_text()
        self._n_before += self._n
        if len(self._record) <= len(text) // _SMALLEST_RECORD:
            self._record = np.empty((len(text) // _SMALLEST_RECORD + 1, 5), np.int64)
        self.text = np.frombuffer(text, np.uint8)
        self._taken = 0
        self._n, self._rest, self._fault = fastq_lines.scan(self.text, self._record)

    def _more_text(self) -> bytes:
        """What is left of the text in hand and at least as much again; at the end of the file, the last line is given its line feed."""
        pieces = [self.text[self._rest :].tobytes()]
        missing = max(_TEXT_BYTES, len(pieces[0]))
        while missing > 0 and (piece := self._next_piece()):
            pieces.append(piece)
            missing -= len(piece)
        text = b"".join(pieces)
        return text + b"\n" if self._ended and not self._broken and text and not text.endswith(b"\n") else text

    def _next_piece(self) -> bytes:
        piece = b""
        try:
            piece = next(self._pieces, b"")
        except BadInput as broken:
            self._broken = broken
        self._ended = not piece
        return piece

    def _finish(self) -> None:
        rest = self.text[self._rest :].tobytes()
        line = 4 * self.n_taken + rest.count(b"\n")
        if self._broken:
            came, wanted, do = self._broken.came, self._broken.wanted, self._broken.do
            raise BadInput(came, wanted=wanted, do=do, path=self.path, line=line + 1 if self.n_taken or rest else None) from self._broken
        if rest.strip(b"\r\n"):
            raise BadInput("the file ends inside a record", wanted="four lines for every read", do=GET_AGAIN, path=self.path, line=line)
        self._finished = True


class _Described:
    """Names what is wrong with the record that `text` begins with; `line` is the 1-based line of its header."""

    def __init__(self, path: Path, text: bytes, line: int) -> None:
        self._path, self._line = path, line
        lines = text.split(b"\n", 4)
        self._quality_is_whole = len(lines) > 4
        self._lines = [line.removesuffix(b"\r") for line in lines[:4]]

    def error(self, fault: int) -> BadInput:
        if fault == fastq_lines.NO_AT:
            return self._error(0, f"a record begins with {self._shown(0)}", "'@' and a name")
        if fault == fastq_lines.NO_NAME:
            return self._error(0, "the read has no name", "a name right after '@'")
        if fault == fastq_lines.NO_PLUS:
            return self._error(2, f"the third line of a record begins with {self._shown(2)}", "'+'")
        if fault == fastq_lines.OTHER_NAME:
            return self._error(2, f"the '+' line repeats another header than {self._shown(0)}", "a bare '+' or the same header")
        if fault == fastq_lines.WRONG_BASE:
            return self._error(1, f"the character {_first_outside(self._lines[1], BASES)} is no base", f"the letters {BASES.decode()}")
        return self._quality_error()

    def _quality_error(self) -> BadInput:
        n_bases, n_qualities = len(self._lines[1]), len(self._lines[3])
        if not self._quality_is_whole:
            return self._error(3, f"the read has {n_bases} bases and more qualities", "as many qualities as bases")
        if n_bases != n_qualities:
            return self._error(3, f"the read has {n_bases} bases and {n_qualities} qualities", "as many qualities as bases")
        character = _first_outside(self._lines[3], bytes(range(33, 127)))
        return self._error(3, f"the character {character} is no quality", "the characters '!' to '~'")

    def _shown(self, index: int) -> str:
        return repr(self._lines[index][:40].decode("ascii", "replace"))

    def _error(self, index: int, came: str, wanted: str) -> BadInput:
        return BadInput(came, wanted=wanted, do=GET_AGAIN, path=self._path, line=self._line + index)


def _first_outside(line: bytes, allowed: bytes) -> str:
    return next(repr(chr(byte)) for byte in line if byte not in allowed)
