"""CPU or GPU: which one a run uses, decided once, and how arrays and kernels reach a GPU. The only importer of CuPy.

`auto` takes the CPU as long as no GPU has been measured; `gpu` without a device is an error, never a silent fallback. What was taken goes
into the log and the run record. Of several cards a run takes one that no other run of this machine has: one process, one GPU.

A kernel is called through a `Gpu`: its array module (CuPy's functions are NumPy's), and `launch`, which compiles a CUDA file by NVRTC for
the device at hand. The machine code is kept in a folder of the user's cache, under a digest of sources, options and compiler. CuPy does not
compile it, as it would add an option that flushes denormals. Tests put an object in the place of the card that runs the sources on the CPU.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from genopipe.device.sources import Source, compile_source, cubin_folder
from genopipe.errors import BadEnvironment

if TYPE_CHECKING:
    from numpy.typing import NDArray

Request = Literal["auto", "cpu", "gpu"]
Device = Literal["cpu", "gpu"]

WORKING_MEMORY, MOST_WORKING_MEMORY = 1 << 30, 4 << 30
"""Bytes on the device for batches under way: without so many there is no beginning; with more, what is there may stay there."""

LARGE = 1 << 20
"""Bytes from which on an array is worth page-locked memory."""

log = logging.getLogger("genopipe")


class Gpu(Protocol):
    """Where arrays live and kernels run.

    xp     the array module: what `xp.empty`, `xp.asarray` or `xp.cumsum` give is on the device
    warps  how many warps keep the device busy
    """

    xp: Any
    warps: int

    def launch(self, source: Source, entry: str, grid: tuple[int, int], *arguments: Any) -> None:
        """Runs the kernel `entry` on grid = (blocks, threads of a block); arguments are device arrays and NumPy scalars."""

    def put(self, array: NDArray[Any]) -> Any:
        """A host array of many bytes, copied to the device."""

    def host(self, array: Any) -> NDArray[Any]:
        """A device array, copied to the host."""

    def fetched(self, arrays: Sequence[Any]) -> Callable[[], list[NDArray[Any]]]:
        """Begins to copy device arrays to the host, beside what is given to the device next; what it gives waits for them."""

    def locked(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy from which `uploaded` is fastest."""

    def empty_locked(self, n_bytes: int) -> NDArray[np.uint8]:
        """Memory of the host to fill, from which `uploaded` is fastest."""

    def room(self, row_bytes: int) -> int:
        """Rows of so many bytes that a step may take for itself, at least 1."""

    def need(self, n_bytes: int, what: str) -> None:
        """Raises BadEnvironment where there is no room for `what`, which is to stay on the device."""

    def kept(self, array: Any) -> Any | None:
        """A copy that is to stay on the device, apart from what comes and goes; None where that would not leave enough for the latter."""

    def address(self, array: Any) -> int:
        """Where a device array begins, for kernels that are given many arrays."""

    def finish(self) -> None:
        """Waits for everything that was given to the device, by whichever thread, and lets go of memory that is not in use."""

    def uploaded(self, batches: Iterable[Sequence[NDArray[Any]]]) -> Iterator[list[Any]]:
        """Batches of host arrays, best `locked` ones, as arrays of the device."""

    def stream(self) -> AbstractContextManager[object]:
        """Within it, what this thread gives the device is ordered among itself only, and runs beside the work of other threads."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card is; memory in bytes, versions as CUDA counts them (13000 is 13.0)."""

    name: str
    compute_capability: str
    multiprocessors: int
    memory: int
    free_memory: int
    driver: int
    runtime: int
    nvrtc: str


