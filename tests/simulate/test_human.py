"""A genome and reads of human kind at a small size, judged by what can be counted in the files themselves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.errors import BadInput
from genopipe.simulate.human_genome import SMALLEST, human_contigs, plan_human, written
from genopipe.simulate.human_reads import Target, donor_haplotypes, simulate_spread_reads
from genopipe.simulate.sequence import Sequence

LENGTH = 6_000_000
PAIRS = 6000
COMPLEMENT = str.maketrans("ACGT", "TGCA")


@pytest.fixture(scope="module")
def contigs() -> list[Sequence]:
    return list(human_contigs(LENGTH, seed=3))


@pytest.fixture(scope="module")
def letters(contigs: list[Sequence]) -> dict[str, str]:
    return {c.plan.name: np.frombuffer(b"ACGTN", np.uint8)[c.base].tobytes().decode() for c in contigs}


@pytest.fixture(scope="module")
def folder(contigs: list[Sequence], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spread")
    simulate_spread_reads(contigs, PAIRS, Target(path / "R1.fq.gz", path / "R2.fq.gz", path / "positions.tsv"), seed=3)
    return path


def truth(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "positions.tsv").read_text().splitlines()]


def test_contigs_have_the_relative_sizes_of_ours(contigs: list[Sequence]) -> None:
    """chr1 is 8.06 % and chr21 1.51 % of GRCh38's 3,088,269,832 bases."""
    assert len(contigs) == 24
    share = {c.plan.name: c.plan.length / LENGTH for c in contigs}
    assert abs(share["chr1"] - 248_956_422 / 3_088_269_832) < 1e-4
    assert abs(share["chr21"] - 46_709_983 / 3_088_269_832) < 1e-4
    assert abs(sum(share.values()) - 1) < 1e-4


def test_half_of_the_genome_is_repeats(contigs: list[Sequence]) -> None:
    assert 0.46 < sum(int(c.repeat.sum()) for c in contigs) / LENGTH < 0.56


def test_repeated_words_are_as_frequent_as_copies_are_alike(letters: dict[str, str]) -> None:
    """210 thousandths of the genome are 300-base copies of 30 subfamilies: 140 copies of each, half of them overwritten or cut. At 3 %
    divergence a word of 20 is whole in half of them, at 17 % in 2 %: the most frequent words of the youngest occur dozens of times."""
    words: Counter[str] = Counter()
    for text in letters.values():
        words.update(text[i : i + 20] for i in range(0, len(text) - 20, 3))
    frequent = [n for word, n in words.most_common(3000) if "N" not in word and len({*word}) > 2]
    assert 15 < np.median(frequent) < 400


def test_the_satellite_repeats_with_its_unit(contigs: list[Sequence]) -> None:
    """Two copies of 2 % divergence each: neighbours agree in 96 % of bases between the few lost and doubled ones. The array of chr1 has 480
    kb x 1 % = two units."""
    plan, base = contigs[0].plan, contigs[0].base
    start = plan.length * 2 // 5
    unit = 12 * 171
    agreement = max(
        (base[start : start + 400] == base[start + unit + shift : start + unit + shift + 400]).mean() for shift in range(-60, 61)
    )
    assert agreement > 0.6


def test_segments_are_found_again_on_other_contigs(letters: dict[str, str]) -> None:
    """5 % of the genome are copies of a hidden sequence of 1.5 %: words of 40 without an interspersed repeat that stand on two contigs."""
    place: dict[str, str] = {}
    shared = 0
    for name, text in letters.items():
        for i in range(0, len(text) - 40, 7):
            word = text[i : i + 40]
            shared += place.setdefault(word, name) != name
    assert shared * 7 > 0.001 * LENGTH


def test_ends_are_unknown(contigs: list[Sequence]) -> None:
    for contig in contigs:
        end = contig.plan.unknown_end
        assert (contig.base[:end] == 4).all() and (contig.base[-end:] == 4).all() and (contig.base[end:-end] < 4).all()


def test_the_seed_decides(contigs: list[Sequence]) -> None:
    again = next(iter(human_contigs(LENGTH, seed=3)))
    assert again.base.tobytes() == contigs[0].base.tobytes()
    assert next(iter(human_contigs(LENGTH, seed=4))).base.tobytes() != contigs[0].base.tobytes()


def test_the_fasta_holds_the_contigs(contigs: list[Sequence], letters: dict[str, str], tmp_path: Path) -> None:
    assert [contig.plan for contig in written(contigs, tmp_path / "g.fa")] == [contig.plan for contig in contigs]
    with pysam.FastxFile(str(tmp_path / "g.fa")) as fasta:
        read = {record.name: record.sequence for record in fasta}
    assert {name: text.upper() for name, text in read.items()} == letters
    assert [c.islower() for c in read["chr22"]] == contigs[21].repeat.tolist()


def test_a_genome_too_small_is_refused() -> None:
    with pytest.raises(BadInput, match="2,000,000"):
        plan_human(SMALLEST - 1)


def test_the_donor_differs_at_one_base_in_a_thousand(contigs: list[Sequence]) -> None:
    sequence = contigs[0]
    for copy in donor_haplotypes(sequence, seed=3):
        position = copy.reference_position(np.arange(len(copy.base)))
        differing = (copy.base != sequence.base[position]).mean()
        assert 0.0006 < differing < 0.0015
        assert (np.diff(position) >= 0).all() and len(copy.block_start) > 20


def test_reads_lie_where_the_table_says(folder: Path, letters: dict[str, str]) -> None:
    """Nine of ten reads match their place in all but five of the first 100 bases; the others have an indel or an adapter."""
    rows, alike, n = truth(folder), 0, 0
    with pysam.FastxFile(str(folder / "R1.fq.gz")) as first, pysam.FastxFile(str(folder / "R2.fq.gz")) as second:
        for one, two, (name, contig, *places) in zip(first, second, rows, strict=True):
            assert one.name == two.name == name
            for read, start, strand in ((one, int(places[0]), places[1]), (two, int(places[2]), places[3])):
                piece = letters[contig][start : start + 150]
                expected = piece if strand == "+" else piece.translate(COMPLEMENT)[::-1]
                differing = sum(a != b for a, b in zip(read.sequence[:100], expected, strict=False))
                alike, n = alike + (differing <= 5), n + 1
    assert alike / n > 0.9


def test_reads_are_spread_and_mixed(folder: Path) -> None:
    names = [row[1] for row in truth(folder)]
    counts = Counter(names)
    assert len(counts) == 24 and abs(counts["chr1"] / len(names) - 0.0806) < 0.015
    assert len({*names[:200]}) > 15
    assert len({row[0] for row in truth(folder)}) == len(names) > PAIRS * 0.97


def test_nothing_temporary_is_left(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["R1.fq.gz", "R2.fq.gz", "positions.tsv"]
