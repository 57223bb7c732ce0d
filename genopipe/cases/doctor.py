"""Whether this machine can do the work, and what to do where it cannot; and the kernels compiled once, so that no case waits for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genopipe import device
from genopipe.align.choose_on_gpu import PAIR
from genopipe.align.on_gpu import PLACE
from genopipe.config import load_settings
from genopipe.errors import GenopipeError
from genopipe.installed import shared_folder
from genopipe.kernels import fastq_on_gpu, on_gpu
from genopipe.kernels.packed_on_gpu import PACKED
from genopipe.outputs import temporary_folder

GIB = 1 << 30
CUDA_SOURCES = (on_gpu.SEED, on_gpu.EXTEND, PLACE, PAIR, fastq_on_gpu.FASTQ, PACKED, on_gpu.PILEUP, on_gpu.PAIRHMM)
"""Those of `align` and `secondary`."""

GENOME_MEGABASES, GENOME_READS = 3100, 620_000_000
"""A human genome at 30x, in reads of 150 bases."""

GENOME_MEMORY, GENOME_DISK = 24, 300
"""GiB that such a genome needs."""

ALIGNED_READS, CALLED_MEGABASES = 38_000, 0.5
"""Done in a second by one core, as measured (benchmarks/results): reads on 3.1 Gbp, calling on smaller genomes."""

INDEX_BYTES, PACKED_BYTES = 1.932, 0.25
"""For a base of the genome, as measured on 3.1 Gbp: the index, and the bases."""

PACKED_READ_BYTES = 116, 228
"""With four different qualities, and with more than sixteen."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, whether a case can run with it, and what to do otherwise."""

    name: str
    found: str
    good: bool
    do: str = ""


def examine(folder: Path) -> Iterator[Check]:
    """Every check in turn; `folder` is where results would go."""
    yield Check("cores", str(device.default_threads()), True)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Check("memory", f"{memory / GIB:.0f} GiB", memory >= 4 * GIB, "The demonstration needs 4 GiB, a human genome 24 GiB.")
    free = shutil.disk_usage(folder).free
    yield Check("disk", f"{free / GIB:.0f} GiB free", free >= 2 * GIB, "The demonstration needs 2 GiB, a 30x human genome about 300 GiB.")
    yield Check("folder", str(folder), os.access(folder, os.W_OK), "Change its permissions or work in another folder.")
    card = _gpu()
    yield card
    yield _genome(memory, free)
    if device.gpu_present():
        yield _genome_on_gpu()
    yield _configuration()
    yield _workflow()


def _gpu() -> Check:
    """The card with what a kernel needs of it: driver, free memory, and NVRTC, which compiles."""
    if not device.gpu_present():
        return Check("gpu", "none; the kernels run on the CPU", good=True)
    try:
        card = device.Card().facts()
    except (ImportError, OSError, RuntimeError) as error:
        return Check("gpu", f"a GPU that cannot be used: {error}", good=False, do="Install `genopipe[gpu]` anew, or set device: cpu.")
    free = f"{card.free_memory / GIB:.0f} of {card.memory / GIB:.0f} GiB free"
    driver = f"driver for CUDA {card.driver // 1000}.{card.driver % 1000 // 10}"
    return Check("gpu", f"{card.name}, {free}, {driver}, NVRTC {card.nvrtc} (used with --device gpu)", good=True)


def _genome(memory: int, free: int) -> Check:
    """What a human genome takes, and what of it is not there; smaller cases run all the same."""
    cores = device.default_threads()
    hours = (GENOME_READS / ALIGNED_READS + GENOME_MEGABASES / CALLED_MEGABASES) / cores / 3600
    takes = f"at least {hours:.1f} h to align and call on these cores, {GENOME_MEMORY} GiB of memory, {GENOME_DISK} GiB of disk"
    needs = {"memory": (memory, GENOME_MEMORY), "disk": (free, GENOME_DISK)}
    lacking = " and ".join(name for name, (there, needed) in needs.items() if round(there / GIB) < needed)
    return Check("30x-genome", f"{takes}; too little {lacking} here" if lacking else takes, good=True)


def _genome_on_gpu() -> Check:
    """What of the card's memory is left for reads beside a human index; the time is not known before a card has been measured."""
    resident = GENOME_MEGABASES * 10**6 * (INDEX_BYTES + PACKED_BYTES)
    needed = f"{resident / GIB:.1f} GiB of the card for index and genome, {device.WORKING_MEMORY / GIB:.0f} GiB or more for reads under way"
    few, many = (GENOME_READS * n // GIB for n in PACKED_READ_BYTES)
    return Check("30x-genome-gpu", f"{needed}; {few} to {many} GiB of reads, on the card or in memory; time not measured", good=True)


def _configuration() -> Check:
    try:
        settings = load_settings({})
    except GenopipeError as error:
        return Check("configuration", str(error), good=False, do=error.do)
    return Check("configuration", ", ".join(f"{key}={value}" for key, value in settings.value.items() if value is not None), good=True)


def _workflow() -> Check:
    try:
        return Check("workflow", str(shared_folder()), good=True)
    except GenopipeError as error:
        return Check("workflow", str(error), good=False, do=error.do)


def warm_kernels() -> None:
    """Compiles every kernel into the cache on disk by taking a tiny simulated newborn from reads to the archive."""
    from genopipe.cases.demo import small_chain

    with temporary_folder() as folder:
        small_chain(folder)
    if device.gpu_present():
        card = device.Card()
        for source in CUDA_SOURCES:
            card.compiled(source)
