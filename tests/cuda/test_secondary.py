"""`genopipe secondary` with a GPU writes the bytes of the CPU, from reads to variants, with a BAM and without."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pysam", reason="the commands need the whole installation")

from genopipe.align import destinations, gpu_chain, inputs, pipeline
from genopipe.align import run as run_module
from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.call import caller, handed
from genopipe.call.caller import Sample as Whom
from genopipe.cases.secondary import Reads, run_secondary
from genopipe.device import Device, Gpu
from genopipe.formats import held_alignments
from genopipe.kernels import on_gpu, pairhmm
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
    """Also where the CPU parses the text, where a card or the memory has room for some batches only, and by one thread."""
    on_device: set[str] = set()
    room: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(gpu, name)

        def kept(self, array: Any) -> Any:
            """As long as nothing else is said, or for so many arrays more."""
            if room and not room[0]:
                return None
            room[:] = [n - 1 for n in room]
            return gpu.kept(array)

        def launch(self, source: Any, entry: str, *arguments: Any) -> None:
            on_device.add(entry)
            gpu.launch(source, entry, *arguments)

    monkeypatch.setattr(pipeline, "Card", Counting)
    monkeypatch.setattr(destinations, "LEAST_SORTING", 0)
    monkeypatch.setattr("genopipe.cases.secondary.LEAST_BESIDE_INDEX", 0)
    for module in (pipeline, run_module):
        monkeypatch.setattr(module, "LEARN_PAIRS", 100)
    monkeypatch.setattr(inputs, "BATCH_BASES", 10_000)
    monkeypatch.setattr(gpu_chain, "PART_READS", 200)
    monkeypatch.setattr(run_module, "MOST_TEXT", 1 << 15)
    monkeypatch.setattr(on_gpu, "PAIRS_AT_ONCE", 500)
    monkeypatch.setattr(pairhmm, "WORTH_ASKING", 1 << 18)
    reads = Reads(*sample.mates("all"), GROUP)

    def run(name: str, device: Device, *, keep: bool, memory: int = 4 << 30, threads: int = 2) -> dict[str, bytes]:
        options = Options(memory=memory, device=device, threads=threads)
        run_secondary(reads, sample.reference, tmp_path / name, options=options, whom=Whom(), keep_bam=keep)
        return files_of(tmp_path, name)

    wanted = run("cpu", "cpu", keep=True)
    without = {name: content for name, content in wanted.items() if not name.startswith(".bam")}
    assert wanted[".vcf.gz"] and run("gpu", "gpu", keep=True) == wanted
    assert {"fastq_reads", "candidates", "extend_narrow", "choose", "fill"} <= on_device
    assert {"unpack", "put_right", "walk", "describe", "take", "pairhmm_forward"} <= on_device
    assert run("held", "cpu", keep=False) == without
    on_device.clear()
    room.append(4)
    monkeypatch.setattr(gpu_chain, "parse", lambda gpu, text: None)
    assert run("full", "gpu", keep=False, threads=1) == without
    assert {"fill", "unpack", "pairhmm_forward"} <= on_device and room == [0]
    monkeypatch.setattr(held_alignments, "SEGMENT", 1 << 22)
    assert run("files", "cpu", keep=False, memory=pipeline.WORKING_MEMORY + (1 << 21)) == without
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_bam_that_cannot_be_written_ends_the_calling(gpu: Gpu, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error is that of the BAM, no window is looked at behind it, and nothing is left."""
    failed, looked = Event(), []

    def full(*given: Any) -> None:
        failed.set()
        raise OSError("no space left")

    def looks(*given: Any, **named: Any) -> Any:
        looked.append(1)
        raise AssertionError("a window is looked at")

    def fit_model(*given: Any, **named: Any) -> Any:
        model = fit(*given, **named)
        assert failed.wait(60)
        return model

    fit = caller.fit_model
    monkeypatch.setattr(pipeline, "Card", lambda: gpu)
    monkeypatch.setattr("genopipe.cases.secondary.LEAST_BESIDE_INDEX", 0)
    monkeypatch.setattr("genopipe.align.bam_output.flag_records", full)
    monkeypatch.setattr(caller, "fit_model", fit_model)
    monkeypatch.setattr(handed.Looker, "seen", looks)
    options = Options(device="gpu", threads=2)
    with pytest.raises(OSError, match="no space left"):
        run_secondary(Reads(*sample.mates("all"), GROUP), sample.reference, tmp_path / "s", options=options, whom=Whom())
    assert not looked and not list(tmp_path.iterdir())
