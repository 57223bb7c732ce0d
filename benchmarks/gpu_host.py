"""What the host does of `secondary --device gpu --no-bam`: CPU seconds for a read and for a million bases, without the device's work.

    python benchmarks/gpu_host.py [--bases 524288] [--depth 30] [--output gpu_host.json]

No card is needed: the CUDA sources run on this CPU, as in the tests. What they take, and what arrays of the device take, is left out by the
clock of each thread; it is told how often CuPy would be called instead. Seconds for 100 Mbp at 30x on 16 cores follow: what threads and
workers share is divided by 16, what one thread does, or what holds the interpreter, is not. That is a bound: a card adds its own time where
that is longer, and the calls of CuPy theirs. What a run takes however small it is (loading code, fitting the model, the first pairs, which
the CPU finishes) is left out: the model is fitted once, and what counts is the difference of a run of all bases and one of a quarter.
"""

from __future__ import annotations

import argparse
import ctypes
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import ROOT, report, versions

sys.path.insert(0, str(ROOT))

from gpu_chain import GROUP, Prepared, prepare

from genopipe.align import pipeline, run, texts
from genopipe.align.destinations import Destinations
from genopipe.align.duplicates import Finder
from genopipe.align.pipeline import Aligner, Options
from genopipe.call import caller, handed
from genopipe.call.caller import Sample
from genopipe.call.far_looks import Looker
from genopipe.call.model import Model
from genopipe.call.settings import DEFAULT
from genopipe.cases import secondary
from genopipe.cases.secondary import Reads, run_secondary
from genopipe.formats import bgzf, held_alignments
from tests.cuda.build import Shim
from tests.cuda.device_arrays import DeviceArray

N_BASES, CORES = 100_000_000, 16
"""What seconds are told of."""

DEVICE, ALIGNING, CALLING, ENDS_TAKEN, LOOKS = "device", "aligning", "calling", "ends of fragments taken", "looks"
SHARED = {
    "inflating": (texts, "_filled"),
    ENDS_TAKEN: (Aligner, "told"),
    "duplicates found": (Finder, "_found"),
    "first pairs": (Aligner, "finish"),
}
"""What many threads share."""
ALONE = {
    "batches taken in order": (Destinations, "add"),
    "packed reads brought in order": (held_alignments, "_in_order"),
    LOOKS: (Looker, "seen"),
    "looks laid down": (handed._Shared, "lay"),
    "text written": (caller, "_write_all"),
    "text compressed": (bgzf, "_compress_run"),
}
"""What one thread does, or the interpreter allows to one thread only."""


class Clock:
    """CPU seconds by name, of all threads, and how often; what is entered within another name counts for itself alone."""

    def __init__(self) -> None:
        self.seconds, self.times = Counter[str](), Counter[str]()
        self._local, self._adding = threading.local(), threading.Lock()
        self.overhead = 0.0
        self.overhead = self._overhead()

    def _overhead(self, n: int = 20_000) -> float:
        """CPU seconds that one entry takes besides those that it counts."""
        nothing, begun = self.timed("nothing", lambda: None), time.process_time()
        for _ in range(n):
            nothing()
        return (time.process_time() - begun - self.seconds.pop("nothing")) / n

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        outer, self._local.inner = getattr(self._local, "inner", 0.0), 0.0
        begun = time.thread_time()
        try:
            yield
        finally:
            taken = time.thread_time() - begun
            with self._adding:
                self.seconds[name] += taken - self._local.inner  # type: ignore[assignment]
                self.times[name] += 1
            self._local.inner = outer + taken + self.overhead

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            with self.of(name):
                return function(*given, **named)

        return call


class Counted:
    """The stand-in of a card, and CuPy's functions, which are its `xp`; both are counted apart."""

    warps = 4_096

    def __init__(self, clock: Clock) -> None:
        self._clock, self._shim, self.xp = clock, Shim("plain"), self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._shim if hasattr(Shim, name) else Shim.xp, name)
        return self._clock.timed(DEVICE, found)

    def stream(self) -> Any:
        return self._shim.stream()

    def uploaded(self, batches: Any) -> Any:
        return ([self.xp.asarray(array) for array in batch] for batch in batches)

    def room(self, row_bytes: int) -> int:
        return 1 << 20


def keep_memory() -> None:
    """Memory that is let go of stays with this process, as that of a device does with CuPy: or the stand-in's arrays would be counted."""
    libc, (trim_threshold, mmap_threshold, arena_max) = ctypes.CDLL(None), (-1, -3, -8)
    for what, value in ((arena_max, 1), (mmap_threshold, 32 << 20), (trim_threshold, (1 << 31) - 1)):
        libc.mallopt(what, value)


