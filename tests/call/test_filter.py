"""The learnt filter: trees score as walking them by hand does, grow towards what tells rows apart, and their file keeps them."""

from __future__ import annotations

import json

import numpy as np
import pysam
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.call import train
from genopipe.call.boosting import Growth, grow
from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.call.events import Stretch
from genopipe.call.features import FEATURES
from genopipe.call.forest import SHIPPED, Forest, load_forest, save_forest
from genopipe.call.labels import RIGHT, UNSURE, WRONG, labels, read_truth
from genopipe.call.sites import Site
from genopipe.call.train import Donor, rows_of, train_filter
from genopipe.cli.train_filter import train_filter as command
from genopipe.errors import BadInput
from tests.call.conftest import write_reads

FEATURE = {name: i for i, name in enumerate(FEATURES)}


def by_hand(forest, row):
    """The score of one row, walked node by node."""
    score = forest.start
    for tree in forest.trees:
        feature, threshold, left, right, value = tree[0]
        while feature >= 0:
            feature, threshold, left, right, value = tree[left if row[feature] <= threshold else right]
        score += value
    return score


@st.composite
def trees(draw):
    """A tree whose leaves are split a few times."""
    nodes = [(-1, 0, 0, 0, draw(st.integers(-9, 9)))]
    for _ in range(draw(st.integers(0, 5))):
        leaf = draw(st.sampled_from([i for i, node in enumerate(nodes) if node[0] < 0]))
        nodes[leaf] = (draw(st.integers(0, len(FEATURES) - 1)), draw(st.integers(-5, 5)), len(nodes), len(nodes) + 1, 0)
        nodes += [(-1, 0, 0, 0, draw(st.integers(-9, 9))) for _ in range(2)]
    return tuple(nodes)


@settings(max_examples=50)
@given(st.lists(trees(), max_size=4), st.integers(-9, 9), st.integers(0, 1 << 30))
def test_scores_are_those_of_walking_by_hand(forest, start, seed):
    rows = np.random.default_rng(seed).integers(-6, 7, (5, len(FEATURES)))
    one = Forest(tuple(forest), start, {})
    assert one.scores(rows).tolist() == [by_hand(one, row) for row in rows.tolist()]


def test_trees_tell_apart_what_no_single_threshold_does():
    rows = np.random.default_rng(1).integers(0, 100, (2000, 3))
    wrong = (rows[:, 0] > 50) != (rows[:, 2] > 30)
    start, grown = grow(rows, wrong, Growth(n_trees=30))
    scores = np.array([by_hand(Forest(grown, start, {}), row) for row in rows.tolist()])
    assert ((scores > 0) == wrong).mean() > 0.98
    assert {node[0] for tree in grown for node in tree} <= {-1, 0, 2}


def test_the_order_of_the_rows_changes_no_tree():
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 50, (500, 4))
    wrong = rows[:, 1] + rng.integers(0, 20, 500) > 40
    order = rng.permutation(500)
    assert grow(rows, wrong, Growth(n_trees=5)) == grow(rows[order], wrong[order], Growth(n_trees=5))


def test_where_nothing_tells_rows_apart_the_score_is_their_share():
    start, grown = grow(np.zeros((100, 2), np.int64), np.arange(100) < 20, Growth(n_trees=3))
    assert start == round(1000 * np.log(0.2 / 0.8))
    assert all(len(tree) == 1 and abs(tree[0][4]) < 5 for tree in grown)


def test_the_file_keeps_the_trees(tmp_path):
    forest = Forest((((0, 3, 1, 2, 0), (-1, 0, 0, 0, -5), (-1, 0, 0, 0, 7)),), -100, {"evaluation": {}})
    save_forest(forest, tmp_path / "filter.json")
    assert load_forest(tmp_path / "filter.json") == forest


