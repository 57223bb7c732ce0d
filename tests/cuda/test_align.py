"""`genopipe align` with a GPU writes the bytes of the CPU, and says what the CPU says of faulty reads."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pysam", reason="the aligner's commands need the whole installation")

from genopipe.align import gpu_chain, inputs, pipeline, run, texts
from genopipe.align.choose_on_gpu import Batch, Chooser
from genopipe.align.index import build_reference
from genopipe.align.inputs import Files
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files, aligned_files
from genopipe.device import Device, Gpu
from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats.bam import ReadGroup
from genopipe.formats.bgzf import END_OF_FILE, compress_block
from genopipe.kernels import packed_on_gpu
from genopipe.kernels.fastq_on_gpu import parse
from genopipe.model import Alignments
from tests.align.test_pipeline import GROUP, Sample, draw_pairs, random_sequence

BLOCK = 4_000
"""Bytes that a block of bgzip holds here."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Pairs of two contigs that share a repeat, one of them with a deletion, some seen twice."""
    rng = np.random.default_rng(7)
    repeat = random_sequence(rng, 400)
    contigs = {"one": random_sequence(rng, 8_000) + repeat, "two": random_sequence(rng, 5_000) + repeat + random_sequence(rng, 3_000)}
    made = Sample(tmp_path_factory.mktemp("align"), contigs)
    (made.folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    build_reference(made.folder / "ref.fa", made.reference, name="small")
    draw_pairs(made, rng, 300)
    one = contigs["one"]
    made.pairs.append(("deletion", one[100:160] + one[190:250], contigs["two"][:120]))
    made.pairs += [(f"again{i}", first, second) for i, (_, first, second) in enumerate(made.pairs[:100])]
    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, gpu: Gpu) -> Gpu:
    """A GPU whose batches are so small that few reads make many of them."""
    monkeypatch.setattr(pipeline, "Card", lambda: gpu)
    for module in (pipeline, run):
        monkeypatch.setattr(module, "LEARN_PAIRS", 30)
    monkeypatch.setattr(inputs, "BATCH_BASES", 2_000)
    monkeypatch.setattr(gpu_chain, "PART_READS", 20)
    monkeypatch.setattr(gpu_chain, "BATCH_READS", 200)
    monkeypatch.setattr(run, "MOST_TEXT", 18_000)
    monkeypatch.setattr(texts, "MOST_CONTENT", BLOCK)
    return gpu


def texts_of(sample: Sample) -> list[list[bytes]]:
    """The records of first and of second mates."""
    pairs = [(name.encode(), (first.encode(), second.encode())) for name, first, second in sample.pairs]
    return [[b"@%s/%d\n%s\n+\n%s\n" % (name, i + 1, mates[i], b"I" * len(mates[i])) for name, mates in pairs] for i in (0, 1)]


def files_of(sample: Sample, folder: Path, form: str) -> tuple[list[Path], list[Path]]:
    """The pairs as files of a form: of those that are not compressed, one has no line feed at its end, one empty lines."""
    records = texts_of(sample)
    paths = [folder / f"{form}_{i}.fastq" for i in (1, 2)]
    texts = [b"".join(each) for each in records]
    if form == "interleaved":
        texts = [b"".join(record for pair in zip(*records, strict=True) for record in pair) + b"\n\r\n"]
    for path, text in zip(paths, texts, strict=False):
        if form == "bgzip":
            path.write_bytes(b"".join(compress_block(text[i : i + BLOCK], 1) for i in range(0, len(text), BLOCK)) + END_OF_FILE)
        else:
            path.write_bytes({"gzip": gzip.compress(text), "plain": text.rstrip(b"\n")}.get(form, text))
    return [paths[0]], ([] if form in ("interleaved", "single") else [paths[1]])


