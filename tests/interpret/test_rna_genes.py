"""Genes that make RNA and no protein."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from genopipe.interpret.evidence import Release, add, lock
from genopipe.interpret.findings import Request
from genopipe.interpret.ranking import interpret
from genopipe.interpret.rna_genes import TERM, rna_consequences
from genopipe.interpret.subject import load_subject
from genopipe.interpret.variants import read_variants
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file
from tests.interpret.world import World, write_annotations, write_family_vcf, write_genes


def change(world: World, contig: str, position: int) -> tuple[str, int, str, str]:
    ref = world.bases(contig, position, position + 1)
    return contig, position, ref, "A" if ref != "A" else "C"


def test_only_exons_of_known_genes_without_protein_count(setting: Setting, tmp_path: Path) -> None:
    world = setting.world
    coding = world.transcripts["GENA"]
    silent = replace(coding, id="R1", gene="RNA1", coding=())
    places = [coding.exons[0][0], coding.exons[0][1] - 1, coding.exons[0][1], coding.exons[1][0]]
    path = write_family_vcf(tmp_path / "v.vcf", ["KID"], [(change(world, "chr1", at), ["0/1"]) for at in places])
    called = read_variants(path, ["KID"], genome=setting.genome)
    found = rna_consequences(called, range(4), [silent, coding], known={"RNA1", "GENA"})
    assert {row: {gene: one.terms for gene, one in genes.items()} for row, genes in found.items()} == {
        row: {"RNA1": (TERM,)} for row in (0, 1, 3)
    }
    assert rna_consequences(called, range(4), [silent], known=()) == {}
    assert rna_consequences(called, range(4), [silent, replace(coding, gene="RNA1")], known={"RNA1"}) == {}


def test_a_new_variant_of_an_rna_gene_is_ranked(setting: Setting, tmp_path: Path) -> None:
    """As in RNU4-2: one exon, no protein, new in the child, a disease that fits."""
    store, world = setting.evidence.store.root, World(setting.world.sequence, dict(setting.world.transcripts))
    genes = write_genes(world, tmp_path / "genes.gff3").read_text()
    genes += "chr2\tt\tgene\t25001\t25140\t.\t+\t.\tID=gene:G_RNA;Name=RNU;biotype=snRNA\n"
    genes += "chr2\tt\tsnRNA\t25001\t25140\t.\t+\t.\tID=transcript:TRNA;Parent=gene:G_RNA;biotype=snRNA;version=1\n"
    genes += "chr2\tt\texon\t25001\t25140\t.\t+\t.\tParent=transcript:TRNA\n"
    (tmp_path / "genes.gff3").write_text(genes)
    table = write_annotations(tmp_path / "g2p.txt")
    table.write_text(table.read_text() + "".join(f"9\tRNU\t{term}\tname\t-\tOMIM:9\n" for term in ("HP:0000006", "HP:0001250")))
    add(store, "genes", tmp_path / "genes.gff3", release=Release("rna-genes", "1", "2026-01-01", "CC0", "world"))
    add(store, "hpo-annotations", table, release=Release("rna-terms", "1", "2026-01-01", "CC0", None))
    kept = [dataset.name for dataset in setting.evidence.datasets if dataset.kind not in ("genes", "hpo-annotations")]
    evidence = lock(store, "rna", only=(*kept, "rna-genes", "rna-terms"))
    vcf = write_family_vcf(tmp_path / "v.vcf", ["KID", "MUM", "DAD"], [(change(world, "chr2", 25_063), ["0/1", "0/0", "0/0"])])
    result = interpret(Request(load_subject(case_file(tmp_path, setting)), evidence, vcf, setting.genome, setting.reference))
    [finding] = result.findings
    assert (finding.gene, finding.hits[0].consequence.terms) == ("RNU", (TERM,))
    assert finding.pattern is not None
    assert finding.pattern.mode == "AD_de_novo"
    assert finding.variant_score == 0.6
    assert any("changes the RNA" in reason for reason in finding.reasons)
