"""The packed genome: a FASTA file once turned into a folder that every command opens in no time.

Building streams the FASTA once: letters go to `genome.fa.gz` (bgzip with `.fai` and `.gzi`), two bits a base to `genome.packed.npy`, runs
of anything but A, C, G, T, and what is masked, to `genome.unknown.npy`, and the digests of every contig to `reference.json`, which is
written last, so that a folder without it is no genome. Loading maps the arrays into memory and compares the sizes of the files with what
`reference.json` says.

Contigs stand one after another, each beginning at a multiple of 32; the bases between them are part of the runs of unknown bases. A contig
whose length is a multiple of 32 has none behind it: who reads the concatenated genome looks at the contigs' ends. Contig names of other
people's files are matched by `genopipe.formats.contig_names`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.contig_names import manifests_folder, resolve_contig
from genopipe.formats.fasta import FastaWriter, Piece, read_fasta
from genopipe.model import BASES, UNKNOWN_BASE, Contig, Genome
from genopipe.outputs import make_folder, whole_file, writing

__all__ = [
    "build_genome",
    "fasta_path",
    "fetch",
    "load_genome",
    "locate",
    "manifests_folder",
    "resolve_contig",
    "save_array",
    "unpack",
    "unpack_into",
]

SCHEMA_VERSION = 1
LARGEST_GENOME = 1 << 32
"""Positions in the concatenated genome are held in 32 bits."""
LARGEST_CONTIG = (1 << 31) - 1
"""The SAM specification's limit for LN."""
WORD_BASES = 32

_MANIFEST = "reference.json"
_PACKED = "genome.packed.npy"
_UNKNOWN = "genome.unknown.npy"
_FASTA = "genome.fa.gz"
_FILES = (_PACKED, _UNKNOWN, _FASTA, _FASTA + ".fai", _FASTA + ".gzi")
Mask = Mapping[str, Sequence[tuple[int, int]]]
"""By the MD5 of a contig, stretches of it, start and end."""

_BUILD = "Run `genopipe reference build REF.fa.gz -o FOLDER` and use that folder."


def _code_table() -> NDArray[np.uint8]:
    table = np.full(256, UNKNOWN_BASE, np.uint8)
    for code in range(UNKNOWN_BASE):
        table[BASES[code]] = code
    return table


_CODE = _code_table()


@njit(cache=True, nogil=True)
def _pack_words(letter: NDArray[np.uint8], code: NDArray[np.uint8], word: NDArray[np.uint64]) -> None:
    """Packs `32 * len(word)` letters; what is none of A, C, G, T becomes 0."""
    for w in range(len(word)):
        bits = np.uint64(0)
        for i in range(32):
            bits |= np.uint64(code[letter[32 * w + i]] & 3) << np.uint64(2 * i)
        word[w] = bits


@njit(cache=True, nogil=True)
def _unknown_runs(letter: NDArray[np.uint8], code: NDArray[np.uint8], run: NDArray[np.int64]) -> int:
    """Fills `run` (2, runs) with start and end of every run of letters that are none of A, C, G, T; gives how many."""
    n = 0
    inside = False
    for i in range(len(letter)):
        unknown = code[letter[i]] > 3
        if unknown and not inside:
            run[0, n] = i
        elif inside and not unknown:
            run[1, n] = i
            n += 1
        inside = unknown
    if inside:
        run[1, n] = len(letter)
        n += 1
    return n


@njit(cache=True, nogil=True)
def unpack_into(packed: NDArray[np.uint64], start: int, out: NDArray[np.uint8]) -> None:
    """Fills `out` with the codes 0 to 3 of the bases from `start` on; unknown bases come out as 0."""
    for i in range(len(out)):
        position = start + i
        out[i] = (packed[position >> 5] >> np.uint64(2 * (position & 31))) & np.uint64(3)


