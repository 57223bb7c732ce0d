"""The seed index of a genome: every syncmer of the reference, sorted by hash, with a directory of buckets.

Building reads the packed genome once and puts each seed into one of 256 partitions by its hash; then each partition is sorted by itself, in
place, so that memory stays near 8 to 10 bytes a seed (2 bytes a base). A folder appears whole: the genome and its index are built in a
temporary folder beside the target, which is renamed at the end. `seeds.json` names the digest of the genome the
index was made from, and a checksum of each array; an index of another genome, or one that was not finished or is damaged, is refused.

On disk and in memory: 8 bytes a seed (hash and position in one word), one seed in five bases, and 4 bytes a bucket, one for 2 to 4 seeds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe.align.alternative import alternative_contigs
from genopipe.errors import BadInput
from genopipe.formats.assembly import regions_to_mask, tell_assembly
from genopipe.formats.genome import build_genome, load_genome, save_array, unpack_into
from genopipe.kernels import seed as kernel
from genopipe.model import Genome
from genopipe.outputs import make_folder, temporary, writing
from genopipe.progress import log, progress

SCHEMA_VERSION = 4
_MANIFEST = "seeds.json"
_ARRAYS = {"entry": "seeds.entry.npy", "bucket": "seeds.bucket.npy"}
_STRETCH = 1 << 18
_PIECE = 1 << 25
_BUILD = "Run `genopipe reference build REF.fa.gz -o FOLDER` and use that folder."


@dataclass(frozen=True, slots=True)
class SeedIndex:
    """The seeds of a genome, sorted by hash.

    entry   (seeds) uint64: low 32 bits of the seed (31 of hash, 1 of strand) << 32 | first base of the seed in the concatenated genome
    bucket  (2 ** bucket_bits + 1) uint32: where the seeds with these top bits of hash begin
    alternative  names of the contigs whose seeds are held only where no other contig has them
    """

    entry: NDArray[np.uint64]
    bucket: NDArray[np.uint32]
    bucket_bits: int
    alternative: tuple[str, ...] = ()


def build_reference(
    fasta: Path, folder: Path, *, name: str, threads: int = 1, alt_file: Path | None = None, keep_pseudoautosomal: bool = False
) -> Genome:
    """Packs and indexes `fasta` into `folder`, which appears whole or not at all; an older one is replaced at the end.

    `alt_file` names contigs that are alternatives, besides those known by name; see `genopipe.align.alternative`. The pseudoautosomal
    regions of Y, the same as those of X, are masked unless they are to be kept.
    """
    mask = {} if keep_pseudoautosomal else regions_to_mask()
    with _whole_folder(folder) as partial:
        log.info("packing %s", fasta)
        genome = build_genome(fasta, partial, name=name, threads=threads, mask=mask)
        tell_assembly(genome, mask)
        write_index(build_index(genome, alternative_contigs(genome.contigs, alt_file)), genome, partial)
    return load_genome(folder)


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    make_folder(folder.parent)
    if folder.exists() and not (folder / "reference.json").exists() and any(folder.iterdir()):
        raise BadInput(
            "the folder exists and is no reference", wanted="a new folder or a reference to replace", do="Choose another.", path=folder
        )
    partial = folder.with_name(f".partial-{os.getpid()}-{folder.name}")
    with temporary(partial), writing(folder):
        partial.mkdir()
        yield partial
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)


def genome_digest(genome: Genome) -> str:
    """SHA-256 over where each contig begins and what it is: an index fits a genome only if both are the same."""
    text = "".join(f"{contig.start} {contig.length} {contig.refget}\n" for contig in genome.contigs)
    return hashlib.sha256(text.encode()).hexdigest()


def build_index(genome: Genome, alternative: Sequence[str] = ()) -> SeedIndex:
    """The seeds of all known bases of `genome`; of the contigs in `alternative` only those that no other contig has."""
    count = np.zeros(1 << kernel.PARTITION_BITS, np.int64)
    entry = _partitions(genome.length // 1000)
    for seed, position, n, offset in _stretches(genome):
        if count.max() + n > entry.shape[1]:
            entry = _larger(entry, count, n)
        kernel.scatter_seeds(seed, position, n, offset, count, entry)
    left_out = [(contig.start, contig.start + contig.length) for contig in genome.contigs if contig.name in alternative]
    return replace(_sorted_index(entry, count, np.array(left_out, np.int64).reshape(-1, 2)), alternative=tuple(alternative))


def _partitions(room: int) -> NDArray[np.uint64]:
    """(partitions, room) uint64. There is one seed in 1,280 bases for each partition, and memory is taken only where seeds are written."""
    lines = room // 8 | 1  # An odd number of cache lines: all partitions grow alike, and must not meet in the same set of the cache.
    return np.empty((1 << kernel.PARTITION_BITS, 8 * lines), np.uint64)


def _larger(entry: NDArray[np.uint64], count: NDArray[np.int64], n: int) -> NDArray[np.uint64]:
    """`entry` with room for at least `n` more seeds in each partition."""
    larger = _partitions(entry.shape[1] * 5 // 4 + n + 8)
    for old, new, used in zip(entry, larger, count.tolist(), strict=True):
        new[:used] = old[:used]
    return larger


def _sorted_index(entry: NDArray[np.uint64], count: NDArray[np.int64], left_out: NDArray[np.int64]) -> SeedIndex:
    """Sorts the first `count` seeds of each partition, notes where their buckets begin, and moves them together, all in place.

    left_out  (stretches, 2) int64: where seeds are held only if they are nowhere else
    """
    total = int(count.sum())
    bucket_bits = max(kernel.PARTITION_BITS, max(total, 1).bit_length() - 2)
    bucket = np.empty((1 << bucket_bits) + 1, np.uint32)
    together = entry.reshape(-1)
    start = 0
    for partition, used in enumerate(count.tolist()):
        rows = entry[partition, :used]
        rows.sort()
        if len(left_out):
            rows = rows[: kernel.drop_alternatives(rows, left_out[:, 0].copy(), left_out[:, 1].copy())]
        kernel.fill_buckets(rows, partition, bucket_bits, start, bucket)
        together[start : start + len(rows)] = rows
        start += len(rows)
    bucket[-1] = start
    return SeedIndex(together[:start], bucket, bucket_bits)


def _known_runs(genome: Genome) -> Iterator[tuple[int, int]]:
    """Start and end of the runs of known bases, none reaching over the border of a contig."""
    for contig in genome.contigs:
        first, last = contig.start, contig.start + contig.length
        rows = slice(np.searchsorted(genome.unknown_end, first, "right"), np.searchsorted(genome.unknown_start, last, "left"))
        borders = [first, *np.column_stack((genome.unknown_start[rows], genome.unknown_end[rows])).ravel().tolist(), last]
        yield from ((start, end) for start, end in zip(borders[::2], borders[1::2], strict=True) if start < end)


def _stretches(genome: Genome) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64], int, int]]:
    """Seeds, their positions, how many they are, and what to add to their positions, stretch by stretch."""
    code = np.empty(_STRETCH + kernel.K - 1, np.uint8)
    seed, position = np.empty(len(code), np.uint64), np.empty(len(code), np.int64)
    with progress("indexing", total=genome.length, unit="bases") as bases:
        for run_start, run_end in _known_runs(genome):
            for start in range(run_start, run_end, _STRETCH):
                length = min(run_end - start, len(code))
                unpack_into(genome.packed, start, code[:length])
                yield seed, position, kernel.syncmers(code, 0, length, seed, position), start
                bases.advance(min(length, _STRETCH))


def write_index(index: SeedIndex, genome: Genome, folder: Path) -> None:
    """Writes the index of `genome` into `folder`, its manifest last."""
    for array, file in _ARRAYS.items():
        save_array(folder / file, getattr(index, array))
    content = {
        "schema": SCHEMA_VERSION,
        "genome": genome_digest(genome),
        "k": kernel.K,
        "s": kernel.S,
        "hash_bits": kernel.HASH_BITS,
        "bucket_bits": index.bucket_bits,
        "alternative": list(index.alternative),
        "files": {file: (folder / file).stat().st_size for file in _ARRAYS.values()},
        "crc32": {"genome": _checksum(genome.packed)} | {array: _checksum(getattr(index, array)) for array in _ARRAYS},
    }
    with writing(folder / _MANIFEST):
        (folder / _MANIFEST).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _checksum(array: NDArray[np.uint32] | NDArray[np.uint64]) -> int:
    """CRC-32 of the array's bytes."""
    crc = 0
    for start in range(0, len(array), _PIECE):
        crc = isal_zlib.crc32(np.ascontiguousarray(array[start : start + _PIECE]).data.cast("B"), crc)
    return crc


