"""Known variants of a population: where a difference from the reference may be one, asked for stretch by stretch by the tabix index.

Source: The Variant Call Format specification, VCFv4.2; tabix by Li, Bioinformatics 27 (2011) 718.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.genome import resolve_contig
from genopipe.model import Genome


@dataclass(frozen=True, slots=True)
class KnownSites:
    """An indexed VCF; `name_of` is the name in it of each contig of the genome that it has."""

    path: Path
    name_of: dict[str, str]

    def positions(self, contig: str, start: int, end: int) -> NDArray[np.int64]:
        """The reference bases from `start` to `end` of a contig that a record lies over, as int64; one that several lie over stands there
        several times. Raises BadInput for a line that is no record.
        """
        import pysam

        if contig not in self.name_of:
            return np.zeros(0, np.int64)
        with pysam.TabixFile(str(self.path)) as file:
            spans = [self._span(line) for line in file.fetch(self.name_of[contig], start, end)]
        spans.append((start, start))
        return np.concatenate([np.arange(max(low, start), min(high, end)) for low, high in spans])

    def _span(self, line: str) -> tuple[int, int]:
        columns = line.split("\t", 4)
        if len(columns) < 4 or not columns[1].isdigit():
            raise _no_sites(self.path, f"the line {line[:60]!r} is no record")
        low = int(columns[1]) - 1
        return low, low + len(columns[3])


def open_known_sites(path: Path, genome: Genome) -> KnownSites:
    """The sites of a VCF. Raises BadInput where it is not indexed, or has no contig of the genome."""
    import pysam

    try:
        with pysam.TabixFile(str(path)) as file:
            names = list(file.contigs)
    except (OSError, ValueError):
        raise _no_sites(path, "the file has no index, or is not compressed by BGZF") from None
    name_of = {}
    for name in names:
        try:
            name_of[resolve_contig(genome, name).name] = name
        except BadInput:
            continue
    if not name_of:
        raise _no_sites(path, f"no contig of the reference, but {', '.join(names[:3])}")
    return KnownSites(path, name_of)


def _no_sites(path: Path, came: str) -> BadInput:
    return BadInput(
        came, wanted="a VCF of this reference with .tbi or .csi", do="Compress it with bgzip and index it with tabix.", path=path
    )
