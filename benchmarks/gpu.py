"""The kernels on a GPU: how fast they are, how near to what the card could do, and whether they give what the lanes of the CPU give.

    python benchmarks/gpu.py [--genome 3100000000] [--reads 2000000] [--row seeding ...] [--minutes 9] [--output gpu.json]

Runs from a source tree with NumPy, Numba and CuPy; its data is made by simulate/. For each kernel the result has what was counted, the
floor that this and the card's ceilings give, the time measured (median of seven, by events on the device) and the floor's share of it. The
ceilings are measured too: copies inside the device's memory and to and from page-locked memory, and chains of integer and fp32 operations.
`equal` says that a part of the result was compared with the lanes, which are timed on that part with all cores. The tests that need a card
are run as well, and the last rows are whole chains, which need the wheels of isal, deflate, pysam and click. A row that fails holds the
error; the exit code is then 1. A row that no time was left for, or that cannot run here, says why it is not measured.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from measure import ROOT, machine, program_version

sys.path.insert(0, str(ROOT))

import gpu_lanes
from gpu_bench import Bench, Row, bases_at
from gpu_data import READ_LENGTH, simulate

from genopipe import __version__
from genopipe.device import Card, gpu_present
from genopipe.kernels import extend, far, on_gpu, packed_on_gpu
from genopipe.kernels.far import Far
from genopipe.kernels.fastq_on_gpu import DeviceReads, parse
from genopipe.kernels.packed_alignments import Levels, Placed, Sequenced
from genopipe.kernels.pileup import Pileup
from genopipe.kernels.regions import Limits, regions_of
from genopipe.model import Alignments

HUMAN, SMALL, TINY = 3_100_000_000, 200_000_000, 1_000_000
WITHOUT_GENOME = {"sorting", "tests", "sanitizer", "chains"}
"""Rows that make their own data."""

COMPARED = 64 * 1024
"""Reads whose results are compared with the lanes."""

HAPLOTYPE = 300
PAIRS = 1 << 18
DENSE = 4_000_000
"""Bases of the stretch that is piled up, at 30x."""

REGION_LIMITS = Limits(np.int64(2), np.float64(0.08), np.float64(0.1), np.float64(0.15), np.int64(20), np.int64(250))
TESTS_SECONDS = 540
KEYS = 50_000_000
CHAIN = 100_000_000, 30
"""Bases of the genome that whole chains are timed on, and the depth of its reads."""


def extension(bench: Bench) -> Row:
    """Reads against the window where they come from, on the strand of the genome."""
    xp, data, width = bench.xp, bench.data, extend.NARROW
    n = min(len(data.base), 1 << 20) // extend.LANES * extend.LANES
    base, position = xp.asarray(data.base[:n]), xp.asarray(data.position[:n])
    turned = xp.where(base < 4, 3 - base, base)[:, ::-1]
    query = xp.ascontiguousarray(xp.where(xp.asarray(data.reverse[:n])[:, None] == 1, turned, base).T.astype(np.uint8))
    window = xp.stack([bases_at(bench, position - width // 2 + j) for j in range(READ_LENGTH + width)])
    length = xp.full(n, READ_LENGTH, np.int16)
    made = on_gpu.extend(bench.card, query, window, length, width=width)
    traced = on_gpu.trace_back(bench.card, made, length, width=width)

    def work() -> None:
        on_gpu.trace_back(bench.card, on_gpu.extend(bench.card, query, window, length, width=width), length, width=width)

    cells, trace = n * READ_LENGTH * width, made.trace.nbytes
    # a cell: 3 each for E and F, 2 for D, 1 for the maximum, 1 to clean it, 1 for the best of the row, 3 for the trace
    counted = {"integer_operations_per_second": 14.0 * cells, "bytes_per_second": float(trace + n * (2 * READ_LENGTH + width) + n * 32)}
    row = bench.row("extension with traceback, 150 bp, band 33", n, "reads", bench.seconds(work), counted=counted)
    row |= {"bar": 20e6, "goal": 57e6, "cells_per_second": cells / row["seconds"]}
    row["seconds_without_traceback"] = bench.seconds(lambda: on_gpu.extend(bench.card, query, window, length, width=width))
    m = min(n, COMPARED)
    host = [bench.card.host(xp.ascontiguousarray(array[..., :m])) for array in (query, window, length)]
    ours = [bench.card.host(array[:m]) for array in (made.score, made.best_row, made.best_band, traced[1])]
    lanes = lambda: gpu_lanes.extended(*host, threads=bench.threads)  # noqa: E731
    return bench.beside_lanes(row, m, lanes, lambda wanted: all(map(np.array_equal, ours, wanted)))


def seeding(bench: Bench) -> Row:
    """Seeds, look-up and votes of all reads."""
    data, index = bench.data, bench.index
    n = len(data.base)
    part = bench.base[: min(n, COMPARED) * READ_LENGTH], bench.base_start[: min(n, COMPARED) + 1]
    seeds = on_gpu.seeds(bench.card, *part, index)
    n_seeds = float(seeds.n.sum()) / len(seeds.n) * n
    taken = bench.seconds(lambda: on_gpu.candidates(bench.card, bench.base, bench.base_start, index))
    # a sector of 32 bytes for the bucket of a seed, one for its entries; 17 columns of 8 bytes and less are written a candidate
    counted = {"bytes_per_second": 64 * n_seeds + n * (READ_LENGTH + 8 + 29 + 5)}
    row = bench.row(f"seeding and candidates, index of {data.length:,} bases", n, "reads", taken, counted=counted)
    row |= {"bar": 20e6, "goal": 50e6, "seeds": n_seeds, "look_ups_per_second": n_seeds / taken, "index_entries": len(index.entry)}
    row["seconds_seeds_and_look_up"] = bench.seconds(lambda: on_gpu.seeds(bench.card, *part, index)) / len(seeds.n) * n
    found = on_gpu.Candidates(*map(bench.card.host, on_gpu.candidates(bench.card, *part, index)))
    host = (bench.card.host(index.entry), bench.card.host(index.bucket), index.bucket_bits)
    near = np.abs(found.diagonal - data.position[: len(seeds.n), None]) <= 25
    on_it = near & (np.arange(near.shape[1]) < found.n_candidate[:, None])
    row["reads_with_their_place_among_candidates"] = float(on_it.any(axis=1).mean())
    lanes = lambda: gpu_lanes.candidates(data.base[: len(seeds.n)], host, threads=bench.threads)  # noqa: E731
    return bench.beside_lanes(row, len(seeds.n), lanes, lambda wanted: gpu_lanes.same_candidates(found, wanted))


def index_building(bench: Bench) -> Row:
    """The seed index of the genome, built on the device."""
    n = bench.data.length
    taken = bench.seconds(lambda: on_gpu.build_index(bench.card, bench.packed, [(0, n)]), repeats=1)
    entries = float(len(bench.index.entry))
    # the genome is read twice; entries are written once, and read and written by eight passes of a radix sort
    counted = {"bytes_per_second": n / 2 + 8 * entries * 17}
    return bench.row("index", n, "bases", taken, counted=counted) | {"entries": int(entries)}


def pair_hmm(bench: Bench) -> Row:
    """Reads given the haplotype that they come from, padded to 300 bases."""
    xp, data = bench.xp, bench.data
    n = min(PAIRS, len(data.base))
    start = xp.asarray(data.position[:n]) - (HAPLOTYPE - READ_LENGTH) // 2
    haplotype = xp.concatenate([bases_at(bench, start + j)[:, None] for j in range(HAPLOTYPE)], axis=1)
    turned = np.where(data.base[:n] < 4, 3 - data.base[:n], data.base[:n])[:, ::-1]
    forward = data.reverse[:n, None] == 0
    base = np.where(forward, data.base[:n], turned).astype(np.uint8)
    quality = np.where(forward, data.quality[:n], data.quality[:n, ::-1])
    gap = np.full(n * HAPLOTYPE, 3e-5, np.float32)
    reads = (base.ravel(), quality.ravel(), np.arange(n + 1, dtype=np.int64) * READ_LENGTH)
    haplotypes = (bench.card.host(haplotype).ravel(), gap, np.arange(n + 1, dtype=np.int64) * HAPLOTYPE)
    pair = np.arange(n)
    there = [xp.asarray(array) for array in (*reads, *haplotypes, pair, pair)]

    def work() -> Any:
        return on_gpu.forward(bench.card, tuple(there[:3]), tuple(there[3:6]), pairs=(there[6], there[7]), longest=HAPLOTYPE)

    cells = n * READ_LENGTH * HAPLOTYPE
    # a cell: three products, two sums and three fused steps in fp32; four choices, each a comparison and a selection
    counted = {"fp32_instructions_per_second": 8.0 * cells, "integer_operations_per_second": 8.0 * cells}
    row = bench.row("pair-HMM, fp32, 150 x 300", cells, "cells", bench.seconds(work), counted=counted) | {"bar": 0.5e12, "goal": 1e12}
    m = min(n, 8192)
    ours = bench.card.host(work())[:m].view(np.uint32)
    lanes = lambda: gpu_lanes.forward(reads, haplotypes, m, threads=bench.threads)  # noqa: E731
    return bench.beside_lanes(row, m * READ_LENGTH * HAPLOTYPE, lanes, lambda wanted: np.array_equal(ours, wanted.view(np.uint32)))


def ungapped(bench: Bench) -> Row:
    """Reads laid on the place where they come from."""
    xp, data = bench.xp, bench.data
    n = len(data.base)
    place = (xp.arange(n, dtype=np.int32), xp.asarray(data.reverse), xp.asarray(data.position))
    taken = bench.seconds(lambda: on_gpu.lay(bench.card, bench.base, bench.base_start, bench.packed, candidate=place))
    counted = {"bytes_per_second": float(n * (READ_LENGTH + 8 + 64 + 13 + 16))}
    row = bench.row("ungapped check", n, "candidates", taken, counted=counted)
    m = min(n, COMPARED)
    ours = [bench.card.host(array[:m]) for array in on_gpu.lay(bench.card, bench.base, bench.base_start, bench.packed, candidate=place)]
    lanes = lambda: gpu_lanes.laid(data, m, threads=bench.threads)  # noqa: E731
    return bench.beside_lanes(row, m, lanes, lambda wanted: all(map(np.array_equal, ours, wanted)))


def pile_up(bench: Bench) -> Row:
    """A stretch at 30x, every read aligned without gaps."""
    dense = simulate(DENSE, 30 * DENSE // READ_LENGTH, seed=bench.data.length % 1000)
    reads, reference = gpu_lanes.alignments(dense), gpu_lanes.codes(dense)
    there = Alignments(*(bench.xp.asarray(getattr(reads, name)) for name in reads.__dataclass_fields__))
    there_reference, bases = bench.xp.asarray(reference), len(reads.base)
    here, tables = one_stretch(bench, len(reads), len(reference)), bench.xp.asarray(on_gpu.fit_tables())
    work = lambda: on_gpu.pile(bench.card, there, there_reference, here, n_indels=0, tables=tables)  # noqa: E731
    taken = bench.seconds(work)
    # a base is read with its quality; its depth, count and three costs are read and written
    counted = {"bytes_per_second": float(bases * 2 + len(reference) * (1 + 2 * 68))}
    row = bench.row("pileup, 30x", bases, "bases", taken, counted=counted) | {"atomic_additions_per_second": 5 * bases / taken}
    found = work()

    def same(wanted: Pileup) -> bool:
        names = [name for name in wanted.__dataclass_fields__ if name != "start"]
        return all(np.array_equal(bench.card.host(getattr(found, name)), getattr(wanted, name)) for name in names)

    return bench.beside_lanes(row, bases, lambda: gpu_lanes.piled(reads, reference), same) | {"lanes_threads": 1}


def one_stretch(bench: Bench, n_reads: int, n_bases: int) -> on_gpu.Stretches:
    """All of these reads and bases, from position 0 on."""
    return on_gpu.stretches(bench.card, *(np.array([0, n], np.int64) for n in (n_reads, n_bases, 0)))


def active_regions(bench: Bench) -> Row:
    """Regions of the same stretch, where one read in fifty shows an indel, at 5,000 places in a million bases."""
    rng, dense = np.random.default_rng(1), simulate(DENSE, 30 * DENSE // READ_LENGTH, seed=bench.data.length % 1000)
    reads, reference = gpu_lanes.alignments(dense), gpu_lanes.codes(dense)
    n = len(reads) // 50
    read, place = np.sort(rng.integers(0, len(reads), n)), rng.integers(0, len(reference) // 200 - 1, n) * 200 + 100
    indel = np.stack((read, place, np.full(n, 50), rng.choice([-4, -1, 1, 4], n)), axis=1)
    piled = replace(gpu_lanes.piled(reads, reference), indel=indel)
    mark = np.where(rng.random(len(reference)) < 0.001, 1, 0).astype(np.uint8)
    there = Alignments(*(bench.xp.asarray(getattr(reads, name)) for name in reads.__dataclass_fields__))
    there_mark = bench.xp.asarray(mark)
    there_piled = replace(piled, indel=bench.xp.asarray(indel), depth=bench.xp.asarray(piled.depth))
    here = Far(there, one_stretch(bench, len(reads), len(reference)), n, int(np.maximum(indel[:, 3], 0).sum()))
    codes = bench.xp.asarray(reference), [reference]
    work = lambda: far.regions_of(bench.card, here, (there_piled, there_mark), codes, REGION_LIMITS)[0]  # noqa: E731
    taken = bench.seconds(work)
    # marks are read three times, of an indel its row, name and bases, and its key is sorted
    counted = {"bytes_per_second": float(3 * len(reference) + n * (32 + 8 + 8 + 4 * 8 * 3))}
    row = bench.row("active regions", len(reference), "bases", taken, counted=counted)
    ours = [array.tolist() for array in work()]
    lanes = lambda: regions_of(reads, piled, reference, mark, REGION_LIMITS)  # noqa: E731
    return bench.beside_lanes(row, len(reference), lanes, lambda wanted: ours == [each.tolist() for each in wanted]) | {"lanes_threads": 1}


def choosing(bench: Bench) -> Row:
    """Pairs to one place each: candidates, ungapped check, extension, traceback, rescue, choice, in one chain on the device."""
    from genopipe.align.choose_on_gpu import Batch, Chooser
    from genopipe.align.on_gpu import Placer

    data, n = bench.data, min(len(bench.data.base), 1 << 20)
    placer = Placer(bench.card, bench.index, gpu_lanes.target(data))
    chooser = Chooser(placer, np.zeros(1, bool), gpu_lanes.INSERT)
    base, base_start = bench.base[: n * READ_LENGTH], bench.base_start[: n + 1]
    named = gpu_lanes.pairs(data, 0, n)
    chance = chooser.name_hash(*map(bench.xp.asarray, (named.header, named.header_start, named.name_length)))
    batch = Batch(True, base, bench.xp.asarray(named.quality), base_start, chance)
    taken = bench.seconds(lambda: chooser.choose(batch).on_host(bench.card), repeats=3)
    # two look-ups a seed, of 26; candidates and their scores are written and read twice; fifty bytes a read go back
    counted = {"bytes_per_second": float(n * (READ_LENGTH + 64 * 26 + 400)), "download_bytes_per_second": 50.0 * n}
    row = bench.row("pairs to chosen places, one chain on the device", n, "reads", taken, counted=counted)
    row["seconds_without_rescue_and_choice"] = bench.seconds(lambda: placer.place_there(base, base_start), repeats=3)
    chosen = chooser.choose(batch).on_host(bench.card)
    near = np.abs(chosen.kept["start"] - data.position[:n]) <= 25
    row["reads_at_their_place"] = float((near & (chosen.choice.slot >= 0)).mean())
    m = min(n, COMPARED)
    host = on_gpu.Index(bench.card.host(bench.index.entry), bench.card.host(bench.index.bucket), bench.index.bucket_bits)
    lanes = lambda: gpu_lanes.chosen(data, m, host, threads=bench.threads)  # noqa: E731
    ours = [array[:m] for array in (*chosen.choice[1:], chosen.kept["start"], chosen.kept["end"])]
    return bench.beside_lanes(row, m, lanes, lambda wanted: all(map(np.array_equal, ours, wanted)))


def telling(bench: Bench) -> Row:
    """Ends of fragments of reads that stay on the device, spread for the finder of duplicates."""
    from genopipe.align.choose_on_gpu import Batch, Chooser
    from genopipe.align.ends_on_gpu import Told, ends
    from genopipe.align.on_gpu import Placer

    data, n, xp = bench.data, min(len(bench.data.base), 1 << 20) // 2 * 2, bench.xp
    chooser = Chooser(Placer(bench.card, bench.index, gpu_lanes.target(data)), np.zeros(1, bool), gpu_lanes.INSERT)
    named, placed = gpu_lanes.pairs(data, 0, n), gpu_lanes.placed(data, n)[1]
    reads = DeviceReads(*(xp.asarray(getattr(named, name)) for name in DeviceReads._fields))
    batch, there = Batch(True, reads.base, reads.quality, reads.base_start, xp.zeros(n, np.uint64)), Placed(*map(xp.asarray, placed))

    def work(m: int) -> list[Any]:
        return ends(chooser, reads.rows(0, m), batch.rows(0, m), there, library=0, first_read=0)

    taken, m = bench.seconds(lambda: work(n)), min(n, COMPARED)
    # qualities, name and place are read; 28 bytes a read are written, gathered by their partitions, and go back
    counted = {"bytes_per_second": float(n * (READ_LENGTH + 40 + 50 + 3 * 28)), "download_bytes_per_second": 28.0 * n}
    row = bench.row("ends of fragments, spread", n, "reads", taken, counted=counted)
    found = [array for each in Told(m, bench.card.fetched(work(m))).ends()[0] for array in each]
    lanes = lambda: gpu_lanes.told(named.rows(0, m), Placed(*(array[:m] for array in placed)), data)  # noqa: E731
    return bench.beside_lanes(row, m, lanes, lambda wanted: all(map(np.array_equal, found, wanted))) | {"lanes_threads": 1}


def parsing(bench: Bench) -> Row:
    """FASTQ text of two files to reads."""
    xp, data = bench.xp, bench.data
    n = min(len(data.base), 1 << 20) // 2 * 2
    texts = [xp.asarray(gpu_lanes.fastq_text(data, n, mate)) for mate in (0, 1)]
    taken = bench.seconds(lambda: parse(bench.card, texts))
    made = parse(bench.card, texts)
    assert made is not None, "the text was refused"
    # text is read to find lines, and to be copied; what is made of it is written
    size = float(sum(text.nbytes for text in texts))
    row = bench.row("parsing of FASTQ text", n, "reads", taken, counted={"bytes_per_second": 2 * size + sum(map(_size, made))})
    same = np.array_equal(bench.card.host(made.base), data.base[:n].ravel())
    same &= np.array_equal(bench.card.host(made.quality), data.quality[:n].ravel())
    return row | {"equal": bool(same), "text_bytes_per_second": size / taken}


def _size(array: Any) -> float:
    return float(array.nbytes)


def packing(bench: Bench) -> Row:
    """Aligned reads packed on the device; beside it the seconds in which all of them are unpacked and copied to the host."""
    n = min(len(bench.data.base), 1 << 20)
    reads, placed = gpu_lanes.placed(bench.data, n)
    there = Sequenced(*map(bench.xp.asarray, reads)), Placed(*map(bench.xp.asarray, placed))
    work = lambda: packed_on_gpu.pack(bench.card, *there, Levels(), paired=True, first_ordinal=0)  # noqa: E731
    packed, taken = work(), bench.seconds(work)
    counted = {"bytes_per_second": float(n * (2 * READ_LENGTH + 53) + packed.word.nbytes + packed.start.nbytes)}
    row = bench.row("packing of aligned reads", n, "reads", taken, counted=counted) | {"bytes_of_read": packed.word.nbytes / n}
    whole, m = gpu_lanes.held(packed, n, bench.data, bench.card), min(n, COMPARED)
    row["seconds_to_unpack"] = bench.seconds(lambda: gpu_lanes.unpacked(whole, bench.data), repeats=3)
    few = Sequenced(*(array[: m * READ_LENGTH] for array in there[0][:2]), there[0].base_start[: m + 1], there[0].chance[:m])
    few_placed = Placed(*(array[:m] for array in there[1]))
    ours = packed_on_gpu.pack(bench.card, few, few_placed, Levels(), paired=True, first_ordinal=0)
    found = gpu_lanes.unpacked(gpu_lanes.held(ours, m, bench.data, bench.card), bench.data)
    lanes = lambda: gpu_lanes.repacked(reads, placed, m, bench.data)  # noqa: E731
    return bench.beside_lanes(row, m, lanes, lambda wanted: all(map(np.array_equal, found, wanted))) | {"lanes_threads": 1}


def sorting(bench: Bench) -> Row:
    """Rows of keys in order, as records and ends of fragments are sorted: there and back."""
    key = np.random.default_rng(1).integers(0, bench.data.length, KEYS)
    taken = bench.seconds(lambda: on_gpu.order(bench.card, key), repeats=3)
    # five passes over the 34 bits of a key and its row, read and written; keys go there, rows come back
    counted = {"bytes_per_second": 5 * 32.0 * KEYS, "upload_bytes_per_second": 8.0 * KEYS, "download_bytes_per_second": 8.0 * KEYS}
    row = bench.row("sorting of keys, from host to host", KEYS, "keys", taken, counted=counted)
    ours = on_gpu.order(bench.card, key)
    return bench.beside_lanes(row, KEYS, lambda: np.argsort(key, kind="stable"), lambda wanted: np.array_equal(ours, wanted)) | {
        "lanes_threads": 1
    }


def upload(bench: Bench) -> Row:
    """Batches of reads to the device through page-locked memory and a stream of their own, while the ones before are seeded."""
    reads, index = bench.data.base, bench.index
    n = min(len(reads), 1 << 18)
    start = np.arange(n + 1, dtype=np.int64) * READ_LENGTH
    batches = [(reads[i : i + n].ravel(), start) for i in range(0, len(reads) - n + 1, n)]

    def work() -> None:
        for base, base_start in bench.card.uploaded([bench.card.locked(array) for array in batch] for batch in batches):
            on_gpu.candidates(bench.card, base, base_start, index)

    taken = bench.seconds(work, repeats=3)
    moved = float(sum(base.nbytes + base_start.nbytes for base, base_start in batches))
    row = bench.row("upload in turn with seeding", len(batches) * n, "reads", taken, counted={"upload_bytes_per_second": moved})
    return row | {"uploaded_bytes_per_second": moved / taken}


def tests(bench: Bench) -> Row:
    """The tests that need a card: every kernel equals the CPU bit for bit, and so do the commands."""
    return run_tests(bench, "pytest -m gpu", "not sanitizer")


def sanitizer(bench: Bench) -> Row:
    """The tests of the kernels under compute-sanitizer, memcheck and racecheck."""
    what = "pytest -m gpu under compute-sanitizer"
    if shutil.which("compute-sanitizer") is None:
        return {"what": what, "not_measured": "compute-sanitizer is not available on this machine"}
    return run_tests(bench, what, "sanitizer")


def run_tests(bench: Bench, what: str, chosen: str) -> Row:
    """Runs tests in a process of their own; what pytest says in the end."""
    bench.release()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-k", chosen, "-p", "no:cacheprovider", "tests/cuda"]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=TESTS_SECONDS)
    told = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()[-200:]]
    row = {"what": what, "passed": done.returncode == 0, "told": told[0], "seconds": time.perf_counter() - begun}
    return row if done.returncode == 0 else row | {"error": done.stdout[-3000:]}


def chains(bench: Bench) -> Iterator[Row]:
    """From FASTQ to records and to variants, beside the same on the CPU."""
    try:
        for needed in ("click", "deflate", "isal", "pysam"):
            import_module(needed)
        import gpu_chain
    except ImportError as error:
        yield {"what": "align and secondary, end to end", "not_measured": f"the aligner cannot be imported here: {error}"}
        return
    bench.release()
    yield from gpu_chain.rows(*CHAIN, seed=1)


ROWS = (
    index_building,
    seeding,
    extension,
    pair_hmm,
    ungapped,
    pile_up,
    active_regions,
    parsing,
    choosing,
    telling,
    packing,
    sorting,
    upload,
    tests,
    sanitizer,
    chains,
)


def measured(bench: Bench, work: Callable[[Bench], Row | Iterator[Row]]) -> Iterator[Row]:
    """The row or rows, or one that holds why there is none."""
    print(f"{work.__name__} ...", file=sys.stderr, flush=True)
    try:
        made = work(bench)
        yield from [made] if isinstance(made, dict) else made
    except Exception as error:
        traceback.print_exc()
        yield {"what": work.__name__, "error": f"{type(error).__name__}: {error}"}
    finally:
        bench.xp.get_default_memory_pool().free_all_blocks()


def main() -> None:
    """Runs all rows; the result is written after each, so that a run that is cut short leaves those before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genome", type=int, help=f"Bases.  [default: {HUMAN:,} where 40 GB are free on the card, else {SMALL:,}]")
    parser.add_argument("--reads", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--row", action="append", choices=[work.__name__ for work in ROWS], help="Only this row; may be repeated.")
    parser.add_argument("--minutes", type=float, default=9, help="No row begins later than this.  [default: 9]")
    parser.add_argument("--output", type=Path, help="The rows that it holds already and that are not measured now stay.")
    given = parser.parse_args()
    if not gpu_present():
        sys.exit("benchmarks/gpu.py: no GPU was found; wanted an NVIDIA GPU with its driver, and CuPy. Run it on such a machine.")
    begun, card = time.monotonic(), Card()
    largest = HUMAN if card.facts().free_memory > 40 << 30 else SMALL
    genome = given.genome or (TINY if given.row and set(given.row) <= WITHOUT_GENOME else largest)
    print(f"simulating {genome:,} bases and {given.reads:,} reads ...", file=sys.stderr, flush=True)
    bench = Bench(card, simulate(genome, given.reads, seed=given.seed))
    result: dict[str, Any] = {
        "command": f"benchmarks/gpu.py --genome {genome} --reads {given.reads} --seed {given.seed}",
        "machine": machine() | {"card": asdict(card.facts())},
        "versions": versions(),
        "ceilings": bench.ceiling,
    }
    works = [work for work in ROWS if not given.row or work.__name__ in given.row]
    rows = json.loads(given.output.read_text())["rows"] if given.output and given.output.exists() else {}
    for now in all_rows(bench, works, rows, until=begun + 60 * given.minutes):
        write(result | {"rows": now}, given.output)
    print(json.dumps(result | {"rows": rows}, indent=1))
    sys.exit(any("error" in row or row.get("equal") is False for each in rows.values() for row in each))


def all_rows(bench: Bench, works: Sequence[Any], rows: dict[str, list[Row]], *, until: float) -> Iterator[dict[str, list[Row]]]:
    """Fills `rows`, by the name of what makes them, and gives them after each; no work begins after `until` on the clock."""
    for work in works:
        if time.monotonic() > until:
            rows.setdefault(work.__name__, [{"what": work.__name__, "not_measured": "no time was left"}])
            continue
        rows[work.__name__] = []
        for row in measured(bench, work):
            rows[work.__name__].append(row | {"genome_bases": bench.data.length})
            yield rows


def write(result: dict[str, Any], output: Path | None) -> None:
    """Writes the result as it is so far."""
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=1) + "\n")


def versions() -> dict[str, str]:
    """What a figure depends on."""
    import cupy
    import numba

    driver = program_version("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    packages = {"genopipe": __version__, "numpy": np.__version__, "numba": numba.__version__, "cupy": cupy.__version__}
    return {"python": sys.version.split()[0], **packages, "driver": driver}


if __name__ == "__main__":
    main()
