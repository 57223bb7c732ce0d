"""A BAM as a CRAM 3.1 and a patch: what the CRAM gives back, mended to the exact bytes.

At a put the plain BAM is encoded by htslib with a lean header. The stored CRAM is decoded once beside the original, and what differs goes
to the patch: the header, compressed with the decoded header as its dictionary, then for each batch of records their marks and streams
(`genopipe.archive.bam_records`). In the same pass each batch is restored from CRAM and patch and handed to the caller, who compares it with
the file. For the pipeline's own BAMs the patch is a few hundred bytes. A BAM with the same reads in the same order as an archived one, but
with other flags, tags or header, needs a patch only: its CRAM is that of the other. Everything streams: a batch is 8 MB.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import zstandard

from genopipe.archive.bam_records import STREAMS, Noted, OrderTable, differences, drops_tags, restored
from genopipe.archive.bam_stream import Batch, NotBam, PlainBam, all_covered, side_by_side
from genopipe.archive.htslib import ONLY_HEADER, decode_cram, encode_cram
from genopipe.archive.references import Reference, contigs_of, cram_header, known_contigs, link_reference
from genopipe.archive.workshop import Workshop

_BATCH = struct.Struct(f"<{2 + len(STREAMS)}I")
PATCH_LEVEL = 19
_OTHER_READ = 2 | 8 | 16
"""Marks of a record whose name, sequence or qualities are not those of the CRAM's record."""
_MOST_OTHER_READS = 0.01
_CHANGED = 63
"""Marks of a record of which a field is noted."""
_MOST_CHANGED = 0.5

_NO_RECORDS = Batch(np.empty(0, np.uint8), np.zeros(1, np.int64))

Pieces = Callable[[], Iterator[bytes]]
"""Gives the plain file from its beginning each time it is called."""


def describe_alignments(
    pieces: Pieces, shop: Workshop, *, reference: Reference | None, profile: str, check: Callable[[Iterator[bytes]], None]
) -> dict[str, Any]:
    """Stores CRAM and patch of a plain BAM and gives the content part of its manifest.

    `check` gets the plain BAM as it comes back from what is stored; it must use it up, and raise where it is not the original.
    Raises NotBam or HtslibFailed for what a CRAM and a patch cannot hold.
    """
    try:
        cram = _stored_cram(pieces, shop, reference, profile)
    except _NotCovered:
        cram, reference = _stored_cram(pieces, shop, None, profile), None
    pool = {"cram": cram, "reference": reference.keep(shop.store) if reference else None}
    return _describe(pieces, pool, shop, check=check, most_changed=1)


def describe_patched(
    pieces: Pieces, pool: dict[str, Any], shop: Workshop, *, check: Callable[[Iterator[bytes]], None], most_changed: float = _MOST_CHANGED
) -> dict[str, Any]:
    """Stores the patch that makes a plain BAM of a CRAM that is there, and gives the content part of its manifest.

    `check` as in `describe_alignments`. Raises NotBam where the CRAM is not of these reads in this order, or more than a share of the
    records of a batch differ in more than the order of their tags.
    """
    return _describe(pieces, pool, shop, check=check, most_changed=most_changed)


