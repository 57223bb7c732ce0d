"""`genopipe fit`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFile, accept_other_digests_option, reference_option, threads_option


@click.command()
@reference_option
@click.option("-i", "--input", "bam", type=ExistingFile, required=True, help="BAM or CRAM: sorted, indexed, duplicates marked.")
@click.option("-o", "--output", type=OutputFile, required=True, help="Model to write (.json), for `genopipe call --model`.")
@click.option("--known-sites", type=ExistingFile, help="VCF (bgzip, tabix) of known variants, which are no errors.")
@click.option("--sample", help="Which sample, where the BAM holds several.")
@accept_other_digests_option
@threads_option
def fit(
    reference: Path,
    bam: Path,
    output: Path,
    known_sites: Path | None,
    sample: str | None,
    accept_other_digests: bool,
    threads: int,
) -> None:
    """Learn base qualities, indel errors, sex and depth of a sample.

    `genopipe call` does this first where it is given no model. Give one where a genome is called region by region: it is learnt once then.

    \b
    genopipe fit --reference refs/GRCh38 -i S1.bam -o S1.model.json
    genopipe call --reference refs/GRCh38 -i S1.bam --model S1.model.json -o S1.vcf.gz
    """
    from genopipe.call.fit import fit as fit_sample

    fit_sample(reference, bam, output, sample=sample, known_sites=known_sites, accept_other_digests=accept_other_digests, threads=threads)