def test_the_shipped_filter_says_how_it_was_trained_and_judged():
    told = load_forest(SHIPPED).provenance
    assert (
        told["learnt_from"]
        and told["judged_on"]
        and not {donor["reads_sha256"] for donor in told["learnt_from"]} & {donor["reads_sha256"] for donor in told["judged_on"]}
    )
    assert set(told["evaluation"]["judged_on"]["trees"]) == {"wrong_passed", "right_failed"}


def damaged(change):
    told = {"format": 1, "features": list(FEATURES), "start": 0, "provenance": {}, "trees": [[[-1, 0, 0, 0, 0]]]}
    change(told)
    return told


@pytest.mark.parametrize(
    "change, came",
    [
        (lambda told: told.update(format=2), r"format 2 with 40 features"),
        (lambda told: told["features"].pop(), r"format 1 with 39 features"),
        (lambda told: told.pop("trees"), r"no learnt filter \('trees'\)"),
        (lambda told: told.update(trees=[[[0, 1, 0, 1, 0]]]), r"a node that leads nowhere"),
        (lambda told: told.update(trees=[[[99, 1, 1, 2, 0]]]), r"a node that leads nowhere"),
        (lambda told: told.update(trees=[[[-1, 0, 0, 0, 0.5]]]), r"other things than whole numbers"),
        (lambda told: told.update(trees=[[[-1, 0, 0]]]), r"no learnt filter"),
    ],
)
def test_a_file_that_is_no_filter_is_refused(tmp_path, change, came):
    path = tmp_path / "filter.json"
    path.write_text(json.dumps(damaged(change)))
    with pytest.raises(BadInput, match=came) as error:
        load_forest(path)
    assert "train-filter" in str(error.value) and str(path) in str(error.value)


def test_text_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "filter.json").write_bytes(b"\xff{")
    with pytest.raises(BadInput, match="no learnt filter"):
        load_forest(tmp_path / "filter.json")


def test_a_missing_file_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(BadInput, match="no_such: there is no such file; wanted `learnt`, or a file made by `genopipe train-filter`"):
        call_variants(tmp_path, tmp_path / "x.bam", Outputs(tmp_path / "x.vcf.gz"), sample=Sample(filter=tmp_path / "no_such"))


def record(position, alleles, genotype):
    return Site(position, alleles, genotype, (0,), 9, 9, 9, (0,) * len(alleles), (0, 0, 0, 0), False)


@pytest.mark.parametrize(
    "site, truth, label",
    [
        (record(10, ("A", "C"), (0, 1)), [(10, ("A", "C"), (0, 1))], RIGHT),
        (record(10, ("A", "C"), (1, 1)), [(10, ("A", "C"), (0, 1))], WRONG),
        (record(10, ("A", "C"), (1, 1)), [(10, ("A", "C"), (1,))], RIGHT),
        (record(10, ("A", "C"), (0, 1)), [], WRONG),
        (record(10, ("A", "C"), (0, 1)), [(30, ("T", "G"), (0, 1))], UNSURE),
        (record(10, ("A", "C"), (0, 1)), [(90, ("T", "G"), (0, 1))], WRONG),
        (record(10, ("AT", "A"), (0, 1)), [(13, ("T", ""), (0, 1))], RIGHT),
        (record(10, ("A", "C", "*"), (1, 2)), [(10, ("A", "C"), (0, 1))], RIGHT),
        (record(10, ("A", "C", "G"), (1, 2)), [(10, ("A", "C"), (0, 1)), (10, ("A", "G"), (1, 0))], RIGHT),
        (record(10, ("A", "C", "G"), (1, 2)), [(10, ("A", "C"), (0, 1))], WRONG),
    ],
)
def test_labels(site, truth, label):
    """Against the stretch ..A TTT G.., a deletion of one T is the same one wherever it is written."""
    stretch = Stretch(0, b"\0\1" * 5 + b"\0" + b"\3\3\3" + b"\2\1" * 50)
    assert labels([site], truth, stretch).tolist() == [label]


