"""`genopipe align` with the places of reads from a GPU writes the bytes of the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pysam", reason="the aligner's commands need the whole installation")

from genopipe.align import pipeline
from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.device import Gpu
from genopipe.formats.bam import ReadGroup
from tests.align.test_pipeline import GROUP, Sample, draw_pairs, random_sequence


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """200 pairs of two contigs that share a repeat, one of them with a deletion."""
    rng = np.random.default_rng(7)
    repeat = random_sequence(rng, 400)
    contigs = {"one": random_sequence(rng, 8_000) + repeat, "two": random_sequence(rng, 5_000) + repeat + random_sequence(rng, 3_000)}
    made = Sample(tmp_path_factory.mktemp("align"), contigs)
    (made.folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    build_reference(made.folder / "ref.fa", made.reference, name="small")
    draw_pairs(made, rng, 200)
    one = contigs["one"]
    made.pairs.append(("deletion", one[100:160] + one[190:250], contigs["two"][:120]))
    return made


def test_the_bam_has_the_bytes_of_the_cpu(gpu: Gpu, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    placed: list[int] = []

    class Counted(pipeline.Placer):
        def place(self, reads: Any) -> Any:
            placed.append(len(reads))
            return super().place(reads)

    monkeypatch.setattr(pipeline, "Card", lambda: gpu)
    monkeypatch.setattr(pipeline, "Placer", Counted)
    r1, r2 = sample.mates("all")
    group: ReadGroup = GROUP
    for name, options in (("cpu", Options()), ("gpu", Options(device="gpu"))):
        align_files(r1, r2, sample.reference, tmp_path / f"{name}.bam", interleaved=False, read_group=group, options=options)
    assert sum(placed) == 402
    assert (tmp_path / "gpu.bam").read_bytes() == (tmp_path / "cpu.bam").read_bytes()
    assert (tmp_path / "gpu.bam.bai").read_bytes() == (tmp_path / "cpu.bam.bai").read_bytes()
