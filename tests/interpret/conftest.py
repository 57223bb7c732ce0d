"""The invented world of the tests, its packed genome and its evidence, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from genopipe.formats.genome import build_genome
from genopipe.interpret.evidence import EvidenceSet, Release, add, lock
from genopipe.model import Genome
from tests.interpret import world as invented
from tests.interpret.world import World, make_world


@dataclass(frozen=True)
class Setting:
    """A world on disk: `reference` is the packed genome's folder, `evidence` a locked set."""

    world: World
    genome: Genome
    reference: Path
    evidence: EvidenceSet

    @property
    def evidence_path(self) -> Path:
        return self.evidence.store.root / self.evidence.name


@pytest.fixture(scope="session")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("world")
    world = make_world()
    genome = build_genome(world.write_fasta(folder / "world.fa"), folder / "reference", name="world")
    store = folder / "evidence"

    def keep(kind: str, file: Path, assembly: str | None = None) -> None:
        add(store, kind, file, release=Release(kind, "1", "2026-01-01", "CC0", assembly))

    (folder / "hp.obo").write_text(invented.OBO)
    keep("hpo", folder / "hp.obo")
    keep("hpo-annotations", invented.write_annotations(folder / "g2p.txt"))
    keep("genes", invented.write_genes(world, folder / "genes.gff3"), "world")
    (folder / "constraint.tsv").write_text("gene\tpLI\toe_lof_upper\nGENA\t1.0\t0.12\nGENB\t0.0\t1.5\nGENC\t0.0\t1.2\n")
    keep("constraint", folder / "constraint.tsv")
    common = world.codon_change("GEND", 30, "TGG")
    known = world.codon_change("GENC", 20, "TAA")
    seen = [(*common, "AF=0.3;nhomalt=900"), (*world.codon_change("GENB", 15, "TGG"), "AF=0.00001;nhomalt=0")]
    keep("frequency", invented.write_sites(folder / "f.vcf.gz", invented.FREQUENCY_HEADER, seen), "world")
    told = "CLNSIG=Pathogenic;CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts;CLNDN=Blisters;GENEINFO=GENC:3"
    keep("clinvar", invented.write_sites(folder / "c.vcf.gz", invented.CLINVAR_HEADER, [(*known, told)]), "world")
    return Setting(world, genome, folder / "reference", lock(store, "2026-01"))
