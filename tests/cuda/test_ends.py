"""Of reads that stay on a GPU the host is told what it would make of them itself: signatures, and how many reads and parts there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genopipe.align import pairing, placement, rescue
from genopipe.align.choose_on_gpu import Batch, Chooser
from genopipe.align.duplicates import Signatures, by_ends
from genopipe.align.ends_on_gpu import ENDS, Told, ends
from genopipe.align.fragment_ends import FOLLOWERS, NO_SPOT, PAIRED_READS, SINGLE_READS, UNMAPPED_READS, Libraries, signatures
from genopipe.align.index import SeedIndex
from genopipe.align.insert_size import FR
from genopipe.align.on_gpu import Placer
from genopipe.align.read_ends import ends_of_reads, placed_by
from genopipe.align.split import split
from genopipe.align.split_on_gpu import SPLIT
from genopipe.device import Gpu
from genopipe.formats.bam import ReadGroup
from genopipe.kernels.fastq_on_gpu import DeviceReads
from genopipe.kernels.on_gpu import Index
from genopipe.model import Reads
from tests.cuda.build import nvrtc_compile
from tests.cuda.test_choose import INSERT, pairs_of
from tests.cuda.test_place import a_genome

LIBRARIES = Libraries.of([ReadGroup("one", "S", "L", "ILLUMINA"), ReadGroup("two", "S", "M", "ILLUMINA")])
NAMES = [
    b"M:1:F:2:1101:%d:2047",
    b"HW:3:11:%d:77#ACGT/x",
    b"M:1:F:2:1101:%d:2047:UMI",
    b"read%d",
    b"a:b:c:d:e:f:%d",
    b"M:1:F:2:1101:%d:4194304",
    b"M:1:F:2:262144:%d:5",
    b"M:1:F:2::%d:5",
    b"M:1:F:2:11:%d:-5",
    b"a:b:%d:d",
    b"a:1:2:%d:7x",
    b"a:1:2:%d:99999999999999999999999",
]


def with_names_and_qualities(rng: np.random.Generator, reads: Reads) -> Reads:
    """The same, with names of all kinds and any quality."""
    mates = 2 if reads.paired else 1
    name = [NAMES[k // mates % len(NAMES)] % int(rng.integers(0, 5000)) for k in range(len(reads))]
    name = [name[k // mates * mates] for k in range(len(reads))]
    header_start = np.concatenate(([0], np.cumsum([len(each) + 2 for each in name]))).astype(np.int64)
    header = np.frombuffer(b"".join(each + b" 1" for each in name), np.uint8)
    length = np.array([len(each) for each in name], np.int32)
    quality = rng.integers(0, 94, len(reads.base)).astype(np.uint8)
    quality[: int(reads.base_start[1])] = 255
    return replace(reads, header=header, header_start=header_start, name_length=length, quality=quality)


def with_far_ends(rng: np.random.Generator, reads: Reads) -> Reads:
    """Of some reads the first bases, the last ones or both are those of another read."""
    base, start = reads.base.copy(), reads.base_start
    for k in range(0, len(reads) - 8, 4):
        length, other = int(start[k + 1] - start[k]), int(rng.integers(0, len(reads)))
        n = min(int(rng.integers(20, 60)), length, int(start[other + 1] - start[other]))
        for at in [[0], [length - n], [0, length - n]][k % 3]:
            base[start[k] + at : start[k] + at + n] = reads.base[start[other] : start[other] + n]
    return replace(reads, base=base)


def told(gpu: Gpu, reads: Reads, index: Index, target: placement.Target) -> tuple[Signatures, list[int]]:
    """By the device, of reads behind others in the same arrays."""
    chooser = Chooser(Placer(gpu, SeedIndex(*index), target), target.alternative, INSERT)
    there = DeviceReads(*map(gpu.xp.asarray, (reads.header, reads.header_start, reads.name_length, *_sequences(reads))))
    chance = chooser.name_hash(*there[:3])
    n, skipped = len(reads), 4
    some = there.rows(skipped, n)
    batch = Batch(reads.paired, there.base, there.quality, there.base_start, chance).rows(skipped, n)
    placed = chooser.choose(batch).placed
    given = Told(len(batch), gpu.fetched(ends(chooser, some, batch, placed, library=1, first_read=1_000)))
    found, count = given.ends()
    return found, count.tolist()


def _sequences(reads: Reads) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    return reads.base, reads.quality, reads.base_start


def wanted(reads: Reads, index: Index, target: placement.Target) -> tuple[Signatures, list[int]]:
    """By the host."""
    work, seeds = placement.Workspace(), SeedIndex(*index)
    places = placement.empty_placements(len(reads))
    cigar = placement.place(reads, seeds, target, places, work)
    if reads.paired:
        cigar = rescue.rescue(reads, target, places, cigar, INSERT, work)
    choice = pairing.choose(reads, target, places, INSERT)
    placed = placed_by(places, choice, cigar)
    parts, _ = split(reads, seeds, target, places, choice, cigar, work)
    row, count = ends_of_reads(reads, placed, target, LIBRARIES, group=0, first_read=1_000, n_followers=len(parts.read))
    row[:, 1] += 1 << 53  # of the second library
    return by_ends(signatures(row).signature), count[0].tolist()


def compare(gpu: Gpu, reads: Reads, index: Index, target: placement.Target) -> tuple[Signatures, list[int]]:
    ours, our_count = told(gpu, reads, index, target)
    theirs, their_count = wanted(reads.rows(4, len(reads)), index, target)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.rows.dtype, one.rows.tolist()) == (other.rows.dtype, other.rows.tolist())
        assert (one.border.dtype, one.border.tolist()) == (other.border.dtype, other.border.tolist())
    assert our_count == their_count
    return ours, our_count


@pytest.mark.parametrize("paired", [True, False])
def test_signatures_and_counts_are_those_of_the_host(gpu: Gpu, paired: bool) -> None:
    """Of names of all kinds, reads without a place, mates of which one has none, and ends that lie elsewhere, at one side and at both."""
    rng = np.random.default_rng(3)
    genome, index, target = a_genome(rng, 8)
    reads = with_far_ends(rng, replace(pairs_of(rng, genome, 90, FR), paired=paired))
    found, count = compare(gpu, with_names_and_qualities(rng, reads), index, target)
    assert min(count[UNMAPPED_READS], count[SINGLE_READS]) > 5 and count[FOLLOWERS] > 10
    assert (count[PAIRED_READS] > 50) == paired and len(found.high.rows) == count[PAIRED_READS] // 2
    assert 10 < (found.low.rows["spot"] == NO_SPOT).sum() < len(found.low.rows) - 10


def test_parts_on_alternative_contigs_are_left_out_as_by_the_host(gpu: Gpu) -> None:
    rng = np.random.default_rng(4)
    genome, index, target = a_genome(rng, 20)
    reads = with_far_ends(rng, pairs_of(rng, genome, 60, FR))
    alternative = np.array([True, False, False, False])
    assert compare(gpu, reads, index, target._replace(alternative=alternative))[1][FOLLOWERS] > 5


def test_no_reads_tell_nothing(gpu: Gpu) -> None:
    rng = np.random.default_rng(1)
    genome, index, target = a_genome(rng, 1)
    found, count = compare(gpu, pairs_of(rng, genome, 2, FR), index, target)
    assert [len(each.rows) for each in found] == [0, 0] and count == [0, 0, 0, 0]


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
@pytest.mark.parametrize("source", [ENDS, SPLIT], ids=["ends", "split"])
def test_the_sources_compile_without_spills(source, arch: str) -> None:  # type: ignore[no-untyped-def]
    _, kernels = nvrtc_compile(source, arch)
    assert {"ends": {"fragment_ends"}, "split": {"measure_clipped", "take_clipped", "shift_places", "count_parts"}}[
        source.path.stem
    ] == set(kernels)
    assert max(taken.spilled for taken in kernels.values()) == 0
