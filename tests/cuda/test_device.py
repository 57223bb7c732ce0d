"""Which device a run takes, where machine code is kept, and what only a GPU can show."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from genopipe import device
from genopipe.errors import BadEnvironment
from genopipe.kernels import on_gpu
from tests.cuda.build import Shim
from tests.cuda.conftest import NO_GPU


def test_a_card_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpu_present", lambda: False)
    with pytest.raises(BadEnvironment, match=r"no GPU was found; wanted an NVIDIA GPU .* Use --device cpu, or install"):
        device.Card()


def test_without_a_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpu_present", lambda: False)
    assert (device.resolve("auto"), device.resolve("cpu")) == ("cpu", "cpu")


def test_gpu_is_never_replaced_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpu_present", lambda: False)
    with pytest.raises(BadEnvironment, match="no GPU was found"):
        device.resolve("gpu")


@pytest.mark.parametrize("command", ["align", "secondary"])
def test_commands_refuse_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str) -> None:
    monkeypatch.setattr(device, "gpu_present", lambda: False)
    (tmp_path / "r.fastq").write_text("")
    options = [f"--reference={tmp_path}", f"-1{tmp_path / 'r.fastq'}", "--sample=S", f"-o{tmp_path / 'out.bam'}", "--device=gpu"]
    cli = pytest.importorskip("genopipe.cli", reason="commands need click")
    done = pytest.importorskip("click.testing").CliRunner().invoke(cli.genopipe, [command, *options])
    assert "no GPU was found; wanted an NVIDIA GPU" in done.output + str(done.exception)
    assert list(tmp_path.iterdir()) == [tmp_path / "r.fastq"]


def test_what_was_taken_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(device, "gpu_present", lambda: True)
    with caplog.at_level("INFO", logger="genopipe"):
        assert (device.resolve("gpu"), device.resolve("auto")) == ("gpu", "cpu")
    assert caplog.messages == ["device: gpu", "device: cpu"]


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the driver says of two cards; the locks of this process are let go of afterwards."""
    for i, identity in enumerate(("GPU-aa-1", "GPU-bb-2")):
        (tmp_path / f"0000:{i}").mkdir()
        (tmp_path / f"0000:{i}" / "information").write_text(f"Model: \t H200\nGPU UUID: \t {identity}\nBus Type: \t PCIe\n")
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(device, "_locks", [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return device._cards_of_system(tmp_path)


def test_each_run_takes_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, two_cards: list[str]) -> None:
    assert two_cards == ["GPU-aa-1", "GPU-bb-2"]
    taken = []
    for _ in range(3):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        device._hide_other_cards(two_cards)
        taken.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
    assert taken == ["GPU-aa-1", "GPU-bb-2", None]
    assert "all 2 cards are taken by other runs" in caplog.text


@pytest.mark.parametrize("given, seen", [("3", "3"), ("5,7", "5"), ("", ""), ("MIG-GPU-a/1/0,MIG-GPU-a/2/0", "MIG-GPU-a/1/0")])
def test_the_cards_of_a_scheduler_are_those_to_choose_from(
    monkeypatch: pytest.MonkeyPatch, two_cards: list[str], given: str, seen: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    device._hide_other_cards(two_cards)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen


def test_memory_that_runs_out_is_told() -> None:
    with pytest.raises(BadEnvironment, match="--device: memory ran out while the GPU was at work"), device.using(Shim()):
        assert device.in_use() is not None
        raise MemoryError
    assert device.in_use() is None


def test_machine_code_goes_where_caches_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUPY_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert device.cubin_folder() == Path("/caches/genopipe/cubin")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert device.cubin_folder() == Path.home() / ".cache/genopipe/cubin"
    monkeypatch.setenv("CUPY_CACHE_DIR", "/elsewhere")
    assert device.cubin_folder() == Path("/elsewhere")


def test_machine_code_is_of_one_source_one_set_of_constants_and_one_compiler(tmp_path: Path) -> None:
    path, header = tmp_path / "a.cu", tmp_path / "a.cuh"
    path.write_text("1")
    header.write_text("2")
    digests = [device.Source(path).digest("sm_90"), device.Source(path, (("K", 1),)).digest("sm_90"), device.Source(path).digest("sm_80")]
    header.write_text("3")
    digests.append(device.Source(path).digest("sm_90"))
    path.write_text("4")
    digests.append(device.Source(path).digest("sm_90"))
    assert len(set(digests)) == 5


def test_no_option_fuses_products_or_flushes_denormals() -> None:
    options = " ".join(on_gpu.PAIRHMM.options())
    assert "--fmad=false" in options
    assert "ftz" not in options and "fast_math" not in options


def test_too_little_memory_of_a_card_is_told() -> None:
    card = device.Card.__new__(device.Card)
    runtime = SimpleNamespace(memGetInfo=lambda: (3 << 30, 16 << 30))
    pool = SimpleNamespace(free_bytes=lambda: 1 << 30)
    card._cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), get_default_memory_pool=lambda: pool)
    card.need(3 << 30, "the genome and its index")
    with pytest.raises(BadEnvironment, match=r"4,096 MB of GPU memory are free; wanted at least 5,121 MB for the genome and its index"):
        card.need(4 << 30, "the genome and its index")
    assert card.room(1 << 20) == 2048


