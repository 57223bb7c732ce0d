"""Deflate streams that no encoder here makes come back from the nearest one's tokens and what differs."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import deflate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from genopipe.archive.container import RecipeFailed, Unwrapped, unwrap, wrap
from genopipe.archive.corrections import Corrected, packed, write_corrections
from genopipe.archive.deflate_tokens import NotDeflate, read_stream, written_stream
from genopipe.archive.encoders import Encoder
from genopipe.archive.get import get_file
from genopipe.archive.gzip_corrections import CorrectedStreams, Segments
from genopipe.archive.igzip_tokens import igzip_tokens
from genopipe.archive.nearest import correct, nearest
from genopipe.archive.put import put_files
from genopipe.archive.representations import PutOptions
from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE

DRAW = random.Random(5)
WORDS = ["".join(DRAW.choices("ACGT", k=DRAW.randrange(3, 40))) for _ in range(60)]
TEXT = "".join(DRAW.choice(WORDS) for _ in range(9000)).encode()[:150_000]
NOISE = DRAW.randbytes(3000)

Deflater = Callable[[bytes], bytes]


def by(level: int, *, memory: int = 8, strategy: int = 0) -> Deflater:
    """A deflater by zlib."""

    def deflated(plain: bytes) -> bytes:
        stream = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)
        return stream.compress(plain) + stream.flush()

    return deflated


def by_igzip(level: int) -> Deflater:
    def deflated(plain: bytes) -> bytes:
        stream = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
        return bytes(stream.compress(plain) + stream.flush())

    return deflated


def bgzf(plain: bytes, path: Path, deflater: Deflater) -> Path:
    """A BGZF file in blocks of 50,000 bytes."""
    with open(path, "wb") as out:
        for i in range(0, len(plain), 50_000):
            piece = plain[i : i + 50_000]
            deflated = deflater(piece)
            out.write(bytes.fromhex("1f8b08040000000000ff060042430200") + struct.pack("<H", len(deflated) + 25) + deflated)
            out.write(struct.pack("<II", zlib.crc32(piece), len(piece)))
        out.write(END_OF_FILE)
    return path


@pytest.mark.parametrize("deflater", [by(0), by(1), by(9), by(6, strategy=zlib.Z_FIXED), by(6, strategy=zlib.Z_RLE), by_igzip(1)])
@pytest.mark.parametrize("plain", [b"", b"a", TEXT[:60_000], NOISE, b"a" * 60_000])
def test_a_stream_comes_back_from_its_tokens(deflater: Deflater, plain: bytes) -> None:
    assert written_stream(read_stream(deflater(plain), len(plain)), plain) == deflater(plain)


def test_tokens_are_those_of_the_stream() -> None:
    """Oracle: a block with fixed codes, worked out by hand from RFC 1951, 3.2.6: an a, then 9 times the byte before it."""
    last, fixed, letter, nine, one, end = "1", "10", f"{0x30 + ord('a'):08b}", f"{263 - 256:07b}", "00000", "0000000"
    bits = last + fixed + letter + nine + one + end
    deflated = int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")
    assert zlib.decompress(deflated, -15) == b"a" * 10
    assert read_stream(deflated, 10).token.tolist() == [0, 9 << 16]


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_tokens_or_refused(deflated: bytes) -> None:
    try:
        plain = zlib.decompress(deflated, -15)
        stream = read_stream(deflated, len(plain))
    except (zlib.error, NotDeflate):
        return
    assert zlib.decompress(written_stream(stream, plain), -15) == plain


@given(st.integers(0, 20_000), st.binary(min_size=1, max_size=3))
@settings(max_examples=200)
def test_a_damaged_stream_is_tokens_or_refused(at: int, damage: bytes) -> None:
    """The bytes need not inflate; nothing is read or written beyond them."""
    deflated = bytearray(deflate.deflate_compress(TEXT[:40_000], 9))
    at %= len(deflated)
    deflated[at : at + len(damage)] = damage
    try:
        read_stream(bytes(deflated), 40_000)
    except NotDeflate:
        return


@pytest.mark.parametrize("level", [1, 2])
def test_igzip_is_foretold(level: int) -> None:
    """Oracle: ISA-L itself. Its search differs near the end of a block, and on some processors."""
    plain = TEXT[:60_000]
    theirs, ours = read_stream(by_igzip(level)(plain), len(plain)).token, igzip_tokens(plain, level)
    assert len(set(enumerate(theirs[: len(theirs) // 2])) - set(enumerate(ours))) < 0.05 * len(theirs)


@pytest.mark.parametrize(
    ("deflater", "encoder"),
    [
        (by_igzip(1), Encoder("igzip", 1)),
        (by(6, memory=7), Encoder("zlib", 6, 8)),
        (by(7), Encoder("zlib", 6, 8)),
        (by(6), Encoder("zlib", 6, 8)),
        (by(0), Encoder("zlib", 6, 8)),
    ],
)
def test_blocks_come_back_from_corrections(tmp_path: Path, deflater: Deflater, encoder: Encoder) -> None:
    blocks = [(plain, deflater(plain)) for plain in (TEXT[:60_000], NOISE, b"", TEXT[60_000:100_000])] * 70
    write_corrections(blocks, encoder, tmp_path / "c")
    with open(tmp_path / "c", "rb") as source:
        corrected = Corrected(encoder, source)
        assert all(corrected.block(plain) == deflated for plain, deflated in blocks)
        with pytest.raises(NotDeflate):
            corrected.block(b"one more")


def test_the_nearer_the_encoder_the_less_is_noted() -> None:
    blocks = [(TEXT[:60_000], by(6, memory=7)(TEXT[:60_000]))]
    size = {level: len(packed(blocks, Encoder("zlib", level, 8), 19)) for level in (1, 6)}
    assert size[6] < 0.4 * size[1]


def test_a_file_by_igzip_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = bgzf(TEXT, tmp_path / "x.vcf.gz", by_igzip(1))
    (manifest,) = put_files(tmp_path / "A", [path], PutOptions())
    assert manifest.exactness == "bytes"
    assert manifest.container is not None and manifest.container["library"] == "igzip"
    assert {entry["role"] for entry in manifest.objects} == {"packed", "corrections"}
    get_file(tmp_path / "A", "x.vcf.gz", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


def by_pigz(plain: bytes) -> bytes:
    """As pigz deflates: pieces of 128 kB behind the 32 kB before, each to a whole byte by an empty stored block."""
    pieces = []
    for i in range(0, max(1, len(plain)), 1 << 17):
        before = plain[max(0, i - (1 << 15)) : i]
        stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8, 0, *([before] if before else []))
        last = i + (1 << 17) >= len(plain)
        pieces.append(stream.compress(plain[i : i + (1 << 17)]) + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH))
    return b"".join(pieces)


@pytest.mark.parametrize("deflater", [by_pigz, by(6, memory=5), by(9), by(6, strategy=zlib.Z_FIXED), by(0), by_igzip(1)])
@pytest.mark.parametrize("encoder", [Encoder("zlib", 6, 8), Encoder("igzip", 1)])
@pytest.mark.parametrize("segment", [1, 40_000])
def test_streams_come_back_from_corrections(
    tmp_path: Path, deflater: Deflater, encoder: Encoder, segment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in pieces, in segments of any size, and one after another."""
    monkeypatch.setattr("genopipe.archive.gzip_corrections.SEGMENT_BYTES", segment)
    plains = [TEXT * 2, b"", NOISE, TEXT[:70_000]]
    with open(tmp_path / "c", "wb") as target:
        segments = Segments(encoder, target)
        for plain in plains:
            deflated, inflater = deflater(plain), zlib.decompressobj(-15)
            for i in range(0, len(deflated), 5000):
                segments.see(inflater.decompress(deflated[i : i + 5000]), deflated[i : i + 5000])
            segments.end()
    with open(tmp_path / "c", "rb") as source:
        corrected = CorrectedStreams(encoder, source)
        for plain in plains:
            assert b"".join(piece for _, piece in corrected.stream(io.BytesIO(plain).read)) == deflater(plain)


