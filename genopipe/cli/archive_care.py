"""The commands that look after an archive: what it takes, what goes, what must stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from genopipe.cli.options import archive_option
from genopipe.store import Location

if TYPE_CHECKING:
    from genopipe.archive.rekeep import Rekept
    from genopipe.errors import GenopipeError


class Line(click.ParamType[str]):
    """One line of text."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip() or not str(value).isprintable():
            self.fail("write one line of printable text", param, ctx)
        return str(value)


reason_option = click.option("--reason", metavar="TEXT", type=Line(), required=True, help="Why; it is written to the audit.")


@click.command()
@archive_option
@click.option("--encrypt", is_flag=True, help="Keep everything encrypted (Crypt4GH) to the keys of GENOPIPE_ARCHIVE_PUBLIC_KEYS.")
def init(root: Location, encrypt: bool) -> None:
    """Make an empty archive.

    Without this, the first put makes one that is not encrypted.

    \b
    genopipe archive init --archive A --encrypt
    """
    from genopipe.archive.opened import Archive

    Archive.create(root, encrypt=encrypt)


@click.command()
@archive_option
def stat(root: Location) -> None:
    """Show what the archive takes, by sample and in all; files of no one sample, as those of a family, stand under `-`.

    \b
    genopipe archive stat --archive A
    """
    from genopipe.archive.opened import Archive
    from genopipe.archive.stat import measure

    found = measure(Archive.existing(root))
    click.echo("sample\tfiles\tsize\tstored\town")
    for each in found.sample:
        click.echo(f"{each.sample or '-'}\t{each.files}\t{each.size}\t{each.stored}\t{each.own}")
    click.echo(
        f"# files {found.files}, size {found.size}, stored {found.stored} (each file apart {found.referred}),"
        f" references {found.references}, unneeded {found.unneeded}"
    )


@click.command()
@archive_option
@click.option(
    "--grace",
    metavar="HOURS",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="Leave what is younger: a put may still be about to need it.",
)
def gc(root: Location, grace: float) -> None:
    """Remove what no file needs.

    That is what killed puts left, and what was replaced. Puts may run meanwhile.

    \b
    genopipe archive gc --archive A
    """
    from genopipe.archive.collect import collect
    from genopipe.archive.opened import Archive

    done = collect(Archive.existing(root), grace_hours=grace)
    click.echo(
        f"removed {done.objects} objects of {done.size} bytes, {done.manifests} replaced manifests, {done.leftovers} leftovers", err=True
    )


@click.command()
@click.argument("wanted", metavar="SAMPLE|NAME")
@archive_option
@reason_option
@click.option("--file", "only_file", is_flag=True, help="Forget one file, NAME or SAMPLE/NAME, with all its versions.")
def forget(wanted: str, root: Location, reason: str, only_file: bool) -> None:
    """Remove a sample for good.

    All its files and reads go, unless a hold stands.

    \b
    genopipe archive forget S1 --archive A --reason "consent withdrawn"
    genopipe archive forget NICU-0001.vcf.gz --file --archive A --reason "consent withdrawn"
    """
    from genopipe.archive.forget import forget as forget_files
    from genopipe.archive.opened import Archive

    done = forget_files(Archive.existing(root), wanted, reason=reason, only_file=only_file)
    click.echo(f"removed {done.files} files and {done.objects} objects; {done.shared} objects stay, other files need them", err=True)
    if done.elsewhere:
        click.echo(f"data of the sample are still in {', '.join(done.elsewhere)}: forget them with --file", err=True)


@click.command()
@click.argument("sample")
@archive_option
@reason_option
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="A retention rule: ends by itself on this day.")
@click.option("--report", metavar="NAME|DIGEST", help="An archived, signed report that rests on the sample.")
def hold(sample: str, root: Location, reason: str, until: datetime | None, report: str | None) -> None:
    """Forbid to forget a sample.

    It is a legal hold, a retention rule (--until), or for a signed report (--report). Prints the id of the hold.

    \b
    genopipe archive hold S1 --archive A --reason "retention by law" --until 2056-01-01
    """
    from genopipe.archive.forget import hold as hold_sample
    from genopipe.archive.opened import Archive

    day = until.date() if until else None
    click.echo(hold_sample(Archive.existing(root), sample, reason=reason, until=day, report=report).id)


