"""Kernels among arrays and positions of a whole genome: what lies behind 2^31 or 2^32 comes out as what lies at the beginning.

The arrays take no memory where nobody touches them. Of a grid over millions of rows only the last block runs.
"""

from __future__ import annotations

import mmap
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genopipe.align.choose_on_gpu import Batch, Chooser, Chosen
from genopipe.align.insert_size import FR
from genopipe.align.on_gpu import Placer
from genopipe.align.placement import Target
from genopipe.kernels import extend as lanes
from genopipe.kernels import on_gpu, packed_on_gpu
from genopipe.kernels.on_gpu import EXTEND, Index, blocks
from genopipe.kernels.packed_alignments import Levels, Placed
from genopipe.model import Alignments
from tests.cuda.build import Plan, Shim, shim
from tests.cuda.device_arrays import DeviceArray
from tests.cuda.inputs import index_of
from tests.cuda.test_choose import INSERT, pairs_of
from tests.cuda.test_place import a_genome
from tests.kernels.test_extend import random_case
from tests.kernels.test_packed_alignments import some_reads
from tests.kernels.test_ungapped import pack

FAR = (1 << 32) - 100_000 & ~31
"""A place on the longest genome that positions of seeds reach over."""

COLUMNS = 16_000_000
"""Extensions under way: 150 rows of them are more than 2^31."""

_NO_RESERVE = 0x4000
"""MAP_NORESERVE of Linux, which Python 3.11 has no name for."""


