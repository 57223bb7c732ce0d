"""Another alignment of archived reads comes back bit for bit, and adds little."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.archive import rearranged as rearranged_module
from genopipe.archive import sorted_rows
from genopipe.archive.alignments import decoded_pool, describe_alignments, packed_header
from genopipe.archive.get import get_file
from genopipe.archive.plain_bam import Batch, NotBam, PlainBam, Records, joined
from genopipe.archive.put import put_files
from genopipe.archive.read_rows import NotInPool
from genopipe.archive.realigned import describe_realigned, plain_realigned
from genopipe.archive.realigned_columns import Group
from genopipe.archive.realigned_core import cigars, fields, spans
from genopipe.archive.realigned_records import ALL_STREAMS, Memory, Streams, note, recall
from genopipe.archive.realigned_rows import Times, find_bases
from genopipe.archive.realigned_tags import MOST_NAMES
from genopipe.archive.rearranged import rearranged
from genopipe.archive.record_orders import RULES, RecordKeys, keep_record_order, kept_places
from genopipe.archive.references import Reference
from genopipe.archive.regions import get_region
from genopipe.archive.representations import PutOptions
from genopipe.archive.sorted_rows import Column
from genopipe.archive.workshop import Workshop
from genopipe.errors import BadEnvironment
from genopipe.store import FolderStore

from .test_bam_records import batch, record, records


def plain(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> tuple[dict[str, Any], Workshop]:
    """The alignments of S1.bam in a store."""
    folder = tmp_path_factory.mktemp("pool")
    shop = Workshop(FolderStore(folder / "store"), folder)

    def pieces() -> Iterator[bytes]:
        yield plain(sample / "S1.bam")

    return describe_alignments(pieces, shop, reference=None, profile="fast", check=lambda restored: [None for _ in restored]), shop  # type: ignore[func-returns-value]


def rewritten(source: Path, target: Path, change: Any) -> Path:
    """A BAM of what `change` makes of all records: a list of records."""
    with pysam.AlignmentFile(str(source), check_sq=False) as old, pysam.AlignmentFile(str(target), "wb", header=old.header) as new:
        for r in change(list(old.fetch(until_eof=True))):
            new.write(r)
    return target


def comes_back(pool: tuple[dict[str, Any], Workshop], bam: Path) -> tuple[dict[str, Any], int]:
    """The content and the bytes it takes, after the BAM came back."""
    content, shop = describe_realigned(lambda: iter([plain(bam)]), *pool), pool[1]
    assert b"".join(plain_realigned(content, shop)) == plain(bam)
    steps = content["order"]["steps"]
    return content, shop.store.size(content["columns"]) + (shop.store.size(steps) if steps else 0)


def sorted_by_name(source: Path, target: Path) -> Path:
    pysam.sort("-n", "--no-PG", "-o", str(target), str(source))
    return target


def test_a_bam_sorted_by_name_is_the_order_of_its_names(pool: Any, sample: Path, tmp_path: Path) -> None:
    content, size = comes_back(pool, sorted_by_name(sample / "S1.bam", tmp_path / "n.bam"))
    assert content["order"] == {"rule": "name", "steps": None}
    assert size < 0.1 * pool[1].store.size(pool[0]["cram"])


def moved(records: list[pysam.AlignedSegment]) -> list[pysam.AlignedSegment]:
    """As if aligned to a reference with 1,000 bases more at its beginning, with other clips and scores."""
    for i, r in enumerate(records):
        if r.is_unmapped:
            continue
        r.reference_start, r.next_reference_start = r.reference_start + 1000, r.next_reference_start + 1000
        if i % 10 == 0:
            r.cigarstring, r.reference_start = "9S91M", r.reference_start + 9
        r.set_tag("XS", i % 7)
        r.set_tag("AS", r.get_tag("AS") - 3)
    return sorted(records, key=lambda r: (r.reference_id < 0, r.reference_start))


def test_a_moved_alignment_adds_little(pool: Any, sample: Path, tmp_path: Path) -> None:
    content, size = comes_back(pool, rewritten(sample / "S1.bam", tmp_path / "m.bam", moved))
    assert content["order"]["rule"].startswith("position")
    assert size < 0.2 * pool[1].store.size(pool[0]["cram"])


def test_columns_of_an_older_archive_come_back(pool: Any, sample: Path, tmp_path: Path) -> None:
    """They are one group of batches with one memory for all of them, and have no index."""
    bam = rewritten(sample / "S1.bam", tmp_path / "m.bam", moved)
    content, shop = describe_realigned(lambda: iter([plain(bam)]), *pool), pool[1]
    restored = PlainBam(iter([plain(bam)]))
    base = find_bases(restored.batches(), decoded_pool(pool[0], shop).batches(), shop.folder)
    order, times_of = np.argsort(base.row.read(0, len(base.row))), Times(base.record)
    rows = Records([joined([joined(list(PlainBam(iter([plain(bam)])).batches())).part(int(i), int(i) + 1) for i in order])])
    decoded, memory, group = decoded_pool(pool[0], shop), Memory(), Group()
    old = Records(decoded.batches())
    for n in (300, sum(map(len, decoded_pool(pool[0], shop).batches())) - 300):
        times, have = times_of.take(n), old.take(n)
        group.add(times, note(rows.take(int(times.sum())), have, np.repeat(np.arange(len(times)), times), memory))
    with open(tmp_path / "columns", "wb") as target:
        target.write(packed_header(restored.header, decoded.header))
        group.write(target)
    older = {key: value for key, value in content.items() if key != "index"} | {"columns": shop.store.put_file(tmp_path / "columns")}
    assert b"".join(plain_realigned(older, shop)) == plain(bam)


def test_many_reads_that_the_pool_has_not_are_kept_beside_several(
    pool: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_strangers(records: list[pysam.AlignedSegment]) -> list[pysam.AlignedSegment]:
        for i, r in enumerate(records[-30:]):
            r.query_name = f"stranger{i}"
        return records

    monkeypatch.setattr("genopipe.archive.realigned_rows.MOST_TOGETHER", 7)
    comes_back(pool, rewritten(sample / "S1.bam", tmp_path / "m.bam", with_strangers))


def turned(records: list[pysam.AlignedSegment]) -> list[pysam.AlignedSegment]:
    """Reads aligned to the other strand, some with a part cut off, without bases or without qualities, and extra records."""
    out = []
    for i, r in enumerate(records):
        text = r.to_dict()
        letters, scores = r.get_forward_sequence(), r.get_forward_qualities()
        flag = r.flag ^ 0x10
        if flag & 0x10:
            letters, scores = letters[::-1].translate(str.maketrans("ACGTN", "TGCAN")), scores[::-1]
        for part in range(1 + (i % 5 == 0)):
            s = pysam.AlignedSegment.from_dict(text, r.header)
            s.flag = flag | (0x800 if part else 0)
            s.query_sequence, s.query_qualities = letters, scores
            s.cigarstring = None if r.is_unmapped else "100M"
            if part and not r.is_unmapped:
                s.query_sequence, s.query_qualities, s.cigarstring = letters[30:90], scores[30:90], "30H60M10H"
            if i % 11 == 3:
                s.query_qualities = None
            if i % 17 == 3:
                s.cigarstring, s.query_sequence = None, None
            out.append(s)
    return out


def test_turned_cut_and_extra_records_come_back(pool: Any, sample: Path, tmp_path: Path) -> None:
    comes_back(pool, rewritten(sample / "S1.bam", tmp_path / "t.bam", turned))


def test_with_little_memory_the_same_is_kept(pool: Any, sample: Path, tmp_path: Path) -> None:
    bam = rewritten(sample / "S1.bam", tmp_path / "t.bam", lambda records: sorted(turned(records), key=lambda r: str(r.query_name)[::-1]))
    ample = describe_realigned(lambda: iter([plain(bam)]), *pool)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"RUN_BYTES": 3000, "MERGE_BYTES": 1, "CHUNK": 17, "_STRETCH": 13}.items():
            patch.setattr(sorted_rows, name, value)
        patch.setattr(rearranged_module, "HELD_BYTES", 30_000)
        patch.setattr(rearranged_module, "BUCKET_BYTES", 5000)
        assert comes_back(pool, bam)[0] == ample


def test_extra_records_find_their_own_in_the_pool(sample: Path, tmp_path: Path) -> None:
    """A supplementary record costs next to nothing when the BAM is only sorted anew."""
    bam = rewritten(sample / "S1.bam", tmp_path / "t.bam", turned)
    shop = Workshop(FolderStore(tmp_path / "store"), tmp_path)
    content = describe_alignments(lambda: iter([plain(bam)]), shop, reference=None, profile="fast", check=lambda r: [None for _ in r])  # type: ignore[func-returns-value]
    _, size = comes_back((content, shop), sorted_by_name(bam, tmp_path / "n.bam"))
    assert size < 0.1 * shop.store.size(content["cram"])


def test_a_few_reads_that_the_pool_has_not_are_kept_whole(pool: Any, sample: Path, tmp_path: Path) -> None:
    def renamed(records: list[pysam.AlignedSegment]) -> list[pysam.AlignedSegment]:
        for r in records[:9]:
            r.query_name = "other" + str(r.query_name)
        return records[:-50]

    comes_back(pool, rewritten(sample / "S1.bam", tmp_path / "r.bam", renamed))


def test_a_full_disk_is_told_before_work_starts(pool: Any, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, shop = pool
    realigned = describe_realigned(lambda: iter([plain(sample / "S1.bam")]), content, shop)
    monkeypatch.setattr("genopipe.archive.read_rows.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 100})())
    for work in (lambda: describe_realigned(lambda: iter([]), content, shop), lambda: list(plain_realigned(realigned, shop))):
        with pytest.raises(BadEnvironment, match="0 MB are free for temporary files"):
            work()


def test_other_reads_are_refused(pool: Any, sample: Path, tmp_path: Path) -> None:
    def renamed(records: list[pysam.AlignedSegment]) -> list[pysam.AlignedSegment]:
        for r in records:
            r.query_name = "other" + str(r.query_name)
        return records

    bam = rewritten(sample / "S1.bam", tmp_path / "r.bam", renamed)
    with pytest.raises(NotInPool, match="the pool has other reads"):
        describe_realigned(lambda: iter([plain(bam)]), *pool)


def test_reads_with_other_qualities_are_refused(pool: Any, sample: Path, tmp_path: Path) -> None:
    def recalibrated(records: list[pysam.AlignedSegment]) -> list[pysam.AlignedSegment]:
        for r in records:
            r.query_qualities = pysam.qualitystring_to_array("#" * r.query_length)
        return records

    bam = rewritten(sample / "S1.bam", tmp_path / "r.bam", recalibrated)
    with pytest.raises(NotInPool, match="other bases or qualities"):
        describe_realigned(lambda: iter([plain(bam)]), *pool)


def test_a_put_of_another_alignment_adds_columns(sample: Path, reference: Path, tmp_path: Path) -> None:
    options = PutOptions("S1", Reference.load(reference))
    other = sorted_by_name(sample / "S1.bam", tmp_path / "S1.by_name.bam")
    first, second = put_files(tmp_path / "A", [sample / "S1.bam", other], options)
    assert second.content["kind"] == "realigned"
    assert second.content["pool"]["cram"] == first.content["cram"]
    assert sum(entry["size"] for entry in second.objects if entry["role"] in ("columns", "order")) < 0.1 * first.stored_size
    get_file(tmp_path / "A", second.digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == other.read_bytes()


def test_an_empty_bam_finds_no_pool(tmp_path: Path, sample: Path) -> None:
    bam = rewritten(sample / "S1.bam", tmp_path / "e.bam", lambda records: [])
    shop = Workshop(FolderStore(tmp_path / "store"), tmp_path)
    content = describe_alignments(lambda: iter([plain(bam)]), shop, reference=None, profile="fast", check=lambda r: [None for _ in r])  # type: ignore[func-returns-value]
    with pytest.raises(NotInPool):
        describe_realigned(lambda: iter([plain(sample / "S1.bam")]), content, shop)


def round_trip(pairs: list[tuple[Batch, Batch, np.ndarray[Any, Any]]]) -> None:
    """All batches one after another, each way with a memory of its own."""
    memory, memory_back = Memory(), Memory()
    for want, base, base_row in pairs:
        noted = note(want, base, base_row, memory)
        at = np.zeros(ALL_STREAMS, np.int64)
        for stream in sorted(noted):
            at[stream + 1 :] += len(noted[stream])
        byte = np.frombuffer(b"".join(noted[stream] for stream in sorted(noted)), np.uint8)
        back = recall(base, base_row, memory_back, Streams(byte, at))
        assert back.byte.tobytes() == want.byte[want.start[0] : want.start[-1]].tobytes()
        assert back.start.tolist() == (want.start - want.start[0]).tolist()


@settings(max_examples=60)
@given(data=st.data(), pool=st.lists(records, min_size=1, max_size=4), new=st.lists(records, min_size=1, max_size=8))
def test_any_records_are_told_by_any_others(data: st.DataObject, pool: list[bytes], new: list[bytes]) -> None:
    rows = data.draw(st.lists(st.integers(0, len(pool) - 1), min_size=len(new), max_size=len(new)).map(sorted))
    try:
        round_trip([(batch(*new), batch(*pool), np.array(rows, np.int64))] * 2)
    except NotBam:  # tags that are none
        assert any(b"\0" in r for r in new)


def test_too_many_kinds_of_tags_are_refused() -> None:
    tags = [(bytes([65 + i // 64, 48 + i % 64]) + b"C\1",) for i in range(MOST_NAMES + 1)]
    with pytest.raises(NotBam, match="cannot be told apart"):
        note(batch(*(record(tags=tag) for tag in tags)), batch(record()), np.zeros(len(tags), np.int64), Memory())


def test_spans_follow_from_the_cigar(sample: Path) -> None:
    """Oracle: pysam."""
    (part,) = PlainBam(iter([plain(sample / "S1.bam")])).batches()
    span = spans(fields(part)[:, 1], cigars(part))
    with pysam.AlignmentFile(str(sample / "S1.bam")) as bam:
        expected = [(r.reference_end or r.reference_start, *(r.cigartuples or [(0, 0)])[0]) for r in bam.fetch(until_eof=True)]
    assert [end for end, _, _ in expected] == span.end.tolist()
    assert not span.clip.any()


def test_records_are_cut_anew() -> None:
    parts = [batch(record(name=b"a\0")), batch(record(name=b"b\0"), record(name=b"c\0"))]
    source = Records(iter(parts))
    assert source.take(2).byte.tobytes() == record(name=b"a\0") + record(name=b"b\0")
    assert len(source.take(0)) == 0
    assert source.take(1).byte.tobytes() == record(name=b"c\0")
    with pytest.raises(NotBam, match="fewer records"):
        source.take(1)
    assert len(joined([])) == 0


@settings(max_examples=40)
@given(rows=st.lists(st.integers(0, 30), unique=True).map(lambda drawn: [sorted(drawn).index(d) for d in drawn]), data=st.data())
def test_entries_come_in_the_order_of_their_rows(rows: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Oracle: a list."""
    entries = data.draw(st.lists(st.binary(min_size=1, max_size=9), min_size=len(rows), max_size=len(rows)))
    left_out = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    for place in left_out:
        rows, entries = [*rows[:place], -1, *rows[place:]], [*entries[:place], b"left out", *entries[place:]]
    expected = b"".join(entry for _, entry in sorted(zip(rows, entries, strict=True)) if _ >= 0)
    parts = [(np.frombuffer(entry, np.uint8), np.array([len(entry)]), np.array([row])) for row, entry in zip(rows, entries, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rearranged_module, "HELD_BYTES", data.draw(st.sampled_from([1, 20, 64 << 20])))
        patch.setattr(rearranged_module, "BUCKET_BYTES", data.draw(st.sampled_from([1, 20])))
        found = list(rearranged(parts, sum(row >= 0 for row in rows), tmp_path_factory.mktemp("spool")))
    assert b"".join(part.tobytes() for part, _ in found) == expected


def keys_of(names: list[bytes], shop: Workshop, order: list[int] | None = None) -> RecordKeys:
    """The keys of records with these names, seen in an order."""
    keys, made = RecordKeys(shop), [record(name=name + b"\0", core=i % 3) for i, name in enumerate(names)]
    for i in order or range(len(names)):
        keys.see(batch(made[i]))
    return keys


@settings(max_examples=40)
@given(
    names=st.lists(st.from_regex(rb"[A-Z]{0,2}\d{0,3}(:\d{1,4}){0,4}[a-z]?", fullmatch=True).filter(bool), min_size=1, max_size=9),
    data=st.data(),
)
def test_any_order_of_records_comes_back(names: list[bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("store")
    shop, order = Workshop(FolderStore(folder / "store"), folder), data.draw(st.permutations(range(len(names))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_rows, "RUN_BYTES", data.draw(st.sampled_from([1, 64 << 20])))
        patch.setattr(sorted_rows, "CHUNK", data.draw(st.sampled_from([2, 1 << 16])))
        rows = Column(folder, np.int64)
        rows.add(np.array(order))
        kept = keep_record_order(rows, keys_of(names, shop, order), shop)
        places = kept_places(kept, keys_of(names, shop), shop)
        assert [place for chunk in places.chunks() for place in chunk.tolist()] == [order.index(row) for row in range(len(names))]


@pytest.mark.parametrize("rule", ["name", "name_text"])
def test_names_sort_by_value_or_as_text(rule: str, tmp_path: Path) -> None:
    """Oracle: sorted, with numbers apart or as bytes; `samtools sort -n` is compared with above."""
    draw = random.Random(5)
    names = [b"A%d:%d:%d" % (draw.choice((1, 2, 10)), draw.randrange(1200), draw.randrange(30000)) for _ in range(300)]
    by_value = sorted(range(300), key=lambda i: [int(part) for part in names[i][1:].split(b":")])
    by_text = sorted(range(300), key=lambda i: names[i])
    (predicted,) = keys_of(names, Workshop(FolderStore(tmp_path), tmp_path)).predicted(rule).chunks()
    assert [names[i] for i in predicted[:, -1]] == [names[i] for i in (by_value if rule == "name" else by_text)]


def test_names_of_no_pattern_do_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genopipe.archive.record_orders._MOST_PREFIXES", 5)
    keys = keys_of([b"r%dx" % i for i in range(9)], Workshop(FolderStore(tmp_path), tmp_path))
    assert [rule for rule in RULES if not keys.can_follow(rule)] == ["name", "name_text"]


def test_a_bam_that_is_not_sorted_by_position_is_kept_as_alignments(sample: Path, reference: Path, tmp_path: Path) -> None:
    """Its containers may have records anywhere, so a region reads all of them."""
    bam = sorted_by_name(sample / "S1.bam", tmp_path / "n.bam")
    (manifest,) = put_files(tmp_path / "A", [bam], PutOptions("S1", Reference.load(reference)))
    assert manifest.content["kind"] == "alignments"
    get_region(tmp_path / "A", "n.bam", tmp_path / "part.bam", region="c1:5001-7000", form="bam")
    with pysam.AlignmentFile(str(bam)) as whole, pysam.AlignmentFile(str(tmp_path / "part.bam")) as part:
        wanted = [
            r.to_string()
            for r in whole
            if r.reference_id == 0 and r.reference_start < 7000 and (r.reference_end or r.reference_start + 1) > 5000
        ]
        assert [r.to_string() for r in part] == wanted != []
