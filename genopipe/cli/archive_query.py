"""Questions to an archive: SQL, ready-made ones, and where a file comes from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, ExistingFolder, OutputFolder, archive_option
from genopipe.store import Location

evidence_option = click.option("--evidence", type=click.Path(path_type=Path), help="A locked evidence set, E/NAME.")


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


@click.command()
@click.argument("sql", metavar="SQL")
@archive_option
def query(sql: str, root: Location) -> None:
    """Ask the catalogue in SQL (DuckDB); the answer is a table with tabs.

    \b
    genopipe archive query "SELECT gene, count(*) FROM findings WHERE candidate GROUP BY gene" --archive A
    """
    from genopipe.archive.query import ask
    from genopipe.archive.questions import tab_separated

    _print(tab_separated(ask(root, sql)))


@click.command()
@click.argument("variant", metavar="CHROM-POS-REF-ALT")
@archive_option
def carriers(variant: str, root: Location) -> None:
    """List the samples that carry a variant.

    \b
    genopipe archive carriers 10-123256215-T-G --archive A
    """
    from genopipe.archive.questions import carriers as carriers_of
    from genopipe.archive.questions import tab_separated
    from genopipe.interpret.normalise import place_of

    _print(tab_separated(carriers_of(root, place_of(variant))))


@click.command()
@click.argument("variant", metavar="CHROM-POS-REF-ALT")
@archive_option
@click.option("--cohorts", type=ExistingFile, help="Table of sample and cohort, a tab between; else affected and unaffected.")
def counts(variant: str, root: Location, cohorts: Path | None) -> None:
    """Count carriers, homozygotes and alleles of a variant by cohort.

    \b
    genopipe archive counts 10-123256215-T-G --archive A --cohorts cohorts.tsv
    """
    from genopipe.archive.questions import allele_counts, tab_separated
    from genopipe.interpret.normalise import place_of

    given = None
    if cohorts is not None:
        from genopipe.cases.cohorts import read_cohorts

        given = read_cohorts(cohorts)
    _print(tab_separated(allele_counts(root, place_of(variant), given)))


@click.command()
@archive_option
@click.option("--evidence", type=click.Path(path_type=Path), required=True, help="Evidence set with gene models, E/NAME.")
@click.option("--gene", "genes", multiple=True, help="Only this gene; may be repeated.")
@click.option("--most-frequent", type=click.FloatRange(0, 1), default=0.001, show_default=True, help="Leave out more frequent variants.")
def burden(root: Location, evidence: Path, genes: tuple[str, ...], most_frequent: float) -> None:
    """Count the people with a rare coding variant, gene by gene.

    \b
    genopipe archive burden --archive A --evidence evidence/2026-11 --gene BRCA2
    """
    from genopipe.archive.questions import tab_separated
    from genopipe.cases.burden import gene_burden
    from genopipe.interpret.evidence import open_set

    _print(tab_separated(gene_burden(root, open_set(evidence), genes=genes, most_frequent=most_frequent)))


@click.command()
@click.argument("term", metavar="HP:NNNNNNN")
@archive_option
@evidence_option
def samples(term: str, root: Location, evidence: Path | None) -> None:
    """List the probands who show an HPO term; with an evidence set also those with a term below it.

    \b
    genopipe archive samples HP:0001250 --archive A --evidence evidence/2026-11
    """
    from genopipe.archive.questions import samples_with, tab_separated
    from genopipe.cases.cohorts import terms_below
    from genopipe.interpret.evidence import open_set

    terms = terms_below(open_set(evidence), term) if evidence is not None else [term]
    _print(tab_separated(samples_with(root, terms)))


@click.command()
@archive_option
@click.option("--reference", type=ExistingFolder, help="Folder made by `genopipe reference build`, to left-align the variants.")
def catalogue(root: Location, reference: Path | None) -> None:
    """Make the catalogue again from the archived VCFs and cases.

    \b
    genopipe archive catalogue --archive A --reference GRCh38
    """
    from genopipe.cases.catalogued import make_again
    from genopipe.formats.genome import load_genome

    n = make_again(root, genome=load_genome(reference) if reference is not None else None)
    click.echo(f"{n} parts in the catalogue", err=True)


@click.command()
@click.argument("wanted", metavar="NAME|DIGEST")
@archive_option
@click.option("--crate", type=OutputFolder, help="Write the run of its case here as an RO-Crate (needs `genopipe[crate]`).")
def lineage(wanted: str, root: Location, crate: Path | None) -> None:
    """Tell what an archived file or object was made from, and what was made from it.

    \b
    genopipe archive lineage NICU-0001.vcf.gz --archive A
    genopipe archive lineage NICU-0001.vcf.gz --archive A --crate crate
    """
    from genopipe.archive.lineage import lineage_of, lineage_text

    found = lineage_of(root, wanted)
    if crate is None:
        _print(lineage_text(found))
    else:
        from genopipe.archive.rocrate import write_crate
        from genopipe.installed import shared_folder

        write_crate(found, crate, snakefile=shared_folder() / "Snakefile")


COMMANDS = (query, carriers, counts, burden, samples, catalogue, lineage)
