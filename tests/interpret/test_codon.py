"""What ClinVar knows around a variant, and what variants of one codon do together."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from genopipe.interpret.ba1_exceptions import exceptions
from genopipe.interpret.codon import Around, Effect, Known, Reading, around, known_in
from genopipe.interpret.evidence import EvidenceSet, Release, add, lock
from genopipe.interpret.findings import Finding, Request
from genopipe.interpret.hgvs import Change, change_of
from genopipe.interpret.ranking import interpret
from genopipe.interpret.repeats import in_repeat
from genopipe.interpret.results import findings_document
from genopipe.interpret.sequence import bases_of, translate
from genopipe.interpret.subject import load_subject
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file
from tests.interpret.world import CLINVAR_HEADER, other_strand, write_family_vcf, write_sites

TWO_STARS = "CLNSIG=Pathogenic;CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts;CLNDN=x"


def codon_text(setting: Setting, gene: str, codon: int) -> str:
    world, transcript = setting.world, setting.world.transcripts[gene]
    positions = world.coding_positions(gene)[3 * codon : 3 * codon + 3]
    text = "".join(world.sequence[transcript.contig][at] for at in positions)
    return text if transcript.strand == "+" else other_strand(text)[::-1]


def whole_codons(setting: Setting, gene: str) -> list[int]:
    """Codons that no intron divides, without the first and the last."""
    positions = setting.world.coding_positions(gene)
    return [i for i in range(1, len(positions) // 3 - 1) if abs(positions[3 * i + 2] - positions[3 * i]) == 2]


@pytest.mark.parametrize("gene", ["GENA", "GENB", "GENM"])
def test_every_change_of_a_codon_is_read_by_the_genetic_code(setting: Setting, gene: str) -> None:
    """Against translating the codon as it is written anew; on both strands and with the code of mitochondria."""
    transcript = setting.world.transcripts[gene]
    reading = Reading(transcript, lambda contig: bases_of(setting.genome, contig))
    mitochondrial = gene == "GENM"
    for codon in whole_codons(setting, gene)[::9]:
        old = codon_text(setting, gene, codon)
        for new in ("TGG", "TAA", "GCA", old[:2] + "ACGT"["CGTA".index(old[2])]):
            if new == old:
                continue
            _, position, ref, alt = setting.world.codon_change(gene, codon, new)
            effect = reading.effect(change_of(position, ref, alt))
            before, after = (translate(text, mitochondrial=mitochondrial) for text in (old, new))
            kind = "synonymous" if before == after else "lost" if after == "*" else "missense"
            assert effect == Effect(kind, codon, after)


def test_splice_sites_and_frames_need_no_sequence(setting: Setting) -> None:
    transcript = setting.world.transcripts["GENA"]
    inside, after = transcript.coding[1][0] + 5, transcript.exons[0][1]
    kinds = {
        Change(after, after + 1, "C"): "lost",
        Change(after + 2, after + 3, "C"): "other",
        Change(inside, inside + 1, ""): "lost",
        Change(inside, inside + 3, ""): "inframe",
        Change(inside, inside, "ACGACG"): "inframe",
        Change(inside, inside + 1, "C"): "other",
    }
    assert {change: Reading(transcript, None).effect(change).kind for change in kinds} == kinds


def test_counts_around_a_variant() -> None:
    """Neighbours by codon; the variant itself says nothing of itself."""

    def one(position: int, significance: str, kind: str, codon: int, residue: str = "F", stars: int = 1) -> Known:
        return Known((position, "A", "C"), f"VCV{position}", significance, stars, Effect(kind, codon, residue))

    known = [
        one(30, "pathogenic", "missense", 10, "W"),
        one(31, "likely_pathogenic", "missense", 10, "W", 2),
        one(32, "pathogenic", "missense", 10, "F"),
        one(40, "pathogenic", "missense", 18),
        one(43, "pathogenic", "missense", 19),
        one(20, "benign", "missense", 7),
        one(21, "uncertain", "missense", 8),
        one(22, "conflicting", "missense", 8),
        one(90, "pathogenic", "lost", 30),
        one(91, "benign", "lost", 31),
    ]
    assert around((30, "A", "C"), Effect("missense", 10, "W"), known) == Around(known[1], known[2], 1, 2, 1, 1, 4, 1)
    assert around((5, "A", ""), Effect("inframe"), known) == Around(n_lost=1, n_missense=5, n_harmless=1)


def with_clinvar(setting: Setting, folder: Path, codons: dict[str, str]) -> EvidenceSet:
    """The evidence of the world with a ClinVar of changes of GENA: `number:codon` to INFO."""
    store = setting.evidence.store.root
    records = []
    for change, info in codons.items():
        number, new = change.split(":")
        records.append((*setting.world.codon_change("GENA", int(number), new), info))
    file = write_sites(folder / "clinvar.vcf.gz", CLINVAR_HEADER, records)
    name = f"codons-{folder.name}".replace("_", "-")[:60]
    add(store, "clinvar", file, release=Release(name, "1", "2026-01-01", "CC0", "world"))
    kept = [dataset.name for dataset in setting.evidence.datasets if dataset.kind != "clinvar"]
    return lock(store, name, only=(*kept, name))


def test_known_records_are_found_in_coding_exons_only(setting: Setting, tmp_path: Path) -> None:
    codons = whole_codons(setting, "GENA")
    evidence = with_clinvar(setting, tmp_path, {f"{codons[4]}:TAA": TWO_STARS, f"{codons[5]}:TGG": TWO_STARS})
    transcripts = [setting.world.transcripts[gene] for gene in ("GENA", "GENB")]
    found = known_in(evidence, transcripts, lambda contig: bases_of(setting.genome, contig))
    assert [(one.effect.kind, one.effect.codon) for one in found["T0001.1"]] == [("lost", codons[4]), ("missense", codons[5])]
    assert found["T0002.1"] == ()


def ranked(setting: Setting, folder: Path, records: list[tuple[tuple[str, int, str, str], list[str]]], evidence: EvidenceSet) -> Finding:
    vcf = write_family_vcf(folder / "kid.vcf", ["KID"], records)
    case = case_file(folder, setting, family="")
    result = interpret(Request(load_subject(case), evidence, vcf, setting.genome, setting.reference))
    findings_document(result, None)
    return next(finding for finding in result.findings if finding.gene == "GENA")


def codes(finding: Finding) -> set[str]:
    return {criterion.code for hit in finding.hits for criterion in hit.acmg.criteria}


def test_a_case_uses_what_clinvar_knows_of_the_codon(setting: Setting, tmp_path: Path) -> None:
    """PM5 for another amino acid there, PS1 for the same by other bases; both with ClinVar's accession."""
    codon = whole_codons(setting, "GENA")[6]
    own = (setting.world.codon_change("GENA", codon, "CGT"), ["0/1"])
    other = ranked(setting, tmp_path, [own], with_clinvar(setting, tmp_path, {f"{codon}:TGG": TWO_STARS}))
    assert "PM5" in codes(other)
    (tmp_path / "same").mkdir()
    same = ranked(setting, tmp_path, [own], with_clinvar(setting, tmp_path / "same", {f"{codon}:CGA": TWO_STARS}))
    assert "PS1" in codes(same)
    assert any("2 stars" in criterion.why for hit in same.hits for criterion in hit.acmg.criteria)


