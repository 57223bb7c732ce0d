"""Alignments are measured as a slow count over the same records measures them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.errors import BadInput
from genopipe.formats.gff import Transcript
from genopipe.ingest.aligned import measure_aligned, representative_transcripts, sex_of
from genopipe.ingest.alignment_pass import Wanted, count_alignments
from genopipe.ingest.sites import Sites
from genopipe.model import Contig, Genome
from tests.ingest.documents import read_valid, valid

LENGTH = {"chr1": 3000, "chrX": 1000, "chrY": 1000}
UNKNOWN = {("chr1", i) for i in range(100)}


def genome(unknown: tuple[int, int] = (0, 100)) -> Genome:
    """chr1, X and Y without sequence; the first bases of chr1 are unknown."""
    contigs, start = [], 0
    for name, length in LENGTH.items():
        contigs.append(Contig(name, start, length, "", ""))
        start += -(-length // 32) * 32
    return Genome("g", tuple(contigs), np.zeros(start // 32, np.uint64), np.array([unknown[0]]), np.array([unknown[1]]))


Record = dict[str, object]


def random_records(seed: int = 5, n: int = 400) -> list[Record]:
    """Pairs and single reads with indels, clips, duplicates, low mapping qualities, supplementary and secondary records."""
    draw = np.random.default_rng(seed)
    records: list[Record] = []
    for i in range(n):
        contig = int(draw.choice(3, p=[0.8, 0.15, 0.05]))
        size = int(draw.integers(60, 300))
        start = int(draw.integers(0, list(LENGTH.values())[contig] - size - 20))
        common = int(draw.choice([0, 0, 0, 0x400, 0x200, 0x100, 0x800]))
        quality = int(draw.choice([60, 60, 60, 19, 0]))
        cigars = [str(draw.choice(["60M", "20M5D40M", "10S50M", "30M3I27M", "25=1X34="])) for _ in range(2)]
        second = start + max(size - 60, 0)
        if common in (0x100, 0x800) or draw.random() < 0.1:
            records.append({"name": f"s{i}", "flag": common, "contig": contig, "start": start, "quality": quality, "cigar": cigars[0]})
            continue
        for mate, (at, other) in enumerate(((start, second), (second, start))):
            flag = common | 0x3 | (0x40, 0x80)[mate] | (0x20, 0x10)[mate]
            length = (second + 60 - start) * (1, -1)[mate]
            records.append(
                {"name": f"p{i}", "flag": flag, "contig": contig, "start": at, "quality": quality, "cigar": cigars[mate], "mate": other}
                | {"length": length}
            )
    return sorted(records, key=lambda record: (record["contig"], record["start"]))


def write_bam(path: Path, records: list[Record], *, sort_order: str = "coordinate") -> Path:
    header = {"HD": {"VN": "1.6", "SO": sort_order}, "SQ": [{"SN": name, "LN": length} for name, length in LENGTH.items()]}
    draw = np.random.default_rng(9)
    with pysam.AlignmentFile(str(path), "wb", header=header) as bam:
        for record in records:
            read = pysam.AlignedSegment(bam.header)
            read.query_name, read.flag, read.cigarstring = str(record["name"]), record["flag"], record["cigar"]
            read.reference_id, read.reference_start, read.mapping_quality = record["contig"], record["start"], record["quality"]
            read.query_sequence = "".join(draw.choice(list("ACGTN"), 60, p=[0.4, 0.3, 0.2, 0.09, 0.01]))
            read.query_qualities = pysam.qualitystring_to_array("".join(chr(33 + q) for q in draw.choice([2, 20, 37], 60)))
            if "mate" in record:
                read.next_reference_id, read.next_reference_start = record["contig"], record["mate"]
                read.template_length = record["length"]
            bam.write(read)
    return path


def slow_depth(path: Path) -> Counter[tuple[str, int]]:
    """Depth as docs/ingest.md defines it, base by base."""
    depth: Counter[tuple[str, int]] = Counter()
    with pysam.AlignmentFile(str(path)) as bam:
        for read in bam:
            for position, _ in counted_bases(read):
                depth[read.reference_name, position] += 1
    return depth


def counted_bases(read: pysam.AlignedSegment) -> list[tuple[int, int]]:
    """Reference and read positions of the bases of a read that count."""
    if read.is_unmapped or read.is_secondary or read.is_duplicate or read.is_qcfail or read.mapping_quality < 20:
        return []
    pairs = [(position, query) for query, position in read.get_aligned_pairs(matches_only=True)]
    if read.is_paired and not read.is_supplementary and read.next_reference_id == read.reference_id:
        takes_over = read.next_reference_start > read.reference_start or (
            read.next_reference_start == read.reference_start and read.is_read1
        )
        if takes_over:
            return [pair for pair in pairs if pair[0] < read.next_reference_start]
    return pairs


@pytest.mark.parametrize("seed", range(4))
def test_depth_is_that_of_a_count_base_by_base(tmp_path: Path, seed: int) -> None:
    bam = write_bam(tmp_path / "a.bam", random_records(seed))
    depth, found = slow_depth(bam), count_alignments(bam, Wanted(genome()))
    for name, length in LENGTH.items():
        expected = np.bincount([min(depth[name, i], 1000) for i in range(100 if name == "chr1" else 0, length)], minlength=1001)
        assert np.array_equal(found.depth[name], expected), name


def random_targets(seed: int) -> dict[str, np.ndarray]:
    """Intervals of chr1 and X in any order, some over each other, some empty; none on Y."""
    draw = np.random.default_rng(seed)
    start = {name: draw.integers(0, LENGTH[name] - 60, 12) for name in ("chr1", "chrX")}
    return {name: np.stack((one, one + draw.integers(0, 60, 12)), axis=1) for name, one in start.items()}


@pytest.mark.parametrize("seed", range(4))
def test_depth_of_targets_is_that_of_each_of_their_bases_once(tmp_path: Path, seed: int) -> None:
    bam, targets = write_bam(tmp_path / "a.bam", random_records(seed)), random_targets(seed)
    depth, found = slow_depth(bam), count_alignments(bam, Wanted(genome((0, 700)), targets=targets))
    for name in LENGTH:
        bases = {i for start, end in targets.get(name, ()) for i in range(start, end) if name != "chr1" or i >= 700}
        expected = np.bincount([min(depth[name, i], 1000) for i in bases], minlength=1001)
        assert np.array_equal(found.depth[name], expected), name


def test_the_measures_of_a_captured_sample_go_by_its_targets(tmp_path: Path) -> None:
    bam, targets = write_bam(tmp_path / "a.bam", random_records()), random_targets(1)
    found = valid(measure_aligned(bam, "S1", tmp_path, wanted=Wanted(genome(), targets=targets)), "aligned")
    depth, bases = slow_depth(bam), {(name, i) for name, spans in targets.items() for start, end in spans for i in range(start, end)}
    seen = {name: [depth[base] for base in bases if base[0] == name and base not in UNKNOWN] for name in LENGTH}
    assert found["targets"] == {"bases": sum(map(len, seen.values()))}
    assert found["coverage"]["mean"] == round(sum(seen["chr1"]) / len(seen["chr1"]), 3)
    assert found["sex"]["x_depth_ratio"] == round(float(np.mean(seen["chrX"])) / found["coverage"]["mean"], 3)
    assert found["sex"]["found"] is None
    page = (tmp_path / "S1.aligned.html").read_text()
    assert "mean depth of the targets" in page
    assert "autosomal" not in page


def test_a_panel_without_autosomes_is_measured_where_it_is_and_tells_no_sex(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", random_records())
    found = measure_aligned(bam, "S1", tmp_path, wanted=Wanted(genome(), targets={"chrX": np.array([[200, 600]])}), sex="male")
    depth = slow_depth(bam)
    assert found["coverage"]["mean"] == round(sum(depth["chrX", i] for i in range(200, 600)) / 400, 3)
    assert (found["sex"]["x_depth_ratio"], found["sex"]["agrees"]) == (None, None)


def test_targets_on_contigs_without_reads_count_as_not_covered(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", [record for record in random_records() if record["contig"] == 1])
    targets = {"chr1": np.array([[50, 150], [120, 200]]), "chrX": np.array([[0, 1000]])}
    found = measure_aligned(bam, "S1", tmp_path, wanted=Wanted(genome(), targets=targets))
    assert (found["coverage"]["bases"], found["coverage"]["mean"], found["targets"]["bases"]) == (100, 0.0, 1100)


def test_alleles_at_sites_are_those_of_good_bases(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", random_records())
    position = np.arange(0, 3000, 7)
    one = np.zeros(len(position), np.uint8)
    sites = Sites(np.zeros(len(position), np.int64), position, one, one + 1, np.full(len(position), 0.5))
    expected = np.zeros((len(position), 5), np.int64)
    with pysam.AlignmentFile(str(bam)) as records:
        for read in records:
            for place, query in counted_bases(read):
                if read.reference_id == 0 and place % 7 == 0 and read.query_qualities[query] >= 20:
                    expected[place // 7, "ACGTN".index(read.query_sequence[query])] += 1
    assert np.array_equal(count_alignments(bam, Wanted(genome(), sites)).allele, expected)


def test_coverage_of_genes_is_that_of_their_coding_bases(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", random_records())
    models = [transcript("G1", "chr1", ((200, 320), (500, 650))), transcript("G2", "chrX", ((10, 400),))]
    found, depth = count_alignments(bam, Wanted(genome(), None, models)).gene, slow_depth(bam)
    for one in models:
        seen = [depth[one.contig, i] for start, end in one.coding for i in range(start, end)]
        assert found[one.gene].tolist() == [len(seen), sum(seen), *(sum(d >= limit for d in seen) for limit in (5, 10, 20, 30))]


def transcript(gene: str, contig: str, coding: tuple[tuple[int, int], ...], **tags: bool) -> Transcript:
    tag = {"mane": False, "canonical": False} | tags
    return Transcript(f"T-{gene}-{len(coding)}", gene, gene, "protein_coding", contig, "+", coding, coding, 0, **tag)


def test_a_gene_on_a_contig_without_reads_has_no_depth(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", [record for record in random_records() if record["contig"] == 0])
    found = count_alignments(bam, Wanted(genome(), None, [transcript("G", "chrY", ((0, 90),))]))
    assert found.gene["G"].tolist() == [90, 0, 0, 0, 0, 0]


def test_the_mane_transcript_stands_for_its_gene() -> None:
    longer, mane = transcript("G", "chr1", ((0, 90), (100, 200))), transcript("G", "chr1", ((0, 30),), mane=True)
    assert representative_transcripts([longer, mane]) == [mane]
    assert representative_transcripts([longer, transcript("G", "chr1", ((0, 30),))]) == [longer]


@pytest.mark.parametrize(
    "x, y, sex",
    [(1.0, 0.02, "female"), (0.5, 0.45, "male"), (1.0, 0.5, "unclear"), (0.5, 0.0, "unclear"), (0.0, 0.0, None), (None, 1, None)],
)
def test_sex_is_told_from_the_depth_of_x_and_y(x: float | None, y: float | None, sex: str | None) -> None:
    assert sex_of(x, y) == sex


def test_all_files_appear_and_hold_what_the_bam_says(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", random_records())
    measure_aligned(bam, "S1", tmp_path / "qc", wanted=Wanted(genome()), sex="male")
    assert sorted(path.name for path in (tmp_path / "qc").iterdir()) == [
        f"S1.{kind}" for kind in ("aligned.html", "aligned.json", "aligned_mqc.json", "fingerprint.tsv", "genes.tsv")
    ]
    found = read_valid(tmp_path / "qc" / "S1.aligned.json", "aligned")
    with pysam.AlignmentFile(str(bam)) as records:
        primary = [read for read in records if not read.is_secondary and not read.is_supplementary]
    assert found["reads"]["reads"] == len(primary)
    assert found["reads"]["duplicate_fraction"] == round(sum(read.is_duplicate for read in primary) / len(primary), 6)
    good = [r for r in primary if r.is_proper_pair and not r.is_duplicate and r.mapping_quality >= 20 and r.template_length > 0]
    assert found["template_length"]["histogram"] == [list(pair) for pair in sorted(Counter(r.template_length for r in good).items())]


def records_of(start: int = 10, contig: int = 0) -> list[Record]:
    return [{"name": "r", "flag": 0, "contig": contig, "start": start, "quality": 60, "cigar": "60M"}]


def test_bad_alignments_are_refused(tmp_path: Path) -> None:
    unsorted = write_bam(tmp_path / "unsorted.bam", [*records_of(contig=1), *records_of(), *records_of(contig=1)])
    with pytest.raises(BadInput, match="not sorted by position"):
        count_alignments(unsorted, Wanted(genome()))
    outside = write_bam(tmp_path / "outside.bam", records_of(start=2970))
    with pytest.raises(BadInput, match="lies outside of contig chr1"):
        count_alignments(outside, Wanted(genome()))
    empty = write_bam(tmp_path / "empty.bam", [])
    with pytest.raises(BadInput, match="holds no reads"):
        measure_aligned(empty, "S1", tmp_path / "qc", wanted=Wanted(genome()))
    whole = write_bam(tmp_path / "whole.bam", random_records()).read_bytes()
    (tmp_path / "cut.bam").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"cut\.bam.*cut short"):
        count_alignments(tmp_path / "cut.bam", Wanted(genome()))
    (tmp_path / "text.bam").write_text("@HD\n")
    with pytest.raises(BadInput, match=r"text\.bam"):
        count_alignments(tmp_path / "text.bam", Wanted(genome()))
    assert not list(tmp_path.glob("qc/*"))


def test_a_contig_of_another_reference_is_refused(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", records_of())
    contigs = tuple(Contig(c.name, c.start, c.length - (c.name == "chr1"), "", "") for c in genome().contigs)
    other = Genome("g", contigs, genome().packed, genome().unknown_start, genome().unknown_end)
    with pytest.raises(BadInput, match=r"contig chr1 has 3,000 bases; wanted 2,999"):
        count_alignments(bam, Wanted(other))
