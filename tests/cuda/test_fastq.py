"""FASTQ text parsed on a GPU gives the reads of the CPU, and text that the CPU refuses is told apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("isal", reason="the parser of the CPU inflates")

from genopipe.device import Gpu
from genopipe.errors import BadInput
from genopipe.formats.fastq import read_fastq
from genopipe.kernels.fastq_on_gpu import FASTQ, DeviceReads, parse
from tests.cuda.build import Shim, nvrtc_compile

RECORDS = b"@a 1:N:0\nACGTN\n+\nII#I~\n@b/1\nRy.n\n+b/1\n!!!!\n@c\tx\n\n+\n\n@/1\nG\n+\nI\n"


def parsed(gpu: Gpu, *texts: bytes) -> DeviceReads | None:
    return parse(gpu, [gpu.xp.asarray(np.frombuffer(text, np.uint8)) for text in texts])


def compare(gpu: Gpu, folder: Path, *texts: bytes) -> None:
    """Fails where the GPU finds other reads than the CPU, or accepts what it refuses, or refuses what it accepts."""
    paths = [folder / f"{i}.fastq" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    found = parsed(gpu, *texts)
    try:
        (wanted,) = read_fastq(*paths, batch_bases=1 << 30)
    except BadInput:
        assert found is None
        return
    assert found is not None
    for name, array in found._asdict().items():
        ours, theirs = gpu.host(array), getattr(wanted, name)
        assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), name


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_records_equal_the_cpu(gpu: Gpu, tmp_path: Path, end: bytes) -> None:
    """Every code of a base, both ends of the qualities, headers with comments, an empty read, a name of a slash and a number only."""
    compare(gpu, tmp_path, RECORDS.replace(b"\n", end))


def test_mates_stand_side_by_side(gpu: Gpu, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    texts = [
        b"".join(
            b"@read%d/%d\n%s\n+\n%s\n" % (i, mate, bytes(rng.choice(list(b"ACGTN"), n).tolist()), bytes(rng.integers(33, 127, n).tolist()))
            for i, n in enumerate(rng.integers(0, 300, 50).tolist())
        )
        for mate in (1, 2)
    ]
    compare(gpu, tmp_path, *texts)


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "no @": lambda text: text.replace(b"@b", b"b"),
    "no name": lambda text: text.replace(b"@c\tx", b"@"),
    "a name of a blank": lambda text: text.replace(b"@c\tx", b"@ c"),
    "no +": lambda text: text.replace(b"+b/1", b"b/1"),
    "another header": lambda text: text.replace(b"+b/1", b"+c/1"),
    "a longer header": lambda text: text.replace(b"+b/1", b"+b/12"),
    "qualities missing": lambda text: text.replace(b"II#I~", b"II#I"),
    "qualities too many": lambda text: text.replace(b"II#I~", b"II#I~I"),
    "no quality": lambda text: text.replace(b"#", b" "),
    "no base": lambda text: text.replace(b"ACGTN", b"ACG-N"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_cpu_refuses_is_told_apart(gpu: Gpu, tmp_path: Path, fault: str) -> None:
    text = FAULTS[fault](RECORDS)
    assert text != RECORDS and parsed(gpu, text) is None
    compare(gpu, tmp_path, text)


PIECES = [b"@", b"+", b"A", b"N", b"I", b"\r", b" ", b"/1", b"x", b"~"]


@settings(max_examples=150)
@given(
    st.lists(st.lists(st.sampled_from([b"@", b"+", b"A", b"N", b"I", b"\r", b" ", b"/1", b"x", b"~"]), max_size=4), min_size=4, max_size=8)
)
def test_any_four_lines_equal_the_cpu(tmp_path_factory: pytest.TempPathFactory, lines: list[list[bytes]]) -> None:
    """Lines by fours that look like records, whatever is in them; blank ones are the caller's to cut off."""
    text = b"".join(b"".join(line) + b"\n" for line in lines[: len(lines) // 4 * 4])
    if text.rstrip(b"\r\n").count(b"\n") >= text.count(b"\n") - 2:
        compare(Shim(), tmp_path_factory.mktemp("fuzz"), text)


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
def test_the_source_compiles_without_spills(arch: str) -> None:
    _, kernels = nvrtc_compile(FASTQ, arch)
    assert set(kernels) == {"count_line_feeds", "find_line_feeds", "fastq_records", "fastq_reads"}
    assert max(taken.spilled for taken in kernels.values()) == 0
