"""Consequences and HGVS names agree with what the same change does to the sequence, and with bcftools csq."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from genopipe.formats.gff import Transcript
from genopipe.interpret.consequence import Consequence, consequences, impact_of
from genopipe.interpret.hgvs import Change, change_of, coding_name, protein_name
from genopipe.interpret.sequence import bases_of, translate
from genopipe.interpret.transcripts import Model
from genopipe.interpret.variants import Variants, read_variants
from tests.interpret.conftest import Setting
from tests.interpret.world import World, other_strand, write_family_vcf

THREE = dict(
    zip("ACDEFGHIKLMNPQRSTVWY*", re.findall("...", "AlaCysAspGluPheGlyHisIleLysLeuMetAsnProGlnArgSerThrValTrpTyrTer"), strict=True)
)


def model(setting: Setting, gene: str) -> Model:
    transcript = setting.world.transcripts[gene]
    return Model(transcript, bases_of(setting.genome, transcript.contig))


def variants_of(setting: Setting, tmp_path, places: list[tuple[str, int, str, str]]) -> Variants:  # type: ignore[no-untyped-def]
    path = write_family_vcf(tmp_path / "v.vcf", ["S"], [(place, ["0/1"]) for place in places])
    return read_variants(path, ["S"], genome=setting.genome)


def called(setting: Setting, variants: Variants) -> dict[int, dict[str, Consequence]]:
    transcripts = list(setting.world.transcripts.values())
    return consequences(variants, range(len(variants)), transcripts, genome=setting.genome, reference=setting.reference)


def spliced(world: World, gene: str) -> str:
    return "".join(world.bases(world.transcripts[gene].contig, at, at + 1) for at in world.coding_positions(gene))


def protein(world: World, gene: str) -> str:
    coding = spliced(world, gene)
    return translate(coding if world.transcripts[gene].strand == "+" else coding.translate(str.maketrans("ACGT", "TGCA")))


@pytest.mark.parametrize("gene", ["GENA", "GENB"])
def test_hgvs_of_hand_made_changes(setting: Setting, gene: str) -> None:
    """On both strands: each name follows from the position in the coding sequence and the protein written out."""
    world, layout = setting.world, model(setting, gene)
    old = protein(world, gene)
    contig, start, ref, alt = world.codon_change(gene, 10, "TAA")
    assert contig == layout.transcript.contig
    assert protein_name(layout, change_of(start, ref, alt)) == f"p.({THREE[old[10]]}11Ter)"
    _, start, ref, alt = world.codon_change(gene, 0, "GTG")
    name = coding_name(layout, change_of(start, ref, alt))
    assert name == f"{layout.transcript.id}:c.1A>G"
    assert protein_name(layout, change_of(start, ref, alt)) == "p.(Met1?)"
    stop = len(old) - 1
    _, start, ref, alt = world.codon_change(gene, stop, "CAA")
    tail = translate(layout.sequence[layout.coding_end :]).find("*") + 1
    assert protein_name(layout, change_of(start, ref, alt)) == f"p.(Ter{stop + 1}GlnextTer{tail or '?'})"


@pytest.mark.parametrize("gene", ["GENA", "GENB"])
def test_intron_and_untranslated_places(setting: Setting, gene: str) -> None:
    world, layout = setting.world, model(setting, gene)
    contig = layout.transcript.contig
    first_exon_end = layout.exon_start[1] - layout.coding_start
    positions = world.coding_positions(gene)
    last_of_exon = positions[first_exon_end - 1]
    step = 1 if layout.forward else -1

    def snv(position: int) -> str | None:
        ref = world.bases(contig, position, position + 1)
        return coding_name(layout, change_of(position, ref, "A" if ref != "A" else "C"))

    assert re.fullmatch(rf"{layout.transcript.id}:c\.{first_exon_end}\+1[ACGT]>[ACGT]", snv(last_of_exon + step) or "")
    assert re.fullmatch(rf"{layout.transcript.id}:c\.{first_exon_end + 1}-2[ACGT]>[ACGT]", snv(positions[first_exon_end] - 2 * step) or "")
    assert re.fullmatch(rf"{layout.transcript.id}:c\.-1[ACGT]>[ACGT]", snv(positions[0] - step) or "")
    assert re.fullmatch(rf"{layout.transcript.id}:c\.\*2[ACGT]>[ACGT]", snv(positions[-1] + 2 * step) or "")


def test_a_duplication_is_named_by_its_last_copy(setting: Setting) -> None:
    """Inserting a copy of one coding base names the last base of its run."""
    for gene in ("GENA", "GENB"):
        world, layout = setting.world, model(setting, gene)
        positions, coding = world.coding_positions(gene), layout.sequence[layout.coding_start : layout.coding_end]
        at = 30
        letter = coding[at]
        last = at
        while coding[last + 1] == letter:
            last += 1
        contig_letter = letter if layout.forward else other_strand(letter)
        change = change_of(positions[at], contig_letter, contig_letter * 2)
        assert coding_name(layout, change) == f"{layout.transcript.id}:c.{last + 1}dup"
        assert re.fullmatch(r"p\.\([A-Z][a-z]{2}\d+([A-Z][a-z]{2}fsTer(\d+|\?)|Ter)\)", protein_name(layout, change) or "")


def apply(sequence: str, name: str) -> str:
    """Oracle: carries out a `c.` name within the coding sequence, straight from the recommendation's wording."""
    text = name.split(":c.")[1]
    if found := re.fullmatch(r"(\d+)([ACGT])>([ACGT])", text):
        at = int(found[1]) - 1
        assert sequence[at] == found[2]
        return sequence[:at] + found[3] + sequence[at + 1 :]
    found = re.fullmatch(r"(\d+)(?:_(\d+))?(del|dup|inv|ins|delins)([ACGT]*)", text)
    assert found, name
    first, last = int(found[1]) - 1, int(found[2] or found[1])
    piece = sequence[first:last]
    if found[3] == "ins":
        assert last == first + 2
        return sequence[: first + 1] + found[4] + sequence[first + 1 :]
    new = {"del": "", "dup": piece * 2, "inv": other_strand(piece), "delins": found[4]}[found[3]]
    return sequence[:first] + new + sequence[last:]


