"""Files of reads of one sample, FASTQ, BAM or CRAM, to their quality measures: every read is parsed and checked on the way.

The lanes are read one after another; batches are counted in a pool of threads while the next one is read. Integer counts are added up, so
that the measures depend neither on the number of threads nor on how the files are cut into lanes.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats.bam import ReadGroup
from genopipe.formats.bam_reads import Held, reads_of, sequenced
from genopipe.formats.bam_stream import BamStream
from genopipe.formats.fastq import read_fastq
from genopipe.formats.fastq_lines import LARGEST_QUALITY
from genopipe.formats.fastq_source import GET_AGAIN
from genopipe.formats.genome import fasta_path
from genopipe.formats.inflate import STANDARD_INPUT
from genopipe.formats.read_files import kind_of, open_records
from genopipe.formats.sample_name import check_sample_name
from genopipe.ingest.counting import ADAPTERS, CYCLES, Counts, count
from genopipe.ingest.multiqc import write_reads
from genopipe.ingest.passed_on import Add, passed_on
from genopipe.ingest.ratios import ratio, ratios
from genopipe.ingest.report import html_report
from genopipe.model import UNKNOWN_BASE, Reads
from genopipe.outputs import PARTIAL, make_folder, temporary_folder, whole_file
from genopipe.progress import progress
from genopipe.threads import threads_of_generator

SCHEMA_VERSION = 1

Part = tuple[Reads, Held | None, Path]
"""A batch, its records where it has any, and the file that it is of."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The files of one lane; an interleaved file is `r1` alone."""

    r1: Path
    r2: Path | None = None
    interleaved: bool = False


def paired_lanes(r1: Sequence[Path], r2: Sequence[Path], *, interleaved: bool) -> list[Lane]:
    """The lanes that the files make, in order; `r2` is empty or as long as `r1`."""
    if not r2:
        return [Lane(first, interleaved=interleaved) for first in r1]
    return [Lane(first, second) for first, second in zip(r1, r2, strict=True)]


@dataclass(frozen=True, slots=True)
class PassOn:
    """What the reads are passed on as: `fastq`, `bam` or `cram`, and the read group of those that have none."""

    form: str
    read_group: ReadGroup


