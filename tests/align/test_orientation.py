"""Pairs of every orientation are proper where the library is of that orientation, and mates are looked for there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.formats.bam import ReadGroup
from tests.oracles.seed import reverse_complement

GROUP = ReadGroup("lane1", "S1", "L1", "ILLUMINA")
Pair = tuple[str, str]


def mates(fragment: str, orientation: str) -> Pair:
    """Two reads of 100 bases, from the two ends of a fragment, as a library of that orientation has them."""
    left, right = fragment[:100], fragment[-100:]
    if orientation == "FR":
        return left, reverse_complement(right)
    if orientation == "RF":
        return reverse_complement(left), right
    return (left, right) if orientation == "FF" else (right, left)


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder, rng = tmp_path_factory.mktemp("orientation"), np.random.default_rng(4)
    bases = "".join(rng.choice(list("ACGT"), 60_000))
    (folder / "ref.fa").write_text(f">one\n{bases}\n")
    build_reference(folder / "ref.fa", folder / "ref", name="one")
    return folder, bases


def spoilt(read: str) -> str:
    """A read with so many differences that no seed is left of it."""
    return "".join("ACGT"[("ACGT".index(base) + 1) % 4] if i % 13 == 6 else base for i, base in enumerate(read))


@pytest.mark.parametrize("orientation", ["FR", "RF", "FF", "RR"])
def test_pairs_as_the_library_has_them_are_proper(sequence: tuple[Path, str], orientation: str) -> None:
    folder, bases = sequence
    rng = np.random.default_rng(5)
    starts = rng.integers(0, 58_000, 200).tolist()
    pairs = {}
    for number, start in enumerate(starts):
        fragment = bases[start : start + int(rng.normal(900, 50))]
        one, two = mates(fragment if rng.random() < 0.5 else reverse_complement(fragment), orientation)
        pairs[f"p{number}"] = (one, spoilt(two)) if number % 10 == 0 else (one, two)
    pairs["other"] = mates(bases[5000:5900], "FR" if orientation != "FR" else "RF")
    paths = [folder / f"R{mate}.fastq" for mate in (1, 2)]
    for mate, path in enumerate(paths):
        path.write_text("".join(f"@{name}\n{pair[mate]}\n+\n{'I' * 100}\n" for name, pair in pairs.items()))
    align_files(paths[:1], paths[1:], folder / "ref", folder / "x.bam", interleaved=False, read_group=GROUP, options=Options())
    with pysam.AlignmentFile(str(folder / "x.bam")) as file:
        records = list(file)
    assert not any(record.is_unmapped for record in records)
    assert {record.query_name for record in records if not record.is_proper_pair} == {"other"}