def build_genome(fasta: Path, folder: Path, *, name: str, threads: int = 1, mask: Mask | None = None) -> Genome:
    """Packs `fasta` (plain, gzip or bgzip) into `folder` and loads it.

    `mask` names stretches of contigs by their MD5 whose bases are taken as unknown; letters and digests stay those of the FASTA.
    Files in `folder` are written in place: build in a temporary folder and rename it. Raises BadInput for FASTA that `read_fasta` refuses,
    a contig without bases or too long, and a genome of more than 4.29 Gbp.
    """
    make_folder(folder)
    with whole_file(folder / _PACKED) as packed, FastaWriter(folder / _FASTA, threads=threads) as copy, open(packed, "wb") as words:
        builder = _Builder(words, copy, fasta, mask or {})
        for contig_name, pieces in groupby(read_fasta(fasta), key=lambda piece: piece.name):
            builder.add_contig(contig_name, pieces)
        builder.end()
    with whole_file(folder / _UNKNOWN) as unknown:
        save_array(unknown, builder.unknown())
    with whole_file(folder / _MANIFEST) as manifest:
        manifest.write_text(_manifest_text(folder, name, builder))
    return load_genome(folder)


class _Builder:
    """Packs contig after contig: holds what is between two pieces, never a whole contig."""

    def __init__(self, words: BinaryIO, copy: FastaWriter, source: Path, mask: Mask) -> None:
        self.contigs: list[Contig] = []
        self._words, self._copy, self._source, self._mask = words, copy, source, mask
        self._n_words = 0
        self._runs: list[list[int]] = []
        self.masked: dict[str, list[tuple[int, int]]] = {}
        self._write_array_header()

    def add_contig(self, name: str, pieces: Iterable[Piece]) -> None:
        start, length = WORD_BASES * self._n_words, 0
        rest = np.empty(0, np.uint8)
        md5, sha512 = hashlib.md5(usedforsecurity=False), hashlib.sha512()
        self._copy.begin(name)
        for piece in pieces:
            self._copy.add(piece.letter)
            md5.update(piece.letter.data)
            sha512.update(piece.letter.data)
            self._note_unknown(piece.letter, start + length)
            length += len(piece.letter)
            self._check_length(name, length, start + length)
            rest = self._pack(np.concatenate((rest, piece.letter)))
        if not length:
            raise self._error(f"contig {name!r} has no bases", wanted="at least one base")
        self._pad(rest, start + length)
        if md5.hexdigest() in self._mask:
            self.masked[name] = list(self._mask[md5.hexdigest()])
        refget = "SQ." + base64.urlsafe_b64encode(sha512.digest()[:24]).decode()
        self.contigs.append(Contig(name, start, length, md5.hexdigest(), refget))

    def end(self) -> None:
        """Writes the true length into the array header."""
        self._words.seek(0)
        self._write_array_header()

    def unknown(self) -> NDArray[np.int64]:
        """(2, runs) int64: starts and ends, those of masked stretches among them."""
        runs: list[list[int]] = []
        masked = [[c.start + start, c.start + end] for c in self.contigs for start, end in self.masked.get(c.name, ())]
        for start, end in sorted(self._runs + masked):
            if runs and start <= runs[-1][1]:
                runs[-1][1] = max(runs[-1][1], end)
            else:
                runs.append([start, end])
        return np.array(runs, np.int64).reshape(-1, 2).T.copy()

    def _pack(self, letter: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Writes all whole words of `letter` and gives back the letters that are left."""
        word = np.empty(len(letter) // WORD_BASES, np.uint64)
        _pack_words(letter, _CODE, word)
        self._words.write(word.tobytes())
        self._n_words += len(word)
        return letter[WORD_BASES * len(word) :]

    def _pad(self, rest: NDArray[np.uint8], end: int) -> None:
        padding = -end % WORD_BASES
        if padding:
            self._pack(np.concatenate((rest, np.full(padding, ord("N"), np.uint8))))
            self._add_run(end, end + padding)

    def _note_unknown(self, letter: NDArray[np.uint8], offset: int) -> None:
        run = np.empty((2, len(letter) // 2 + 1), np.int64)
        for i in range(_unknown_runs(letter, _CODE, run)):
            self._add_run(offset + int(run[0, i]), offset + int(run[1, i]))

    def _add_run(self, start: int, end: int) -> None:
        if self._runs and self._runs[-1][1] == start:
            self._runs[-1][1] = end
        else:
            self._runs.append([start, end])

    def _write_array_header(self) -> None:
        shape: dict[str, Any] = {"descr": "<u8", "fortran_order": False, "shape": (self._n_words,)}
        np.lib.format.write_array_header_1_0(self._words, shape)

    def _check_length(self, name: str, length: int, end: int) -> None:
        if length > LARGEST_CONTIG:
            raise self._error(f"contig {name!r} is longer than {LARGEST_CONTIG:,} bases", wanted="contigs that SAM can hold")
        if end > LARGEST_GENOME:
            raise self._error(f"the genome is larger than {LARGEST_GENOME:,} bases", wanted="at most 4.29 Gbp")

    def _error(self, came: str, *, wanted: str) -> BadInput:
        return BadInput(came, wanted=wanted, do="Leave that sequence out, or split the FASTA file.", path=self._source)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Writes `array` as an .npy file. `numpy.save` does not say why it fails, so a full disk would not be told as one."""
    with writing(path), open(path, "wb") as out:
        np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(array))
        out.write(np.ascontiguousarray(array).data)


