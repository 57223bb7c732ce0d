"""The demonstration: a simulated family through the whole workflow, and its finding beside the planted answer.

What a laboratory does once (a reference, an evidence set, a site key) is done first, then `genopipe run` does the case.
Everything lands in one folder, with one case file that can be run again by hand.
"""

from __future__ import annotations

import csv
import secrets
from pathlib import Path

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions
from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.cases.plan import plan_case
from genopipe.cases.run import run_case, snakemake_command
from genopipe.device import default_threads
from genopipe.formats.bam import ReadGroup
from genopipe.formats.genome import load_genome
from genopipe.formats.gff import read_genes
from genopipe.ingest.aligned import measure_aligned, representative_transcripts
from genopipe.ingest.alignment_pass import Wanted
from genopipe.ingest.measure import measure_fastq, paired_lanes
from genopipe.ingest.sites import read_sites
from genopipe.interpret import evidence
from genopipe.outputs import make_folder, whole_file
from genopipe.progress import log
from genopipe.simulate.case_file import write_case
from genopipe.simulate.family import Family, simulate_family

ASSEMBLY = "simulated"
EVIDENCE_SET = "demo"
SMALLEST, SMALL_MEMORY = 200_000, 1 << 30
EVIDENCE_FILES = {
    "genes": "genome/genes.gff3",
    "hpo": "evidence/hp.obo",
    "hpo-annotations": "evidence/genes_to_phenotype.txt",
    "clinvar": "evidence/clinvar.vcf.gz",
    "frequency": "evidence/frequency.vcf.gz",
    "constraint": "evidence/constraint.tsv",
}


def run_demo(folder: Path, *, cores: int | None = None) -> str:
    """Simulates the family in `folder`, runs its case, and returns what came out, for people to read."""
    folder = make_folder(folder)
    log.info("demo: simulating a newborn and both parents")
    family = simulate_family(folder / "family")
    case_file = prepare_case(folder, family)
    plan = plan_case([case_file], {"cores": cores, "results": str(folder / "results"), "site_key_file": str(_site_key(folder))})
    run_case(plan, snakemake_command(plan))
    return _told(folder, plan.folder, family)


def prepare_case(folder: Path, family: Family) -> Path:
    """Builds the reference, locks the evidence set and writes the case file of a simulated family. Returns the case file."""
    reference = folder / "reference"
    if not reference.exists():
        build_reference(family.genome, reference, name=ASSEMBLY, threads=default_threads())
    genome = load_genome(reference)
    for kind, file in EVIDENCE_FILES.items():
        release = evidence.Release(name=kind, version="1", date="2026-01-01", licence="CC0-1.0", assembly=ASSEMBLY)
        evidence.add(folder / "evidence", kind, family.folder / file, release=release, genome=genome)
    evidence.lock(folder / "evidence", EVIDENCE_SET)
    return write_case(folder, family, reference=reference, evidence=folder / "evidence" / EVIDENCE_SET, archive=folder / "archive")


def small_chain(folder: Path) -> None:
    """Measures, aligns, calls and archives a tiny simulated newborn in `folder`: every kernel is used once."""
    family = simulate_family(folder / "family", genome_length=SMALLEST, coverage=15, mitochondrial_coverage=15)
    reference, bam = folder / "reference", folder / "newborn.bam"
    build_reference(family.genome, reference, name=ASSEMBLY, threads=default_threads())
    newborn = family.newborn
    measure_fastq(paired_lanes([newborn.r1], [newborn.r2], interleaved=False), newborn.sample, folder)
    group = ReadGroup(newborn.sample, newborn.sample, newborn.sample, "ILLUMINA")
    options = Options(default_threads(), SMALL_MEMORY)
    align_files([newborn.r1], [newborn.r2], reference, bam, interleaved=False, read_group=group, options=options)
    genome = load_genome(reference)
    known = read_sites(family.folder / EVIDENCE_FILES["frequency"], genome)
    models = representative_transcripts(read_genes(family.folder / EVIDENCE_FILES["genes"]))
    measure_aligned(bam, newborn.sample, folder, wanted=Wanted(genome, known, models))
    call_variants(
        reference,
        bam,
        Outputs(folder / "newborn.vcf.gz", folder / "newborn.g.vcf.gz"),
        sample=Sample(None, None),
        region=None,
        threads=default_threads(),
    )
    kept = PutOptions(newborn.sample, Reference.load(reference), "fast")
    put_files(folder / "archive", [bam, newborn.r1, newborn.r2], kept)


def _site_key(folder: Path) -> Path:
    """The demonstration's own secret, made once."""
    path = folder / "site.key"
    if not path.exists():
        with whole_file(path) as partial:
            partial.touch(mode=0o600)
            partial.write_text(secrets.token_hex(32) + "\n")
    return path


def _told(folder: Path, results: Path, family: Family) -> str:
    with open(results / "interpret" / "findings.tsv", newline="") as stream:
        first = next(csv.DictReader(stream, delimiter="\t"))
    return "\n".join(
        [
            f"first finding  {first['gene']}  {first['variants']}  {first['hgvs_p'] or first['hgvs_c']}  {first['mode']}  {first['acmg']}",
            f"planted        {family.causal_gene}  {family.causal_variant}",
            f"report         {results / 'interpret' / 'report.html'}",
            f"archive        {folder / 'archive'}",
            f"FHIR bundle    {results / 'ehr' / 'bundle.json'}",
            f"run it again   genopipe run {folder / 'case.yaml'} --results {folder / 'results'}",
        ]
    )
