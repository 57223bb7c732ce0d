"""Files in, files out: the lanes of a sample to one BAM or CRAM."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

from isal import igzip

from genopipe.align.duplication_metrics import Metrics, duplicates_path
from genopipe.align.inputs import Files, Lanes
from genopipe.align.insert_size import LEARN_PAIRS
from genopipe.align.pipeline import Aligned, Batch, Given, Options, align, aligned
from genopipe.align.sorting import temporary_folder
from genopipe.align.texts import Cutting, Memory, Text
from genopipe.align.trimming import trimming_path
from genopipe.errors import BadInput
from genopipe.formats.bam import ReadGroup
from genopipe.formats.cram import write_cram
from genopipe.formats.genome import fasta_path
from genopipe.formats.sample_name import check_sample_name
from genopipe.outputs import check_no_input

MOST_TEXT = (1 << 28) - (1 << 21)
"""Bytes of text that go to a GPU at a time: some 800,000 reads. With the room before it, that of a file takes a power of two, the sizes in
which memory is page-locked."""

PARTS_OF_MEMORY = 40
"""That text is at most this part of the memory: about ten times as much is under way."""

_HEAD_BYTES = 1 << 20


def align_files(
    r1: Sequence[Path], r2: Sequence[Path], reference: Path, output: Path, *, interleaved: bool, read_group: ReadGroup, options: Options
) -> list[Metrics]:
    """Aligns the lanes `r1` (with `r2`, interleaved, or of records) into `output`, a .bam or .cram; index and metrics stand beside."""
    check_sample_name(read_group.sample)
    if output.suffix not in (".bam", ".cram"):
        raise BadInput(
            f"the output is called {output.name!r}", wanted="a name that ends in .bam or .cram", do="Choose such a name.", key="-o"
        )
    check_no_input(output, [*r1, *r2])
    lanes = Lanes(Files(r1, r2, interleaved, read_group), reference, threads=options.threads)
    with temporary_folder(output) as folder:
        bam = output if output.suffix == ".bam" else folder / output.with_suffix(".bam").name
        metrics = align(_given(lanes, [*r1, *r2], folder, options), reference, bam, options=options)
        if bam != output:
            write_cram(bam, fasta_path(reference), output, threads=options.threads)
            shutil.move(duplicates_path(bam), duplicates_path(output))
            if options.trim:
                shutil.move(trimming_path(bam), trimming_path(output))
    return metrics


@contextmanager
def aligned_files(files: Files, reference: Path, output: Path, *, options: Options, keep_bam: bool) -> Iterator[Aligned]:
    """The same, to be called from as long as this lasts; the metrics and, if it is wanted, `output`, a .bam, stand when it has ended."""
    check_sample_name(files.read_group.sample)
    paths = [*files.r1, *files.r2]
    check_no_input(output, paths)
    lanes = Lanes(files, reference, threads=options.threads)
    with temporary_folder(output) as folder:
        given = _given(lanes, paths, folder, options)
        with aligned(given, reference, output, options=options, keep_bam=keep_bam) as reads:
            yield reads


def _given(lanes: Lanes, paths: Sequence[Path], folder: Path, options: Options) -> Given:
    """The reads of the lanes: as text where they are parsed by many threads, or on a GPU."""
    expected = about_how_many(paths)

    def items(memory: Memory) -> Iterator[Batch | Text]:
        if options.device == "cpu":
            return lanes.items(folder, threads=options.threads)
        if options.trim or options.other_places:
            return lanes.batches(folder)
        cutting = Cutting(min(MOST_TEXT, options.memory // PARTS_OF_MEMORY), options.threads, memory)
        return lanes.with_text(folder, n_first=LEARN_PAIRS, cutting=cutting)

    return Given(items, lanes.groups, lanes.parsed, lanes.instead, expected)


def about_how_many(files: Sequence[Path]) -> int | None:
    """About how many reads the FASTQ files hold, by the beginning of each; None where that cannot be said."""
    total = 0
    for path in files:
        if not path.is_file():
            return None
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
        n_lines = _lines(head)
        if not n_lines:
            return None
        total += path.stat().st_size * n_lines // (4 * len(head))
    return total


def _lines(head: bytes) -> int:
    """Lines in the beginning of a FASTQ, plain or gzip; 0 for anything else."""
    if not head.startswith(b"\x1f\x8b"):
        return head.count(b"\n") if head.startswith(b"@") else 0
    n_lines = 0
    with igzip.GzipFile(fileobj=BytesIO(head)) as plain, suppress(EOFError, igzip.BadGzipFile):  # type: ignore[no-untyped-call]
        for piece in iter(lambda: plain.read(1 << 16), b""):
            if not n_lines and not piece.startswith(b"@"):
                return 0
            n_lines += piece.count(b"\n")
    return n_lines