@click.command()
@archive_option
def holds(root: Location) -> None:
    """List the holds, as a table with tabs.

    \b
    genopipe archive holds --archive A
    """
    from genopipe.archive.forget import holds as all_holds
    from genopipe.archive.opened import Archive

    click.echo("id\tsample\tuntil\treport\treason")
    for each in all_holds(Archive.existing(root)):
        click.echo(f"{each.id}\t{each.sample}\t{each.until or ''}\t{each.report or ''}\t{each.reason}")


@click.command()
@click.argument("identifier", metavar="ID")
@archive_option
@reason_option
def release(identifier: str, root: Location, reason: str) -> None:
    """End a hold.

    \b
    genopipe archive release 3f2a9c0d1e4b --archive A --reason "case closed"
    """
    from genopipe.archive.forget import release as release_hold
    from genopipe.archive.opened import Archive

    release_hold(Archive.existing(root), identifier, reason=reason)


@click.command()
@archive_option
def audit(root: Location) -> None:
    """Print who did what.

    One JSON line for each time that something was removed, held, released, kept anew or written to other keys.

    \b
    genopipe archive audit --archive A
    """
    import json

    from genopipe.archive.audit import entries
    from genopipe.archive.opened import Archive

    for entry in entries(Archive.existing(root)):
        click.echo(json.dumps(entry, sort_keys=True))


@click.command()
@archive_option
def repack(root: Location) -> None:
    """Compress harder what is there.

    FASTQ that was put before the BAM of its sample shares the reads of that, and what was put with the fast profile becomes as small as
    with the archive profile; every file is restored and compared first.

    \b
    genopipe archive repack --archive A
    """
    from genopipe.archive.opened import Archive
    from genopipe.archive.rekeep import repack as repack_all

    _tell(repack_all(Archive.existing(root)), root)


@click.command()
@archive_option
def migrate(root: Location) -> None:
    """Bring an old archive up to date.

    That is manifests of older formats, and recipes of encoders that changed; every file is restored and compared first.

    \b
    genopipe archive migrate --archive A
    """
    from genopipe.archive.opened import Archive
    from genopipe.archive.rekeep import migrate as migrate_all

    _tell(migrate_all(Archive.existing(root)), root)


@click.command()
@archive_option
@click.option("--encrypt", is_flag=True, help="Encrypt an archive that is not encrypted.")
def rekey(root: Location, encrypt: bool) -> None:
    """Exchange keys, or encrypt.

    All is written anew to the keys of GENOPIPE_ARCHIVE_PUBLIC_KEYS, and to no other.
    GENOPIPE_ARCHIVE_SECRET_KEY_FILE names a secret key that opens the archive now and one of the new, `:` between them. What is encrypted
    stays as it is, only its header is made again. Killed, it is run again.

    \b
    export GENOPIPE_ARCHIVE_PUBLIC_KEYS=site.pub:new-colleague.pub GENOPIPE_ARCHIVE_SECRET_KEY_FILE=site.sec
    genopipe archive rekey --archive A
    """
    from genopipe.archive.rekey import rekey as rekey_all

    done = rekey_all(root, encrypt=encrypt)
    click.echo(f"wrote {done.files} files to the new keys", err=True)
    _tell_faults(done.faults, root)


def _tell(done: Rekept, root: Location) -> None:
    """Says what was kept anew. Raises BadInput where files stay as they were."""
    click.echo(f"kept {done.files} files anew: {done.before} bytes before, {done.after} after", err=True)
    _tell_faults(done.faults, root)


def _tell_faults(faults: Sequence[GenopipeError], root: Location) -> None:
    """Lists what is wrong. Raises BadInput where anything is."""
    from genopipe.errors import BadInput

    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    if faults:
        raise BadInput(f"faults: {len(faults)}", wanted="none", do="See above; the files named stay as they were.", path=root)


COMMANDS = (init, stat, gc, forget, hold, holds, release, audit, repack, migrate, rekey)