def _manifest_text(folder: Path, name: str, builder: _Builder) -> str:
    content = {
        "schema": SCHEMA_VERSION,
        "name": name,
        "contigs": [{"name": c.name, "start": c.start, "length": c.length, "md5": c.md5, "refget": c.refget} for c in builder.contigs],
        "masked": builder.masked,
        "files": {file: (folder / file).stat().st_size for file in _FILES},
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def load_genome(folder: Path) -> Genome:
    """The genome in `folder`, its arrays mapped into memory.

    Raises BadInput when the folder is missing, was not made by this version of the format, or its files are not whole.
    """
    manifest = _read_manifest(folder)
    for file, size in manifest["files"].items():
        _check_size(folder / file, size)
    unknown = np.load(folder / _UNKNOWN, mmap_mode="r")
    packed = np.load(folder / _PACKED, mmap_mode="r")
    return Genome(manifest["name"], tuple(Contig(**contig) for contig in manifest["contigs"]), packed, unknown[0], unknown[1])


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput("this is no reference folder", wanted=f"a folder with {_MANIFEST}", do=_BUILD, path=folder) from error
    except ValueError as error:
        raise BadInput("the manifest is damaged", wanted="JSON", do=_BUILD, path=path) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA_VERSION:
        found = manifest.get("schema") if isinstance(manifest, dict) else None
        raise BadInput(f"the reference has format version {found}", wanted=f"version {SCHEMA_VERSION}", do=_BUILD, path=path)
    return manifest


def _check_size(path: Path, size: int) -> None:
    found = path.stat().st_size if path.exists() else 0
    if found != size:
        raise BadInput(f"the reference file has {found:,} bytes", wanted=f"{size:,} bytes as in {_MANIFEST}", do=_BUILD, path=path)


def fasta_path(folder: Path) -> Path:
    """The bgzip FASTA with `.fai` and `.gzi` beside it, for programs that read FASTA."""
    return folder / _FASTA


def unpack(genome: Genome, start: int, end: int) -> NDArray[np.uint8]:
    """(end - start) uint8: codes 0 to 3, 4 where the base is unknown or between contigs. Positions are those of the concatenated genome."""
    assert 0 <= start <= end <= WORD_BASES * len(genome.packed), (start, end)
    out = np.empty(end - start, np.uint8)
    unpack_into(genome.packed, start, out)
    first = int(np.searchsorted(genome.unknown_end, start, "right"))
    last = int(np.searchsorted(genome.unknown_start, end, "left"))
    for run in range(first, last):
        out[max(int(genome.unknown_start[run]) - start, 0) : int(genome.unknown_end[run]) - start] = UNKNOWN_BASE
    return out


def fetch(genome: Genome, contig_name: str, start: int, end: int) -> NDArray[np.uint8]:
    """(end - start) uint8: the codes of a stretch of one contig, as `unpack` gives them."""
    contig = next((contig for contig in genome.contigs if contig.name == contig_name), None)
    assert contig is not None, contig_name
    assert 0 <= start <= end <= contig.length, (contig_name, start, end)
    return unpack(genome, contig.start + start, contig.start + end)


def locate(genome: Genome, position: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Contig index and position in that contig of positions in the concatenated genome, both int64 in the shape of `position`."""
    contig_start = np.array([contig.start for contig in genome.contigs], np.int64)
    contig_index = np.searchsorted(contig_start, position, "right") - 1
    return contig_index, position - contig_start[contig_index]
