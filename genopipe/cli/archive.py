"""`genopipe archive`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.archive_care import COMMANDS as CARE
from genopipe.cli.archive_query import COMMANDS as QUERIES
from genopipe.cli.options import ExistingFile, ExistingFolder, OutputFile, archive_option, memory_option, threads_option
from genopipe.store import Location


@click.group()
def archive() -> None:
    """Keep files losslessly, and get them back.

    \b
    genopipe archive put S1.bam S1_R1.fastq.gz S1_R2.fastq.gz --archive A --sample S1 --reference REFDIR
    genopipe archive get S1_R1.fastq.gz --archive A -o back.fastq.gz
    """


@archive.command()
@click.argument("files", metavar="FILE...", type=ExistingFile, nargs=-1, required=True)
@archive_option
@click.option("--sample", help="Whose files these are; FASTQ and BAM of one sample share their reads, and only these are looked through.")
@click.option("--reference", type=ExistingFolder, help="Folder made by `genopipe reference build`, to keep alignments small.")
@click.option("--align", is_flag=True, help="Align reads that come without a BAM, to keep them small; needs --reference.")
@click.option(
    "--require",
    type=click.Choice(["bytes", "content"]),
    default="content",
    show_default=True,
    help="What must come back of BAM and FASTQ whose gzip is far from any encoder's here: with bytes they take more room.",
)
@threads_option
@memory_option
@click.option("--profile", type=click.Choice(["fast", "archive"]), default="fast", show_default=True, help="Speed, or the smallest size.")
@click.option("--receipt", type=OutputFile, help="Write what was archived to this JSON file.")
@click.option("--merge", type=ExistingFile, multiple=True, help="Put the entries of this receipt into the new one too.")
@click.option("--case", type=ExistingFile, help="Case file or phenopacket that VCF and findings belong to, for `genopipe reanalyze`.")
def put(
    files: tuple[Path, ...],
    root: Location,
    sample: str | None,
    reference: Path | None,
    align: bool,
    require: str,
    threads: int,
    memory: int,
    profile: str,
    receipt: Path | None,
    merge: tuple[Path, ...],
    case: Path | None,
) -> None:
    """Archive files.

    Each is restored and compared before it counts as kept. VCFs with samples are catalogued.

    \b
    genopipe archive put S1.bam S1_R1.fastq.gz S1_R2.fastq.gz --archive A --sample S1 --reference REFDIR
    genopipe archive put S1_R1.fastq.gz S1_R2.fastq.gz --archive A --sample S1 --reference REFDIR --align
    genopipe archive put NICU-0001.vcf.gz findings.json --archive A --case case.yaml --reference REFDIR
    """
    from genopipe.archive.receipts import write_receipt
    from genopipe.archive.references import Reference
    from genopipe.archive.representations import PutOptions
    from genopipe.cases.keep import aligner, keep

    if align and reference is None:
        raise click.UsageError("--align needs --reference.")
    by = aligner(reference, threads=threads, memory=memory) if align and reference else None
    options = PutOptions(sample, Reference.load(reference) if reference else None, profile, by, require)
    manifests = keep(root, files, options, case=case, receipts=merge)
    click.echo(f"files archived: {len(manifests)}, of {sum(manifest.size for manifest in manifests):,} bytes", err=True)
    if receipt:
        write_receipt(receipt, manifests, merge)


@archive.command()
@click.argument("wanted", metavar="NAME|DIGEST")
@archive_option
@click.option("-o", "--output", type=OutputFile, required=True, help="Where to write the file.")
@click.option("--region", metavar="CONTIG:FIRST-LAST", help="Of a BAM, only the records that overlap this region.")
@click.option("--as", "form", type=click.Choice(["bam", "cram", "fastq"]), help="Format of a region.  [default: bam]")
def get(wanted: str, root: Location, output: Path, region: str | None, form: str | None) -> None:
    """Get a file, or a region of a BAM.

    It is written as it was put; `list` says if its bytes or its content come back.

    \b
    genopipe archive get S1/S1.bam --archive A -o S1.bam
    genopipe archive get S1/S1.bam --archive A --region chr21:1-2000 --as fastq -o part.fastq
    """
    if region is None:
        if form is not None:
            raise click.UsageError("--as is the format of a --region; a whole file comes back as it was put.")
        from genopipe.archive.get import get_file

        get_file(root, wanted, output)
    else:
        from genopipe.archive.regions import get_region

        get_region(root, wanted, output, region=region, form=form or "bam")


@archive.command("list")
@archive_option
def list_files(root: Location) -> None:
    """List what is archived, as a table with tabs.

    \b
    genopipe archive list --archive A
    """
    from genopipe.archive.opened import Archive

    manifests = Archive.existing(root).manifests()
    click.echo("sample\tname\tversion\tsize\tstored_size\texactness\tkind\tdigest")
    for m in manifests:
        click.echo(f"{m.sample or ''}\t{m.name}\t{m.version}\t{m.size}\t{m.stored_size}\t{m.exactness}\t{m.content['kind']}\t{m.digest}")


@archive.command()
@archive_option
@click.option("--deep", is_flag=True, help="Also restore every file and compare.")
def verify(root: Location, deep: bool) -> None:
    """Check that all is whole.

    Reads everything again and compares digests; exit code 1 when something is missing or damaged. Only --deep needs keys.

    \b
    genopipe archive verify --archive A --deep
    """
    from genopipe.archive.verify import verify as faults_in
    from genopipe.errors import BadInput

    faults = list(faults_in(root, deep=deep))
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    if faults:
        raise BadInput(
            f"faults in the archive: {len(faults)}",
            wanted="none",
            do="Do what is said above, or restore it from a copy of the archive.",
            path=root,
        )


for command in (*CARE, *QUERIES):
    archive.add_command(command)