def two_bases(setting: Setting, gene: str) -> tuple[int, str, list[tuple[str, int, str, str]]]:
    """A codon, what two changes of its bases make of it together, and each change."""
    transcript = setting.world.transcripts[gene]
    for codon in whole_codons(setting, gene)[5:]:
        old = codon_text(setting, gene, codon)
        new = "TA" + old[2]
        if old[0] != "T" and old[1] != "A" and translate(new) == "Y":
            contig = transcript.contig
            positions = setting.world.coding_positions(gene)[3 * codon : 3 * codon + 2]
            bases = [letter if transcript.strand == "+" else other_strand(letter) for letter in "TA"]
            changes = [(contig, at, setting.world.bases(contig, at, at + 1), base) for at, base in zip(positions, bases, strict=True)]
            return codon, translate(old), sorted(changes)
    raise AssertionError


@pytest.mark.parametrize("genotypes", [("0|1", "0|1"), ("1/1", "1/1"), ("1/1", "0/1")])
def test_variants_of_one_codon_on_one_copy_are_read_together(setting: Setting, tmp_path: Path, genotypes: tuple[str, str]) -> None:
    """HGVS tells them as one delins and the amino acid that both together write; the report says what each would do alone."""
    codon, _, changes = two_bases(setting, "GENA")
    finding = ranked(setting, tmp_path, [(change, [call]) for change, call in zip(changes, genotypes, strict=True)], setting.evidence)
    hit = finding.hits[0]
    assert hit.consequence.hgvs_p is not None
    assert hit.consequence.hgvs_p.endswith(f"{codon + 1}Tyr)")
    assert hit.consequence.hgvs_c is not None
    assert "delins" in hit.consequence.hgvs_c
    assert hit.alone is not None
    assert hit.alone.hgvs_p != hit.consequence.hgvs_p
    [beside] = hit.beside
    assert beside != hit.name
    assert any("on the same copy" in reason for reason in finding.reasons)
    assert any(reason.startswith(f"By itself {hit.name}") for reason in finding.reasons)