def aligned(sample: Sample, files: tuple[list[Path], list[Path]], output: Path, interleaved: bool, **options: Any) -> bytes:
    group: ReadGroup = GROUP
    align_files(*files, sample.reference, output, interleaved=interleaved, read_group=group, options=Options(**options))
    return b"".join(path.read_bytes() for path in (output, output.with_name(output.name + ".bai"), output.with_suffix(".duplicates.tsv")))


@pytest.mark.parametrize("form", ["gzip", "bgzip", "plain", "interleaved", "single"])
def test_the_bam_has_the_bytes_of_the_cpu(small: Gpu, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str) -> None:
    """Also where the CPU has parsed only the first reads."""
    parsed: list[int] = []

    def counted(gpu: Gpu, text: Any) -> Any:
        parsed.append(len(text))
        return parse(gpu, text)

    monkeypatch.setattr(gpu_chain, "parse", counted)
    files = files_of(sample, tmp_path, form)
    ours, theirs = (
        aligned(sample, files, tmp_path / f"{name}.bam", form == "interleaved", device=name, threads=2) for name in ("gpu", "cpu")
    )
    assert ours == theirs
    assert len(parsed) > 3 and set(parsed) == {2 if files[1] else 1}


def test_where_memory_is_short_pieces_are_smaller(small: Gpu, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A card that has room for a part of the reads only, though it said that it had more; and one that has none."""
    most, choose = [40], Chooser.choose

    def refusing(chooser: Chooser, batch: Batch) -> Any:
        if len(batch) > most[0]:
            raise MemoryError("out of memory to allocate 1 bytes")
        return choose(chooser, batch)

    monkeypatch.setattr(Chooser, "choose", refusing)
    monkeypatch.setattr(type(small), "room", lambda gpu, row_bytes: 200)
    files = files_of(sample, tmp_path, "plain")
    wanted = aligned(sample, files, tmp_path / "cpu.bam", False)
    assert aligned(sample, files, tmp_path / "gpu.bam", False, device="gpu") == wanted
    most[0] = 10
    with pytest.raises(BadEnvironment, match=r"memory ran out while the GPU was at work; wanted more memory .* or use --device cpu"):
        aligned(sample, files, tmp_path / "none.bam", False, device="gpu")


def test_lanes_and_records_are_the_same(small: Gpu, sample: Sample, tmp_path: Path) -> None:
    """Two lanes of FASTQ, and the records of a BAM."""
    first, second = (sample.mates(name, pairs) for name, pairs in (("one", sample.pairs[:180]), ("two", sample.pairs[180:330])))
    lanes = [*first[0], *second[0]], [*first[1], *second[1]]
    wanted = aligned(sample, lanes, tmp_path / "wanted.bam", False)
    assert aligned(sample, lanes, tmp_path / "found.bam", False, device="gpu") == wanted
    again = aligned(sample, ([tmp_path / "wanted.bam"], []), tmp_path / "again.bam", False)
    assert aligned(sample, ([tmp_path / "wanted.bam"], []), tmp_path / "again_there.bam", False, device="gpu") == again


@pytest.mark.parametrize("options", [{"trim": True}, {"other_places": 5}], ids=["trimmed", "with other places"])
def test_reads_that_the_cpu_parses_are_the_same(small: Gpu, sample: Sample, tmp_path: Path, options: dict[str, Any]) -> None:
    files = files_of(sample, tmp_path, "gzip")
    ours, theirs = (aligned(sample, files, tmp_path / f"{name}.bam", False, device=name, **options) for name in ("gpu", "cpu"))
    assert ours == theirs


def said_of(sample: Sample, files: tuple[list[Path], list[Path]], folder: Path, device: str) -> str:
    """What is said of faulty files, with two threads."""
    with pytest.raises(BadInput) as told:
        aligned(sample, files, folder / "out.bam", False, device=device, threads=2)
    assert not (folder / "out.bam").exists()
    return str(told.value)


FAULTS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "a quality": (1, lambda record: record.replace(b"III", b"I\x07I")),
    "a base": (0, lambda record: record.replace(b"ACG", b"A-G")),
    "a plus": (1, lambda record: record.replace(b"\n+\n", b"\n*\n")),
    "a mate's name": (1, lambda record: b"@other" + record),
    "a read that is missing": (0, lambda record: b""),
    "a long read": (1, lambda record: b"%s\n%s\n+\n%s\n" % (record.split(b"\n")[0], b"A" * 600, b"I" * 600)),
    "a long name": (0, lambda record: b"@" + b"x" * 300 + record),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_as_by_the_cpu(small: Gpu, sample: Sample, tmp_path: Path, fault: str) -> None:
    """In a record behind those that the CPU parses anyway."""
    records, (mate, spoil) = texts_of(sample), FAULTS[fault]
    spoilt = spoil(records[mate][350])
    assert spoilt != records[mate][350]
    records[mate][350] = spoilt
    files = [[tmp_path / f"R{i}.fastq"] for i in (1, 2)]
    for (path,), text in zip(files, records, strict=True):
        path.write_bytes(b"".join(text))
    assert said_of(sample, (files[0], files[1]), tmp_path, "gpu") == said_of(sample, (files[0], files[1]), tmp_path, "cpu")


@pytest.mark.parametrize("damage", [lambda data: data[:-300], lambda data: data[:-28], lambda data: data[:9_000] + b"x" + data[9_001:]])
def test_damaged_bgzip_is_told_as_by_the_cpu(small: Gpu, sample: Sample, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    files = files_of(sample, tmp_path, "bgzip")
    files[1][0].write_bytes(damage(files[1][0].read_bytes()))
    assert said_of(sample, files, tmp_path, "gpu") == said_of(sample, files, tmp_path, "cpu")


def kept(sample: Sample, files: tuple[list[Path], list[Path]], output: Path, device: Device) -> tuple[list[list[Any]], bytes]:
    """The reads that are called from where no BAM is wanted, and what is said of duplicates."""
    given = Files(*files, False, GROUP)
    with aligned_files(given, sample.reference, output, options=Options(device=device, threads=2), keep_bam=False) as reads:
        assert reads.bam.held is not None
        found = [
            [getattr(piece, field.name).tolist() for field in fields(Alignments)]
            for row, contig in enumerate(reads.bam.contigs)
            for piece in reads.bam.held.pieces(row, start=0, end=contig.length, min_mapping_quality=0)
        ]
    return found, output.with_suffix(".duplicates.tsv").read_bytes()


@pytest.mark.parametrize("form", ["bgzip", "single"])
def test_reads_that_stay_are_called_from_as_those_of_the_cpu(
    small: Gpu, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    """Also where a card has room for fewer at a time than it said, and where some of a sample come back as they were parsed here."""
    told: list[int] = []
    choose, keep = Chooser.choose, packed_on_gpu.pack

    def refusing(chooser: Chooser, batch: Batch) -> Any:
        if len(batch) > 40:
            raise MemoryError("out of memory to allocate 1 bytes")
        told.append(len(batch))
        return choose(chooser, batch)

    def refusing_once(*given: Any, **named: Any) -> Any:
        if 0 not in told and len(given[2].slot) > 20:
            told.append(0)
            raise MemoryError("out of memory to allocate 1 bytes")
        return keep(*given, **named)

    monkeypatch.setattr(Chooser, "choose", refusing)
    monkeypatch.setattr(packed_on_gpu, "pack", refusing_once)
    monkeypatch.setattr(type(small), "room", lambda gpu, row_bytes: 200)
    files = files_of(sample, tmp_path, form)
    wanted = kept(sample, files, tmp_path / "cpu.bam", "cpu")
    assert kept(sample, files, tmp_path / "gpu.bam", "gpu") == wanted
    assert len(told) > 10 and 0 in told and sum(map(len, wanted[0])) > 0
    monkeypatch.setattr(gpu_chain, "parse", lambda gpu, text: None)
    assert kept(sample, files, tmp_path / "parsed.bam", "gpu") == wanted
