"""Reads, judged by where they say they come from, by their own qualities, and by an independent aligner."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
import pytest

import genopipe.simulate.reads as reads_module
from genopipe.simulate.haplotypes import Haplotype, haplotype, reference_haplotypes
from genopipe.simulate.reads import count_pairs, simulate_reads
from genopipe.simulate.sequence import ContigPlan, make_sequence
from genopipe.simulate.sequencer import ADAPTERS
from genopipe.simulate.variation import Variant

DEPTH = 40
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


@dataclass(frozen=True)
class Pair:
    """A pair as the files tell it."""

    name: str
    sequence: tuple[str, str]
    quality: tuple[str, str]
    contig: str
    position: tuple[int, int]
    strand: tuple[str, str]


@dataclass(frozen=True)
class Run:
    """A simulated run of one linear and one circular contig without variants."""

    folder: Path
    contigs: dict[str, str]
    pairs: list[Pair]


def read_pairs(folder: Path) -> list[Pair]:
    pairs = []
    with pysam.FastxFile(str(folder / "R1.fastq.gz")) as first, pysam.FastxFile(str(folder / "R2.fastq.gz")) as second:
        for one, two, line in zip(first, second, (folder / "positions.tsv").read_text().splitlines(), strict=True):
            name, contig, start1, strand1, start2, strand2 = line.split("\t")
            assert one.name == two.name == name
            assert (one.comment[:6], two.comment[:6]) == ("1:N:0:", "2:N:0:")
            qualities = (one.quality, two.quality)
            pairs.append(Pair(name, (one.sequence, two.sequence), qualities, contig, (int(start1), int(start2)), (strand1, strand2)))
    return pairs


def write(folder: Path, haplotypes: list[Haplotype]) -> None:
    simulate_reads(haplotypes, folder / "R1.fastq.gz", folder / "R2.fastq.gz", positions=folder / "positions.tsv")


@pytest.fixture(scope="module")
def linear() -> np.ndarray:
    return make_sequence(ContigPlan("chr1", 60_000, "autosome", 500), seed=11).base


@pytest.fixture(scope="module")
def run(linear: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("reads")
    ring = make_sequence(ContigPlan("chrM", 4000, "mitochondrion"), seed=11).base
    write(folder, [*reference_haplotypes({"chr1": linear}, depth=DEPTH), haplotype("chrM", ring, (), depth=DEPTH, circular=True)])
    contigs = {name: "".join("ACGTN"[code] for code in base) for name, base in (("chr1", linear), ("chrM", ring))}
    return Run(folder, contigs, read_pairs(folder))


def expected(run: Run, pair: Pair, mate: int) -> str:
    """What an errorless mate reads, in its own direction."""
    contig = run.contigs[pair.contig]
    piece = (contig + contig)[pair.position[mate] : pair.position[mate] + 150]
    return piece if pair.strand[mate] == "+" else piece.translate(COMPLEMENT)[::-1]


def inserts(run: Run) -> np.ndarray:
    """Of pairs on the linear contig whose reads do not reach into the adapter."""
    linear = [p for p in run.pairs if p.contig == "chr1"]
    return np.array([max(p.position) + 150 - min(p.position) for p in linear])


def test_pairs_face_each_other(run: Run) -> None:
    for pair in run.pairs:
        if pair.contig == "chr1":
            forward = pair.strand.index("+")
            assert pair.strand[1 - forward] == "-" and pair.position[forward] <= pair.position[1 - forward]


def test_both_strands_are_read_first_equally_often(run: Run) -> None:
    assert abs(sum(pair.strand[0] == "+" for pair in run.pairs) / len(run.pairs) - 0.5) < 0.03


def test_depth_is_what_was_asked_for(run: Run) -> None:
    depth = np.zeros(60_000)
    for pair in run.pairs:
        if pair.contig == "chr1":
            for position in pair.position:
                depth[position : position + 150] += 1
    assert abs(depth[2000:-2000].mean() / DEPTH - 1) < 0.06
    assert depth[:500].sum() == depth[-500:].sum() == 0


def test_insert_sizes_are_400_with_deviation_70(run: Run) -> None:
    size = inserts(run)
    size = size[size > 160]
    assert abs(size.mean() - 400) < 4 and abs(size.std() - 70) < 5


def test_reads_differ_from_their_place_as_often_as_their_qualities_say(run: Run) -> None:
    """Pairs with a lost or repeated base (one read in 512) or an adapter are left out: they differ more."""
    wrong, called = Counter(), Counter()
    for pair in run.pairs:
        for mate in range(2):
            truth = expected(run, pair, mate)
            differing = [a != b for a, b in zip(pair.sequence[mate], truth, strict=True)]
            if sum(differing) < 15:
                called.update(pair.quality[mate])
                wrong.update(q for q, differs in zip(pair.quality[mate], differing, strict=True) if differs)
    for quality, tolerance in ((37, 0.3), (23, 0.25), (12, 0.1)):
        letter = chr(quality + 33)
        assert abs(wrong[letter] / called[letter] / 10 ** (-quality / 10) - 1) < tolerance
    assert called[chr(37 + 33)] / called.total() > 0.8


def test_uncalled_bases_have_the_lowest_quality_and_nothing_else_has(run: Run) -> None:
    for pair in run.pairs:
        for sequence, quality in zip(pair.sequence, pair.quality, strict=True):
            assert [b == "N" for b in sequence] == [q == "#" for q in quality]


def test_qualities_are_in_four_bins(run: Run) -> None:
    assert {ord(q) - 33 for pair in run.pairs for quality in pair.quality for q in quality} == {2, 12, 23, 37}


def test_few_fragments_are_copies(run: Run) -> None:
    """2 % copies; two fragments are the same by chance in far fewer."""
    places = Counter((p.contig, p.position, p.strand) for p in run.pairs)
    copies = sum(n - 1 for n in places.values()) / len(run.pairs)
    assert 0.01 < copies < 0.03


def test_names_are_unique(run: Run) -> None:
    assert len({pair.name for pair in run.pairs}) == len(run.pairs)


def test_a_short_fragment_ends_in_the_adapter(run: Run) -> None:
    for mate, adapter in enumerate(ADAPTERS):
        with_adapter = sum(adapter[:20] in pair.sequence[mate] for pair in run.pairs)
        assert 0 < with_adapter / len(run.pairs) < 0.01


def test_a_ring_is_read_over_its_end(run: Run) -> None:
    assert any(position > 4000 - 150 for pair in run.pairs if pair.contig == "chrM" for position in pair.position)


def test_positions_are_those_of_the_reference(linear: np.ndarray, tmp_path: Path) -> None:
    """A deletion of 1,000 bases: reads right of it stand 1,000 bases further on the reference than on the haplotype."""
    letters = "".join("ACGTN"[code] for code in linear)
    deletion = Variant("chr1", 30_000, letters[30_000:31_001], letters[30_000], 0, "rare")
    write(tmp_path, [haplotype("chr1", linear, [deletion], depth=10)])
    right = [
        (p, mate)
        for p in read_pairs(tmp_path)
        for mate in range(2)
        if p.position[mate] > 32_000 and abs(p.position[0] - p.position[1]) > 40
    ]
    same = 0
    for pair, mate in right:
        piece = letters[pair.position[mate] : pair.position[mate] + 150]
        truth = piece if pair.strand[mate] == "+" else piece.translate(COMPLEMENT)[::-1]
        same += sum(a == b for a, b in zip(pair.sequence[mate], truth, strict=True)) > 130
    assert same / len(right) > 0.98


def test_bytes_do_not_depend_on_the_batches(run: Run, linear: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    haplotypes = reference_haplotypes({"chr1": linear}, depth=5)
    contents = []
    for batch in (100, 1 << 20):
        monkeypatch.setattr(reads_module, "BATCH", batch)
        write(tmp_path, haplotypes)
        contents.append([(tmp_path / name).read_bytes() for name in ("R1.fastq.gz", "R2.fastq.gz", "positions.tsv")])
    assert contents[0] == contents[1]


def test_pairs_give_the_depth(linear: np.ndarray) -> None:
    assert count_pairs(reference_haplotypes({"chr1": linear}, depth=30)) == 60_000 * 30 // 300


@pytest.mark.skipif(shutil.which("bwa") is None, reason="bwa is not installed")
def test_bwa_finds_the_places(run: Run, tmp_path: Path) -> None:
    fasta = tmp_path / "genome.fa"
    fasta.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in run.contigs.items()))
    subprocess.run(["bwa", "index", fasta], check=True, capture_output=True)
    told = subprocess.run(
        ["bwa", "mem", fasta, run.folder / "R1.fastq.gz", run.folder / "R2.fastq.gz"], check=True, capture_output=True, text=True
    )
    truth = {pair.name: pair for pair in run.pairs}
    right = n_mapped = 0
    for row in (line.split("\t") for line in told.stdout.splitlines() if line[0] != "@"):
        flag = int(row[1])
        if not flag & 0x900 and int(row[4]) >= 30:
            n_mapped += 1
            right += abs(int(row[3]) - 1 - truth[row[0]].position[flag >> 7 & 1]) <= 20
    assert n_mapped > 1.8 * len(run.pairs) and right / n_mapped > 0.99


def test_homopolymers_are_read_with_lost_and_gained_bases(tmp_path: Path) -> None:
    """Reads that span a run of 20 A between unlike flanks: most show 20, some one more or one less."""
    flanks = np.tile(np.array([1, 2, 3], np.uint8), 200)
    write(tmp_path, reference_haplotypes({"c": np.concatenate([flanks, np.zeros(20, np.uint8), flanks])}, depth=3000))
    lengths: Counter[int] = Counter()
    for pair in read_pairs(tmp_path):
        for sequence, strand in zip(pair.sequence, pair.strand, strict=True):
            forward = sequence if strand == "+" else sequence.translate(COMPLEMENT)[::-1]
            lengths.update(len(run) - 2 for run in re.findall("TA{18,22}C", forward))
    assert 0.03 < lengths[19] / lengths[20] < 0.12
    assert 0.03 < lengths[21] / lengths[20] < 0.12
