"""The card that benchmarks/gpu.py measures: its data, its ceilings, and how a figure becomes a row."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gpu_data import Simulated

from genopipe.device import Card, default_threads
from genopipe.device.sources import Source
from genopipe.kernels import on_gpu

CEILINGS = Source(Path(__file__).with_name("ceilings.cu"))
TRANSFERRED = 1 << 28

Row = dict[str, Any]


class Bench:
    """The card, its ceilings, and the data on it."""

    def __init__(self, card: Card, data: Simulated) -> None:
        self.card, self.xp, self.data = card, card.xp, data
        self.threads = default_threads()
        self.ceiling = {"bytes_per_second": self._copy(), **self._transfers(), **self._operations()}
        self.packed = self.xp.asarray(data.packed)
        self.base, self.base_start = self.xp.asarray(data.base.ravel()), self.xp.asarray(data.base_start)
        self._index: on_gpu.Index | None = None

    @property
    def index(self) -> on_gpu.Index:
        """The seed index, built when first asked for."""
        if self._index is None:
            self._index = on_gpu.build_index(self.card, self.packed, [(0, self.data.length)])
        return self._index

    def release(self) -> None:
        """Gives the index back, so that another program finds room on the card."""
        self._index = None
        self.xp.get_default_memory_pool().free_all_blocks()

    def seconds(self, work: Callable[[], Any], repeats: int = 7) -> float:
        """Seconds on the device, the median of some runs after one that does not count."""
        work()
        event, taken = self.xp.cuda.Event, []
        for _ in range(repeats):
            begun, ended = event(), event()
            begun.record()
            work()
            ended.record()
            ended.synchronize()
            taken.append(self.xp.cuda.get_elapsed_time(begun, ended) / 1000)
        return statistics.median(taken)

    def _copy(self) -> float:
        words = min(1 << 29, self.card.facts().free_memory // 64)
        source, target = self.xp.zeros(words, np.uint64), self.xp.empty(words, np.uint64)
        return 2 * source.nbytes / self.seconds(lambda: self.xp.copyto(target, source))

    def _transfers(self) -> dict[str, float]:
        """To and from page-locked memory."""
        there, here = self.xp.zeros(TRANSFERRED, np.uint8), page_locked(TRANSFERRED)
        return {
            "upload_bytes_per_second": TRANSFERRED / self.seconds(lambda: there.set(here)),
            "download_bytes_per_second": TRANSFERRED / self.seconds(lambda: there.get(out=here)),
        }

    def _operations(self) -> dict[str, float]:
        steps, grid = 4096, (self.card.warps, 128)
        n = grid[0] * grid[1] * steps * 8
        integer = (np.int32(steps), np.int32(7), self.xp.zeros(1, np.int32))
        real = (np.int32(steps), np.float32(0.5), self.xp.zeros(1, np.float32))
        return {
            "integer_operations_per_second": 2 * n / self.seconds(lambda: self.card.launch(CEILINGS, "integers", grid, *integer)),
            "fp32_instructions_per_second": n / self.seconds(lambda: self.card.launch(CEILINGS, "floats", grid, *real)),
        }

    def row(self, what: str, n: int, unit: str, seconds: float, *, counted: dict[str, float]) -> Row:
        """A row: n things in so many seconds; `counted` in units of the ceilings."""
        floors = {name: amount / self.ceiling[name] for name, amount in counted.items()}
        floor = max(floors.values())
        share = round(floor / seconds, 3)
        counts = {name.removesuffix("_per_second"): amount for name, amount in counted.items()}
        return {"what": what, "n": n, "unit": unit, "seconds": seconds, "rate": n / seconds, "counted": counts} | {
            "floor_seconds": floor,
            "bound_by": max(floors, key=floors.__getitem__),
            "share_of_floor": share,
        }

    def beside_lanes(self, row: Row, n: int, lanes: Callable[[], Any], same: Callable[[Any], bool]) -> Row:
        """The row, with the rate of the lanes on n things with all cores, and whether they gave the same."""
        lanes()
        begun = time.perf_counter()
        wanted = lanes()
        rate = n / (time.perf_counter() - begun)
        return row | {"equal": bool(same(wanted)), "lanes_rate": rate, "lanes_threads": self.threads, "times_the_lanes": row["rate"] / rate}


def page_locked(n_bytes: int) -> Any:
    """Host memory that the card reads and writes itself."""
    import cupyx

    return cupyx.zeros_pinned(n_bytes, np.uint8)


def bases_at(bench: Bench, position: Any) -> Any:
    """Codes of the genome at an array of positions, kept inside it."""
    xp = bench.xp
    inside = xp.clip(position, 0, bench.data.length - 1)
    return (bench.packed[inside >> 5] >> (2 * (inside & 31)).astype(np.uint64) & np.uint64(3)).astype(np.uint8)