def load_index(folder: Path, genome: Genome) -> SeedIndex:
    """The index in `folder`, mapped into memory.

    Raises BadInput where it is missing, unfinished, damaged (the packed genome is looked at too), or made from another genome.
    """
    path = folder / _MANIFEST
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise BadInput("the reference has no seed index", wanted=f"a folder with {_MANIFEST}", do=_BUILD, path=folder) from None
    except ValueError:
        raise BadInput("the manifest of the seed index is damaged", wanted="JSON", do=_BUILD, path=path) from None
    expected = {"schema": SCHEMA_VERSION, "k": kernel.K, "s": kernel.S, "hash_bits": kernel.HASH_BITS}
    if {key: content.get(key) for key in expected} != expected:
        raise BadInput("the seed index was made by another version", wanted="an index of this version", do=_BUILD, path=path)
    if content["genome"] != genome_digest(genome):
        raise BadInput("the seed index was made from another genome", wanted="an index of this genome", do=_BUILD, path=path)
    for file, size in content["files"].items():
        if not (folder / file).exists() or (folder / file).stat().st_size != size:
            raise BadInput("a file of the seed index is not whole", wanted=f"{size:,} bytes", do=_BUILD, path=folder / file)
    entry, bucket = (np.load(folder / file, mmap_mode="r") for file in _ARRAYS.values())
    for name, array in {"genome": genome.packed, "entry": entry, "bucket": bucket}.items():
        if _checksum(array) != content["crc32"][name]:
            file = folder / _ARRAYS[name] if name in _ARRAYS else folder
            raise BadInput(f"the {name} array of the reference is damaged", wanted=f"its checksum in {_MANIFEST}", do=_BUILD, path=file)
    return SeedIndex(entry, bucket, content["bucket_bits"], tuple(content["alternative"]))
