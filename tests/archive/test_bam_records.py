"""What a CRAM changes in a record is noted and undone."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.archive.bam_records import STREAMS, Noted, OrderTable, differences, restored
from genopipe.archive.plain_bam import Batch, NotBam, PlainBam

TAG_VALUES = {"A": b"x", "c": b"\x01", "C": b"\x02", "s": b"\x01\x02", "S": b"\3\4", "i": b"abcd", "I": b"efgh", "f": b"\0\0\x80?"}


def record(*, name: bytes = b"r\0", cigar: bytes = b"", n_bases: int = 4, core: int = 0, tags: tuple[bytes, ...] = ()) -> bytes:
    """A record as in a BAM."""
    fixed = struct.pack("<iiBBHHHiiii", core, core, len(name), 0, 0, len(cigar) // 4, 0, n_bases, -1, -1, 0)
    body = fixed + name + cigar + b"\x12" * ((n_bases + 1) // 2) + b"\x1e" * n_bases + b"".join(tags)
    return struct.pack("<i", len(body)) + body


def batch(*records: bytes) -> Batch:
    """Records one after another."""
    start = np.cumsum([0, *map(len, records)]).astype(np.int64)
    return Batch(np.frombuffer(b"".join(records), np.uint8), start)


def sizes(original: Batch, decoded: Batch) -> dict[str, int]:
    """Bytes in each stream that is not empty."""
    _, stream = differences(original, decoded, OrderTable())
    return {name: len(part) for name, part in zip(STREAMS, stream, strict=True) if len(part)}


def round_trip(original: Batch, decoded: Batch) -> bytes:
    """The original, mended from what was decoded."""
    mark, stream = differences(original, decoded, OrderTable())
    noted = Noted(OrderTable(), stream)
    half = len(decoded) // 2
    return restored(decoded.part(0, half), mark[:half], noted) + restored(decoded.part(half, len(decoded)), mark[half:], noted)


def test_equal_records_need_nothing() -> None:
    assert sizes(batch(record(), record()), batch(record(), record())) == {}


def test_an_order_of_tags_is_noted_once() -> None:
    a, b = b"NMC\1", b"ASC\2"
    original, decoded = batch(*[record(tags=(a, b))] * 5), batch(*[record(tags=(b, a))] * 5)
    assert sizes(original, decoded) == {"order": 4}
    assert round_trip(original, decoded) == original.byte.tobytes()


@pytest.mark.parametrize("value", [-1, -128, 0, 5, 127])
def test_an_integer_of_another_type_is_noted_once(value: int) -> None:
    """htslib gives NM in the smallest type."""
    wide, small = b"NMi" + struct.pack("<i", value), b"NMc" + struct.pack("<b", value)
    for original, decoded in ((wide, small), (small, wide)):
        originals, decodeds = batch(*[record(tags=(original,))] * 5), batch(*[record(tags=(decoded,))] * 5)
        assert sizes(originals, decodeds) == {"order": 2}
        assert round_trip(originals, decodeds) == originals.byte.tobytes()


def test_another_value_in_another_type_is_not_the_same() -> None:
    original, decoded = batch(record(tags=(b"NMC\xff",))), batch(record(tags=(b"NMc\xff",)))
    assert sizes(original, decoded).keys() == {"tags"}
    assert round_trip(original, decoded) == original.byte.tobytes()


def test_tags_that_decoding_adds_are_noted_once() -> None:
    """htslib adds MD and NM to records that never had them."""
    a, b, md = b"RGZx\0", b"ASC\2", b"MDZ4\0"
    original, decoded = batch(*[record(tags=(a, b))] * 5), batch(*[record(tags=(b, md, a))] * 5)
    assert sizes(original, decoded) == {"order": 6}
    assert round_trip(original, decoded) == original.byte.tobytes()


def test_dropped_and_kept_tags_alternate() -> None:
    a, md = b"ASC\2", b"MDZ4\0"
    original = batch(*[record(tags=(a,)), record(tags=(a, md)), record(), record(tags=(md,))] * 3)
    decoded = batch(*[record(tags=(a, md))] * 12)
    assert round_trip(original, decoded) == original.byte.tobytes()


def test_a_changed_cigar_is_kept_as_it_was() -> None:
    original, decoded = batch(record(cigar=b"\x47\0\0\0")), batch(record(cigar=b"\x40\0\0\0"))
    assert sizes(original, decoded) == {"cigar": 4}
    assert round_trip(original, decoded) == original.byte.tobytes()


def cigar(text: str) -> bytes:
    """Operations as in a record."""
    return b"".join(struct.pack("<I", int(n) << 4 | "MIDNSHP=X".index(op)) for n, op in re.findall(r"(\d+)(\D)", text))


@pytest.mark.parametrize(
    ("plain", "md", "cut"),
    [
        ("20M", "20", "20="),
        ("20M", "0A18C0", "1X18=1X"),
        ("3S10M2I5M4S", "4AG9", "3S4=2X4=2I5=4S"),
        ("10M3D10M", "10^ACG0T9", "10=3D1X9="),
        ("5M100N5M1H", "7G2", "5=100N2=1X2=1H"),
    ],
)
def test_a_cigar_of_matches_and_mismatches_follows_from_md(plain: str, md: str, cut: str) -> None:
    tag = b"MDZ" + md.encode() + b"\0"
    original, decoded = batch(*[record(cigar=cigar(cut), tags=(tag,))] * 3), batch(*[record(cigar=cigar(plain), tags=(tag,))] * 3)
    assert sizes(original, decoded) == {}
    assert round_trip(original, decoded) == original.byte.tobytes()


@pytest.mark.parametrize("md", ["3", "20^", "A", "", "10^ACG", "999999999999999999999"])
def test_an_md_of_another_cigar_changes_nothing(md: str) -> None:
    tag = b"MDZ" + md.encode() + b"\0"
    original, decoded = batch(record(cigar=cigar("20="), tags=(tag,))), batch(record(cigar=cigar("20M"), tags=(tag,)))
    assert round_trip(original, decoded) == original.byte.tobytes()


@settings(max_examples=100)
@given(
    plain=st.text("0123456789MIDSH", max_size=12), cut=st.text("0123456789=XIDSH", max_size=12), md=st.text("0123456789ACGT^", max_size=12)
)
def test_any_cigar_and_any_md_are_mended(plain: str, cut: str, md: str) -> None:
    tag = b"MDZ" + md.encode() + b"\0"
    safe = [text if not any(int(n) >> 28 for n in re.findall(r"\d+", text)) else "" for text in (plain, cut)]
    original, decoded = (batch(record(cigar=cigar(text), tags=(tag,))) for text in (safe[1], safe[0]))
    assert round_trip(original, decoded) == original.byte.tobytes()


def test_a_lost_tag_brings_all_tags_of_the_record() -> None:
    original, decoded = batch(record(tags=(b"NMC\1", b"ASC\2"))), batch(record(tags=(b"ASC\2",)))
    assert sizes(original, decoded) == {"tags": 12}
    assert round_trip(original, decoded) == original.byte.tobytes()


tag = st.builds(
    lambda name, kind: name + kind.encode() + TAG_VALUES[kind], st.binary(min_size=2, max_size=2), st.sampled_from(sorted(TAG_VALUES))
)
text_tag = st.builds(
    lambda name, text: name + b"Z" + text + b"\0", st.binary(min_size=2, max_size=2), st.sampled_from([b"", b"100M", b"chr1"])
)
array_tag = st.builds(lambda name, n: name + b"Bs" + struct.pack("<i", n) + b"xy" * n, st.binary(min_size=2, max_size=2), st.integers(0, 3))
records = st.builds(
    record,
    name=st.sampled_from([b"r\0", b"read\0"]),
    cigar=st.sampled_from([b"", b"\x40\0\0\0", b"\x47\0\0\0\x18\0\0\0"]),
    n_bases=st.integers(0, 9),
    core=st.integers(-1, 9),
    tags=st.lists(tag | text_tag | array_tag | st.binary(max_size=5), max_size=5).map(tuple),
)


@settings(max_examples=150)
@given(pairs=st.lists(st.tuples(records, records), min_size=1, max_size=6))
def test_any_record_is_mended_from_any_other(pairs: list[tuple[bytes, bytes]]) -> None:
    original, decoded = (batch(*side) for side in zip(*pairs, strict=True))
    assert round_trip(original, decoded) == original.byte.tobytes()


@settings(max_examples=50)
@given(order=st.permutations([b"NMC\1", b"ASC\2", b"MCZ9M\0", b"XSc\3"]))
def test_any_order_of_tags_is_mended(order: list[bytes]) -> None:
    decoded = record(tags=(b"ASC\2", b"XSc\3", b"NMC\1", b"MCZ9M\0"))
    original = batch(record(tags=tuple(order)), record(tags=tuple(order)))
    assert round_trip(original, batch(decoded, decoded)) == original.byte.tobytes()
    assert sizes(original, batch(decoded, decoded)).keys() <= {"order"}


def test_a_record_whose_fields_do_not_fit_is_refused() -> None:
    broken = bytearray(record())
    broken[20:24] = struct.pack("<i", 1000)
    with pytest.raises(NotBam, match="fields do not fit"):
        differences(batch(bytes(broken)), batch(record()), OrderTable())


def plain(*records: bytes) -> bytes:
    """A BAM with one contig."""
    header = b"@HD\tVN:1.6\n"
    return (
        b"BAM\1" + struct.pack("<i", len(header)) + header + struct.pack("<ii", 1, 3) + b"c1\0" + struct.pack("<i", 9) + b"".join(records)
    )


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_records_are_found_in_pieces_of_any_size(step: int) -> None:
    content = plain(*[record()] * 30)
    bam = PlainBam(content[i : i + step] for i in range(0, len(content), step))
    found = list(bam.batches())
    assert bam.header + b"".join(part.byte.tobytes() for part in found) == content
    assert sum(map(len, found)) == 30


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"CRAM" + bytes(100), "the header cannot be read"),
        (plain()[:10], "the file ends inside its header"),
        (b"BAM\1\xff\xff\xff\xff" + bytes(30), "the header cannot be read"),
        (plain(record())[:-3], "record 1 is cut short"),
        (plain(bytes(50)), "record 1 contradicts its own length"),
    ],
)
def test_what_is_no_bam_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NotBam, match=message):
        list(PlainBam(iter([content])).batches())


def test_a_real_bam_is_read_whole(sample: Path) -> None:
    """Oracle: gzip."""
    content = gzip.decompress((sample / "S1.bam").read_bytes())
    bam = PlainBam(iter([content]))
    assert bam.header + b"".join(part.byte.tobytes() for part in bam.batches()) == content
