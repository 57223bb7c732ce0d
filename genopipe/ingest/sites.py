"""Common sites of the population: where people differ often enough that a few thousand places tell one from another.

Sites are SNVs with one alternative and a frequency of `LEAST_FREQUENCY` to 1 - `LEAST_FREQUENCY`, given by a VCF with AF or by an evidence
set. Of more than `MOST_SITES`, those with the lowest hash of their place are kept, so that every sample has the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.contig_names import resolve_contig
from genopipe.formats.text_lines import read_lines
from genopipe.model import BASES, Contig, Genome

LEAST_FREQUENCY = 0.05
MOST_SITES = 20_000
_AF = re.compile(r"(?:^|;)AF=([^;]*)")
_AC, _AN = re.compile(r"(?:^|;)AC=(\d+)(?:;|$)"), re.compile(r"(?:^|;)AN=(\d+)(?:;|$)")


@dataclass(frozen=True, slots=True)
class Sites:
    """Common sites, sorted by contig (in the genome's order) and position.

    contig       (sites) int64: number of the contig in the genome
    position     (sites) int64
    reference    (sites) uint8: base code
    alternative  (sites) uint8: base code
    frequency    (sites) float64: of the alternative in the population
    """

    contig: NDArray[np.int64]
    position: NDArray[np.int64]
    reference: NDArray[np.uint8]
    alternative: NDArray[np.uint8]
    frequency: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.contig)


Row = tuple[str, int, str, str, float]
"""Contig name, position, REF, ALT, frequency."""


def read_sites(path: Path, genome: Genome) -> Sites:
    """The common sites of a VCF, plain or gzip, with AF, or AC and AN, in INFO. Raises BadInput with the line."""
    return choose_sites(_rows(path), genome, path=path)


def _rows(path: Path) -> Iterator[Row]:
    for line, text in read_lines(path):
        if text.startswith("#") or not text:
            continue
        column = text.split("\t", 8)
        if len(column) < 8 or not column[1].isdigit() or column[1] == "0":
            raise BadInput(
                f"the line begins with {text[:40]!r}", wanted="a VCF record of eight columns", do="Correct the file.", path=path, line=line
            )
        frequency = _frequency(column[7])
        if frequency is not None:
            yield column[0], int(column[1]) - 1, column[3].upper(), column[4].upper(), frequency


def _frequency(info: str) -> float | None:
    """AF, or AC / AN; None where neither is there or there are several alternatives."""
    if found := _AF.search(info):
        try:
            return float(found[1])
        except ValueError:
            return None
    count, total = _AC.search(info), _AN.search(info)
    return int(count[1]) / int(total[1]) if count and total and int(total[1]) else None


def choose_sites(rows: Iterable[Row], genome: Genome, *, path: Path) -> Sites:
    """The common ones of `rows`, each place once, at most `MOST_SITES`. Raises BadInput where none is left; `path` is for messages."""
    number = {contig.name: i for i, contig in enumerate(genome.contigs)}
    known: dict[str, Contig] = {}
    kept: dict[tuple[int, int], tuple[str, str, float]] = {}
    for name, position, reference, alternative, frequency in rows:
        if not (reference in _LETTERS and alternative in _LETTERS and LEAST_FREQUENCY <= frequency <= 1 - LEAST_FREQUENCY):
            continue
        if name not in known:
            known[name] = resolve_contig(genome, name, path=path)
        if position < known[name].length:
            kept.setdefault((number[known[name].name], position), (reference, alternative, frequency))
    if not kept:
        wanted = f"SNVs with a frequency of {LEAST_FREQUENCY} to {1 - LEAST_FREQUENCY}"
        raise BadInput("no common site in it", wanted=wanted, do="Give population frequencies, such as gnomAD's.", path=path)
    places = sorted(sorted(kept, key=_hash)[:MOST_SITES])
    column = list(zip(*(kept[place] for place in places), strict=True))
    where = np.array(places, np.int64)
    return Sites(where[:, 0], where[:, 1], _codes(column[0]), _codes(column[1]), np.array(column[2], np.float64))


_LETTERS = ("A", "C", "G", "T")


def _hash(place: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Knuth's multiplicative hash of the place, in 64 bits."""
    word = (place[0] << 40 | place[1]) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return word >> 20, place


def _codes(letter: Iterable[str]) -> NDArray[np.uint8]:
    return np.array([BASES.index(one.encode()) for one in letter], np.uint8)