def test_a_stream_that_ends_early_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "c", "wb") as target:
        segments = Segments(Encoder("zlib", 6, 8), target)
        segments.see(TEXT[:100], by(6)(TEXT)[:100])
        with pytest.raises(NotDeflate):
            segments.end()


@pytest.mark.parametrize("deflater", [by_pigz, by(6, memory=7), by_igzip(1), by_igzip(2)])
def test_fastq_of_a_foreign_gzip_comes_back_bit_for_bit(tmp_path: Path, deflater: Deflater) -> None:
    reads = [TEXT[i : i + 100].decode() for i in range(0, len(TEXT), 100)]
    plain = "".join(f"@r:{i}\n{bases}\n+\n{''.join(DRAW.choices('+5?', k=100))}\n" for i, bases in enumerate(reads)).encode()
    path = tmp_path / "x.fastq.gz"
    head, tail = bytes.fromhex("1f8b08000000000000ff"), struct.pack("<II", zlib.crc32(plain), len(plain))
    path.write_bytes((head + deflater(plain) + tail) * 2)
    (manifest,) = put_files(tmp_path / "A", [path], PutOptions())
    assert manifest.exactness == "bytes"
    assert manifest.container is not None and "corrections" in manifest.container
    corrections = next(entry["size"] for entry in manifest.objects if entry["role"] == "corrections")
    assert corrections < 0.03 * manifest.size
    get_file(tmp_path / "A", "x.fastq.gz", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


def test_corrections_of_another_content_are_refused(tmp_path: Path) -> None:
    path, found = bgzf(TEXT, tmp_path / "x.gz", by_igzip(1)), Unwrapped()
    list(unwrap(path, found))
    near = nearest(found)
    assert near is not None and near[1] < 0.05
    recipe = correct(path, near[0], tmp_path / "c")
    assert recipe is not None
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:30])
    with pytest.raises((RecipeFailed, BadInput)):
        list(wrap(unwrap(path, Unwrapped()), recipe))
