"""`genopipe call`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from genopipe.cli.options import ExistingFile, OutputFile, accept_other_digests_option, reference_option, threads_option


@click.command()
@reference_option
@click.option("-i", "--input", "bam", type=ExistingFile, required=True, help="BAM or CRAM: sorted, indexed, duplicates marked.")
@click.option("-o", "--output", type=OutputFile, required=True, help="VCF to write (.vcf.gz); its .tbi appears beside.")
@click.option("--gvcf", type=OutputFile, help="gVCF to write too (.g.vcf.gz), for `genopipe joint`.")
@click.option("--region", help="Call only CONTIG:START-END (1-based, inclusive) or CONTIG.")
@click.option("--targets", type=ExistingFile, help="BED of intervals, such as exons: OUT.coverage.tsv tells the coverage of each.")
@click.option("--genes", type=ExistingFile, help="Gene model (GFF3 or GTF): OUT.coverage.tsv tells the coverage of each gene and exon.")
@click.option("--sex", type=click.Choice(["female", "male"]), help="X and Y of a male are called with one copy.  [default: by depth]")
@click.option("--sample", help="Which sample, where the BAM holds several.")
@click.option("--model", type=ExistingFile, help="Model of this BAM by `genopipe fit`.  [default: fitted first]")
@click.option("--filter", "learnt", help="`learnt`, or a file of `genopipe train-filter`.  [default: plain thresholds]")
@accept_other_digests_option
@threads_option
def call(
    reference: Path,
    bam: Path,
    output: Path,
    gvcf: Path | None,
    region: str | None,
    targets: Path | None,
    genes: Path | None,
    sex: Literal["female", "male"] | None,
    sample: str | None,
    model: Path | None,
    learnt: str | None,
    accept_other_digests: bool,
    threads: int,
) -> None:
    """Call small variants of one sample: SNVs and indels, as a VCF and a gVCF.

    Beside the VCF appear OUT.uncallable.bed (where no call could be made) and OUT.coverage.tsv.

    \b
    genopipe call --reference refs/GRCh38 -i S1.bam -o S1.vcf.gz --gvcf S1.g.vcf.gz
    """
    from genopipe.call.caller import Outputs, Sample, call_variants
    from genopipe.call.forest import SHIPPED

    outputs = Outputs(output, gvcf)
    trees = SHIPPED if learnt == "learnt" else Path(learnt) if learnt else None
    whom = Sample(sample, sex, model, trees, accept_other_digests)
    call_variants(reference, bam, outputs, sample=whom, region=region, targets=targets, genes=genes, threads=threads)
