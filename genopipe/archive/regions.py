"""The records of one region out of an archived BAM, without reading the rest.

Of the CRAM those containers are read that have records over the region, each with its frame of the patch or of the columns, and of the
reference what they need: a small CRAM of each is decoded and mended, and the records that overlap are kept, as they are in the BAM. Those
of a realigned BAM come in the order of its rule. A BAM that is kept in another form is restored as a whole and filtered. The header is that
of the BAM. A CRAM of a region holds its reference.

Source: SAM/BAM format specification; regions as in `samtools view`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from isal import igzip

from genopipe.archive.alignments import decoded_pool, mended_part, plain_alignments, unpacked_header
from genopipe.archive.containers import Index, read_part
from genopipe.archive.get import GZIPPED
from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.plain_bam import PlainBam, Records
from genopipe.archive.realigned import arranged, plain_realigned, recalled_part
from genopipe.archive.references import link_reference, part_reference
from genopipe.archive.workshop import Workshop, file_and_folder
from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats.bam_stream import contigs_of
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.htslib import (
    PIECE_BYTES,
    decode_cram,
    encode_cram,
    records_within,
    write_fastq,
)
from genopipe.store import Location

_SPAN = re.compile(r"(.+):([\d,]+)-([\d,]+)")


def get_region(root: Location, wanted: str, out: Path, *, region: str, form: str) -> None:
    """Writes the records of an archived BAM that overlap `region` ("chr21", "chr21:1-2000") as "bam", "cram" or "fastq".

    Raises BadInput for a file that is no alignment, a region that is not in it, and damage, BadConfiguration for a name of another format.
    """
    named = next((each for each, suffixes in _SUFFIXES.items() if out.name.endswith(suffixes)), form)
    if named != form:
        raise _named_otherwise(out, form)
    archive = Archive.existing(root)
    manifest = archive.find(wanted)
    if manifest.content["kind"] not in _PLAIN:
        raise _no_alignments(manifest)
    with file_and_folder(out) as (target, folder):
        _FORMS[form](_within(manifest.content, region, Workshop(archive.store, folder)), target)


def _within(content: dict[str, Any], region: str, shop: Workshop) -> Iterator[bytes]:
    """The header, and the records that overlap the region."""
    if "index" not in content:
        return _filtered(_PLAIN[content["kind"]](content, shop), region, shop)
    found = _filtered(_indexed(content, region, shop), region, shop)
    return _in_order(found, content["order"]["rule"], shop) if content["kind"] == "realigned" else found


def _indexed(content: dict[str, Any], region: str, shop: Workshop) -> Iterator[bytes]:
    """The header, and the records of the containers that overlap the region."""
    index, pool = Index.decode(shop.store.read(content["index"])), content.get("pool", content)
    patch, mended = (content["columns"], recalled_part) if content["kind"] == "realigned" else (content["patch"], mended_part)
    with shop.store.open_parts(pool["cram"]) as cram, shop.store.open_parts(patch) as frames:
        first, last = (read_part(index.part[i], cram, frames) for i in (0, -1))
        own = _decoded([first[0], last[0]], None, shop).header
        header = unpacked_header(io.BytesIO(first[1]), own)
        contig, start, end = _span(region, header)
        yield header
        chosen = index.within([name for name, _ in contigs_of(header)].index(contig), start, end)
        reference = _reference(pool["reference"], index.needed(chosen), own, shop)
        for i in chosen:
            part, frame = read_part(index.part[i], cram, frames)
            records = Records(_decoded([first[0], part, last[0]], reference, shop).batches()).take(int(index.part[i]["records"]))
            yield mended(frame, records)


def _decoded(parts: list[bytes], reference: Path | None, shop: Workshop) -> PlainBam:
    """What a CRAM of these parts holds."""
    (shop.folder / "part.cram").write_bytes(b"".join(parts))
    return PlainBam(decode_cram(shop.folder / "part.cram", reference=reference))


def _decoded_whole(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    bam = decoded_pool(content, shop)
    return _pieces(bam.header, bam)


def _reference(reference: dict[str, Any] | None, needed: list[tuple[int, int, int]] | None, header: bytes, shop: Workshop) -> Path | None:
    """The reference of a CRAM with this header: what is needed of it, or all."""
    if reference is None or needed is None:
        return link_reference(reference, shop)
    names = [name for name, _ in contigs_of(header)]
    return part_reference(reference, [(names[contig], start, end) for contig, start, end in needed], shop)


def _in_order(plain: Iterator[bytes], rule: str, shop: Workshop) -> Iterator[bytes]:
    bam = PlainBam(plain)
    yield bam.header
    yield from arranged(bam.batches(), {"rule": rule, "steps": None}, shop)


def _filtered(plain: Iterator[bytes], region: str, shop: Workshop) -> Iterator[bytes]:
    """The header, and the records that overlap the region."""
    bam = PlainBam(plain)
    (shop.folder / "region.bed").write_text("\t".join(map(str, _span(region, bam.header))))
    records_within(_pieces(bam.header, bam), shop.folder / "region.bed", shop.folder / "region.bam")
    with igzip.open(shop.folder / "region.bam", "rb") as within:  # type: ignore[no-untyped-call]
        yield from _pieces(bam.header, PlainBam(iter(partial(within.read, PIECE_BYTES), b"")))


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


def _write_fastq(plain: Iterator[bytes], target: Path) -> None:
    if not target.name.endswith(GZIPPED):
        write_fastq(plain, target)
        return
    text = target.with_name("reads.fastq")
    write_fastq(plain, text)
    with open(text, "rb") as source, BgzfWriter(target) as writer:
        while piece := source.read(PIECE_BYTES):
            writer.write(piece)


def _named_otherwise(out: Path, form: str) -> BadConfiguration:
    return BadConfiguration(
        f"records in {form.upper()} do not belong into a file called {out.name}",
        wanted=f"a name that ends in {' or '.join(_SUFFIXES[form])}",
        do="Choose another name, or another --as.",
        key="-o",
    )


def _no_alignments(manifest: Manifest) -> BadInput:
    return BadInput(
        f"{manifest.name} is not kept as alignments",
        wanted="an archived BAM that `genopipe archive list` shows as alignments",
        do="Get the whole file without --region.",
    )


_PLAIN = {"alignments": plain_alignments, "realigned": plain_realigned, "cram": _decoded_whole}
_FORMS = {"bam": _write_bam, "cram": _write_cram, "fastq": _write_fastq}
_SUFFIXES = {"fastq": (".fastq", ".fq", *GZIPPED), "bam": (".bam",), "cram": (".cram",), "sam": (".sam",)}
