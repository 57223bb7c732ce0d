"""`genopipe evidence`: versioned annotation data and the sets a run names."""

from __future__ import annotations

import json
from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, ExistingFolder

store_option = click.option(
    "--store", "store", type=click.Path(file_okay=False, path_type=Path), required=True, help="The evidence folder."
)


@click.group()
def evidence() -> None:
    """Keep versioned annotation data.

    \b
    genopipe evidence add clinvar clinvar.vcf.gz --name clinvar --version 2026-11 --date 2026-11-15 \\
        --licence "public domain" --assembly GRCh38 --store evidence
    genopipe evidence lock 2026-11 --store evidence
    """


@evidence.command()
@click.argument("kind")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, readable=True, path_type=Path))
@click.option("--name", required=True, help="Name of the data set.")
@click.option("--version", required=True, help="Its version, as its makers call it.")
@click.option("--date", required=True, help="Its date, such as 2026-11-20.")
@click.option("--licence", required=True, help="Its licence.")
@click.option("--assembly", help="Assembly of its positions, such as GRCh38.")
@click.option("--reference", type=ExistingFolder, help="Reference folder: left-aligns variants and checks their REF alleles.")
@click.option("--may-shrink", is_flag=True, help="Take a version with far fewer records than the one before.")
@store_option
def add(kind: str, files: tuple[Path, ...], reference: Path | None, may_shrink: bool, store: Path, **release: str | None) -> None:
    """Convert FILE and keep it as a data set; of variants and scores several files, each with contigs of its own, are one data set.

    KIND is one of hpo, hpo-annotations, genes, coding-exons, constraint, panel, gene-list, gene-names, frequency, clinvar, revel,
    alphamissense, cadd, spliceai, pgx-definitions (FILE is then a folder).

    \b
    genopipe evidence add hpo hp.obo --name hpo --version 2026-06 --date 2026-06-23 --licence HPO --store evidence
    genopipe evidence add frequency gnomad.genomes.v4.1.sites.chr*.vcf.bgz --name gnomad-genomes --version 4.1 --date 2024-04-19 \\
        --licence CC0-1.0 --assembly GRCh38 --store evidence
    """
    from genopipe.formats.genome import load_genome
    from genopipe.interpret.evidence import Release
    from genopipe.interpret.evidence import add as add_dataset

    genome = load_genome(reference) if reference else None
    add_dataset(store, kind, *files, release=Release(**release), genome=genome, may_shrink=may_shrink)  # type: ignore[arg-type]


@evidence.command()
@click.argument("manifest", type=ExistingFile)
@click.option("--reference", type=ExistingFolder, help="Reference folder: left-aligns variants and checks their REF alleles.")
@store_option
def fetch(manifest: Path, reference: Path | None, store: Path) -> None:
    """Download the data sets of MANIFEST that are not there yet, check their digests and add them.

    \b
    genopipe evidence fetch reference/evidence-GRCh38.yaml --store evidence
    """
    from genopipe.formats.genome import load_genome
    from genopipe.interpret.evidence_fetch import fetch as fetch_datasets

    n_added = fetch_datasets(store, manifest, genome=load_genome(reference) if reference else None)
    click.echo(f"{n_added} added")


@evidence.command()
@click.argument("name")
@click.option("--dataset", "only", multiple=True, help="Lock only this data set; may be given again.")
@click.option("--commercial", is_flag=True, help="Refuse data sets whose licence is not known to allow commercial use.")
@store_option
def lock(name: str, only: tuple[str, ...], commercial: bool, store: Path) -> None:
    """Freeze the newest version of every data set as the set NAME.

    \b
    genopipe evidence lock 2026-11 --store evidence
    """
    from genopipe.interpret.evidence import lock as lock_set

    locked = lock_set(store, name, only=only, commercial=commercial)
    click.echo(f"{locked.name}\t{locked.digest}")


@evidence.command(name="list")
@store_option
def list_(store: Path) -> None:
    """List the data sets: name, version, kind, date, assembly, licence, records.

    \b
    genopipe evidence list --store evidence
    """
    from genopipe.interpret.evidence import datasets

    for dataset in datasets(store):
        row = (dataset.name, dataset.version, dataset.kind, dataset.date, dataset.assembly or "-", dataset.licence, f"{dataset.records}")
        click.echo("\t".join(row))


@evidence.command()
@click.argument("old", type=ExistingFile)
@click.argument("new", type=ExistingFile)
@click.option("--records", "each", is_flag=True, help="List the records instead, with their values before and after as JSON.")
def diff(old: Path, new: Path, each: bool) -> None:
    """Count added, removed and changed records between two sets.

    \b
    genopipe evidence diff evidence/2026-10 evidence/2026-11
    """
    from genopipe.interpret.evidence import open_set
    from genopipe.interpret.evidence_diff import diff as difference
    from genopipe.interpret.evidence_diff import records

    sets = open_set(old), open_set(new)
    if each:
        for name, key, before, after in records(*sets):
            click.echo(f"{name}\t{key}\t{json.dumps(before, default=repr)}\t{json.dumps(after, default=repr)}")
        return
    for change in difference(*sets):
        click.echo(
            f"{change.name}\t{change.old or '-'} to {change.new or '-'}\t+{change.added}\t-{change.removed}\tchanged {change.changed}"
        )