class Pool:
    """A pool that is refused once, until another one lets go of what it has."""

    def __init__(self) -> None:
        self.refused, self.let_go = 0, 0

    def malloc(self, n_bytes: int) -> int:
        if self.let_go <= 0:
            self.refused += 1
            raise MemoryError
        return n_bytes

    def free_all_blocks(self) -> None:
        self.let_go += 1

    def free_bytes(self) -> int:
        return 3 << 30


def test_what_stays_is_apart_and_leaves_enough_to_work_with() -> None:
    card, pool = device.Card.__new__(device.Card), Pool()
    runtime = SimpleNamespace(memGetInfo=lambda: (2 << 30, 16 << 30))
    card._cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), get_default_memory_pool=lambda: pool)
    card._lasting = pool
    card.xp = SimpleNamespace(ndarray=lambda shape, dtype, memptr: np.zeros(shape, dtype))
    array = np.arange(5)
    assert np.array_equal(card.kept(array), array)
    assert (pool.refused, pool.let_go) == (1, 1)
    assert card.kept(SimpleNamespace(nbytes=(1 << 30) + 1)) is None
    pool.let_go = -9
    assert card.kept(array) is None


class Refusing:
    """An NVRTC that compiles nothing."""

    class NVRTCError(Exception):
        pass

    destroyed = 0

    def createProgram(self, *arguments: object) -> int:  # noqa: N802
        return 1

    def compileProgram(self, *arguments: object) -> None:  # noqa: N802
        raise self.NVRTCError("COMPILATION")

    def getProgramLog(self, program: int) -> str:  # noqa: N802
        return "seed.cu(3): error"

    def destroyProgram(self, program: int) -> None:  # noqa: N802
        self.destroyed += 1


def test_a_source_that_does_not_compile_is_told_with_the_log() -> None:
    nvrtc = Refusing()
    with pytest.raises(BadEnvironment, match=r"NVRTC cannot compile seed\.cu for sm_50: COMPILATION seed\.cu\(3\): error"):
        device.compile_source(nvrtc, on_gpu.SEED, "sm_50")
    assert nvrtc.destroyed == 1


@pytest.fixture
def card() -> device.Card:
    if not device.gpu_present():
        pytest.skip(NO_GPU)
    return device.Card()


@pytest.mark.gpu
def test_batches_arrive_whole_and_in_order(card: device.Card) -> None:
    batches = [(np.arange(n, dtype=np.int64), np.full((n, 3), n, np.uint8)) for n in (5, 1, 1 << 20, 7, 9)]
    for sent, got in zip(batches, card.uploaded(iter(batches)), strict=True):
        for ours, theirs in zip(sent, got, strict=True):
            assert np.array_equal(card.host(theirs), ours)


@pytest.mark.gpu
def test_arrays_come_back_while_the_card_works(card: device.Card) -> None:
    """Large and small ones, an empty one, and one that is not contiguous; also after what they were copied from has changed."""
    arrays = [card.put(np.arange(n, dtype=np.int64)) for n in (1 << 20, 10, 0)] + [card.put(np.arange(1 << 20))[::2]]
    fetched = card.fetched(arrays)
    assert [len(here) for here in fetched()] == [1 << 20, 10, 0, 1 << 19]
    for here, there in zip(fetched(), arrays, strict=True):
        assert np.array_equal(here, card.host(there))
    kept = card.kept(arrays[0])
    arrays[0][:] = 0
    assert np.array_equal(card.host(kept), np.arange(1 << 20))
    assert card.address(kept) == kept.data.ptr


@pytest.mark.gpu
def test_a_card_tells_what_it_is(card: device.Card) -> None:
    facts = card.facts()
    assert facts.name and int(facts.compute_capability) >= 80
    assert 0 < facts.free_memory <= facts.memory
    assert 1 <= card.room(facts.memory // 8) <= 4


@pytest.mark.gpu
def test_kernels_take_on_the_device_what_they_take_in_the_compiler(card: device.Card) -> None:
    kernel = card.kernel(on_gpu.EXTEND, "extend_narrow")
    assert (kernel.local_size_bytes, kernel.num_regs <= 128) == (0, True)


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_the_sanitizer_finds_nothing(card: device.Card, tool: str) -> None:
    """The equality tests of all kernels, each run once more under compute-sanitizer; whole commands would take hours there."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        pytest.skip("compute-sanitizer is not on this machine")
    of_kernels = ("choose", "extend", "fastq", "packed", "pairhmm", "pileup", "place", "seed", "ungapped")
    tests = [str(Path(__file__).with_name(f"test_{name}.py")) for name in of_kernels]
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *tests]
    done = subprocess.run([program, "--tool", tool, "--error-exitcode", "9", *pytest_command], capture_output=True, text=True, check=False)
    if "Device not supported" in done.stdout:
        pytest.skip("compute-sanitizer does not support this device")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "ERROR SUMMARY: 0 errors" in done.stdout or "RACECHECK SUMMARY: 0 hazards" in done.stdout
