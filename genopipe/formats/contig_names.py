"""Which contig of the genome a name in somebody else's file means: `20`, `chr20` and `NC_000020.11` may all be the same sequence.

In this order: the same name; the same MD5, where the file gives one; an alias of the genome's own sequence, known by digest from the
manifests in `reference/`; last the naming habits (with or without `chr`, and MT, M, chrM, chrMT), only for a sequence that no manifest
knows. Everything but the same name is logged once. A name that stands for another sequence in the manifests is never guessed at: chrM of
hg19 is not MT.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.installed import shared_folder
from genopipe.model import Contig, Genome
from genopipe.progress import log

_MITOCHONDRION = ("MT", "M", "chrM", "chrMT")


def manifests_folder() -> Path:
    """The folder with the manifests of known genomes. Raises BadEnvironment where it is missing."""
    return shared_folder() / "reference"


@cache
def _known_names() -> dict[str, frozenset[str]]:
    """By MD5, all names that the known genomes give a sequence."""
    names: dict[str, frozenset[str]] = {}
    for path in sorted(manifests_folder().glob("*.json")):
        for contig in json.loads(path.read_text())["contigs"]:
            names[contig["md5"]] = names.get(contig["md5"], frozenset()).union(contig["names"])
    return names


def resolve_contig(genome: Genome, name: str, *, md5: str | None = None, path: Path | None = None, line: int | None = None) -> Contig:
    """The contig of `genome` that `name` means in a file; `md5` is the digest that file gives it, if any.

    Raises BadInput, with `path` and `line`, where there is none, or where the same name has another digest. Looks through all contigs:
    resolve each distinct name of a file once.
    """
    same = next((contig for contig in genome.contigs if contig.name == name), None)
    if same is not None:
        if md5 is not None and md5.lower() != same.md5:
            raise _other_sequence(genome, same, md5, path, line)
        return same
    for reason, search in (("same digest", _by_digest), ("known alias", _by_alias), ("naming habit", _by_habit)):
        found = search(genome, name, md5)
        if found is not None:
            _tell(genome.name, name, found.name, reason)
            return found
    raise _unknown_name(genome, name, path, line)


@cache
def _tell(genome_name: str, name: str, contig_name: str, reason: str) -> None:
    log.info("contig %s is taken as %s of the reference %s (%s)", name, contig_name, genome_name, reason)


def _by_digest(genome: Genome, name: str, md5: str | None) -> Contig | None:
    if md5 is None:
        return None
    return next((contig for contig in genome.contigs if contig.md5 == md5.lower()), None)


def _by_alias(genome: Genome, name: str, md5: str | None) -> Contig | None:
    known = _known_names()
    return next((contig for contig in genome.contigs if name in known.get(contig.md5, ())), None)


def _by_habit(genome: Genome, name: str, md5: str | None) -> Contig | None:
    if name in _MITOCHONDRION:
        habits = [other for other in _MITOCHONDRION if other != name]
    else:
        habits = [name[3:] if name.startswith("chr") else "chr" + name]
    known = _known_names()
    return next((contig for contig in genome.contigs if contig.name in habits and contig.md5 not in known), None)


def _other_sequence(genome: Genome, contig: Contig, md5: str, path: Path | None, line: int | None) -> BadInput:
    came = f"contig {contig.name!r} has the MD5 {md5}"
    wanted = f"{contig.md5}, as in the reference {genome.name!r}"
    return BadInput(came, wanted=wanted, do="Use the reference that this file was made with.", path=path, line=line)


def _unknown_name(genome: Genome, name: str, path: Path | None, line: int | None) -> BadInput:
    names = [contig.name for contig in genome.contigs]
    near = difflib.get_close_matches(name, names, 3, 0.4) or names[:3]
    wanted = f"a contig of the reference {genome.name!r}, such as {', '.join(near)}"
    return BadInput(
        f"there is no contig {name!r}", wanted=wanted, do="Correct the name or use the matching reference.", path=path, line=line
    )