def sparse(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros, which take memory page by page when they are written."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    return np.frombuffer(mmap.mmap(-1, max(size, 1), flags=flags), dtype, count=int(np.prod(shape))).reshape(shape)


def behind(array: NDArray[Any], columns: int) -> NDArray[Any]:
    """As many columns, of which this array is the last ones."""
    wide = sparse((*array.shape[:-1], columns), array.dtype)
    wide[..., columns - array.shape[-1] :] = array
    return wide


class OfGenome(Shim):
    """Arrays that are put there are not copied."""

    def put(self, array: Any) -> Any:
        return DeviceArray(array)


@pytest.mark.parametrize("width", [lanes.NARROW, lanes.WIDE])
def test_columns_of_millions_of_extensions(width: int) -> None:
    case = random_case(width, 1)
    rows, n, entry = len(case.query), lanes.LANES, "extend_narrow" if width == lanes.NARROW else "extend_wide"
    query, window, length = (behind(array, COLUMNS) for array in (case.query, case.window, case.length))
    score, best_row, band = (sparse((COLUMNS,), np.int16) for _ in range(3))
    trace = sparse((rows, on_gpu.trace_words(width), COLUMNS), np.uint32)
    assert max(window.size, trace.size) > 1 << 31
    grid = blocks(COLUMNS)
    last = {"defines": dict(EXTEND.defines), "plan": Plan(grid[0] - 1), "build": "checked"}
    shim(EXTEND.path, entry, **last)(grid[:1], grid[1:], (query, window, length, np.int64(COLUMNS), score, best_row, band, trace))
    assert [array[-n:].tolist() for array in (score, best_row, band)] == [array.tolist() for array in (case.score, case.row, case.band)]
    cigar, operations, column = (sparse(shape, dtype) for shape, dtype in _OF_TRACES)
    of_trace = (trace, length, score, best_row, band, np.int64(COLUMNS), np.int32(width), cigar, operations, column)
    shim(EXTEND.path, "trace_back", **last)(grid[:1], grid[1:], of_trace)
    for lane in np.flatnonzero(case.score > 0).tolist():
        at = COLUMNS - n + lane
        assert (cigar[at, : operations[at]].tolist(), column[at]) == case.alignment(lane)


_OF_TRACES = (((COLUMNS, lanes.MAX_OPERATIONS), np.uint32), ((COLUMNS,), np.int32), ((COLUMNS,), np.int32))


def moved(index: Index, target: Target) -> tuple[Index, Target]:
    """The genome behind a contig as long as FAR."""
    words = sparse((FAR // 32 + len(target.packed),), np.uint64)
    words[FAR // 32 :] = target.packed
    borders = (np.concatenate(([0], target.contig_start + FAR)), np.concatenate(([FAR - 32], target.contig_end + FAR)))
    far = target._replace(packed=words, unknown_start=target.unknown_start + FAR, unknown_end=target.unknown_end + FAR)
    far = far._replace(contig_start=borders[0], contig_end=borders[1], alternative=np.zeros(len(borders[0]), np.bool_))
    return Index(index.entry + np.uint64(FAR), index.bucket, index.bucket_bits), far


def chosen(gpu: Shim, of_genome: tuple[Index, Target], batch: Batch) -> Chosen:
    return Chooser(Placer(gpu, *of_genome), of_genome[1].alternative, INSERT).choose(batch).on_host(gpu)


def test_reads_behind_many_others_at_the_end_of_a_genome() -> None:
    rng, gpu = np.random.default_rng(3), OfGenome("checked")
    genome, index, target = a_genome(rng, 12)
    reads = pairs_of(rng, genome[600:59_000], 60, FR)
    chance, quality = gpu.xp.asarray(rng.integers(0, 1 << 62, len(reads)).astype(np.uint64)), gpu.xp.asarray(reads.quality)
    near = chosen(gpu, (index, target), Batch(True, gpu.xp.asarray(reads.base), quality, gpu.xp.asarray(reads.base_start), chance))
    bases, start = behind(reads.base, (1 << 32) + len(reads.base)), gpu.xp.asarray(reads.base_start + (1 << 32))
    far = chosen(gpu, moved(index, target), Batch(True, DeviceArray(bases), quality, start, chance))
    assert [column.tolist() for column in far.choice] == [column.tolist() for column in near.choice]
    assert far.cigar.tolist() == near.cigar.tolist()
    mapped = near.choice.slot >= 0
    assert mapped.sum() > 80 and (near.operations > 1).any()
    for name, column in near.kept.items():
        assert np.array_equal(far.kept[name][mapped], column[mapped] + (FAR if name in ("start", "end") else 0)), name


def test_seeds_at_the_end_of_a_genome() -> None:
    gpu, code = OfGenome("checked"), np.random.default_rng(4).integers(0, 4, 3_000).astype(np.uint8)
    words = sparse((FAR // 32 + len(code) // 32 + 2,), np.uint64)
    packed = pack(code)
    words[FAR // 32 : FAR // 32 + len(packed)] = packed
    found = on_gpu.build_index(gpu, gpu.put(words), [(FAR, FAR + len(code))], bucket_bits=8)
    entry, bucket, _ = index_of(code, 8)
    assert gpu.host(found.entry).tolist() == (entry + np.uint64(FAR)).tolist()
    assert gpu.host(found.bucket).tolist() == bucket.tolist()


def test_the_last_reads_of_a_deep_genome() -> None:
    """Their ordinals, by which duplicates are known, and their positions."""
    rng, gpu, first = np.random.default_rng(5), OfGenome("checked"), 1 << 33
    reads, placed, _ = some_reads(rng, 100, [2, 11, 25, 37], paired=False)
    far = placed._replace(start=placed.start + FAR, end=placed.end + FAR)
    duplicate = sparse(((first >> 3) + 100,), np.uint8)
    duplicate[first >> 3 :] = rng.integers(0, 256, 100)
    columns = []
    for places, ordinal, shift, marks in ((placed, 0, 0, duplicate[first >> 3 :]), (far, first, FAR, duplicate)):
        levels, there = Levels(), Placed(*map(gpu.xp.asarray, places))
        packed = packed_on_gpu.pack(gpu, type(reads)(*map(gpu.xp.asarray, reads)), there, levels, paired=False, first_ordinal=ordinal)
        batches = packed_on_gpu.batches(gpu, [(packed.word, packed.start)], np.array([0, len(packed.start) - 1]))
        place, n = [np.array([base + shift]) for base in (0, 5_000, 0)], len(packed.start) - 1
        asked = packed_on_gpu.Asked(np.arange(n), np.array([0, n]), *place, np.int32(0))
        looked = packed_on_gpu.looked(gpu, batches, asked, duplicate=gpu.put(marks))
        level = gpu.xp.asarray(levels.table())
        columns.append(packed_on_gpu.unpacked(gpu, batches, looked, contig_start=asked.contig_start, level=level))
    (kept, near), (far_kept, found) = columns
    assert far_kept.tolist() == kept.tolist()
    assert 20 < len(kept) < 80
    for field in fields(Alignments):
        assert getattr(found, field.name).tolist() == getattr(near, field.name).tolist(), field.name
