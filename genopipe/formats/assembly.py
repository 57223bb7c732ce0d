"""What is known of the human assemblies, by the digests of their sequences: the manifests in `reference/`.

The pseudoautosomal regions of Y are the same as those of X: reads of both would lie at two places, with mapping quality 0. An analysis set
is an assembly made ready for alignment: these regions and false copies masked, with decoys or the Epstein-Barr virus for reads that come
from nowhere else. A genome that is a known assembly but no analysis set is told, with what it lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from genopipe.formats.contig_names import manifests_folder
from genopipe.formats.genome import Mask
from genopipe.model import Genome
from genopipe.progress import log

_WHOLE = 20
"""Contigs known of an assembly that make a genome of it, not a part."""

_NAMED = 5

Regions = tuple[tuple[int, int], ...]
"""Start and end of stretches of a sequence."""


@cache
def _manifests() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(path.read_text()) for path in sorted(manifests_folder().glob("*.json")))


def chromosome(name: str, md5: str | None) -> str:
    """Which chromosome a contig is, such as `7`, `X` or `MT`: by its digest, else by its name, which one that is none keeps."""
    bare = _first_names().get(md5 or "", name).removeprefix("chr")
    return "MT" if bare == "M" else bare


@cache
def _first_names() -> dict[str, str]:
    return {contig["md5"]: contig["names"][0] for manifest in _manifests() for contig in manifest["contigs"]}


def assemblies_of(name: str, length: int) -> frozenset[str]:
    """The assemblies on which a contig of that name has that length."""
    return _by_length().get((name, length), frozenset())


@cache
def _by_length() -> dict[tuple[str, int], frozenset[str]]:
    found: dict[tuple[str, int], frozenset[str]] = {}
    for manifest in _manifests():
        for key in ((name, contig["length"]) for contig in manifest["contigs"] for name in contig["names"]):
            found[key] = found.get(key, frozenset()) | {manifest["assembly"]}
    return found


def pseudoautosomal(md5: str | None, length: int) -> Regions:
    """The pseudoautosomal regions of a sequence of X or Y, by its digest, else by its length: other bases may be masked in it."""
    by_digest, by_length = _sex_chromosomes()
    return by_digest.get(md5 or "") or by_length.get(length, ())


@cache
def pseudoautosomal_of(assembly: str | None) -> dict[str, Regions]:
    """By chromosome, X or Y, the pseudoautosomal regions of a known assembly; of another none."""
    contigs = [contig for manifest in _manifests() if manifest["assembly"] == assembly for contig in manifest["contigs"]]
    return {contig["names"][0].removeprefix("chr"): _regions(contig) for contig in contigs if "pseudoautosomal" in contig}


@cache
def _sex_chromosomes() -> tuple[dict[str, Regions], dict[int, Regions]]:
    found = [(contig, _regions(contig)) for manifest in _manifests() for contig in manifest["contigs"] if "pseudoautosomal" in contig]
    return {contig["md5"]: regions for contig, regions in found}, {contig["length"]: regions for contig, regions in found}


def _regions(contig: dict[str, Any]) -> Regions:
    return tuple((start, end) for start, end in contig["pseudoautosomal"])


def regions_to_mask() -> Mask:
    """The pseudoautosomal regions of the known sequences of Y in which they are not masked."""
    contigs = [contig for manifest in _manifests() if "analysis_set" not in manifest for contig in manifest["contigs"]]
    known = [contig for contig in contigs if "pseudoautosomal" in contig and "chrY" in contig["names"]]
    return {contig["md5"]: _regions(contig) for contig in known}


def tell_assembly(genome: Genome, mask: Mask) -> None:
    """Logs what was masked, and warns where the genome is a known assembly but not its analysis set."""
    for contig in genome.contigs:
        if contig.md5 in mask:
            log.info("the pseudoautosomal regions of %s are masked", contig.name)
    for assembly in sorted({manifest["assembly"] for manifest in _manifests()}):
        ready = [manifest for manifest in _manifests() if manifest["assembly"] == assembly and "analysis_set" in manifest]
        plain = [manifest for manifest in _manifests() if manifest["assembly"] == assembly and "analysis_set" not in manifest]
        for manifest in ready:
            _compare(genome, mask, manifest, {contig["md5"] for other in plain for contig in other["contigs"]})


def _compare(genome: Genome, mask: Mask, analysis_set: dict[str, Any], plain: set[str]) -> None:
    """Warns of the contigs of `genome` that are `plain` ones, not those of the analysis set, and of those it lacks."""
    wanted = {contig["md5"]: contig["names"] for contig in analysis_set["contigs"]}
    if sum(contig.md5 in wanted or contig.md5 in plain for contig in genome.contigs) < _WHOLE:
        return
    names = {contig.name for contig in genome.contigs} | {name for contig in genome.contigs for name in wanted.get(contig.md5, ())}
    found = [contig.name for contig in genome.contigs if contig.md5 in plain and contig.md5 not in {*wanted, *mask}]
    lacks = [contig["names"][0] for contig in analysis_set["contigs"] if not names.intersection(contig["names"])]
    faults = [f"{what} {_list(which)}" for what, which in (("not masked:", found), ("not there:", lacks)) if which]
    if faults:
        log.warning(
            "this %s is no analysis set (%s); recommended: %s", analysis_set["assembly"], "; ".join(faults), analysis_set["analysis_set"]
        )


def _list(names: Iterable[str]) -> str:
    first = [*names]
    return ", ".join(first[:_NAMED]) + (f" and {len(first) - _NAMED} more" if len(first) > _NAMED else "")
