"""Which cycles of a run are what: reads, indexes, molecular barcodes, and cycles to leave out.

Two notations say it: Picard's read structure over all cycles (`25T8B4M21T`: template, barcode, molecular index, skip) and Illumina's
OverrideCycles, one mask a read (`Y151;I8N2;N2I8;Y151`: read, index, not used, unique molecular identifier).

Source: Picard's documentation of READ_STRUCTURE; Illumina BCL Convert software guide, document 1000000163594, "OverrideCycles".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from genopipe.errors import BadInput

Kind = Literal["Y", "I", "U", "N"]

_PICARD: dict[str, Kind] = {"T": "Y", "B": "I", "M": "U", "S": "N"}
_OPERATION = re.compile(r"(\d{1,4})([A-Z])", re.ASCII)
_MASK = re.compile(r"([YIUN])(\d{1,4}|\*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunRead:
    """One read of a run: cycles, whether it is an index, whether the instrument takes it from the other strand (None: not said)."""

    cycles: int
    is_index: bool
    reverse_complement: bool | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Cycles `start` to `end` (0-based, of the whole run) of one kind, as they stand in read `read` of the run (from 0)."""

    kind: Kind
    start: int
    end: int
    read: int

    def __len__(self) -> int:
        return self.end - self.start


def parse_read_structure(text: str) -> tuple[Segment, ...]:
    """The segments of a Picard read structure; every operation is a read of its own. Raises BadInput."""
    operations = _OPERATION.findall(text)
    lengths = [int(length) for length, _ in operations]
    if "".join(map("".join, operations)) != text or not operations or 0 in lengths or any(kind not in _PICARD for _, kind in operations):
        raise BadInput(
            f"{text!r} is no read structure",
            wanted="numbers of cycles, each with T (template), B (barcode), M (molecular index) or S (skip), such as 151T8B8B151T",
            do="Correct it.",
            key="--read-structure",
        )
    return _placed((_PICARD[kind], length, read) for read, (length, (_, kind)) in enumerate(zip(lengths, operations, strict=True)))


def whole_reads(reads: Sequence[RunRead]) -> tuple[Segment, ...]:
    """The segments of a run without a mask: each read whole."""
    return _placed(("I" if read.is_index else "Y", read.cycles, number) for number, read in enumerate(reads))


def parse_override_cycles(text: str, reads: Sequence[RunRead]) -> tuple[Segment, ...]:
    """The segments of an OverrideCycles mask. Raises ValueError saying what does not fit the reads.

    The mask of a read that is taken from the other strand is written, like its bases, in the direction of the sample sheet.
    """
    masks = [mask.strip() for mask in text.split(";")]
    if len(masks) != len(reads):
        raise ValueError(f"{len(masks)} masks for {len(reads)} reads of the run")
    operations = []
    for number, (mask, read) in enumerate(zip(masks, reads, strict=True)):
        kinds = list(_mask_of_read(mask, read.cycles))
        for kind, _ in kinds:
            if kind == ("Y" if read.is_index else "I"):
                raise ValueError(f"mask {mask} gives {kind} cycles to {'an index' if read.is_index else 'a read'}")
        operations += [(kind, length, number) for kind, length in (kinds[::-1] if read.reverse_complement else kinds)]
    return _placed(operations)


def _mask_of_read(mask: str, cycles: int) -> Iterable[tuple[Kind, int]]:
    parts = _MASK.findall(mask.upper())
    if not parts or "".join(map("".join, parts)) != mask.upper() or sum(length == "*" for _, length in parts) > 1:
        raise ValueError(f"mask {mask!r} is not made of Y, I, U and N with numbers of cycles")
    counted = sum(int(length or 1) for _, length in parts if length != "*")
    rest = cycles - counted
    if rest < 0 or (rest and "*" not in [length for _, length in parts]):
        raise ValueError(f"mask {mask} has {counted} cycles and the read {cycles}")
    for kind, length in parts:
        n = rest if length == "*" else int(length or 1)
        if n:
            yield kind, n


def _placed(operations: Iterable[tuple[Kind, int, int]]) -> tuple[Segment, ...]:
    segments, start = [], 0
    for kind, length, read in operations:
        segments.append(Segment(kind, start, start + length, read))
        start += length
    return tuple(segments)
