"""`genopipe train-filter`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, ExistingFolder, OutputFile

DONOR = (ExistingFolder, ExistingFile, ExistingFile)


@click.command("train-filter")
@click.option(
    "--learn", type=DONOR, multiple=True, required=True, metavar="REFDIR BAM TRUTH", help="A donor to learn from; may be repeated."
)
@click.option("--judge", type=DONOR, multiple=True, required=True, metavar="REFDIR BAM TRUTH", help="A donor to judge the filter on.")
@click.option("-o", "--output", type=OutputFile, required=True, help="Filter to write (.json), for `genopipe call --filter`.")
def train_filter(learn: tuple[tuple[Path, Path, Path], ...], judge: tuple[tuple[Path, Path, Path], ...], output: Path) -> None:
    """Train a learnt filter on donors whose true variants are known.

    A donor is a reference folder, a BAM, and a VCF that holds every true variant of the contigs it has records on. What the donors were and
    how the filter does on those it has not seen, beside the plain thresholds, is written into the file.

    \b
    genopipe train-filter --learn refs/sim a.bam a.truth.vcf.gz --judge refs/sim b.bam b.truth.vcf.gz -o filter.json
    genopipe call --filter filter.json --reference refs/GRCh38 -i S1.bam -o S1.vcf.gz
    """
    from genopipe.call.train import Donor
    from genopipe.call.train import train_filter as train

    evaluation = train([Donor(*paths) for paths in learn], [Donor(*paths) for paths in judge], output).provenance["evaluation"]
    for name, told in evaluation.items():
        click.echo(f"{name.replace('_', ' ')}: {told['records']} records, {told['wrong']} wrong")
        for way in ("trees", "thresholds"):
            click.echo(f"  {way}: {told[way]['wrong_passed']} wrong ones pass, {told[way]['right_failed']} right ones fail")
