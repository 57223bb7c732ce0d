"""`genopipe ehr`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFile, archive_option
from genopipe.store import Location

site_key_option = click.option(
    "--site-key-file", type=ExistingFile, help="The site's secret.  [default: the file GENOPIPE_SITE_KEY_FILE names]"
)


@click.group()
def ehr() -> None:
    """Write FHIR pointer records.

    \b
    genopipe ehr pointers --case CASE.yaml --archive A --receipt receipt.json --issued 2026-11-20T10:00:00Z -o bundle.json
    genopipe ehr check bundle.json
    genopipe ehr find drs://drs.example.org/a3f9cc2c-0b3a-8d4e-8f71-310a2d3b2917 --archive A
    """


@ehr.command()
@click.option("--case", "case_file", metavar="CASE.yaml", type=ExistingFile, required=True, help="The case; its `ehr:` names the patient.")
@archive_option
@click.option("--receipt", type=ExistingFile, required=True, help="What the case has in the archive.")
@click.option("--findings", type=ExistingFile, help="findings.json of the case, to say how many there are.")
@click.option("--issued", required=True, help="The instant the records carry, such as 2026-11-20T10:00:00Z.")
@site_key_option
@click.option("-o", "--output", type=OutputFile, required=True, help="Where to write the bundle.")
def pointers(
    case_file: Path,
    root: Location,
    receipt: Path,
    findings: Path | None,
    issued: str,
    site_key_file: Path | None,
    output: Path,
) -> None:
    """Write a FHIR R4 bundle that points to the archived files of a case.

    \b
    genopipe ehr pointers --case CASE.yaml --archive A --receipt receipt.json \\
        --issued 2026-11-20T10:00:00Z --site-key-file site.key -o bundle.json
    """
    from genopipe.cases.pointed import files_of
    from genopipe.config import load_case
    from genopipe.ehr.identifiers import read_site_key
    from genopipe.ehr.pointers import case_target, pointer_bundle, write_bundle
    from genopipe.ehr.sources import number_of_findings

    case = load_case(case_file, with_reads=False)
    target = case_target(case, issued)
    files = files_of(receipt, root)
    n_findings = number_of_findings(findings) if findings else None
    bundle = pointer_bundle(files, case.proband.sample, target, site_key=read_site_key(site_key_file), n_findings=n_findings)
    write_bundle(output, bundle)


@ehr.command()
@click.argument("bundle", metavar="BUNDLE.json", type=ExistingFile)
def check(bundle: Path) -> None:
    """Check a bundle of pointers; exit code 1 with every fault named.

    \b
    genopipe ehr check bundle.json
    """
    from genopipe.ehr.check import check_bundle
    from genopipe.ehr.sources import read_json
    from genopipe.errors import BadInput

    faults = check_bundle(read_json(bundle, "a FHIR bundle"))
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise BadInput(f"{len(faults)} faults", wanted="a bundle of pointers", do="Mend what is named above.", path=bundle)


@ehr.command()
@click.argument("identifier", metavar="ID")
@archive_option
@site_key_option
def find(identifier: str, root: Location, site_key_file: Path | None) -> None:
    """Tell which archived file a pointer stands for, as a table with tabs.

    ID is that of a DocumentReference, or its address. `genopipe archive get` takes the digest.

    \b
    genopipe ehr find drs://drs.example.org/a3f9cc2c-0b3a-8d4e-8f71-310a2d3b2917 --archive A --site-key-file site.key
    """
    from genopipe.cases.pointed import pointed_at
    from genopipe.ehr.identifiers import read_site_key

    found = pointed_at(identifier, root, site_key=read_site_key(site_key_file))
    click.echo("sample\tname\tversion\tsize\texactness\tdigest")
    for m in found:
        click.echo(f"{m.sample or ''}\t{m.name}\t{m.version}\t{m.size}\t{m.exactness}\t{m.digest}")
