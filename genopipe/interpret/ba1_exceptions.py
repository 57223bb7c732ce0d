"""Variants above 5 % in a population that are no proof of being benign: ClinGen's list of 30 July 2018.

Source: Ghosh et al., Human Mutation 2018, and its list of exceptions.
"""

from __future__ import annotations

_LISTED = (
    # gene, contig, position from 1 on GRCh37 and on GRCh38, REF, ALT
    ("ACAD9", "3", 128_598_490, 128_879_647, "C", "CTAAG"),
    ("GJB2", "13", 20_763_612, 20_189_473, "C", "T"),
    ("HFE", "6", 26_091_179, 26_090_951, "C", "G"),
    ("HFE", "6", 26_093_141, 26_092_913, "G", "A"),
    ("MEFV", "16", 3_299_586, 3_249_586, "G", "A"),
    ("MEFV", "16", 3_299_468, 3_249_468, "C", "T"),
    ("PIBF1", "13", 73_409_497, 72_835_359, "G", "A"),
    ("ACADS", "12", 121_175_696, 120_737_893, "C", "T"),
    ("BTD", "3", 15_686_693, 15_645_186, "G", "C"),
)

Place = tuple[str, int, str, str]


def exceptions(assembly: str | None) -> frozenset[Place]:
    """Contig key, position from 0, REF and ALT of each on an assembly; empty for assemblies without a list."""
    column = {"GRCh37": 2, "GRCh38": 3}.get(assembly or "")
    if column is None:
        return frozenset()
    return frozenset((str(row[1]), int(row[column]) - 1, str(row[4]), str(row[5])) for row in _LISTED)
