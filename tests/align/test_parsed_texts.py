"""Reads that come as text, to be parsed by any thread, are those of the parser of whole files, and so is what is wrong with them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genopipe.align import inputs
from genopipe.align.inputs import Files, Lanes
from genopipe.align.pipeline import Batch
from genopipe.align.texts import Text
from genopipe.errors import BadInput
from genopipe.formats.bam import ReadGroup

GROUP = ReadGroup("S1", "S1", "S1", "ILLUMINA")
Read = tuple[bytes, int, bytes, bytes]


def records(rng: np.random.Generator, n: int, longest: int) -> list[bytes]:
    """Records of one to `longest` bases; every tenth repeats its name."""
    lengths = rng.integers(1, longest + 1, n).tolist()
    bases = ["".join(rng.choice(list("ACGTN"), length)) for length in lengths]
    return [f"@r{i} x\n{base}\n+{f'r{i} x' * (i % 10 == 9)}\n{'I' * len(base)}\n".encode() for i, base in enumerate(bases)]


def told(batches: Iterable[Batch]) -> list[Read] | str:
    """All reads, or what is wrong with them."""
    found: list[Read] = []
    try:
        for batch in batches:
            reads = batch.reads
            for i in range(len(reads)):
                header, base = (slice(start[i], start[i + 1]) for start in (reads.header_start, reads.base_start))
                row = reads.header[header].tobytes(), int(reads.name_length[i]), reads.base[base].tobytes(), reads.quality[base].tobytes()
                found.append(row)
    except BadInput as error:
        return str(error)
    return found


def both_ways(files: Files, batch_bases: int) -> tuple[list[Read] | str, list[Read] | str, int]:
    """What is told of the reads by text, and by the parser of whole files, and how many texts there were."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "BATCH_BASES", batch_bases)
        lanes, n_texts = Lanes(files, Path()), 0

        def batches() -> Iterable[Batch]:
            nonlocal n_texts
            for item in lanes.items(Path(), threads=1):
                n_texts += isinstance(item, Text)
                yield lanes.parsed(item) if isinstance(item, Text) else item

        return told(batches()), told(lanes.batches(Path())), n_texts


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.integers(1, 200), st.integers(0, 9), st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.booleans())
@example(1, 3, 2000, b"\n", False, False)
@example(1, 3, 2000, b"\n", True, True)
def test_reads_are_those_of_whole_files(tmp_path_factory, seed, n, empty_lines, line_end, paired, in_two):  # type: ignore[no-untyped-def]
    """With pairs in one file and in two, single reads, and empty lines behind the last record, more than a text of them too."""
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("texts")
    first, second = (b"".join(records(rng, n, 60)).replace(b"\n", line_end) + line_end * empty_lines for _ in range(2))
    if paired and not in_two:
        first = b"".join(each for both in zip(records(rng, n, 60), records(rng, n, 60), strict=True) for each in both)
    for mate, text in enumerate((first, second)):
        (folder / f"R{mate}.fastq.gz").write_bytes(gzip.compress(text, 1))
    paths = [folder / f"R{mate}.fastq.gz" for mate in range(2)]
    given = Files(paths[:1], paths[1:] if paired and in_two else [], paired and not in_two, GROUP)
    by_text, whole, n_texts = both_ways(given, 500)
    assert by_text == whole and len(whole) == n * (1 + paired)
    assert n < 100 or n_texts > 2


@settings(max_examples=100)
@example(194, b"@", True, False)
@given(st.integers(0, 1 << 30), st.sampled_from([b"", b"\n", b"@", b"+", b"A", b"x", b"\r", b"\0"]), st.booleans(), st.booleans())
def test_what_is_wrong_is_told_with_file_and_line(tmp_path_factory, seed, change, insert, in_two):  # type: ignore[no-untyped-def]
    """A byte more, less, or another, anywhere in a file."""
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("faults")
    texts = [b"".join(records(rng, 120, 60)) for _ in range(2)]
    at = int(rng.integers(0, len(texts[0])))
    texts[0] = texts[0][:at] + change + texts[0][at + (not insert) :]
    paths = [folder / f"R{mate}.fastq" for mate in range(2)]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    by_text, whole, _ = both_ways(Files(paths[:1], paths[1:] if in_two else [], False, GROUP), 500)
    assert by_text == whole


@pytest.mark.parametrize("length", [512, 513])
def test_a_long_read_behind_others_is_told_with_its_line(tmp_path: Path, length: int) -> None:
    text = b"".join(records(np.random.default_rng(1), 120, 60)) + b"@long\n%s\n+\n%s\n" % (b"A" * length, b"I" * length)
    (tmp_path / "R.fastq").write_bytes(text)
    by_text, whole, _ = both_ways(Files([tmp_path / "R.fastq"], [], False, GROUP), 500)
    assert by_text == whole
    assert len(whole) == 121 if length == 512 else "R.fastq:481: read 'long' has 513 bases" in whole


def test_a_file_that_is_cut_is_told(tmp_path: Path) -> None:
    text = b"".join(records(np.random.default_rng(1), 400, 60))
    (tmp_path / "R.fastq.gz").write_bytes(gzip.compress(text)[:-9])
    by_text, whole, _ = both_ways(Files([tmp_path / "R.fastq.gz"], [], False, GROUP), 500)
    assert by_text == whole and "the gzip data ends before its end mark" in whole