class Card:
    """A real GPU, through CuPy. Raises BadEnvironment where there is none."""

    def __init__(self) -> None:
        if not gpu_present():
            raise _no_gpu()
        import cupy

        self._cupy: Any = cupy
        self.xp: Any = cupy
        self.warps = 32 * int(self._cupy.cuda.Device().attributes["MultiProcessorCount"])
        self._of_thread = threading.local()
        self._lasting = self._cupy.cuda.MemoryPool()
        self._compiling = threading.Lock()
        self.compiled = functools.cache(self._compiled)
        self.kernel = functools.cache(self._kernel)

    def _compiled(self, source: Source) -> Any:
        """The CuPy module of a source; its machine code is kept."""
        nvrtc, architecture = self._cupy.cuda.nvrtc, f"sm_{self._cupy.cuda.Device().compute_capability}"
        cubin = cubin_folder() / f"{source.digest(architecture, str(nvrtc.getVersion()))}.cubin"
        with self._compiling:
            if not cubin.exists():
                cubin.parent.mkdir(parents=True, exist_ok=True)
                partial = cubin.with_suffix(f".{os.getpid()}")
                partial.write_bytes(compile_source(nvrtc, source, architecture))
                partial.replace(cubin)
            return self._cupy.RawModule(path=str(cubin))

    def _kernel(self, source: Source, entry: str) -> Any:
        """The CuPy kernel, whose `num_regs` and `local_size_bytes` tell what it takes."""
        return self.compiled(source).get_function(entry)

    def launch(self, source: Source, entry: str, grid: tuple[int, int], *arguments: Any) -> None:
        """See `Gpu.launch`."""
        self.kernel(source, entry)((grid[0],), (grid[1],), arguments)

    def put(self, array: NDArray[Any]) -> Any:
        """See `Gpu.put`. CuPy's `asarray` would page-lock as much memory again, and keep it."""
        there = self.xp.empty(array.shape, array.dtype)
        if array.size:
            there.set(array)
            # CUDA may read memory of the host after the call, also what is not page-locked
            self._cupy.cuda.get_current_stream().synchronize()
        return there

    def host(self, array: Any) -> NDArray[Any]:
        """See `Gpu.host`. Large arrays stay in the page-locked memory that they come into."""
        (here,) = self.fetched([array])()
        return here if here.nbytes >= LARGE else here.copy()

    def fetched(self, arrays: Sequence[Any]) -> Callable[[], list[NDArray[Any]]]:
        """See `Gpu.fetched`."""
        # of each thread one, or they would wait for each other's work
        downloads, held = self._stream_of_thread("downloads"), list(arrays)
        downloads.wait_event(self._cupy.cuda.get_current_stream().record())
        here = [_locked_memory(array.shape, array.dtype) for array in held]
        for array, locked in zip(held, here, strict=True):
            if array.size:
                array.get(stream=downloads, out=locked, blocking=False)
        copied = self._marked(downloads)

        def wait() -> list[NDArray[Any]]:
            copied.synchronize()
            held.clear()  # only now may their memory be used again
            return here

        return wait

    def locked(self, array: NDArray[Any]) -> NDArray[Any]:
        """See `Gpu.locked`: page-locked memory."""
        locked = _locked_memory(array.shape, array.dtype)
        locked[...] = array
        return locked

    def empty_locked(self, n_bytes: int) -> NDArray[np.uint8]:
        """See `Gpu.empty_locked`."""
        return _locked_memory((n_bytes,), np.uint8)

    def room(self, row_bytes: int) -> int:
        """See `Gpu.room`: half of what is free."""
        return max(1, self._free() // (2 * row_bytes))

    def need(self, n_bytes: int, what: str) -> None:
        """See `Gpu.need`."""
        if self._free() < n_bytes + WORKING_MEMORY:
            raise BadEnvironment(
                f"{self._free() >> 20:,} MB of GPU memory are free",
                wanted=f"at least {(n_bytes + WORKING_MEMORY >> 20) + 1:,} MB for {what}",
                do="End other programs on the GPU, take a larger one, or use --device cpu.",
                key="--device",
            )

    def kept(self, array: Any) -> Any | None:
        """See `Gpu.kept`: from a pool of its own, so that what comes and goes does not find gaps between."""
        for _ in range(2 if self._free() >= array.nbytes + MOST_WORKING_MEMORY else 0):
            with suppress(MemoryError):
                there = self.xp.ndarray(array.shape, array.dtype, memptr=self._lasting.malloc(array.nbytes))
                there[...] = array
                return there
            # what the other pool keeps for later use is free, too, but not to this one
            self._cupy.get_default_memory_pool().free_all_blocks()
        return None

    def address(self, array: Any) -> int:
        """See `Gpu.address`."""
        return int(array.data.ptr)

    def finish(self) -> None:
        """See `Gpu.finish`."""
        self._cupy.cuda.Device().synchronize()
        self._cupy.get_default_memory_pool().free_all_blocks()

    def _free(self) -> int:
        """Free bytes, those included that CuPy keeps for later use."""
        return int(self._cupy.cuda.runtime.memGetInfo()[0]) + int(self._cupy.get_default_memory_pool().free_bytes())

    def stream(self) -> AbstractContextManager[object]:
        """See `Gpu.stream`."""
        own: AbstractContextManager[object] = self._stream_of_thread("work")
        return own

    def _stream_of_thread(self, what: str) -> Any:
        """This thread's own stream for something."""
        if not hasattr(self._of_thread, what):
            setattr(self._of_thread, what, self._cupy.cuda.Stream(non_blocking=True))
        return getattr(self._of_thread, what)

    def _marked(self, stream: Any) -> Any:
        """An event behind what the stream was given; who waits for it leaves the core to others."""
        return stream.record(self._cupy.cuda.Event(block=True, disable_timing=True))

    def facts(self) -> CardFacts:
        """What this card is."""
        runtime, device = self._cupy.cuda.runtime, self._cupy.cuda.Device()
        name = runtime.getDeviceProperties(device.id)["name"]
        free, memory = runtime.memGetInfo()
        return CardFacts(
            name.decode() if isinstance(name, bytes) else str(name),
            str(device.compute_capability),
            int(device.attributes["MultiProcessorCount"]),
            int(memory),
            int(free),
            int(runtime.driverGetVersion()),
            int(runtime.runtimeGetVersion()),
            ".".join(map(str, self._cupy.cuda.nvrtc.getVersion())),
        )

    def uploaded(self, batches: Iterable[Sequence[NDArray[Any]]]) -> Iterator[list[Any]]:
        """See `Gpu.uploaded`: while one batch is worked on, the next is copied by a second stream."""
        work = self._cupy.cuda.get_current_stream()
        copies = self._cupy.cuda.Stream(non_blocking=True)
        waiting: tuple[list[Any], list[NDArray[Any]], Any] | None = None
        for batch in batches:
            here = [self.xp.empty(array.shape, array.dtype) for array in batch]
            # the memory may still be in use by work that was given earlier
            copies.wait_event(work.record())
            for target, source in zip(here, batch, strict=True):
                if source.size:
                    target.set(source, stream=copies)
            following = here, list(batch), self._marked(copies)
            if waiting is not None:
                yield _arrived(work, *waiting)
            waiting = following
        if waiting is not None:
            yield _arrived(work, *waiting)


def _locked_memory(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Page-locked memory for such an array. CuPy keeps it for later use in sizes of powers of two."""
    import cupyx

    locked: NDArray[Any] = cupyx.empty_pinned(shape, dtype) if 0 not in shape else np.empty(shape, dtype)
    return locked


def _arrived(work: Any, here: list[Any], sources: list[NDArray[Any]], copied: Any) -> list[Any]:
    """The arrays of a batch, when their copy is done: only then may the memory of the host be used again."""
    work.wait_event(copied)
    copied.synchronize()
    sources.clear()
    return here


def gpu_present() -> bool:
    """True when CuPy is installed and sees a device."""
    try:
        import cupy

        return bool(cupy.cuda.is_available())
    except ImportError:
        return False


def take(request: Request) -> Device:
    """The device that this process works on, as `resolve` gives it; of several cards one that no other run has taken.

    To be asked before anything else touches a card: the others are hidden from this process.
    """
    if request == "gpu":
        _hide_other_cards(_cards_of_system())
    return resolve(request)


def _hide_other_cards(cards: Sequence[str]) -> None:
    """Of CUDA_VISIBLE_DEVICES, or of these cards, leaves the first one whose lock is free, which is held until this process ends."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = cards if visible is None else visible.split(",")
    folder = Path(tempfile.gettempdir(), f"genopipe-cards-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    for card in cards if len(cards) > 1 else ():
        lock = open(folder / card.replace("/", "_"), "w")  # noqa: SIM115  held until this process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        os.environ["CUDA_VISIBLE_DEVICES"] = card
        log.info("card: %s of %d", card, len(cards))
        return
    if len(cards) > 1:
        log.warning("all %d cards are taken by other runs; the first one is shared", len(cards))


def _cards_of_system(folder: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """The UUIDs of the cards that the driver tells of, in the order of their places on the bus."""
    told = [path.read_text() for path in sorted(folder.glob("*/information"))]
    return [found[1] for text in told if (found := re.search(r"^GPU UUID:\s+(GPU-[0-9a-f-]+)$", text, re.MULTILINE))]


def resolve(request: Request) -> Device:
    """The device a run uses, which is logged. Raises BadEnvironment for `gpu` where there is none."""
    if request == "gpu" and not gpu_present():
        raise _no_gpu()
    taken: Device = "gpu" if request == "gpu" else "cpu"
    log.info("device: %s", taken)
    return taken


def _no_gpu() -> BadEnvironment:
    do = "Use --device cpu, or install the driver and `pip install 'genopipe[gpu]'`."
    return BadEnvironment("no GPU was found", wanted="an NVIDIA GPU with its driver, and CuPy", do=do, key="--device")


_using: list[Gpu] = []
_locks: list[IO[str]] = []


@contextmanager
def using(gpu: Gpu | None) -> Iterator[None]:
    """Within it, in all threads, kernels that take and give host arrays run on `gpu`, where it is one."""
    if gpu is None:
        yield
        return
    _using.append(gpu)
    try:
        yield
    except MemoryError as error:
        raise out_of_memory() from error
    finally:
        _using.pop()


def out_of_memory() -> BadEnvironment:
    """For a MemoryError, which CuPy's error is too."""
    do = "End other programs on the GPU, take a larger one, or use --device cpu."
    return BadEnvironment("memory ran out while the GPU was at work", wanted="more memory on the GPU or here", do=do, key="--device")


def in_use() -> Gpu | None:
    """The GPU that kernels run on, if any; see `using`."""
    return _using[-1] if _using else None


def default_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))
