"""`genopipe secondary` with a GPU writes the bytes of the CPU, from reads to variants, with a BAM and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pysam", reason="the commands need the whole installation")

from genopipe.align import gpu_chain, inputs, pipeline, run
from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.call.caller import Sample as Whom
from genopipe.cases import secondary
from genopipe.cases.secondary import Reads, run_secondary
from genopipe.device import Gpu
from genopipe.kernels import on_gpu
from tests.align.test_pipeline import GROUP, Sample, draw_pairs, random_sequence


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Pairs from a genome with single differences and gaps to the reference."""
    rng = np.random.default_rng(4)
    contigs = {"one": random_sequence(rng, 5_000), "two": random_sequence(rng, 3_000)}
    made = Sample(tmp_path_factory.mktemp("secondary"), contigs)
    (made.folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    build_reference(made.folder / "ref.fa", made.reference, name="small")
    donor = {}
    for name, sequence in contigs.items():
        letters = list(sequence)
        for at in range(300, len(letters) - 300, 700):
            letters[at] = "ACGT"["CGTA".index(letters[at])]
        letters[1_500] += "GATTACA"
        letters[2_350] = letters[2_351] = letters[2_352] = ""
        donor[name] = "".join(letters)
    draw_pairs(Sample(made.folder, donor, made.truth, made.pairs), rng, 400)
    return made


def files_of(folder: Path, name: str) -> dict[str, bytes]:
    return {path.name.removeprefix(name): path.read_bytes() for path in folder.glob(f"{name}.*")}


def test_every_file_has_the_bytes_of_the_cpu(gpu: Gpu, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_device: set[str] = set()

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(gpu, name)

        def launch(self, source: Any, entry: str, *arguments: Any) -> None:
            on_device.add(entry)
            gpu.launch(source, entry, *arguments)

    for module in (pipeline, secondary):
        monkeypatch.setattr(module, "Card", Counting)
    for module in (pipeline, run):
        monkeypatch.setattr(module, "LEARN_PAIRS", 100)
    monkeypatch.setattr(inputs, "BATCH_BASES", 10_000)
    monkeypatch.setattr(gpu_chain, "PART_READS", 200)
    monkeypatch.setattr(run, "MOST_TEXT", 1 << 15)
    monkeypatch.setattr(on_gpu, "PAIRS_AT_ONCE", 500)
    reads = Reads(*sample.mates("all"), GROUP)
    for device in ("cpu", "gpu"):
        for keep in (True, False):
            options = Options(memory=4 << 30, device=device, threads=2)
            run_secondary(reads, sample.reference, tmp_path / f"{device}-{keep}", options=options, whom=Whom(), keep_bam=keep)
    wanted = files_of(tmp_path, "cpu-True")
    assert wanted[".vcf.gz"] and files_of(tmp_path, "gpu-True") == wanted
    without = {name: content for name, content in wanted.items() if not name.startswith(".bam")}
    assert files_of(tmp_path, "cpu-False") == files_of(tmp_path, "gpu-False") == without
    assert {"fastq_reads", "candidates", "extend_narrow", "choose", "walk", "pairhmm_forward"} <= on_device