def test_a_truth_without_genotypes_is_refused(tmp_path):
    path = tmp_path / "truth.vcf"
    path.write_text("##fileformat=VCFv4.2\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    with pytest.raises(BadInput, match="no genotypes"):
        read_truth(path)
    path.write_text("nonsense\n")
    with pytest.raises(BadInput, match="cannot be read"):
        read_truth(path)


@pytest.fixture(scope="module")
def donors(world, donor, tmp_path_factory):
    """The donor twice, at low depth, with its truth as a VCF."""
    folder = tmp_path_factory.mktemp("donors")
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name}>" for name in world.sequences)]
    lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines += ["\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "donor"])]
    first, second = donor.haplotypes
    for variant in sorted({*first, *second}):
        contig, position, ref, alt = variant
        lines.append(f"{contig}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t{int(variant in first)}|{int(variant in second)}")
    truth = folder / "truth.vcf"
    truth.write_text("\n".join(lines) + "\n")
    bams = [write_reads(world, donor, folder / f"{seed}.bam", depth=6, seed=seed, error=0.02) for seed in (1, 2)]
    return [Donor(world.reference, bam, truth) for bam in bams]


def test_features_of_reads_are_those_counted_by_pysam(world, donor, donor_bam, donors):
    rows = rows_of([Donor(world.reference, donor_bam, donors[0].truth)])
    snv = next(v for v in donor.haplotypes[0] if v[:2] == ("chr1", 2000))
    bases, lengths, ends = [], [], []
    with pysam.AlignmentFile(str(donor_bam)) as file:
        for read in file.fetch("chr1", 2000, 2001):
            at = {place: offset for offset, place in read.get_aligned_pairs(matches_only=True)}.get(2000)
            if at is not None and read.query_qualities[at] >= 10:
                bases.append(read.query_sequence[at])
                lengths.append(min(at, read.query_length - 1 - at))
                ends.append(read.is_reverse)
    shown = [i for i, base in enumerate(bases) if base == snv[3]]
    row = next(row for row in rows.feature if row[FEATURE["reads_of_alternative"]] == len(shown) and row[FEATURE["before"]] == 1000)
    assert row[FEATURE["distance_to_end_of_alternative"]] == sum(lengths[i] for i in shown) * 10 // len(shown)
    assert row[FEATURE["most_distance_to_end_of_alternative"]] == max(lengths[i] for i in shown)
    assert row[FEATURE["mapping_quality_of_alternative"]] == 600
    assert row[FEATURE["forward_share"]] == 1000 * sum(not ends[i] for i in shown) // len(shown)
    assert row[FEATURE["alternative_depth"]] == len(shown)


def test_training_writes_a_filter_with_its_evaluation(donors, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "_LEAST_WRONG", 0)
    arguments = ["--learn", *vars_of(donors[0]), "--judge", *vars_of(donors[1]), "-o", str(tmp_path / "filter.json")]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    told = load_forest(tmp_path / "filter.json").provenance
    assert told["evaluation"]["judged_on"]["records"] == len(rows_of(donors[1:]).wrong) > 3
    assert f"judged on: {told['evaluation']['judged_on']['records']} records" in done.output


def vars_of(donor):
    return [str(donor.reference), str(donor.bam), str(donor.truth)]


def test_too_few_wrong_records_are_told(donors, tmp_path):
    with pytest.raises(BadInput, match="wrong records among"):
        train_filter(donors[:1], donors[1:], tmp_path / "filter.json")
    assert not (tmp_path / "filter.json").exists()


@pytest.mark.parametrize("score, filters", [(1, {"Learnt"}), (0, {"PASS"})])
def test_a_record_fails_where_its_score_is_above_nothing(world, donor_bam, tmp_path, score, filters):
    save_forest(Forest((), score, {}), tmp_path / "filter.json")
    call_variants(world.reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"), sample=Sample(filter=tmp_path / "filter.json"), region="chrX")
    with pysam.VariantFile(str(tmp_path / "x.vcf.gz")) as file:
        assert {name for record in file for name in record.filter} == filters