@pytest.mark.parametrize("genotypes", [("0|1", "1|0"), ("0/1", "0/1")])
def test_variants_of_one_codon_on_two_copies_or_unphased_are_not(setting: Setting, tmp_path: Path, genotypes: tuple[str, str]) -> None:
    _, _, changes = two_bases(setting, "GENA")
    finding = ranked(setting, tmp_path, [(change, [call]) for change, call in zip(changes, genotypes, strict=True)], setting.evidence)
    assert all(hit.alone is None and not hit.beside for hit in finding.hits)


def test_tandem_repeats() -> None:
    text = "ACGTTGCAGCAGCAGCAGATTACA"

    def fetch(start: int, end: int) -> str:
        return text[max(start, 0) : max(end, 0)]

    first = text.index("CAG")
    assert in_repeat(Change(first, first + 3, ""), fetch)
    assert in_repeat(Change(first, first, "CAGCAG"), fetch)
    assert in_repeat(Change(first + 9, first + 12, ""), fetch)
    assert not in_repeat(Change(first, first, "CAT"), fetch)
    assert not in_repeat(Change(0, 3, ""), fetch)
    assert not in_repeat(Change(first, first + 3, "CAT"), fetch)


def test_the_exceptions_to_ba1_stand_in_clinvar_where_they_should(data: Path) -> None:
    """Positions of GRCh37 against a release of ClinVar, which lacks one of them; as many on the other assembly."""
    listed = exceptions("GRCh37")
    contigs = {contig for contig, *_ in listed}
    with gzip.open(data / "clinvar" / "clinvar-2016-09-10.GRCh37.vcf.gz", "rt") as file:
        lines = (line.split("\t", 5)[:5] for line in file if not line.startswith("#") and line.split("\t", 1)[0] in contigs)
        found = {(contig, int(position) - 1, ref, alt) for contig, position, _, ref, alt in lines}
    assert len(listed & found) == 8
    assert len(exceptions("GRCh38")) == len(listed) == 9
    assert exceptions("world") == frozenset()


def test_the_part_that_a_late_stop_takes_counts_by_what_is_known_of_it(setting: Setting, tmp_path: Path) -> None:
    """In the last twentieth of GENA the transcript stays: moderate, and strong where ClinVar knows a pathogenic variant behind the stop."""
    late = len(setting.world.coding_positions("GENA")) // 3 * 19 // 20
    before, stop, behind = [codon for codon in whole_codons(setting, "GENA") if codon >= late - 1][:3]
    own = (setting.world.codon_change("GENA", stop, "TAA"), ["0/1"])
    for place, expected in ((before, "PVS1_moderate"), (behind, "PVS1_strong")):
        (folder := tmp_path / str(place)).mkdir()
        assert expected in codes(ranked(setting, folder, [own], with_clinvar(setting, folder, {f"{place}:TGG": TWO_STARS})))
