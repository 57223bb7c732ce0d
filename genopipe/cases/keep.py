"""Files into the archive, with everything that follows from it: the case record, and the catalogue. Reads are aligned on the way in.

What aligns and what knows variants is loaded where it is needed: most puts need neither, and it takes as long as a small put itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genopipe.archive.manifests import CASE_FILE, VCF_FILE, Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.receipts import entry_of, read_receipt
from genopipe.archive.representations import Aligner, PutOptions
from genopipe.formats.bam import ReadGroup
from genopipe.outputs import temporary_folder
from genopipe.store import Location


def keep(
    location: Location, files: Sequence[Path], options: PutOptions, *, case: Path | None = None, receipts: Sequence[Path] = ()
) -> list[Manifest]:
    """Archives files, the record of `case` too, and catalogues them; gives the manifests of `files`.

    `receipts` tell what else of the case is archived. Raises as `put_files` and `write_case_record`; nothing is archived then.
    """
    genome = options.reference.genome if options.reference is not None else None
    for receipt in receipts:
        read_receipt(receipt)
    manifests = put_files(location, list(files), options)
    with temporary_folder() as folder:
        kept = list(zip(manifests, files, strict=True))
        if case is not None:
            from genopipe.cases.case_record import write_case_record

            entries = [entry for receipt in receipts for entry in read_receipt(receipt)["files"]] + [entry_of(m) for m in manifests]
            findings = next((path for path in files if path.name == "findings.json"), None)
            name = genome.name if genome is not None else None
            record = write_case_record(case, entries, findings, reference=name, folder=folder)
            kept += zip(put_files(location, [record], options), [record], strict=True)
        if any(manifest.name.endswith((*VCF_FILE, CASE_FILE)) for manifest, _ in kept):
            from genopipe.cases.catalogued import catalogue_files

            catalogue_files(Archive.existing(location), kept, genome=genome)
    return manifests


def aligner(reference: Path, *, threads: int, memory: int) -> Aligner:
    """What aligns reads on their way into the archive."""
    from genopipe.align.pipeline import Options
    from genopipe.align.run import align_files

    def aligned(reads: list[Path], folder: Path) -> Path:
        bam, group = folder / "reads.bam", ReadGroup("reads", "reads", "reads", "ILLUMINA")
        options = Options(threads, memory)
        align_files(reads[:1], reads[1:], reference, bam, interleaved=False, read_group=group, options=options)
        return bam

    return aligned
