"""Aligned reads are packed and unpacked on a GPU as on the CPU, and stretches are the same wherever their reads lie."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from genopipe.device import Gpu
from genopipe.formats import held_alignments
from genopipe.formats.held_alignments import AlignmentStore, HeldAlignments, Span
from genopipe.formats.slabs import joined, thinned
from genopipe.kernels import packed_on_gpu
from genopipe.kernels.packed_alignments import Levels, Packed, Placed, Sequenced, pack
from genopipe.model import Alignments
from tests.kernels.test_packed_alignments import CONTIGS, QUALITIES, some_reads


def on_device(gpu: Gpu, reads: Sequenced, placed: Placed) -> tuple[Sequenced, Placed]:
    return Sequenced(*map(gpu.xp.asarray, reads)), Placed(*map(gpu.xp.asarray, placed))


def records(packed: Packed) -> list[list[int]]:
    return [packed.word[first:last].tolist() for first, last in zip(packed.start[:-1], packed.start[1:], strict=True)]


@pytest.mark.parametrize("qualities", QUALITIES)
@pytest.mark.parametrize("paired", [True, False])
def test_records_equal_the_cpu(gpu: Gpu, qualities: list[int], paired: bool) -> None:
    """Those of the device are sorted by position."""
    reads, placed, _ = some_reads(np.random.default_rng(8), 400, qualities, paired=paired)
    ours = packed_on_gpu.pack(gpu, *on_device(gpu, reads, placed), Levels(), paired=paired, first_ordinal=9)
    theirs = pack(reads, placed, Levels(), paired=paired, first_ordinal=9)
    order = np.argsort(theirs.position, kind="stable")
    ours = Packed(*map(gpu.host, ours))
    assert ours.position.tolist() == theirs.position[order].tolist()
    assert records(ours) == [records(theirs)[row] for row in order]


def test_reads_without_a_place_leave_nothing(gpu: Gpu) -> None:
    reads, placed, _ = some_reads(np.random.default_rng(8), 10, [30], paired=False)
    nowhere = placed._replace(slot=np.full(10, -1, np.int32))
    packed = packed_on_gpu.pack(gpu, *on_device(gpu, reads, nowhere), Levels(), paired=False, first_ordinal=0)
    assert [len(array) for array in packed] == [0, 1, 0]


def held(gpu: Gpu | None, folder: Path, monkeypatch: pytest.MonkeyPatch, *, where: str) -> HeldAlignments:
    """The same batches on the host, on the device, or in turn: those of the host stay there, or are brought to the device at the end."""
    rng = np.random.default_rng(3)
    levels = Levels()
    store = AlignmentStore(folder, levels, memory=1 << 30, gpu=gpu)
    for number in range(9):
        reads, placed, _ = some_reads(rng, 40, QUALITIES[number % 4], paired=True)
        how = {"paired": True, "first_ordinal": 40 * number}
        if gpu is None or (where in ("both", "brought") and number % 3 == 0):
            store.add(pack(reads, placed, levels, **how), 40 * number, 40)
            continue
        if where == "a full device":
            monkeypatch.setattr(type(gpu), "kept", lambda gpu, array: None)
        store.add_there(packed_on_gpu.pack(gpu, *on_device(gpu, reads, placed), levels, **how), 40 * number)
    if where == "both":
        monkeypatch.setattr(held_alignments, "_bring", lambda gpu, blocks: None)
    duplicate = np.random.default_rng(4).choice([0, 0, 0, 1, 130], 45).astype(np.uint8)
    return store.held(CONTIGS, 300, duplicate)


@pytest.mark.parametrize("where", ["there", "both", "brought", "a full device"])
def test_stretches_are_the_same_wherever_reads_lie(gpu: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    theirs = held(None, tmp_path, monkeypatch, where="here")
    ours = held(gpu, tmp_path, monkeypatch, where=where)
    assert [block.is_here for block in ours.here.blocks].count(True) == {"both": 3, "a full device": 9}.get(where, 0)
    n = 0
    for contig, start, end in ((0, 0, 1000), (1, 0, 3000), (1, 900, 1100), (1, 2990, 3000), (0, 5, 6)):
        pieces = [list(each.pieces(contig, start=start, end=end, min_mapping_quality=5)) for each in (ours, theirs)]
        assert len(pieces[0]) == len(pieces[1])
        for found, wanted in zip(*pieces, strict=True):
            n += len(wanted)
            for field in fields(Alignments):
                one, other = getattr(found, field.name), getattr(wanted, field.name)
                assert (one.dtype, one.tolist()) == (other.dtype, other.tolist()), field.name
    assert n > 200


def test_stretches_together_are_those_one_by_one(gpu: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where reads lie deeper than wanted; where not all of them lie on the device, or they are too many, there is nothing."""
    theirs, ours = held(None, tmp_path, monkeypatch, where="here"), held(gpu, tmp_path, monkeypatch, where="there")
    spans = [Span(0, 0, 1000), Span(1, 0, 3000), Span(0, 5, 6), Span(1, 900, 1100), Span(1, 2990, 3000)]
    n = []
    for most_depth in (1_000, 3):
        wanted = [
            joined(list(thinned(theirs.pieces(*span[:1], start=span.start, end=span.end, min_mapping_quality=5), most_depth)))
            for span in spans
        ]
        how = {"min_mapping_quality": 5, "most_depth": most_depth}
        n.append(sum(map(len, wanted)))
        with gpu.stream():
            found = ours.together(spans, **how, most_bases=1 << 20)
            assert found is not None and found[1][0].tolist() == list(map(len, wanted))
            for field in fields(Alignments):
                one, other = gpu.host(getattr(found[0], field.name)), getattr(joined(wanted), field.name)
                assert (one.dtype, one.tolist()) == (other.dtype, other.tolist()), field.name
            operation = joined(wanted).cigar
            kind, length = operation & 15, operation >> 4
            assert found[1].sum(axis=1).tolist()[3:] == [np.isin(kind, (1, 2)).sum(), length[kind == 1].sum()]
            assert ours.together(spans, **how, most_bases=int(found[1][2].max()) - 1) is None
    assert 100 < n[1] < n[0]
    assert held(gpu, tmp_path, monkeypatch, where="both").together(spans, **how, most_bases=1 << 20) is None
