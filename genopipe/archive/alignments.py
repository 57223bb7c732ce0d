"""A BAM as a CRAM 3.1 and a patch: what the CRAM gives back, mended to the exact bytes.

At a put the plain BAM is encoded by htslib with a lean header. The stored CRAM is decoded once beside the original, and what differs goes
to the patch: the header, compressed with the decoded header as its dictionary, then for each batch of records their marks and streams
(`genopipe.archive.bam_records`). In the same pass each batch is restored from CRAM and patch and handed to the caller, who compares it with
the file. A batch is what one container of the CRAM holds, and a frame of the patch, so that a region needs no more than its own. For the
pipeline's own BAMs the patch is some bytes for each container. A BAM with the same reads in the same order as an archived one, but with
other flags, tags or header, needs a patch only: its CRAM is that of the other. Everything streams.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import zstandard

from genopipe.archive.bam_records import STREAMS, Noted, OrderTable, differences, restored
from genopipe.archive.containers import containers, make_index
from genopipe.archive.plain_bam import Batch, Bytes, NotBam, PlainBam, Records, all_covered
from genopipe.archive.pool_reads import without_tags
from genopipe.archive.references import Reference, cram_header, known_contigs, link_reference
from genopipe.archive.workshop import Workshop
from genopipe.formats.bam_stream import contigs_of
from genopipe.formats.htslib import decode_cram, encode_cram

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
    return describe_patched(pieces, pool, shop, check=check, most_changed=1)


def aligned_pool(pieces: Pieces, shop: Workshop, *, reference: Reference | None, profile: str) -> dict[str, Any]:
    """Stores a CRAM of a plain BAM's records without their tags, and gives the content that names it. Raises as `describe_alignments`."""

    def untagged() -> Iterator[bytes]:
        bam = PlainBam(pieces())
        yield bam.header
        yield from map(without_tags, bam.batches())

    return {"cram": _stored_cram(untagged, shop, reference, profile), "reference": reference.keep(shop.store) if reference else None}


def describe_patched(
    pieces: Pieces, pool: dict[str, Any], shop: Workshop, *, check: Callable[[Iterator[bytes]], None], most_changed: float = _MOST_CHANGED
) -> dict[str, Any]:
    """Stores the patch that makes a plain BAM of a CRAM that is there, and gives the content part of its manifest.

    `check` as in `describe_alignments`. Raises NotBam where the CRAM is not of these reads in this order, or more than a share of the
    records differ in more than the order of their tags.
    """
    patch, cram = shop.folder / "patch", shop.local(pool["cram"])
    with open(cram, "rb") as source:
        n_records = [container.n_records for container in containers(source)]
    written = _Written(n_records, most_changed)
    with open(patch, "wb") as target:
        check(_patched(PlainBam(pieces()), decoded_pool(pool, shop), target, written))
    kept = shop.store.put_file(patch)
    if _patch_digest(kept, shop) != written.digest.digest():
        raise NotBam("the patch does not come back")
    index = shop.store.put_bytes(make_index(cram, patch, written.frame).encode())
    return {"kind": "alignments", "cram": pool["cram"], "reference": pool["reference"], "patch": kept, "index": index}


def plain_alignments(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The plain BAM again, in pieces."""
    decoded = decoded_pool(content, shop)
    with shop.store.open(content["patch"]) as patch:
        yield unpacked_header(patch, decoded.header)
        with _noted(patch) as source:
            yield from _mended(decoded.batches(), source, fresh="index" in content)


def decoded_pool(content: dict[str, Any], shop: Workshop, *, names_only: bool = False) -> PlainBam:
    """The records as the CRAM has them, or little more than their names and flags."""
    reference = link_reference(content["reference"], shop)
    return PlainBam(decode_cram(shop.local(content["cram"]), reference=reference, names_only=names_only))


def mended_part(frame: bytes, records: Batch) -> bytes:
    """The original records of one container, from those that the CRAM has and their frame of the patch."""
    return b"".join(_mended(iter([records]), io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(frame)), fresh=True))


class _Written:
    """What becomes of a patch while it is written.

    n_records     records of each container of the CRAM, whose patches are frames of their own
    most_changed  the share of records that may differ in more than their order of tags
    digest        of what the frames note
    frame         bytes of each frame, that of the header first
    """

    def __init__(self, n_records: list[int], most_changed: float) -> None:
        self.n_records, self.most_changed = n_records, most_changed
        self.digest = hashlib.sha256()
        self.frame: list[int] = []
        self._seen = self._other = self._changed = 0

    def see(self, mark: Bytes) -> None:
        """Counts records by their marks. Raises NotBam where too many differ."""
        self._seen += len(mark)
        self._other += int(np.count_nonzero(mark & _OTHER_READ))
        self._changed += int(np.count_nonzero(mark & _CHANGED))
        if self._other > _MOST_OTHER_READS * self._seen or self._changed > self.most_changed * self._seen:
            raise NotBam("the CRAM has other reads, or these in another order, or much else differs")


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


def _patched(original: PlainBam, decoded: PlainBam, target: BinaryIO, written: _Written) -> Iterator[bytes]:
    """Writes the patch, and gives the plain BAM that CRAM and patch make, in pieces."""
    header = packed_header(original.header, decoded.header)
    target.write(header)
    written.frame.append(len(header))
    yield unpacked_header(io.BytesIO(header), decoded.header)
    compressor = zstandard.ZstdCompressor(level=PATCH_LEVEL)
    originals, decodeds = Records(original.batches()), Records(decoded.batches())
    for n in written.n_records[1:]:
        want, have = originals.take(n), decodeds.take(n)
        mark, streams = differences(want, have, OrderTable())
        written.see(mark)
        parts = [mark] if mark.any() else []
        noted = _BATCH.pack(n, len(parts), *map(len, streams)) + b"".join(part.tobytes() for part in parts + streams) if n else b""
        frame = compressor.compress(noted) if n else b""
        written.digest.update(noted)
        written.frame.append(target.write(frame))
        yield restored(have, mark, Noted(OrderTable(), streams))
    if not originals.at_end():
        raise NotBam("the CRAM has fewer records")


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
    return zstandard.ZstdDecompressor().stream_reader(patch, read_across_frames=True)


def _patch_digest(digest: str, shop: Workshop) -> bytes:
    """SHA-256 of what a stored patch notes of the records."""
    seen = hashlib.sha256()
    with shop.store.open(digest) as patch:
        _packed(patch)
        noted = _noted(patch)
        while piece := noted.read(1 << 20):
            seen.update(piece)
    return seen.digest()


def _mended(batches: Iterator[Batch], source: BinaryIO, *, fresh: bool) -> Iterator[bytes]:
    """The original records. Each batch of a patch in frames begins with a `fresh` table; older patches are one frame with one table."""
    table = OrderTable()
    batch = _NO_RECORDS
    while head := source.read(_BATCH.size):
        n, marked, *sizes = _BATCH.unpack(head)
        mark = _array(source, n) if marked else np.zeros(n, np.uint8)
        table = OrderTable() if fresh else table
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
