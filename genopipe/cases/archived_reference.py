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
    for manifest in archive.manifests():
        known = manifest.content.get("pool", manifest.content).get("reference")
        if known is not None and known["name"] == name:
            log.info("packing the reference %s from the archive; --reference saves this", name)
            fasta = link_reference(known, Workshop(archive.store, make_folder(folder / "objects")))
            assert fasta is not None
            return build_genome(fasta, folder, name=name, mask=regions_to_mask())
    return None
