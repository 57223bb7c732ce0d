"""`genopipe why` says of every variant which rule took it, of a variant that is not there whether it could have been seen.

Oracle: variants placed on purpose so that one rule each takes them.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from genopipe.cli.why import why as why_command
from genopipe.errors import BadInput
from genopipe.interpret.findings import Request
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import write_results
from genopipe.interpret.subject import load_subject
from genopipe.interpret.trace import why
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file, places
from tests.interpret.world import World, write_family_vcf

Variant = tuple[str, int, str, str]


def name(variant: Variant) -> str:
    contig, position, ref, alt = variant
    return f"{contig}-{position + 1}-{ref}-{alt}"


def synonymous(world: World) -> Variant:
    """A change of GENB's third codon base that keeps the amino acid."""
    positions = world.coding_positions("GENB")
    four_fold = {"GC", "GG", "GT", "CC", "CG", "CT", "AC", "TC"}
    for codon in range(3, len(positions) // 3 - 1):
        at = positions[3 * codon : 3 * codon + 3]
        if max(at) - min(at) != 2:
            continue
        word = world.bases("chr1", min(at), max(at) + 1).translate(str.maketrans("ACGT", "TGCA"))[::-1]
        if word[:2] in four_fold:
            ref = world.bases("chr1", at[2], at[2] + 1)
            return "chr1", at[2], ref, next(base for base in "ACGT" if base != ref)
    raise AssertionError("no codon with four endings")


@pytest.fixture(scope="module")
def told(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Variant]]:
    """The results of a family, and the variants by what becomes of them."""
    folder = tmp_path_factory.mktemp("trace")
    place, world = places(setting), setting.world
    outside = ("chrX", 200, world.bases("chrX", 200, 201), "A" if world.bases("chrX", 200, 201) != "A" else "C")
    by_rule = {
        "Rank 1: GENA (stop_gained).": place["stop"],
        "Rank 2: GENC (missense_variant).": place["missense"],
        "Left out as common: 30.0000 % in the population that has it most.": place["common"],
        "Left out: it lies in no gene model that tells an effect.": outside,
        "Left out as a poor call: depth below 6, GQ too low.": world.codon_change("GENX", 12, "TGG"),
        "Left out for GENB: its effect there (synonymous_variant) does not count.": synonymous(world),
        "Not shown for GENA": world.codon_change("GENA", 40, "TGG"),
    }
    calls = {variant: ["0/1", "0/0", "0/0"] for variant in by_rule.values()}
    calls[place["missense"]] = ["0/1", "0/1", "0/0"]
    calls[place["frameshift"]] = ["0/1", "0/0", "0/1"]
    calls[world.codon_change("GENA", 40, "TGG")] = ["0/1", "0/1", "0/0"]
    calls[outside] = ["1", "0/1", "0"]
    calls[world.codon_change("GENX", 12, "TGG")] = ["1:0,3:3:5", "0/1", "0"]
    calls[world.codon_change("GEND", 10, "TGG")] = ["0/0", "0/1", "0/0"]
    vcf = write_family_vcf(folder / "family.vcf", ["KID", "MUM", "DAD"], list(calls.items()))
    (folder / "uncallable.bed").write_text("chr2\t20000\t20100\tno coverage\n")
    case = load_subject(case_file(folder, setting))
    request = Request(case, setting.evidence, vcf, setting.genome, setting.reference, uncallable=folder / "uncallable.bed")
    write_results(interpret(request), folder / "out")
    return folder / "out", by_rule


def test_every_rule_is_told(told: tuple[Path, dict[str, Variant]]) -> None:
    results, by_rule = told
    for sentence, variant in by_rule.items():
        (answer,) = why(name(variant), results).sentences
        assert answer.startswith(sentence), variant


def test_every_variant_of_the_proband_is_in_the_trace(told: tuple[Path, dict[str, Variant]]) -> None:
    results, by_rule = told
    rows = pq.read_table(results / "trace.parquet").to_pylist()
    assert len({(row["contig"], row["position"], row["ref"], row["alt"]) for row in rows}) == len(by_rule) + 1


def test_what_outdoes_a_variant_is_named(told: tuple[Path, dict[str, Variant]], setting: Setting) -> None:
    results, by_rule = told
    (answer,) = why(name(by_rule["Not shown for GENA"]), results).sentences
    assert answer.endswith(f"which has rank 1 by other variants: {name(places(setting)['stop'])}.")


def test_absent_variants(told: tuple[Path, dict[str, Variant]], setting: Setting) -> None:
    """Only in a relative; where nothing could be called; beside a variant that is there."""
    results, _ = told
    (of_mother,) = why(name(setting.world.codon_change("GEND", 10, "TGG")), results).sentences
    assert of_mother == "The input has no genotype of the proband with this variant, though the place could be called."
    (unseen,) = why("2-20050-A-C", results).sentences
    assert unseen.endswith("it could not have been called: the place is uncallable (no coverage).")
    contig, position, ref, alt = places(setting)["stop"]
    other = name((contig, position, ref, next(base for base in "ACGT" if base not in (ref, alt))))
    assert why(other, results).sentences[1] == f"Another variant is there: 1-{position + 1}-{ref}-{alt}."


def test_contigs_and_bases_may_be_spelled_otherwise(told: tuple[Path, dict[str, Variant]], setting: Setting) -> None:
    contig, position, ref, alt = places(setting)["stop"]
    before = setting.world.bases(contig, position - 1, position)
    other = f"{contig.removeprefix('chr')}-{position}-{before + ref}-{(before + alt).lower()}"
    assert why(other, told[0]).sentences[0].startswith("Rank 1: GENA")


def test_without_uncallable_regions_nothing_is_claimed(told: tuple[Path, dict[str, Variant]], tmp_path: Path) -> None:
    (tmp_path / "trace.parquet").write_bytes((told[0] / "trace.parquet").read_bytes())
    (answer,) = why("2-20050-A-C", tmp_path).sentences
    assert answer.endswith("whether it could have been called is unknown, as no --uncallable was given.")


@pytest.mark.parametrize("text", ["chr1:5:A:C", "chr1-0-A-C", "chr1-x-A-C", "chr1"])
def test_another_spelling_is_named(told: tuple[Path, dict[str, Variant]], text: str) -> None:
    with pytest.raises(BadInput, match="CHROM-POS-REF-ALT"):
        why(text, told[0])


def test_a_folder_without_a_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no trace\.parquet"):
        why("1-5-A-C", tmp_path)


def test_the_command(told: tuple[Path, dict[str, Variant]], setting: Setting) -> None:
    variant = name(places(setting)["stop"])
    done = CliRunner().invoke(why_command, [variant, "-r", str(told[0])])
    assert done.output == f"{variant}: Rank 1: GENA (stop_gained).\n"
