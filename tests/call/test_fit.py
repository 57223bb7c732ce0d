"""What is learnt of a sample: the same whatever the threads, a file that comes back as it was, the sex by depth, and refusals of what is
another sample's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pysam
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.call.fit import DEEPEST, cells_of, contamination, fit, fit_model, judge_sex, middle_depth
from genopipe.call.gap_errors import HIGHEST_RATE, SCALE, learn_gap_rates
from genopipe.call.input import open_input
from genopipe.call.joint import joint_genotypes
from genopipe.call.model import read_model, write_model
from genopipe.cli import genopipe
from genopipe.errors import BadInput
from genopipe.formats.genome import load_genome
from genopipe.formats.known_sites import open_known_sites
from genopipe.kernels.assembly import GAP_RATE, LONGEST_UNIT, MOST_UNITS
from genopipe.kernels.repeats import runs_of
from tests.call.conftest import Person, build_world, called, change, truth_of, write_reads


@pytest.fixture(scope="module")
def model_file(world, donor_bam, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "donor.model.json"
    fit(world.reference, donor_bam, path)
    return path


def test_threads_and_the_command_line_do_not_change_a_byte(world, donor_bam, model_file, tmp_path):
    command = ["fit", "--reference", world.reference, "-i", donor_bam, "-o", tmp_path / "x.json", "--threads", "2"]
    done = CliRunner().invoke(genopipe, list(map(str, command)), catch_exceptions=False)
    assert done.exit_code == 0
    assert (tmp_path / "x.json").read_bytes() == model_file.read_bytes()


def test_the_qualities_are_those_that_the_errors_were_made_with(model_file):
    """Base errors of the simulated reads have quality 10, all others are right."""
    model = read_model(model_file)
    assert model.recalibration.reported.tolist() == [10, 37]
    assert model.recalibration.empirical[0] < 2_000
    assert model.recalibration.empirical[1] > 40_000


def test_a_model_comes_back_as_it_was(model_file, tmp_path):
    write_model(read_model(model_file), tmp_path / "x.json")
    assert (tmp_path / "x.json").read_bytes() == model_file.read_bytes()


def test_a_given_model_calls_the_same(world, donor_bam, donor_calls, model_file, tmp_path):
    call_variants(world.reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"), sample=Sample(model=model_file))
    assert (tmp_path / "x.vcf.gz").read_bytes() == donor_calls.vcf.read_bytes()


@pytest.mark.parametrize("what", ["reference", "alignments", "sample"])
def test_a_model_of_something_else_is_refused(what, world, donor_bam, model_file, tmp_path):
    other = "sha256:" + "0" * 64 if what != "sample" else "somebody"
    write_model(replace(read_model(model_file), **{what: other}), tmp_path / "other.json")
    with pytest.raises(BadInput, match=rf"other\.json: {what}: the {what} of the model: {other}; wanted .*genopipe fit"):
        call_variants(world.reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"), sample=Sample(model=tmp_path / "other.json"))
    assert not list(tmp_path.glob("*x.*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": 1}, "the model has version 1"),
        ({"depth": -1}, "depth: -1 is less than the minimum"),
        ({"gap_rates": []}, "gap_rates"),
        ({"more": 1}, "Additional properties"),
    ],
)
def test_a_file_that_is_no_model(change, message, model_file, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(json.loads(model_file.read_text()) | change))
    with pytest.raises(BadInput, match=message):
        read_model(tmp_path / "x.json")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_model_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "x.json"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"no JSON|version None"):
        read_model(path)


def test_cells_are_every_base_once_autosomes_first(world, donor_bam):
    cells = cells_of(load_genome(world.reference), {name: row for row, name in enumerate(world.sequences)})
    seen = {name: np.zeros(len(sequence), int) for name, sequence in world.sequences.items()}
    for cell in cells:
        seen[cell.contig.name][cell.start : cell.end] += 1
    assert all((count == 1).all() for count in seen.values())
    assert [cell.contig.name for cell in cells] == ["chr1"] * 18 + ["chrX"] * 2 + ["chrM"]


def test_known_sites_are_left_out(world, donor_bam, donor_calls, tmp_path):
    genome = load_genome(world.reference)
    reads = open_input(world.reference, genome, donor_bam)
    known = open_known_sites(donor_calls.vcf, genome)
    assert known.positions("chr1", 4_990, 5_010).tolist() == [5_000]
    assert known.positions("chr1", 9_002, 9_010).tolist() == [9_002, 9_003]
    assert known.positions("chrX", 0, 10).tolist() == []
    assert fit_model(genome, reads, known=known).known_sites


@pytest.mark.parametrize("text", ["no VCF", "##fileformat=VCFv4.2\n#CHROM\tPOS\n"])
def test_known_sites_without_an_index(world, text, tmp_path):
    (tmp_path / "known.vcf").write_text(text)
    with pytest.raises(BadInput, match=r"known\.vcf: the file has no index.*bgzip"):
        open_known_sites(tmp_path / "known.vcf", load_genome(world.reference))


def test_known_sites_of_another_reference(world, tmp_path):
    (tmp_path / "known.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nplasmid\t5\t.\tA\tC\t.\t.\t.\n"
    )
    path = pysam.tabix_index(str(tmp_path / "known.vcf"), preset="vcf", force=True)
    with pytest.raises(BadInput, match="no contig of the reference, but plasmid"):
        open_known_sites(tmp_path / path, load_genome(world.reference))


def test_contamination_is_told_less_two_deviations_and_errors():
    assert [contamination(*counts) for counts in ((0, 0), (5_000, 12), (7_500, 30))] == [0, 0, 539]
    assert contamination(10_000, 196) == 1_000_000 * (196 - 2 * 14 - 20) // 10_000


def test_reads_of_somebody_else_do_not_make_two_alleles_of_one(tmp_path, caplog):
    """Three of 100 reads are of somebody without the variants, which every read of the sample shows."""
    world = build_world(tmp_path, {"chr1": 40_000}, seed=3)
    kinds = [("snv", ""), ("snv", ""), ("del", "xx"), ("ins", "GATC")]
    variants = sorted(change(world, "chr1", at, *kinds[at // 250 % 4]) for at in range(500, 39_500, 250))
    one = write_reads(world, Person("p", (variants, variants)), tmp_path / "one.bam", depth=40)
    other = write_reads(world, Person("p", ([], [])), tmp_path / "other.bam", depth=1, seed=9)
    pysam.merge("-f", "-o", str(tmp_path / "both.bam"), str(one), str(other))
    pysam.index(str(tmp_path / "both.bam"))
    caplog.set_level("INFO", logger="genopipe")
    call_variants(world.reference, tmp_path / "both.bam", Outputs(tmp_path / "x.vcf.gz"))
    assert called(tmp_path / "x.vcf.gz") == truth_of(Person("p", (variants, variants)))
    with pysam.VariantFile(str(tmp_path / "x.vcf.gz")) as file:
        assert max(record.samples[0]["AD"][0] for record in file) >= 3
    assert "other people's reads are among the sample's: at least 1." in caplog.text


def test_the_depth_of_contigs_that_are_no_autosomes_is_told(tmp_path, caplog):
    world = build_world(tmp_path, {"plasmid": 6_000})
    caplog.set_level("INFO", logger="genopipe")
    fit(world.reference, write_reads(world, Person("p", ([], [])), tmp_path / "p.bam", depth=20), tmp_path / "p.json")
    assert "depth 20 of all contigs, none of which is an autosome with reads, sex not clear" in caplog.text


def histogram(depth, *, bases=100_000, empty=0.0):
    rng = np.random.default_rng(1)
    depths = np.where(rng.random(bases) < empty, 0, rng.poisson(depth, bases))
    return np.bincount(depths, minlength=DEEPEST + 1)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [((15, 0), (15, 0.5), "male"), ((30, 0), (0.1, 0), "female"), ((30, 0), (15, 0.5), None), ((15, 0), (0.1, 0), None)],
)
def test_the_sex_is_told_by_depth(x, y, expected):
    judged = judge_sex(histogram(30), histogram(x[0], empty=x[1]), histogram(y[0], empty=y[1]))
    assert judged.sex == expected
    assert judged.x_percent == pytest.approx(100 * x[0] / 30, abs=3)


def test_a_captured_sample_is_told_by_its_targets():
    assert judge_sex(histogram(100, empty=0.98), histogram(50, empty=0.985), histogram(50, empty=0.99)).sex == "male"
    assert judge_sex(histogram(100, empty=0.98), histogram(95, empty=0.985), histogram(0.01)).sex == "female"


def test_too_little_tells_no_sex():
    assert judge_sex(histogram(30), histogram(15, bases=100), histogram(15)).x_percent is None
    assert judge_sex(histogram(0.5), histogram(0.2), histogram(0.2)).x_percent is None
    assert judge_sex(histogram(30), histogram(0), histogram(0)).x_percent is None


@given(st.lists(st.integers(0, 50), max_size=30))
def test_the_middle_depth_is_the_median_of_the_covered(depths):
    covered = sorted(depth for depth in depths if depth)
    expected = covered[(len(covered) - 1) // 2] if covered else 0
    assert middle_depth(np.bincount(np.array(depths, np.int64), minlength=DEEPEST + 1)) == expected


def test_gap_rates_without_counts_are_those_known_before():
    rates = learn_gap_rates(np.zeros((LONGEST_UNIT + 1, MOST_UNITS + 1, 2), np.int64))
    assert np.allclose(rates / SCALE, GAP_RATE, rtol=1e-4)


def test_slipping_in_one_length_of_a_repeat_is_learnt_and_carried_on():
    counts = np.zeros((LONGEST_UNIT + 1, MOST_UNITS + 1, 2), np.int64)
    counts[1, 10] = 1_000_000, 28_000
    rates = learn_gap_rates(counts) / SCALE
    assert rates[1, 10] == pytest.approx(0.028, rel=0.02)
    assert rates[1, 9] == pytest.approx(GAP_RATE[1, 9], rel=1e-4)
    assert rates[1, 12] == pytest.approx(20 * GAP_RATE[1, 12], rel=0.05)
    assert rates[2, 10] == pytest.approx(GAP_RATE[2, 10], rel=1e-4)
    assert rates.max() <= HIGHEST_RATE


@given(st.text("ACGTN", max_size=60))
def test_runs_cover_every_known_base_once(text):
    runs = runs_of(np.array(["ACGTN".index(letter) for letter in text], np.uint8))
    covered = [at for start, end, _, _ in runs.tolist() for at in range(start, end)]
    assert covered == [at for at, letter in enumerate(text) if letter != "N"]
    for start, end, unit, units in runs.tolist():
        assert text[start:end] == text[start : start + unit] * units


def people(world, copies_of_x, copies_of_y):
    """Reads with so many copies of X and Y as a person has."""
    return {"chr1": 30, "chrX": 15 * copies_of_x, "chrY": 15 * copies_of_y}


@pytest.fixture(scope="module")
def sexes(tmp_path_factory):
    """A genome with X and Y, and the BAMs of a man and a woman."""
    folder = tmp_path_factory.mktemp("sexes")
    world = build_world(folder, {"chr1": 30_000, "chrX": 20_000, "chrY": 20_000})
    bams = {}
    for sex, depths in {"male": people(world, 1, 1), "female": people(world, 2, 0)}.items():
        parts = []
        for contig, depth in depths.items():
            if depth:
                parts.append(str(write_reads(world, Person(sex, ([], [])), folder / f"{sex}.{contig}.bam", depth=depth, only=contig)))
        bams[sex] = folder / f"{sex}.bam"
        pysam.cat("-o", str(bams[sex]), *parts)
        pysam.index(str(bams[sex]))
    return world, bams


def sex_note(path):
    with pysam.VariantFile(str(path)) as file:
        return next(record.value for record in file.header.records if record.key == "genopipe_sex")


@pytest.mark.parametrize("sex", ["male", "female"])
def test_the_sex_of_the_depth_is_called_with_and_told(sex, sexes, tmp_path):
    world, bams = sexes
    call_variants(world.reference, bams[sex], Outputs(tmp_path / "x.vcf.gz", tmp_path / "x.g.vcf.gz"))
    assert sex_note(tmp_path / "x.vcf.gz").startswith(f"{sex}, X ")
    with pysam.VariantFile(str(tmp_path / "x.g.vcf.gz")) as file:
        copies = {record.chrom: len(record.samples[0]["GT"]) for record in file}
    assert copies == ({"chr1": 2, "chrX": 1, "chrY": 1} if sex == "male" else {"chr1": 2, "chrX": 2})


def test_a_given_sex_that_the_depth_contradicts_is_warned_of(sexes, tmp_path, caplog):
    world, bams = sexes
    with caplog.at_level("WARNING", logger="genopipe"):
        call_variants(world.reference, bams["male"], Outputs(tmp_path / "x.vcf.gz"), sample=Sample(sex="female"))
    assert "called as female, as asked, but the depth says male" in caplog.text
    assert sex_note(tmp_path / "x.vcf.gz").startswith("female, given; WARNING: the depth says male: X ")


def test_a_gvcf_of_the_other_sex_is_refused_in_a_family(sexes, tmp_path):
    world, bams = sexes
    outputs = Outputs(tmp_path / "x.vcf.gz", tmp_path / "x.g.vcf.gz")
    call_variants(world.reference, bams["male"], outputs, sample=Sample(sex="female"), region="chr1:1-2000")
    (tmp_path / "family.ped").write_text("F\tmale\t0\t0\t1\t1\n")
    with pytest.raises(BadInput, match=r"x\.g\.vcf\.gz: male was called as female, and the pedigree says male; wanted .*--sex"):
        joint_genotypes([outputs.gvcf], tmp_path / "family.ped", tmp_path / "family.vcf.gz")
    assert not (tmp_path / "family.vcf.gz").exists()