def read_protein(old: str, name: str) -> tuple[str, bool]:
    """Oracle: carries out a `p.` name; (protein up to the change, or whole; True when whole)."""
    one = {three: letter for letter, three in THREE.items()}
    text = name[3:-1]
    if found := re.fullmatch(r"([A-Z][a-z]{2})(\d+)=", text):
        assert old[int(found[2]) - 1] == one[found[1]]
        return old, True
    if found := re.fullmatch(r"([A-Z][a-z]{2})(\d+)([A-Z][a-z]{2})", text):
        at = int(found[2]) - 1
        assert old[at] == one[found[1]]
        return (old[:at] + "*", True) if found[3] == "Ter" else (old[:at] + one[found[3]] + old[at + 1 :], True)
    if found := re.fullmatch(r"([A-Z][a-z]{2})(\d+)([A-Z][a-z]{2})(?:fs|ext)Ter(\d+|\?)", text):
        return old[: int(found[2]) - 1] + one[found[3]], False
    found = re.fullmatch(r"[A-Z][a-z]{2}(\d+)(?:_[A-Z][a-z]{2}(\d+))?(del|dup|ins|delins)((?:[A-Z][a-z]{2})*)", text)
    assert found, name
    first, last = int(found[1]) - 1, int(found[2] or found[1])
    added = "".join(one[three] for three in re.findall("...", found[4]))
    if found[3] == "ins":
        return old[: first + 1] + added + old[first + 1 :], True
    return old[:first] + {"del": "", "dup": old[first:last] * 2, "delins": added}[found[3]] + old[last:], True


@pytest.mark.parametrize(("change", "name"), [(Change(11, 14, ""), "p.(Met2del)"), (Change(11, 11, "TGA"), "p.(Met2dup)")])
def test_a_change_that_leaves_the_start_codon_is_named(change: Change, name: str) -> None:
    bases = f"{'C' * 10}ATGATGCATGGGTAA{'C' * 10}"
    transcript = Transcript("T.1", "G", "G", "protein_coding", "c", "+", ((5, 30),), ((10, 25),), 0, True, True)
    assert protein_name(Model(transcript, lambda start, end: bases[start:end]), change) == name


def test_random_changes_are_named_so_that_the_name_rebuilds_them(setting: Setting) -> None:
    """Property: a name, carried out by the recommendation's wording, gives the mutated coding sequence and protein."""
    draw = random.Random(3)
    named = {"c": 0, "p": 0}
    for _ in range(3000):
        gene = draw.choice(["GENA", "GENB", "GENC", "GEND"])
        world, layout = setting.world, model(setting, gene)
        contig = layout.transcript.contig
        positions, coding = world.coding_positions(gene), layout.sequence[layout.coding_start : layout.coding_end]
        at = draw.choice(positions[4:-10])
        ref = world.bases(contig, at, at + draw.choice([1, 1, 2, 3, 4, 7]))
        alt = draw.choice(
            [ref[0], ref[0] + "".join(draw.choices("ACGT", k=draw.choice([1, 2, 3, 6]))), "".join(draw.choices("ACGT", k=len(ref)))]
        )
        if ref == alt:
            continue
        change = change_of(at, ref, alt)
        name, effect = coding_name(layout, change), protein_name(layout, change)
        inside = all(part in positions for part in range(change.start, max(change.end, change.start + 1)))
        if not inside or name is None or re.search(r"[-+*]", name.split("c.")[1]):
            continue
        mutated = apply(coding, name)
        if layout.forward:
            offset = [positions.index(change.start)] if change.start in positions else []
            direct = coding[: offset[0]] + change.inserted + coding[offset[0] + change.end - change.start :]
        else:
            last = positions.index(max(change.end, change.start + 1) - 1) + (1 if change.start == change.end else 0)
            direct = coding[:last] + other_strand(change.inserted) + coding[last + change.end - change.start :]
        assert mutated == direct, (gene, change, name)
        named["c"] += 1
        if effect is None or effect == "p.(Met1?)":
            continue
        whole = translate(direct + layout.sequence[layout.coding_end :])
        whole = whole[: whole.find("*") + 1] if "*" in whole else whole
        told, complete = read_protein(translate(coding), effect)
        assert (whole == told) if complete else whole.startswith(told), (gene, change, name, effect)
        if found := re.search(r"(\d+)[A-Z][a-z]{2}fsTer(\d+)", effect):
            assert len(whole) == int(found[1]) + int(found[2]) - 1
        named["p"] += 1
    assert named["c"] > 1500
    assert named["p"] > 1200


