"""Sequences that too many reads begin with: adapter dimers, primers, ribosomal or foreign DNA.

The beginnings of the first `SAMPLE` reads with known bases are kept, and counted at the end: memory is bounded, and the result depends
on the order of the reads alone. The limits are those of FastQC's module of overrepresented sequences.

Source: Andrews 2010, FastQC: A Quality Control Tool for High Throughput Sequence Data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.model import BASES

SAMPLE = 200_000
LEAST_FRACTION = 0.001
LEAST_READS = 10
MOST_SHOWN = 20

_WORD_BASES = 25


class FrequentSequences:
    """The beginnings of the first reads, at most `SAMPLE`, as two words of 25 bases each."""

    def __init__(self) -> None:
        self._word = np.zeros((0, 2), np.uint64)

    def take(self, word: NDArray[np.uint64]) -> None:
        """Adds (reads, 2) beginnings, as far as there is room."""
        self._word = np.concatenate([self._word, word[: SAMPLE - len(self._word)]])

    def add(self, other: FrequentSequences) -> None:
        """Adds those of reads that come later."""
        if len(self._word) < SAMPLE:
            self.take(other._word)

    def found(self) -> tuple[int, list[tuple[str, int]]]:
        """How many reads were looked at; the sequences that stand out, most frequent first, with their reads."""
        n = len(self._word)
        words, counts = np.unique(self._word, axis=0, return_counts=True)
        kept = np.flatnonzero((counts >= LEAST_READS) & (counts >= LEAST_FRACTION * n))
        rows = sorted(kept.tolist(), key=lambda row: (-int(counts[row]), _letters(words[row])))
        return n, [(_letters(words[row]), int(counts[row])) for row in rows[:MOST_SHOWN]]


def _letters(words: NDArray[np.uint64]) -> str:
    return "".join(chr(BASES[(int(word) >> 2 * i) & 3]) for word in words for i in range(_WORD_BASES))
