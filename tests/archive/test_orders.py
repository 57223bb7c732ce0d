"""The order of a FASTQ is told by a rule where there is one, and always comes back."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.archive.fastq_text import FastqText, NotFastq, rests, row_keys
from genopipe.archive.fastq_views import open_pool
from genopipe.archive.orders import KeptOrder, keep_order
from genopipe.archive.plain_bam import PlainBam
from genopipe.archive.pool_reads import name_numbers, read_keys, read_names
from genopipe.archive.sorted_rows import Column
from genopipe.archive.workshop import Workshop
from genopipe.formats.htslib import HtslibFailed, decode_cram, encode_cram
from genopipe.store import FolderStore

from .conftest import fastq_of


def kept(names: list[str], order: list[int], folder: Path) -> tuple[dict[str, object], list[int]]:
    """What is kept of an order of single reads with these names, and the order that comes back."""
    shop = Workshop(FolderStore(folder), folder)
    text = "".join(f"@{name}\nA\n+\nI\n" for name in names).encode()
    (rows,) = FastqText(iter([text])).batches()
    number = name_numbers(rows)
    wanted, numbers = Column(folder, np.int64), Column(folder, np.uint32, 5)
    wanted.add(np.array(order))
    numbers.add(number[order])
    described = keep_order(wanted, numbers, n_templates=len(names), shop=shop)
    back = KeptOrder(described, shop)
    for part in np.array_split(number, 3):
        back.see(part)
    return described, np.concatenate(list(back.numbers())).tolist()


def names_of(n: int) -> list[str]:
    """Names as sequencers write them, in no order."""
    draw = random.Random(4)
    return [f"A0:1:F:{draw.randrange(1, 5)}:{draw.randrange(1101, 1180)}:{draw.randrange(3000)}:{draw.randrange(3000)}" for _ in range(n)]


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("pool", lambda i, name: i),
        ("x_y", lambda i, name: [int(part) for part in name.split(":")[3:]]),
        ("y_x", lambda i, name: [int(name.split(":")[k]) for k in (3, 4, 6, 5)]),
    ],
)
def test_an_order_that_follows_a_rule_costs_nothing(tmp_path: Path, rule: str, key: object) -> None:
    names = names_of(500)
    order = sorted(range(500), key=lambda i: key(i, names[i]))  # type: ignore[operator]
    described, back = kept(names, order, tmp_path)
    assert described == {"rule": rule, "members": None, "listed": None, "rows": None}
    assert back == order


def test_the_order_of_samtools_collate_is_known(tmp_path: Path, sample: Path) -> None:
    """Oracle: samtools itself."""
    pysam.collate("-o", str(tmp_path / "collated.bam"), str(sample / "S1.bam"))
    with pysam.AlignmentFile(str(sample / "S1.bam")) as pool, pysam.AlignmentFile(str(tmp_path / "collated.bam"), check_sq=False) as out:
        names = [r.query_name for r in pool.fetch(until_eof=True) if r.is_read1]
        wanted = [r.query_name for r in out.fetch(until_eof=True) if r.is_read1]
    order = [names.index(name) for name in wanted]
    described, back = kept(names, order, tmp_path)  # type: ignore[arg-type]
    assert described["rule"] == "collate"
    assert described["listed"] is None
    assert back == order


def test_a_few_rows_out_of_order_are_listed(tmp_path: Path) -> None:
    names = names_of(300)
    order = list(range(300))
    order[10], order[200] = order[200], order[10]
    described, back = kept(names, order, tmp_path)
    assert described["rule"] == "pool"
    assert described["rows"] is not None
    assert back == order


@settings(max_examples=60)
@given(order=st.lists(st.integers(0, 40), unique=True, min_size=1))
def test_any_order_of_any_part_comes_back(order: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert kept(names_of(41), order, tmp_path_factory.mktemp("store"))[1] == order


def test_records_and_rows_have_the_same_keys(tmp_path: Path, sample: Path) -> None:
    """Reverse records, clipped records and the letters of both strands must hash like the FASTQ that pysam writes."""
    (batch,) = PlainBam(iter([gzip.decompress((sample / "S1.bam").read_bytes())])).batches()
    keys, names = read_keys(batch), read_names(batch)
    for mate in (1, 2):
        (rows,) = FastqText(iter([fastq_of(sample / "S1.bam", mate).encode()])).batches()
        name, content = row_keys(rows)
        assert set(name.tolist()) == set(keys.name[keys.mate == mate].tolist())
        assert set(content.tolist()) == set(keys.content[keys.mate == mate].tolist())
        here = names.mate == mate
        told = sorted(zip(names.name[here].tolist(), names.number[here].tolist(), strict=True))
        assert told == sorted(zip(name.tolist(), name_numbers(rows).tolist(), strict=True))


ROW = b"@r1/1 rest\nACG\n+\nIII\n"


@pytest.mark.parametrize("step", [1, 5, 100])
def test_rows_are_found_in_pieces_of_any_size(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genopipe.archive.fastq_text.BATCH_BYTES", step)
    content = ROW * 9
    text = FastqText(content[i : i + step] for i in range(0, len(content), step))
    assert b"".join(rests(rows) for rows in text.batches()) == b"/1 rest\n" * 9
    assert text.ends_with_newline


@pytest.mark.parametrize(
    "text",
    [
        b"no fastq\n" * 4,
        b"@r\nAC\n+\nIII\n",
        b"@r\nAC\n+x\nII\n",
        b"@r\nAC\n+\n",
        b"@r\nAC\n-\nII\n",
        b"@r\nAC\n+\nI\x07\n",
        b"@\nA\n+\nI\n",
    ],
)
def test_text_of_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(NotFastq):
        list(FastqText(iter([ROW, text])).batches())


def test_rows_of_two_forms_are_refused() -> None:
    with pytest.raises(NotFastq, match="a row of another form"):
        list(FastqText(iter([ROW + b"@r\nA\n+r\nI\n"])).batches())


def test_more_reads_than_a_bucket_holds_are_dealt_to_files(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genopipe.archive.fastq_views import describe_view, make_pool, plain_reads

    texts = [fastq_of(sample / "S1.bam", mate, rest=f" {mate}:N", shuffle=8).encode() for mate in (1, 2)]
    shop = Workshop(FolderStore(tmp_path / "store"), tmp_path)
    content = make_pool([lambda: iter([texts[0]]), lambda: iter([texts[1]])], shop, profile="fast")
    shuffled = fastq_of(sample / "S1.bam", 2, rest=" 2:N", shuffle=9).encode()
    view = describe_view(lambda: iter([shuffled]), open_pool(content, shop), shop=shop)
    monkeypatch.setattr("genopipe.archive.rearranged.BUCKET_BYTES", 3000)
    monkeypatch.setattr("genopipe.archive.rearranged.HELD_BYTES", 6000)
    assert b"".join(plain_reads(view, shop)) == shuffled


def test_htslib_failures_are_told_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(HtslibFailed, match="samtools returned with error 1"):
        encode_cram(iter([b"no bam at all"]), tmp_path / "x.cram", reference=None, profile="fast")
    (tmp_path / "x.cram").write_bytes(b"CRAM")
    with pytest.raises(HtslibFailed):
        list(decode_cram(tmp_path / "x.cram", reference=None))


def test_names_and_flags_come_without_the_rest(tmp_path: Path, sample: Path, reference: Path) -> None:
    """Oracle: the records as pysam reads them from the BAM."""
    from genopipe.archive.references import Reference

    pieces = [gzip.decompress((sample / "S1.bam").read_bytes())]
    fasta = Reference.load(reference).fasta
    encode_cram(iter(pieces), tmp_path / "x.cram", reference=fasta, profile="fast")
    few = b"".join(decode_cram(tmp_path / "x.cram", reference=fasta, names_only=True))
    (tmp_path / "plain").write_bytes(few)
    pysam.tabix_compress(str(tmp_path / "plain"), str(tmp_path / "x.bam"))
    with pysam.AlignmentFile(str(sample / "S1.bam")) as want, pysam.AlignmentFile(str(tmp_path / "x.bam"), check_sq=False) as have:
        wanted = [(r.query_name, r.flag & ~0x2A) for r in want]
        assert [(r.query_name, r.flag & ~0x2A) for r in have] == wanted
    assert len(few) < len(pieces[0]) / 2