def measure_fastq(
    lanes: Sequence[Lane],
    sample: str,
    folder: Path,
    *,
    reference: Path | None = None,
    pass_on: PassOn | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Checks and measures the reads of a sample; writes `SAMPLE.qc.json` and `SAMPLE.qc.html` into `folder` and gives the measures.

    `reference` is the folder of the genome that a CRAM was written with. With `pass_on`, the reads of all lanes go to `SAMPLE.bam`,
    `SAMPLE.cram`, `SAMPLE.fastq.gz`, or `SAMPLE_R1.fastq.gz` and `SAMPLE_R2.fastq.gz`. Raises BadInput for reads that `read_fastq` or
    `sequenced` refuses; then nothing is written.
    """
    check_sample_name(sample)
    make_folder(folder)
    files = [_open(lane, reference, threads) for lane in lanes]
    paired = {lane.interleaved or lane.r2 is not None for lane, file in zip(lanes, files, strict=True) if file is None}
    if len(paired) > 1:
        raise _mixed(sample)
    with ExitStack() as stack:
        waiting = stack.enter_context(temporary_folder(folder, prefix=PARTIAL))
        parts = _batches(lanes, files, waiting)
        if pass_on:
            outputs = _outputs(folder / sample, pass_on.form, paired=True in paired)
            _check_not_read(outputs, lanes)
            parts = _teed(parts, stack.enter_context(passed_on(outputs, files, pass_on.read_group, threads=threads)))
        counts = count_batches((reads for reads, _, _ in parts), sample, threads=threads)
    measures = summary(counts, sample, n_lanes=len(lanes))
    measures["read_groups"] = [_read_group(group) for file in files if file for group in file.read_groups()]
    with whole_file(folder / f"{sample}.qc.html") as page, whole_file(folder / f"{sample}.qc.json") as data:
        page.write_text(html_report(measures), encoding="utf-8")
        data.write_text(json.dumps(measures, indent=1, sort_keys=True) + "\n")
        write_reads(folder, measures)
    return measures


def _outputs(stem: Path, form: str, *, paired: bool) -> list[Path]:
    """The files that the reads go to."""
    if form != "fastq":
        return [stem.with_name(f"{stem.name}.{form}")]
    return [stem.with_name(f"{stem.name}{mate}.fastq.gz") for mate in (("_R1", "_R2") if paired else ("",))]


def _check_not_read(outputs: Sequence[Path], lanes: Sequence[Lane]) -> None:
    """Raises BadConfiguration for an output that is one of the files to be read."""
    for path in [path for lane in lanes for path in (lane.r1, lane.r2) if path is not None and path.is_file()]:
        if any(output.exists() and output.samefile(path) for output in outputs):
            came, wanted = f"{path} is the file that the reads come from", "another file to write them to"
            raise BadConfiguration(came, wanted=wanted, do="Choose another folder.", key="--output")


def _teed(parts: Iterator[Part], add: Add) -> Iterator[Part]:
    for part in parts:
        add(*part)
        yield part


def _open(lane: Lane, reference: Path | None, threads: int) -> BamStream | None:
    """The records of a BAM or CRAM; None for FASTQ. Raises BadInput where records are given a second file."""
    kind = "fastq" if not lane.r1.is_file() and lane.r1 != STANDARD_INPUT else kind_of(lane.r1)
    if kind == "fastq":
        return None
    if lane.r2 is not None or lane.interleaved:
        wanted, do = "no second file and no --interleaved", "Give the file alone: its records say what is a pair."
        raise BadInput(f"the file is a {kind.upper()}", wanted=wanted, do=do, path=lane.r1)
    return open_records(lane.r1, kind, fasta=fasta_path(reference) if reference else None, threads=threads)


def _read_group(group: ReadGroup) -> dict[str, str]:
    return {"id": group.identifier, "sample": group.sample, "library": group.library, "platform": group.platform}


def _batches(lanes: Sequence[Lane], files: Sequence[BamStream | None], waiting: Path) -> Iterator[Part]:
    for lane, file in zip(lanes, files, strict=True):
        if file is None:
            for reads in read_fastq(lane.r1, lane.r2, interleaved=lane.interleaved):
                yield reads, None, lane.r1
        else:
            yield from _of_records(file, waiting)


def _of_records(file: BamStream, waiting: Path) -> Iterator[Part]:
    """Reads without qualities count as reads of quality 0."""
    n = 0
    for held, paired in sequenced(file, waiting):
        if len(held):
            reads = reads_of(held, paired=paired)
            reads.quality[reads.quality > LARGEST_QUALITY] = 0
            n += len(reads)
            yield reads, held, file.path
    if not n:
        raise BadInput("the file holds no reads", wanted="at least one read", do=GET_AGAIN, path=file.path)


def count_batches(batches: Iterator[Reads], sample: str, *, threads: int = 1) -> Counts:
    """The counts over all reads. Raises BadConfiguration where some lanes have pairs and some have not."""
    total: Counts | None = None
    with progress(f"measuring {sample}") as told:
        for batch in _counted(batches, threads):
            total = Counts(batch.paired) if total is None else total
            if batch.paired != total.paired:
                raise _mixed(sample)
            total.add(batch)
            told.advance(sum(sum(length.values()) for length in batch.read_length))
    assert total is not None
    return total


def _mixed(sample: str) -> BadConfiguration:
    wanted = "lanes that are all paired or all single"
    return BadConfiguration("some lanes have pairs and some have not", wanted=wanted, do="Measure them as two samples.", key=sample)


def _counted(batches: Iterator[Reads], threads: int) -> Iterator[Counts]:
    with threads_of_generator(threads) as pool:
        queue: deque[Future[Counts]] = deque()
        for reads in batches:
            queue.append(pool.submit(count, reads))
            if len(queue) > threads:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()


def summary(counts: Counts, sample: str, *, n_lanes: int) -> dict[str, Any]:
    """The measures as written to `SAMPLE.qc.json`; described in `schemas/qc.schema.json`."""
    mates = [_mate(counts, mate) for mate in range(len(counts.poly_g))]
    sampled, copies = counts.duplicates.pairs()
    result: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "measures": "reads",
        "sample": sample,
        "lanes": n_lanes,
        "paired": counts.paired,
        **_totals(counts.base.sum((0, 1)), counts.quality.sum((0, 1)), sum(mate["reads"] for mate in mates)),
        "mates": mates,
        "duplicates": {"sampled": sampled, "copies": copies, "fraction": ratio(copies, sampled)},
        "overrepresented": _overrepresented(counts),
    }
    if counts.paired:
        result["overlap"] = _overlap(counts, mates[0]["reads"])
    return result


def _totals(base: NDArray[np.int64], quality: NDArray[np.int64], reads: int) -> dict[str, Any]:
    bases = int(base.sum())
    known = int(base[:UNKNOWN_BASE].sum())
    q20, q30 = int(quality[20:].sum()), int(quality[30:].sum())
    return {
        "reads": reads,
        "bases": bases,
        "q20_bases": q20,
        "q30_bases": q30,
        "q20_fraction": ratio(q20, bases),
        "q30_fraction": ratio(q30, bases),
        "gc_fraction": ratio(int(base[1] + base[2]), known),
        "unknown_fraction": ratio(bases - known, bases),
        "mean_quality": ratio(int(quality @ np.arange(len(quality))), bases, 3),
    }


def _mate(counts: Counts, mate: int) -> dict[str, Any]:
    lengths = dict(sorted(counts.read_length[mate].items()))
    reads = sum(lengths.values())
    cycles = min(max(lengths, default=0), CYCLES)
    base, quality = counts.base[mate, :cycles], counts.quality[mate, :cycles]
    total = base.sum(1)
    adapters = zip(ADAPTERS, counts.adapter[mate].tolist(), strict=True)
    return {
        **_totals(counts.base[mate].sum(0), counts.quality[mate].sum(0), reads),
        "read_length": {
            "minimum": min(lengths, default=0),
            "maximum": max(lengths, default=0),
            "mean": ratio(sum(length * n for length, n in lengths.items()), reads, 3),
            "reads": [[length, n] for length, n in lengths.items()],
        },
        "cycles": {
            "mean_quality": ratios(quality @ np.arange(quality.shape[1]), total, 3),
            **{letter: ratios(base[:, code], total, 6) for code, letter in enumerate("acgt")},
            "unknown": ratios(total - base[:, :UNKNOWN_BASE].sum(1), total, 6),
        },
        "gc_percent_reads": counts.gc[mate].tolist(),
        "quality_bases": counts.quality[mate].sum(0).tolist(),
        "adapter": {name: {"reads": n, "fraction": ratio(n, reads)} for name, n in adapters},
        "poly_g": {"reads": int(counts.poly_g[mate]), "fraction": ratio(int(counts.poly_g[mate]), reads)},
    }


def _overrepresented(counts: Counts) -> dict[str, Any]:
    reads, found = counts.frequent.found()
    sequences = [{"sequence": one, "reads": n, "fraction": ratio(n, reads), "source": _source(one)} for one, n in found]
    return {"reads": reads, "sequences": sequences}


def _source(sequence: str) -> str | None:
    """What a sequence may be, where it is something known."""
    known = {name: adapter.decode() for name, adapter in ADAPTERS.items()} | {f"poly-{base}": 20 * base for base in "ACGT"}
    return next((name for name, part in known.items() if part in sequence), None)


def _overlap(counts: Counts, pairs: int) -> dict[str, Any]:
    overlapping = int(counts.fragment.sum())
    return {
        "pairs": overlapping,
        "fraction": ratio(overlapping, pairs),
        "read_through_pairs": counts.read_through,
        "read_through_fraction": ratio(counts.read_through, pairs),
        "adapter_bases": counts.adapter_bases,
        "fragment_length_median": int(np.searchsorted(np.cumsum(counts.fragment), overlapping / 2)) if overlapping else None,
        "fragment_length_pairs": [[length, n] for length, n in enumerate(counts.fragment.tolist()) if n],
    }
