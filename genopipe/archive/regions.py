"""The records of one region out of an archived BAM, without decoding the rest.

The containers of the CRAM are indexed, and those that overlap the region decoded: the records have all their fields; their tags may stand
in the order of the CRAM. Where the patch says that more than the order of tags differs, or the CRAM is not sorted by position, the whole
BAM is restored and filtered instead. The header is that of the BAM. A CRAM of a region holds its reference.

Source: SAM/BAM format specification; CRAM format specification, section 12 (indexing); regions as in `samtools view`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isal import igzip

from genopipe import outputs
from genopipe.archive.alignments import only_tags_differ, original_header, plain_alignments
from genopipe.archive.bam_stream import PlainBam
from genopipe.archive.htslib import (
    PIECE_BYTES,
    HtslibFailed,
    decode_cram,
    encode_cram,
    index_cram,
    only_region,
    records_within,
    write_fastq,
)
from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.references import contigs_of, link_reference
from genopipe.archive.workshop import Workshop
from genopipe.errors import BadInput
from genopipe.formats.bgzf import BgzfWriter
from genopipe.store import Location

_SPAN = re.compile(r"(.+):([\d,]+)-([\d,]+)")


def get_region(root: Location, wanted: str, out: Path, *, region: str, form: str) -> None:
    """Writes the records of an archived BAM that overlap `region` ("chr21", "chr21:1-2000") as "bam", "cram" or "fastq".

    Raises BadInput for a file that is no alignment, a region that is not in it, and damage.
    """
    archive = Archive.existing(root)
    manifest = archive.find(wanted)
    if manifest.content["kind"] not in ("alignments", "realigned"):
        raise _no_alignments(manifest)
    with outputs.whole_file(out) as target, tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as folder:
        shop = Workshop(archive.store, Path(folder))
        header = original_header(manifest.content, shop)
        records = _within(manifest.content, _span(region, header), shop)
        _FORMS[form](_pieces(header, records), target)


def _within(content: dict[str, Any], span: tuple[str, int, int], shop: Workshop) -> PlainBam:
    """The records of the region, as the CRAM has them where that is enough."""
    cram, reference = shop.local(content["cram"]), link_reference(content["reference"], shop)
    index = shop.folder / "index.crai"
    try:
        index_cram(cram, index)
    except HtslibFailed:
        index.unlink(missing_ok=True)
    if index.is_file() and only_tags_differ(content, shop):
        return PlainBam(decode_cram(cram, reference=reference, only=only_region(index, *span)))
    return PlainBam(_filtered(content, "\t".join(map(str, span)), shop))


def _filtered(content: dict[str, Any], bed: str, shop: Workshop) -> Iterator[bytes]:
    (shop.folder / "region.bed").write_text(bed)
    records_within(plain_alignments(content, shop), shop.folder / "region.bed", shop.folder / "region.bam")
    with igzip.open(shop.folder / "region.bam", "rb") as plain:  # type: ignore[no-untyped-call]
        while piece := plain.read(PIECE_BYTES):
            yield piece


def _span(region: str, header: bytes) -> tuple[str, int, int]:
    """Contig, start and end (0-based, half-open). Raises BadInput for a region that is not in the header."""
    lengths = dict(contigs_of(header))
    if region in lengths:
        return region, 0, lengths[region]
    match = _SPAN.fullmatch(region)
    if match and match[1] in lengths:
        first, last = (int(text.replace(",", "") or 0) for text in match.groups()[1:])
        if 1 <= first <= last and first <= lengths[match[1]]:
            return match[1], first - 1, min(last, lengths[match[1]])
    raise BadInput(
        f"{region!r} is no region of this file",
        wanted="CONTIG or CONTIG:FIRST-LAST, positions from 1, on a contig of its header",
        do="Give --region chr21:1-2000, with a contig as the BAM names it.",
    )


def _pieces(header: bytes, records: PlainBam) -> Iterator[bytes]:
    yield header
    for batch in records.batches():
        yield batch.byte.tobytes()


def _write_bam(plain: Iterator[bytes], target: Path) -> None:
    with BgzfWriter(target) as writer:
        for piece in plain:
            writer.write(piece)


def _write_cram(plain: Iterator[bytes], target: Path) -> None:
    encode_cram(plain, target, reference=None, profile="fast")


def _no_alignments(manifest: Manifest) -> BadInput:
    return BadInput(
        f"{manifest.name} is not kept as alignments",
        wanted="an archived BAM that `genopipe archive list` shows as alignments",
        do="Get the whole file without --region.",
    )


_FORMS = {"bam": _write_bam, "cram": _write_cram, "fastq": write_fastq}
