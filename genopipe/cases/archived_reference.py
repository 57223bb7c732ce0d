"""The reference genome that archived cases were called with, out of the archive itself, where alignments brought it there."""

from __future__ import annotations

from pathlib import Path

from genopipe.archive.opened import Archive
from genopipe.archive.references import link_reference
from genopipe.archive.workshop import Workshop
from genopipe.formats.assembly import regions_to_mask
from genopipe.formats.genome import build_genome
from genopipe.model import Genome
from genopipe.outputs import make_folder
from genopipe.progress import log
from genopipe.store import Location


def archived_reference(location: Location, name: str, folder: Path) -> Genome | None:
    """The genome of that name, packed into `folder` as `interpret` needs it; None where no archived alignment has one. Raises BadInput."""
    archive = Archive.existing(location)
    archive.ledger.refresh()
    found = archive.ledger.manifests(_ONE_OF, name)
    if not found:
        return None
    log.info("packing the reference %s from the archive; --reference saves this", name)
    known = found[0].content.get("pool", found[0].content)["reference"]
    fasta = link_reference(known, Workshop(archive.store, make_folder(folder / "objects")))
    assert fasta is not None
    return build_genome(fasta, folder, name=name, mask=regions_to_mask())


_CONTENT = "json_extract(CAST(document AS TEXT), '$.content')"
_KNOWN = f"coalesce(json_extract({_CONTENT}, '$.pool'), {_CONTENT})"
_ONE_OF = f"file = (SELECT file FROM counting WHERE json_extract({_KNOWN}, '$.reference.name') = ? LIMIT 1)"
