"""benchmarks/gpu.py says what it needs, and its rows run on what it makes."""

from __future__ import annotations

import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from genopipe.device import CardFacts, gpu_present
from tests.cuda.build import FORCED, Shim
from tests.cuda.device_arrays import DeviceModule

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_without_a_gpu_it_says_so() -> None:
    if gpu_present():
        pytest.skip("a GPU is here")
    done = subprocess.run([sys.executable, BENCHMARKS / "gpu.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no GPU was found; wanted an NVIDIA GPU" in done.stderr


class OnShim(Shim):
    """The shim with what the benchmark asks a card for."""

    def __init__(self) -> None:
        super().__init__(FORCED or "plain")
        pool = types.SimpleNamespace(free_all_blocks=lambda: None)
        self.xp = DeviceModule()
        self.xp.get_default_memory_pool = lambda: pool

    def facts(self) -> CardFacts:
        return CardFacts("shim", "", 1, 1 << 22, 1 << 22, 0, 0, "")

    def launch(self, source: Any, entry: str, grid: tuple[int, int], *arguments: Any) -> None:
        if source.path.name != "ceilings.cu":
            super().launch(source, entry, grid, *arguments)


def once(bench: Any, work: Any, repeats: int = 1) -> float:
    """In the place of `Bench.seconds`: runs `work`, which took a second."""
    work()
    return 1.0


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with little to do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = import_module("gpu")
    monkeypatch.setattr(module.Bench, "seconds", once)
    monkeypatch.setattr(module.Bench, "_transfers", lambda bench: {"upload_bytes_per_second": 1.0, "download_bytes_per_second": 1.0})
    for name, small in (("COMPARED", 128), ("PAIRS", 4), ("DENSE", 3_200), ("KEYS", 500)):
        monkeypatch.setattr(module, name, small)
    return module


def test_rows_equal_the_lanes(gpu: Any) -> None:
    bench = gpu.Bench(OnShim(), import_module("gpu_data").simulate(20_000, 130, seed=1))
    bench.threads = 1
    works = [work for work in gpu.ROWS if work.__name__ not in {"tests", "sanitizer", "chains"}]
    rows = {work.__name__: row for work in works for row in gpu.measured(bench, work)}
    assert {name: row.get("error") for name, row in rows.items()} == dict.fromkeys(rows)
    assert {name for name, row in rows.items() if row.get("equal")} == set(rows) - {"index_building", "upload"}
    assert all(row["floor_seconds"] > 0 and row["counted"] for row in rows.values())
    assert rows["seeding"]["reads_with_their_place_among_candidates"] > 0.9
    assert rows["choosing"]["reads_at_their_place"] > 0.9


def test_whole_chains_give_the_same_on_both_devices(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("isal", reason="whole chains need the whole installation")
    from genopipe.align import inputs, pipeline, run

    chain = import_module("gpu_chain")
    monkeypatch.setattr(pipeline, "Card", OnShim)
    for module in (pipeline, run):
        monkeypatch.setattr(module, "LEARN_PAIRS", 50)
    monkeypatch.setattr(inputs, "BATCH_BASES", 5_000)
    monkeypatch.setattr(run, "PARTS_OF_MEMORY", 1 << 18)
    monkeypatch.setattr(chain, "options", lambda device: pipeline.Options(memory=3 << 30, device=device))
    rows = list(chain.rows(4_000, 6, seed=1))
    assert [row["equal"] for row in rows] == [True, True]
    assert all(row["n"] > 100 and row["times_the_lanes"] > 0 for row in rows)


def test_rows_of_an_earlier_run_stay_until_they_are_measured_anew(gpu: Any) -> None:
    def one(bench: Any) -> dict[str, Any]:
        return {"what": "one", "rate": 2}

    def two(bench: Any) -> dict[str, Any]:
        return {"what": "two", "rate": 3}

    bench = types.SimpleNamespace(xp=OnShim().xp, data=types.SimpleNamespace(length=10))
    rows: dict[str, Any] = {"one": [{"what": "one", "error": "no memory"}], "two": [{"what": "two", "rate": 1}]}
    assert list(gpu.all_rows(bench, [one], rows, until=float("inf")))
    assert rows == {"one": [{"what": "one", "rate": 2, "genome_bases": 10}], "two": [{"what": "two", "rate": 1}]}
    assert not list(gpu.all_rows(bench, [two, gpu.seeding], rows, until=0.0))
    assert rows["two"] == [{"what": "two", "rate": 1}] and rows["seeding"][0]["not_measured"] == "no time was left"


def test_a_row_that_fails_holds_its_error(gpu: Any) -> None:
    def broken(bench: Any) -> dict[str, Any]:
        raise RuntimeError("out of memory")

    bench = types.SimpleNamespace(xp=OnShim().xp)
    assert list(gpu.measured(bench, broken)) == [{"what": "broken", "error": "RuntimeError: out of memory"}]


def test_tests_are_run_in_a_process_of_their_own(gpu: Any) -> None:
    """Here, where they are all skipped."""
    if gpu_present():
        pytest.skip("a GPU is here")
    bench = types.SimpleNamespace(release=lambda: None)
    row = gpu.run_tests(bench, "of shims", "test_a_card_tells_what_it_is")
    assert row["passed"] and "1 skipped" in row["told"]
    assert "not available on this machine" in gpu.sanitizer(bench)["not_measured"]
