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
from typing import Any

from genopipe.archive.workshop import Workshop
from genopipe.formats.genome import fasta_path, load_genome
from genopipe.model import Genome
from genopipe.store import Store

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


def contigs_of(header: bytes) -> Iterator[tuple[str, int]]:
    """Name and length of each reference sequence in a plain BAM header."""
    at = 8 + int(struct.unpack_from("<i", header, 4)[0])
    n_references = int(struct.unpack_from("<i", header, at)[0])
    at += 4
    for _ in range(n_references):
        size = int(struct.unpack_from("<i", header, at)[0])
        name = header[at + 4 : at + 3 + size].decode("latin-1")
        yield name, int(struct.unpack_from("<i", header, at + 4 + size)[0])
        at += 8 + size


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