def test_csq_and_names_agree_on_single_bases(setting: Setting, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """bcftools csq as a peer: its term fits the protein name, for every base of two whole genes, the mitochondrial code included."""
    draw = random.Random(5)
    places = []
    for gene in ("GENA", "GENB", "GENM"):
        contig = setting.world.transcripts[gene].contig
        for at in setting.world.coding_positions(gene)[3:-3]:
            ref = setting.world.bases(contig, at, at + 1)
            places.append((contig, at, ref, draw.choice([base for base in "ACGT" if base != ref])))
    variants = variants_of(setting, tmp_path, places)
    expected = {
        "missense_variant": r"p\.\([A-Z][a-z]{2}\d+(?!Ter)[A-Z][a-z]{2}\)",
        "stop_gained": r"p\.\(\w+Ter\)",
        "synonymous_variant": r"p\.\(\w+=\)",
    }
    found = called(setting, variants)
    assert len(found) == len(variants)
    seen = set()
    for row, genes in found.items():
        (hit,) = genes.values()
        term = next((term for term in hit.terms if term in expected), None)
        assert term, (variants.name(row), hit)
        seen.add((term, variants.key[row]))
        assert re.fullmatch(expected[term], hit.hgvs_p or ""), (variants.name(row), hit)
    assert {term for term, key in seen if key == "MT"} >= {"missense_variant", "synonymous_variant"}


def test_the_terms_of_indels_splice_sites_and_start(setting: Setting, tmp_path) -> None:  # type: ignore[no-untyped-def]
    world = setting.world
    transcript = world.transcripts["GENA"]
    donor = transcript.exons[0][1]
    positions = world.coding_positions("GENA")
    places = {
        "splice_donor_variant": ("chr1", donor, "G", "A"),
        "frameshift_variant": (
            "chr1",
            positions[40] - 1,
            world.bases("chr1", positions[40] - 1, positions[40] + 1),
            world.bases("chr1", positions[40] - 1, positions[40]),
        ),
        "start_lost": world.codon_change("GENA", 0, "CTG"),
    }
    variants = variants_of(setting, tmp_path, list(places.values()))
    terms = {term for genes in called(setting, variants).values() for term in genes["GENA"].terms}
    assert set(places) <= terms


def test_without_a_reference_only_places_are_told(setting: Setting, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """No sequence, no amino acid: coding, splice site, frame."""
    world = setting.world
    donor = world.transcripts["GENA"].exons[0][1]
    places = [world.codon_change("GENA", 12, "TAA"), ("chr1", donor, "G", "A")]
    path = write_family_vcf(tmp_path / "v.vcf", ["S"], [(place, ["0/1"]) for place in places])
    variants = read_variants(path, ["S"])
    found = consequences(variants, range(len(variants)), list(world.transcripts.values()), genome=None, reference=None)
    hits = [genes["GENA"] for genes in found.values()]
    assert {hit.terms[0] for hit in hits} == {"coding_sequence_variant", "splice_donor_variant"}
    assert all(hit.hgvs_p is None for hit in hits)


@pytest.mark.parametrize(
    ("terms", "impact"),
    [
        (["missense_variant", "splice_region_variant"], "MODERATE"),
        (["stop_gained"], "HIGH"),
        (["intron_variant"], "MODIFIER"),
        ([], "MODIFIER"),
    ],
)
def test_the_gravest_impact_counts(terms: list[str], impact: str) -> None:
    assert impact_of(terms) == impact


def test_a_gene_on_two_contigs_is_called_on_both(setting: Setting, tmp_path: Path) -> None:
    """As those of the pseudoautosomal regions: the same gene id on X and Y."""
    one, other = setting.world.transcripts["GENA"], setting.world.transcripts["GENC"]
    twins = [replace(one, gene_id="G", gene="TWIN"), replace(other, gene_id="G", gene="TWIN", id="OTHER.1")]
    places = [setting.world.codon_change(gene, 20, "TAA") for gene in ("GENA", "GENC")]
    variants = read_variants(
        write_family_vcf(tmp_path / "v.vcf", ["S"], [(place, ["0/1"]) for place in places]), ["S"], genome=setting.genome
    )
    found = consequences(variants, range(len(variants)), twins, genome=setting.genome, reference=setting.reference)
    assert {row: found[row]["TWIN"].transcript for row in found} == {0: one.id, 1: "OTHER.1"}
    assert all("stop_gained" in found[row]["TWIN"].terms for row in found)
