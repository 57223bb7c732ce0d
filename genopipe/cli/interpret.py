"""`genopipe interpret`: variants and phenotype to ranked findings."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, ExistingFolder, Instant, OutputFolder


@click.command()
@click.option("--variants", type=ExistingFile, help="The family's VCF; without it genes are ranked by phenotype alone.")
@click.option("--structural", type=ExistingFile, help="VCF of deletions, duplications, inversions and breakends, ranked with the others.")
@click.option("--case", "case", type=ExistingFile, required=True, help="Case file (YAML) or GA4GH phenopacket (JSON or YAML).")
@click.option("--evidence", type=click.Path(path_type=Path), required=True, help="A locked evidence set, E/NAME.")
@click.option(
    "--reference", type=ExistingFolder, help="Folder made by `genopipe reference build`; without it no amino acid changes are told."
)
@click.option(
    "--score",
    type=click.Choice(["genopipe", "exomiser14", "exomiser15"]),
    default="genopipe",
    show_default=True,
    help="How scores are combined.",
)
@click.option(
    "--uncallable", type=ExistingFile, help="BED of where the proband could not be called; genes that fit are told where they lie in it."
)
@click.option("--pgx", type=ExistingFile, help="pgx.json of `genopipe pgx`; its warning about aminoglycosides goes to the first page.")
@click.option("--reads", type=ExistingFile, help="The proband's BAM: the report shows the reads around each variant (with --reference).")
@click.option(
    "--panel",
    "panels",
    multiple=True,
    help="Rank only the genes of this panel (green) or gene list of the evidence set; repeatable.",
)
@click.option("--by-onset", is_flag=True, help="Halve the score of genes whose diseases begin much later than the patient fell ill.")
@click.option("--previous", type=ExistingFile, help="findings.json of the run before: when each variant was first seen, and what changed.")
@click.option("--max-age", type=click.IntRange(min=1), help="Refuse evidence that is older, in days by --issued, else by today.")
@click.option("--issued", type=Instant(), help="Date for the results, such as 2026-11-20T10:00:00Z; without it none is written.")
@click.option("-o", "--output", "output", type=OutputFolder, required=True, help="Folder for the findings.")
def interpret(
    variants: Path | None,
    structural: Path | None,
    case: Path,
    evidence: Path,
    reference: Path | None,
    score: str,
    uncallable: Path | None,
    pgx: Path | None,
    reads: Path | None,
    panels: tuple[str, ...],
    by_onset: bool,
    previous: Path | None,
    max_age: int | None,
    issued: str | None,
    output: Path,
) -> None:
    """Rank and explain variants.

    \b
    genopipe interpret --variants family.vcf.gz --case case.yaml --evidence evidence/2026-11 --reference GRCh38 -o findings
    """
    if structural is not None and variants is None:
        raise click.UsageError("give --variants with --structural: the two are ranked together")
    if reads is not None and (reference is None or variants is None):
        raise click.UsageError("give --variants and --reference with --reads: reads are drawn beside the bases of the reference")
    from datetime import UTC, date, datetime

    from genopipe.formats.genome import load_genome
    from genopipe.interpret.evidence import open_set
    from genopipe.interpret.findings import Request
    from genopipe.interpret.ranking import interpret as rank
    from genopipe.interpret.results import write_results
    from genopipe.interpret.staleness import check_age
    from genopipe.interpret.subject import load_subject

    locked = open_set(evidence)
    if max_age is not None:
        check_age(locked, days=max_age, on=date.fromisoformat(issued[:10]) if issued is not None else datetime.now(UTC).date())
    genome = load_genome(reference) if reference is not None else None
    request = Request(load_subject(case), locked, variants, genome, reference, score, uncallable, structural, pgx, reads, panels, by_onset)
    write_results(rank(request), output, issued=issued, previous=previous)
