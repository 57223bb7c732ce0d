"""What lies behind a fragment is cut off, and nothing else; fastp on the same pairs agrees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.align.trimming import LEAST_OVERLAP, trim, write_counts
from genopipe.formats.fastq import read_fastq, write_fastq
from genopipe.model import Reads
from tests.oracles.seed import reverse_complement

ADAPTERS = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA" * 4, "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT" * 4


def sequence(rng: np.random.Generator, n: int) -> str:
    return "".join(rng.choice(list("ACGT"), n))


def mates(fragment: str, first: int, second: int) -> tuple[str, str]:
    """Reads of these lengths of the two strands of a fragment, into the adapters where it is shorter."""
    return (fragment + ADAPTERS[0])[:first], (reverse_complement(fragment) + ADAPTERS[1])[:second]


def with_errors(rng: np.random.Generator, read: str, n: int) -> str:
    for at in rng.choice(len(read), n, replace=False):
        read = f"{read[:at]}{rng.choice([base for base in 'ACGT' if base != read[at]])}{read[at + 1 :]}"
    return read


def paired(tmp_path: Path, pairs: list[tuple[str, str]]) -> Reads:
    for mate in (0, 1):
        text = "".join(f"@r{i}\n{pair[mate]}\n+\n{'I' * len(pair[mate])}\n" for i, pair in enumerate(pairs))
        (tmp_path / f"R{mate + 1}.fastq").write_text(text)
    (reads,) = read_fastq(tmp_path / "R1.fastq", tmp_path / "R2.fastq")
    return reads


def lengths(reads: Reads) -> list[tuple[int, int]]:
    size = np.diff(reads.base_start).tolist()
    return list(zip(size[::2], size[1::2], strict=True))


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), fragment=st.integers(LEAST_OVERLAP, 400), first=st.integers(60, 150), second=st.integers(60, 150))
def test_reads_end_with_their_fragment(tmp_path_factory: pytest.TempPathFactory, seed: int, fragment: int, first: int, second: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = mates(sequence(rng, fragment), first, second)
    reads, count = trim(paired(tmp_path_factory.mktemp("trim"), [(with_errors(rng, one, 2), with_errors(rng, two, 1))]))
    assert lengths(reads) == [(min(first, fragment), min(second, fragment))]
    assert count.tolist() == [1, fragment < max(first, second), max(first - fragment, 0) + max(second - fragment, 0)]


def test_bases_and_qualities_that_stay_are_those_that_came(tmp_path: Path) -> None:
    fragment = sequence(np.random.default_rng(1), 80)
    reads, _ = trim(paired(tmp_path, [mates(fragment, 100, 90), mates(sequence(np.random.default_rng(2), 300), 100, 90)]))
    write_fastq(tmp_path / "x1.fastq", reads, r2=tmp_path / "x2.fastq")
    assert (tmp_path / "x1.fastq").read_text().splitlines()[1:4] == [fragment, "+", "I" * 80]
    assert (tmp_path / "x2.fastq").read_text().splitlines()[1] == reverse_complement(fragment)
    assert (tmp_path / "x1.fastq").read_text().splitlines()[4:] == (tmp_path / "R1.fastq").read_text().splitlines()[4:]


@pytest.mark.parametrize("pair", [("A" * 100, "T" * 100), mates("ACGTACCATT" * 2, 100, 100)], ids=["one letter", "too short"])
def test_pairs_without_one_clear_fragment_stay_whole(tmp_path: Path, pair: tuple[str, str]) -> None:
    assert lengths(trim(paired(tmp_path, [pair]))[0]) == [(100, 100)]


def test_single_reads_stay_whole(tmp_path: Path) -> None:
    (tmp_path / "x.fastq").write_text("@r\nACGT\n+\nIIII\n")
    (reads,) = read_fastq(tmp_path / "x.fastq")
    assert trim(reads)[0] is reads


def test_counts_are_a_table(tmp_path: Path) -> None:
    write_counts(np.array([3, 2, 40]), tmp_path / "x.tsv")
    assert (tmp_path / "x.tsv").read_text() == "PAIRS\tTRIMMED_PAIRS\tTRIMMED_BASES\n3\t2\t40\n"


def test_fastp_cuts_nearly_all_pairs_alike(tmp_path: Path) -> None:
    if shutil.which("fastp") is None:
        pytest.skip("fastp is not installed")
    rng = np.random.default_rng(7)
    pairs = [
        tuple(with_errors(rng, read, int(rng.poisson(0.6))) for read in mates(sequence(rng, int(rng.integers(35, 300))), 150, 150))
        for _ in range(2000)
    ]
    reads, _ = trim(paired(tmp_path, pairs))  # type: ignore[arg-type]
    names = [str(tmp_path / name) for name in ("R1.fastq", "R2.fastq", "o1.fastq", "o2.fastq", "x.json", "x.html")]
    options = [word for pair in zip(("-i", "-I", "-o", "-O", "-j", "-h"), names, strict=True) for word in pair]
    subprocess.run(["fastp", *options, "-Q", "-L", "-G", "-w", "1"], check=True, capture_output=True)
    (theirs,) = read_fastq(tmp_path / "o1.fastq", tmp_path / "o2.fastq")
    same = [one == other for one, other in zip(lengths(reads), lengths(theirs), strict=True)]
    assert sum(same) / len(same) >= 0.995
