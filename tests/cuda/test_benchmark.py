"""benchmarks/gpu.py says what it needs, and its rows run on what it makes."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genopipe.device import CardFacts, gpu_present
from tests.cuda.build import Shim

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
        self.xp = types.ModuleType("xp")
        vars(self.xp).update(vars(np))
        pool = types.SimpleNamespace(free_all_blocks=lambda: None)
        vars(self.xp).update(get_default_memory_pool=lambda: pool)

    def facts(self) -> CardFacts:
        return CardFacts("shim", "", 1, 1 << 22, 1 << 22, 0, 0, "")

    def launch(self, source: Any, entry: str, grid: tuple[int, int], *arguments: Any) -> None:
        if source.path.name != "ceilings.cu":
            super().launch(source, entry, grid, *arguments)


def once(bench: Any, work: Any, repeats: int = 1) -> float:
    """In the place of `Bench.seconds`: runs `work`, which took a second."""
    work()
    return 1.0


def test_rows_equal_the_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu
    import gpu_data

    monkeypatch.setattr(gpu.Bench, "seconds", once)
    for name, small in (("COMPARED", 128), ("PAIRS", 4), ("DENSE", 3_200)):
        monkeypatch.setattr(gpu, name, small)
    bench = gpu.Bench(OnShim(), gpu_data.simulate(20_000, 130, seed=1))
    bench.threads = 1
    rows = {work.__name__: gpu.measured(bench, work) for work in (gpu.seeding, gpu.extension, gpu.pair_hmm, gpu.ungapped, gpu.pile_up)}
    assert {name: (row.get("error"), row.get("equal")) for name, row in rows.items()} == dict.fromkeys(rows, (None, True))
    assert rows["seeding"]["reads_with_their_place_among_candidates"] > 0.9


def test_a_row_that_fails_holds_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    def broken(bench: Any) -> dict[str, Any]:
        raise RuntimeError("out of memory")

    bench = types.SimpleNamespace(xp=OnShim().xp)
    assert gpu.measured(bench, broken) == {"what": "broken", "error": "RuntimeError: out of memory"}
