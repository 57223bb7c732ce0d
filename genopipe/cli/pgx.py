"""`genopipe pgx`: genotypes to star alleles and what they mean for drugs."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFolder


@click.command()
@click.option("--variants", type=ExistingFile, required=True, help="gVCF of the sample (or a VCF that has every position), on GRCh38.")
@click.option(
    "--definitions",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of a PharmCAT release: definition and phenotype tables; or a locked evidence set, E/NAME, that holds one.",
)
@click.option("--sample", help="Which sample, where the file has several.")
@click.option("--outside-calls", type=ExistingFile, help="Diplotypes of CYP2D6, HLA and others: gene, diplotype, separated by a tab.")
@click.option("-o", "--output", type=OutputFolder, required=True, help="Folder for pgx.json and pgx.html.")
def pgx(variants: Path, definitions: Path, sample: str | None, outside_calls: Path | None, output: Path) -> None:
    """Name star alleles and look up what they do.

    \b
    genopipe pgx --variants S1.g.vcf.gz --definitions pharmcat/ -o S1.pgx
    """
    from genopipe.interpret.pgx.run import pharmacogenomics

    pharmacogenomics(variants, definitions, output, sample=sample, outside_calls=outside_calls)