def watch(clock: Clock) -> None:
    """Counts what is named above."""
    keep_memory()
    for name in ("_run", "_change", "_known"):
        setattr(DeviceArray, name, clock.timed(DEVICE, getattr(DeviceArray, name)))
    for name, (holder, function) in (SHARED | ALONE).items():
        setattr(holder, function, clock.timed(name, getattr(holder, function)))
    models, fit = list[Model](), caller.fit_model

    def fit_model(*given: Any, **named: Any) -> Model:
        models.extend([] if models else [fit(*given, **named)])
        return models[0]

    caller.fit_model = fit_model
    pipeline.Card = lambda: Counted(clock)  # type: ignore[assignment,misc]
    for module in (pipeline, run):
        module.LEARN_PAIRS = 1_000  # type: ignore[attr-defined]
    run.MOST_TEXT = 4 << 20  # a run has several batches


@dataclass
class Used:
    """CPU seconds by name, batches that were aligned, and for each phase the calls of CuPy and the CPU seconds of this process that have
    no name."""

    seconds: dict[str, float]
    batches: int
    calls: dict[str, int]
    rest: dict[str, float]


def measured(data: Prepared, folder: Path, clock: Clock) -> Used:
    """What a run takes. What the clock itself takes is left out, too."""
    clock.seconds.clear()
    clock.times.clear()
    marks = [_mark(clock)]

    def call_variants(*given: Any, **named: Any) -> None:
        marks.append(_mark(clock))
        caller.call_variants(*given, **named)

    secondary.call_variants = call_variants  # type: ignore[attr-defined]
    workers, reads = _of_workers(), Reads([data.r1], [data.r2], GROUP)
    run_secondary(reads, data.reference, folder / "s", options=Options(2, 8 << 30, device="gpu"), whom=Sample(), keep_bam=False)
    marks.append(_mark(clock))
    spent = [tuple(b - a for a, b in zip(*pair, strict=True)) for pair in pairwise(marks)]
    rest = [process - named - times * clock.overhead for process, named, times, _ in spent]
    phases = (ALIGNING, CALLING)
    calls = dict(zip(phases, (each[3] for each in spent), strict=True))
    seconds = dict(clock.seconds) | {"workers": _of_workers() - workers}
    return Used(seconds, clock.times[ENDS_TAKEN], calls, dict(zip(phases, rest, strict=True)))


def _mark(clock: Clock) -> tuple[float, float, int, int]:
    """CPU seconds of this process, those with a name, how often one was entered, and calls of CuPy."""
    return time.process_time(), sum(clock.seconds.values()), sum(clock.times.values()), clock.times[DEVICE]


def _of_workers() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", type=int, default=524_288)
    parser.add_argument("--depth", type=int, default=30)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    clock = Clock()
    watch(clock)
    with TemporaryDirectory() as name:
        some, all_of = (prepare(Path(name, size), bases, args.depth, seed=1) for size, bases in (("a", args.bases // 4), ("b", args.bases)))
        measured(some, Path(name), clock)  # code is loaded
        before, after = (measured(data, Path(name), clock) for data in (some, all_of))
    n_reads, n_bases = all_of.n_reads - some.n_reads, args.bases - args.bases // 4
    more = {what: seconds - before.seconds.get(what, 0) for what, seconds in after.seconds.items() if what != DEVICE}
    more[LOOKS] = after.seconds[LOOKS] * n_bases / args.bases  # of windows together: that of fewer is no less
    n_batches = after.batches - before.batches
    aligning, calling = (after.rest[phase] - before.rest[phase] for phase in (ALIGNING, CALLING))
    result = {"reads": n_reads, "bases": n_bases, "depth": args.depth} | {
        "rows": [row(what, seconds, n_reads, n_bases) for what, seconds in (more | {"rest of calling": calling}).items()],
        "calls_of_cupy": {
            "a_batch_of_aligning": (after.calls[ALIGNING] - before.calls[ALIGNING]) / n_batches,
            "a_window": after.calls[CALLING] / args.bases * DEFAULT.window,
        },
        "rest_of_aligning_seconds_a_batch": aligning / n_batches,
    }
    report(result, args, versions("numba", "numpy"))


def row(what: str, seconds: float, n_reads: int, n_bases: int) -> dict[str, Any]:
    """What it takes for each read and base, and for 100 Mbp at 30x on 16 cores."""
    shared = what in SHARED or what == "workers"
    rates = {"us_a_read": 1e6 * seconds / n_reads, "s_a_megabase": 1e6 * seconds / n_bases}
    return {"what": what, "shared": shared} | rates | {"seconds_of_100_mbp": seconds / n_bases * N_BASES / (CORES if shared else 1)}


if __name__ == "__main__":
    main()
