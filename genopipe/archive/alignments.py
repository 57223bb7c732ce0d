"""A BAM as a CRAM 3.1 and a patch: what the CRAM gives back, mended to the exact bytes.

At a put the plain BAM is encoded by htslib with a lean header, decoded again beside the original, and what differs goes to the patch: the
header, compressed with the decoded header as its dictionary, then for each batch of records their marks and streams
(`genopipe.archive.bam_records`). For the pipeline's own BAMs the patch is a few hundred bytes. Everything streams: a batch is 8 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import zstandard

from genopipe.archive.bam_records import STREAMS, Noted, OrderTable, differences, restored
from genopipe.archive.bam_stream import Batch, PlainBam, side_by_side
from genopipe.archive.htslib import decode_cram, encode_cram
from genopipe.archive.references import Reference, contigs_of, cram_header, known_contigs, link_reference
from genopipe.archive.workshop import Workshop

_BATCH = struct.Struct(f"<{2 + len(STREAMS)}I")
PATCH_LEVEL = 19

_NO_RECORDS = Batch(np.empty(0, np.uint8), np.zeros(1, np.int64))

Pieces = Callable[[], Iterator[bytes]]
"""Gives the plain file from its beginning each time it is called."""


def describe_alignments(pieces: Pieces, shop: Workshop, *, reference: Reference | None, profile: str) -> dict[str, Any]:
    """Stores CRAM and patch of a plain BAM and gives the content part of its manifest.

    Raises NotBam or HtslibFailed for what a CRAM and a patch cannot hold.
    """
    cram, patch = shop.folder / "alignments.cram", shop.folder / "patch"
    used = reference if reference and _covers(pieces, reference) else None
    fasta = used.fasta if used else None
    encode_cram(_lean(pieces, used), cram, reference=fasta, profile=profile)
    with open(patch, "wb") as target:
        _write_patch(PlainBam(pieces()), PlainBam(decode_cram(cram, reference=fasta)), target)
    content = {"kind": "alignments", "cram": shop.store.put_file(cram), "patch": shop.store.put_file(patch)}
    return content | {"reference": used.keep(shop.store) if used else None}


def plain_alignments(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The plain BAM again, in pieces."""
    decoded = decoded_pool(content, shop)
    with shop.store.open(content["patch"]) as patch:
        size = struct.unpack("<I", patch.read(4))[0]
        yield _header_codec(decoded.header)[1].decompress(patch.read(size), max_output_size=1 << 30)
        with zstandard.ZstdDecompressor().stream_reader(patch, read_across_frames=False) as source:
            yield from _mended(decoded.batches(), source)


def decoded_pool(content: dict[str, Any], shop: Workshop) -> PlainBam:
    """The records as the CRAM has them."""
    reference = link_reference(content["reference"], shop)
    return PlainBam(decode_cram(shop.store.verify(content["cram"]), reference=reference))


def _lean(pieces: Pieces, reference: Reference | None) -> Iterator[bytes]:
    """The plain BAM with the header for its CRAM."""
    bam = PlainBam(pieces())
    yield cram_header(bam.header, known_contigs(bam.header, reference.genome) if reference else {})
    for batch in bam.batches():
        yield batch.byte.tobytes()


def _covers(pieces: Pieces, reference: Reference) -> bool:
    """True when every contig with placed reads is in the reference."""
    bam = PlainBam(pieces())
    known = known_contigs(bam.header, reference.genome)
    unknown = np.array([name not in known for name, _ in contigs_of(bam.header)] + [False])
    return not any(bool(unknown[_reference_ids(batch)].any()) for batch in bam.batches())


def _reference_ids(batch: Batch) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(records) int64: index of each record's contig, -1 where there is none."""
    at = batch.start[:-1, None] + np.arange(4, 8)
    ids = batch.byte[at].copy().view("<i4")[:, 0].astype(np.int64)
    return np.maximum(ids, -1)


def _write_patch(original: PlainBam, decoded: PlainBam, target: BinaryIO) -> None:
    header = _header_codec(decoded.header)[0].compress(original.header)
    target.write(struct.pack("<I", len(header)) + header)
    table = OrderTable()
    with zstandard.ZstdCompressor(level=PATCH_LEVEL).stream_writer(target, closefd=False) as patch:
        for want, have in side_by_side(original.batches(), decoded.batches()):
            mark, streams = differences(want, have, table)
            patch.write(_BATCH.pack(len(want), int(mark.any()), *map(len, streams)))
            for part in ([mark] if mark.any() else []) + streams:
                patch.write(part.tobytes())


def _mended(batches: Iterator[Batch], source: BinaryIO) -> Iterator[bytes]:
    table = OrderTable()
    batch = _NO_RECORDS
    while head := source.read(_BATCH.size):
        n, marked, *sizes = _BATCH.unpack(head)
        mark = _array(source, n) if marked else np.zeros(n, np.uint8)
        noted = Noted(table, [_array(source, size) for size in sizes])
        while n:
            batch = batch if len(batch) else next(batches)
            take = min(n, len(batch))
            yield restored(batch.part(0, take), mark[len(mark) - n :][:take], noted)
            batch, n = batch.part(take, len(batch)), n - take


def _array(source: BinaryIO, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(source.read(size), np.uint8)


def _header_codec(dictionary: bytes) -> tuple[zstandard.ZstdCompressor, zstandard.ZstdDecompressor]:
    """Compressor and decompressor that know the decoded header."""
    words = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdCompressor(level=PATCH_LEVEL, dict_data=words), zstandard.ZstdDecompressor(dict_data=words)
