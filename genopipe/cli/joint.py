"""`genopipe joint`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFile


@click.command()
@click.argument("gvcfs", type=ExistingFile, nargs=-1, required=True, metavar="GVCF...")
@click.option("--ped", type=ExistingFile, required=True, help="Pedigree that names every sample.")
@click.option("-o", "--output", type=OutputFile, required=True, help="VCF to write (.vcf.gz); its .tbi appears beside.")
def joint(gvcfs: tuple[Path, ...], ped: Path, output: Path) -> None:
    """Genotype a family from its gVCFs, children together with their parents.

    \b
    genopipe joint child.g.vcf.gz mother.g.vcf.gz father.g.vcf.gz --ped family.ped -o family.vcf.gz
    """
    from genopipe.call.joint import joint_genotypes

    joint_genotypes(list(gvcfs), ped, output)
