"""The genome an archived CRAM was encoded against: kept as objects too, so that the archive decodes it alone.

A reference folder's `genome.fa.gz` with its two indexes becomes three objects, shared by every sample. To decode, they are linked under
the names htslib looks for. The header inside a CRAM names each contig with the digest of that very sequence.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from isal import igzip

from genopipe.archive.workshop import Workshop
from genopipe.formats.bam_stream import contigs_of
from genopipe.formats.genome import fasta_path, load_genome
from genopipe.model import Genome
from genopipe.store import Store

_SHARE_READ_WHOLE = 0.8
"""htslib reads half a contig or more as a whole."""
_PIECE_BYTES = 1 << 16
_PARTS = {"fasta": "", "index": ".fai", "blocks": ".gzi"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference folder, open."""

    folder: Path
    genome: Genome

    @classmethod
    def load(cls, folder: Path) -> Reference:
        """Opens a folder made by `genopipe reference build`."""
        return cls(folder, load_genome(folder))

    @property
    def fasta(self) -> Path:
        return fasta_path(self.folder)

    def keep(self, store: Store) -> dict[str, Any]:
        """Stores the sequences and gives the part of a manifest that names them."""
        parts = {part: store.put_file(Path(f"{self.fasta}{suffix}")) for part, suffix in _PARTS.items()}
        return {"name": self.genome.name, **parts}


def link_reference(reference: dict[str, Any] | None, shop: Workshop) -> Path | None:
    """Lays checked links to the reference's objects into the workshop's folder under the names that htslib looks for."""
    if reference is None:
        return None
    fasta = shop.folder / f"{reference['fasta']}.fa.gz"
    for part, suffix in _PARTS.items():
        link = Path(f"{fasta}{suffix}")
        if not link.is_symlink():
            link.symlink_to(shop.local(reference[part]).resolve())
    return fasta


def part_reference(reference: dict[str, Any], stretches: list[tuple[str, int, int]], shop: Workshop) -> Path:
    """A FASTA with holes in the workshop's folder: some stretches (contig, 0-based half-open), all else unread.

    htslib compares the digest of what it takes from it with the one in the CRAM.
    """
    fasta = shop.folder / f"{reference['fasta']}.part.fa"
    index, blocks = (_small(reference[part], shop) for part in ("index", "blocks"))
    line = {name: tuple(map(int, rest[:4])) for name, *rest in (line.split("\t") for line in index.decode().splitlines())}
    with open(fasta, "wb") as target, shop.store.open_parts(reference["fasta"]) as source:
        for contig, start, end in stretches:
            length, offset, bases, width = line[contig]
            start, end = (start, end) if 2 * (end - start) < length * _SHARE_READ_WHOLE else (0, length)
            first, last = (offset + at // bases * width + at % bases for at in (start, max(min(end, length) - 1, start)))
            for at, payload in _blocks(source, blocks, first, last + 1):
                target.seek(at)
                target.write(payload)
    Path(f"{fasta}.fai").write_bytes(index)
    return fasta


def _small(digest: str, shop: Workshop) -> bytes:
    """The bytes of a small object, fetched once."""
    kept = shop.folder / digest
    if not kept.exists():
        kept.write_bytes(shop.store.read(digest))
    return kept.read_bytes()


def _blocks(source: BinaryIO, blocks: bytes, first: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The blocks of a BGZF file with its plain bytes first to end: where each begins in the plain file, and what it holds."""
    place = np.concatenate((np.zeros((1, 2), np.uint64), np.frombuffer(blocks, "<u8", offset=8).reshape(-1, 2))).astype(np.int64)
    block = int(np.searchsorted(place[:, 1], first, side="right")) - 1
    at = int(place[block, 1])
    source.seek(int(place[block, 0]))
    with igzip.open(source, "rb") as plain:  # type: ignore[no-untyped-call]
        while at < end and (payload := plain.read(min(_PIECE_BYTES, end - at))):
            yield at, payload
            at += len(payload)


def known_contigs(header: bytes, genome: Genome) -> dict[str, str]:
    """By name, the MD5 of those contigs of a BAM that the genome has under the same name and length."""
    own = {(contig.name, contig.length): contig.md5 for contig in genome.contigs}
    return {name: own[name, length] for name, length in contigs_of(header) if (name, length) in own}


def cram_header(header: bytes, md5: dict[str, str]) -> bytes:
    """The BAM header a CRAM gets: the original's lines, but each @SQ only with name, length and the MD5 of the sequence encoded against."""
    text = header[8 : 8 + int(struct.unpack_from("<i", header, 4)[0])].rstrip(b"\0").decode("latin-1")
    others = [line for line in text.split("\n") if line and not line.startswith("@SQ\t")]
    first = [line for line in others if line.startswith("@HD\t")]
    said = dict(re.findall(r"^@SQ\t(?:.*\t)?SN:([^\t\n]+)(?:.*)\tM5:([0-9a-fA-F]{32})(?:\t|$)", text, re.MULTILINE))
    sequences = []
    for name, length in contigs_of(header):
        digest = md5.get(name) or said.get(name)
        sequences.append(f"@SQ\tSN:{name}\tLN:{length}" + (f"\tM5:{digest}" if digest else ""))
    lines = first + sequences + [line for line in others if line not in first]
    new = "".join(line + "\n" for line in lines).encode("latin-1")
    references = header[8 + int(struct.unpack_from("<i", header, 4)[0]) :]
    return b"BAM\1" + struct.pack("<i", len(new)) + new + references