def plain_alignments(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The plain BAM again, in pieces."""
    decoded = decoded_pool(content, shop)
    with shop.store.open(content["patch"]) as patch:
        yield unpacked_header(patch, decoded.header)
        with _noted(patch) as source:
            yield from _mended(decoded.batches(), source)


def decoded_pool(content: dict[str, Any], shop: Workshop) -> PlainBam:
    """The records as the CRAM has them."""
    reference = link_reference(content["reference"], shop)
    return PlainBam(decode_cram(shop.local(content["cram"]), reference=reference))


def original_header(content: dict[str, Any], shop: Workshop) -> bytes:
    """The header of the plain BAM."""
    decoded = PlainBam(decode_cram(shop.local(content["cram"]), reference=None, only=ONLY_HEADER))
    with shop.store.open(content["patch"]) as patch:
        return unpacked_header(patch, decoded.header)


def only_tags_differ(content: dict[str, Any], shop: Workshop) -> bool:
    """True when the CRAM's records are those of the BAM but for the order and integer types of their tags."""
    with shop.store.open(content["patch"]) as patch:
        _packed(patch)
        source = _noted(patch)
        while head := source.read(_BATCH.size):
            n, marked, *sizes = _BATCH.unpack(head)
            if any(sizes[: STREAMS.index("order")]):
                return False
            source.read(n * marked)
            if drops_tags(_array(source, sizes[-1])):
                return False
    return True


def _describe(
    pieces: Pieces, pool: dict[str, Any], shop: Workshop, *, check: Callable[[Iterator[bytes]], None], most_changed: float
) -> dict[str, Any]:
    """Raises NotBam where of some batch more records than this share differ in more than their order of tags."""
    patch = shop.folder / "patch"
    with open(patch, "wb") as target:
        written = hashlib.sha256()
        check(_patched(PlainBam(pieces()), decoded_pool(pool, shop), (target, written), most_changed))
    kept = shop.store.put_file(patch)
    if _patch_digest(kept, shop) != written.digest():
        raise NotBam("the patch does not come back")
    return {"kind": "alignments", "cram": pool["cram"], "reference": pool["reference"], "patch": kept}


class _NotCovered(Exception):
    """Reads are placed on a contig that the reference does not have."""


def _stored_cram(pieces: Pieces, shop: Workshop, reference: Reference | None, profile: str) -> str:
    cram = shop.folder / "alignments.cram"
    encode_cram(_lean(pieces, reference), cram, reference=reference.fasta if reference else None, profile=profile)
    return shop.store.put_file(cram)


def _lean(pieces: Pieces, reference: Reference | None) -> Iterator[bytes]:
    """The plain BAM with the header for its CRAM. Raises _NotCovered for a reference that lacks a contig with placed reads."""
    bam = PlainBam(pieces())
    known = known_contigs(bam.header, reference.genome) if reference else {}
    yield cram_header(bam.header, known)
    covered = np.array([name in known for name, _ in contigs_of(bam.header)], np.bool_)
    for batch in bam.batches():
        if reference and not all_covered(batch, covered):
            raise _NotCovered
        yield batch.byte.tobytes()


def _patched(original: PlainBam, decoded: PlainBam, kept: tuple[BinaryIO, hashlib._Hash], most_changed: float) -> Iterator[bytes]:
    """Writes the patch, digests what it notes, and gives the plain BAM that CRAM and patch make, in pieces."""
    target, written = kept
    header = packed_header(original.header, decoded.header)
    target.write(header)
    yield unpacked_header(io.BytesIO(header), decoded.header)
    table, table_back = OrderTable(), OrderTable()
    with zstandard.ZstdCompressor(level=PATCH_LEVEL).stream_writer(target, closefd=False) as patch:
        for want, have in side_by_side(original.batches(), decoded.batches()):
            mark, streams = differences(want, have, table)
            if (mark & _OTHER_READ > 0).mean() > _MOST_OTHER_READS or (mark & _CHANGED > 0).mean() > most_changed:
                raise NotBam("the CRAM has other reads, or these in another order, or much else differs")
            parts = [mark] if mark.any() else []
            noted = _BATCH.pack(len(want), len(parts), *map(len, streams)) + b"".join(part.tobytes() for part in parts + streams)
            written.update(noted)
            patch.write(noted)
            yield restored(have, mark, Noted(table_back, streams))


def packed_header(header: bytes, decoded: bytes) -> bytes:
    """The header of a BAM, compressed with the one in its CRAM as dictionary, after its size."""
    packed = _header_codec(decoded)[0].compress(header)
    return struct.pack("<I", len(packed)) + packed


def unpacked_header(source: BinaryIO, decoded: bytes) -> bytes:
    """The header again, where `source` begins with it."""
    return _header_codec(decoded)[1].decompress(_packed(source), max_output_size=1 << 30)


def _packed(source: BinaryIO) -> bytes:
    size = struct.unpack("<I", source.read(4))[0]
    return source.read(size)


def _noted(patch: BinaryIO) -> BinaryIO:
    """What a patch notes of the records, from where its header ends."""
    return zstandard.ZstdDecompressor().stream_reader(patch, read_across_frames=False)


def _patch_digest(digest: str, shop: Workshop) -> bytes:
    """SHA-256 of what a stored patch notes of the records."""
    seen = hashlib.sha256()
    with shop.store.open(digest) as patch:
        _packed(patch)
        noted = _noted(patch)
        while piece := noted.read(1 << 20):
            seen.update(piece)
    return seen.digest()


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
