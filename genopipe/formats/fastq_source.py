"""One or two FASTQ files being read: the text in hand, side by side in one array, and what is wrong when it is wrong.

Records before a fault, in the file or in its compression, are given first; the fault comes when the record that has it is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats import fastq_lines
from genopipe.formats.inflate import inflated
from genopipe.model import BASES, CODE, NO_BASE

GET_AGAIN = "Get the file again from where it was made."

_TEXT_BYTES = 128 << 10
_LETTERS = bytes(np.flatnonzero(CODE != NO_BASE).tolist())


class Texts:
    """The text of each file that is not read yet: `span` (files, 2) int64 of `text`."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._files = [_Pieces(path) for path in paths]
        self._room = _TEXT_BYTES
        self.text = np.empty(len(paths) * self._room + fastq_lines.SPARE, np.uint8)
        self.span = np.repeat(np.arange(len(paths), dtype=np.int64)[:, None] * self._room, 2, 1)

    def ended(self, file: int) -> bool:
        """True when no text of the file will come any more."""
        return self._files[file].ended

    def read_on(self, file: int) -> None:
        """Adds text of a file, as much as there is room for; at its end, the last line is given its line feed."""
        if self.span[file, 1] - self.span[file, 0] >= self._room // 2:
            self._make_room()
        first = file * self._room
        start, end = self.span[file].tolist()
        self.text[first : first + end - start] = self.text[start:end]
        end += first - start
        end += self._files[file].read_into(self.text[end : first + self._room - 1].data)
        if self._files[file].whole and end > first and self.text[end - 1] != ord("\n"):
            self.text[end] = ord("\n")
            end += 1
        self.span[file] = first, end

    def _make_room(self) -> None:
        """Twice the room for each file: a record is longer than what there was."""
        text = np.empty(2 * len(self.paths) * self._room + fastq_lines.SPARE, np.uint8)
        for file, (start, end) in enumerate(self.span.tolist()):
            first = 2 * file * self._room
            text[first : first + end - start] = self.text[start:end]
            self.span[file] = first, first + end - start
        self.text, self._room = text, 2 * self._room

    def check_end(self, file: int, n_records: int, start: int) -> None:
        """Raises BadInput where a file that has ended does so in the record at `start`, after `n_records`, or in damaged compression."""
        path, broken = self.paths[file], self._files[file].broken
        rest = self.text[start : self.span[file, 1]].tobytes()
        line = 4 * n_records + rest.count(b"\n")
        if broken:
            where = line + 1 if n_records or rest else None
            raise BadInput(broken.came, wanted=broken.wanted, do=broken.do, path=path, line=where) from broken
        if rest.strip(b"\r\n"):
            raise BadInput("the file ends inside a record", wanted="four lines for every read", do=GET_AGAIN, path=path, line=line)

    def error(self, file: int, fault: int, n_records: int, start: int) -> BadInput:
        """What is wrong with the record at `start`, before which there are `n_records` in the file."""
        text = self.text[start : self.span[file, 1]].tobytes()
        return _Described(self.paths[file], text, 4 * n_records + 1).error(fault)


class CutRecord(Exception):
    """The last record of a text lacks qualities; only what follows tells whether the file ends there."""


class GivenTexts(Texts):
    """Records of each file, of four lines, and nothing behind them."""

    def __init__(self, paths: Sequence[Path], texts: Sequence[NDArray[np.uint8]]) -> None:
        self.paths = paths
        self.text = np.concatenate((*texts, np.zeros(fastq_lines.SPARE, np.uint8)))
        end = np.cumsum([len(text) for text in texts])
        self.span = np.stack((end - [len(text) for text in texts], end), 1)

    def ended(self, file: int) -> bool:
        return True

    def check_end(self, file: int, n_records: int, start: int) -> None:
        if start < self.span[file, 1]:
            raise CutRecord


class _Pieces:
    """The content of one file, piece after piece."""

    def __init__(self, path: Path) -> None:
        self._pieces = inflated(path)
        self._piece = memoryview(b"")
        self.broken: BadInput | None = None
        self.ended = False

    @property
    def whole(self) -> bool:
        """True when the file has ended as it should."""
        return self.ended and self.broken is None

    def read_into(self, room: memoryview) -> int:
        """Fills the room, unless the file ends; how many bytes."""
        n = 0
        while n < len(room) and (self._piece or self._next_piece()):
            part = self._piece[: len(room) - n]
            room[n : n + len(part)] = part
            self._piece = self._piece[len(part) :]
            n += len(part)
        return n

    def _next_piece(self) -> bool:
        try:
            self._piece = memoryview(next(self._pieces, b""))
        except BadInput as broken:
            self.broken = broken
        self.ended = not self._piece
        return not self.ended


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
            return self._error(1, f"the character {_first_outside(self._lines[1], _LETTERS)} is no base", f"the letters {BASES.decode()}")
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
