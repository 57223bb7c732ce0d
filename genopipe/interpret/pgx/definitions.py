"""Named alleles as PharmCAT's definition tables give them: positions of a gene, and the alleles that each name asks for there.

A folder with `GENE_translation.json` files, and beside them `exemptions.json`, is read in place; nothing of it is kept. The alleles of a
definition are read as VCF alleles, with one letter codes of IUPAC where several bases will do. A position that a definition leaves open
has the reference allele.

Source: PharmCAT, Named Allele Matcher, its documentation of definition tables and exemptions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.interpret.normalise import trim

BUILD = "GRCh38"
_IUPAC = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_DOWNLOAD = "Take the definition tables from a PharmCAT release."


@dataclass(frozen=True, slots=True)
class Position:
    """A place that definitions look at. `start` is 0-based; `alleles` are the reference and the known others, as in a VCF."""

    contig: str
    start: int
    alleles: tuple[str, ...]
    rsid: str | None

    @property
    def end(self) -> int:
        return self.start + len(self.alleles[0])

    @property
    def name(self) -> str:
        """CHROM-POS-REF, position from 1, with the rsID where there is one."""
        return f"{self.contig}-{self.start + 1}-{self.alleles[0]}" + (f" ({self.rsid})" if self.rsid else "")

    def changes(self) -> list[tuple[int, str, str]]:
        """The known alleles besides the reference as trimmed changes, in the order of `alleles`."""
        return [trim(self.start, self.alleles[0], alt) for alt in self.alleles[1:]]


@dataclass(frozen=True, slots=True)
class NamedAllele:
    """`wanted` holds for each position of the gene the allele numbers that this name allows; None where it leaves the position open."""

    name: str
    reference: bool
    wanted: tuple[frozenset[int] | None, ...]


@dataclass(frozen=True, slots=True)
class GeneDefinition:
    """One gene's table; `preferred` gives for sets of diplotypes that explain unphased genotypes alike the one to take."""

    gene: str
    version: str
    positions: tuple[Position, ...]
    alleles: tuple[NamedAllele, ...]
    required: frozenset[int]
    core_name: Mapping[str, str]
    preferred: Mapping[frozenset[str], str]


def read_definitions(folder: Path) -> dict[str, GeneDefinition]:
    """All genes defined in `folder` and below, by gene symbol.

    Raises BadInput where there is none, a table is damaged, of another build, or a gene is defined twice.
    """
    exemptions = _exemptions(folder)
    genes: dict[str, GeneDefinition] = {}
    for path in sorted(folder.rglob("*_translation.json")):
        table = _json(path)
        gene = str(table.get("gene"))
        if gene in genes:
            raise BadInput(f"a second definition of {gene}", wanted="one of each gene", do="Name the folder of one release.", path=path)
        genes[gene] = _definition(table, exemptions.get(gene, {}), path)
    if not genes:
        raise BadInput("no definition tables", wanted="GENE_translation.json files", do=_DOWNLOAD, path=folder)
    return genes


def read_table(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """A JSON object that has `keys`. Raises BadInput."""
    table = _json(path)
    absent = [key for key in keys if key not in table]
    if absent:
        raise BadInput(f"no {absent[0]!r}", wanted=f"the keys {', '.join(keys)}", do=_DOWNLOAD, path=path)
    return table


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadInput(f"no JSON ({error.msg})", wanted="a whole JSON file", do=_DOWNLOAD, path=path, line=error.lineno) from error
    except UnicodeDecodeError as error:
        raise BadInput("no text in UTF-8", wanted="a whole JSON file", do=_DOWNLOAD, path=path) from error
    if not isinstance(table, dict):
        raise BadInput("JSON that is no object", wanted="a table", do=_DOWNLOAD, path=path)
    return table


def _exemptions(folder: Path) -> dict[str, Any]:
    paths = sorted(folder.rglob("exemptions.json"))
    return _json(paths[0]) if paths else {}


def _definition(table: dict[str, Any], exemption: Mapping[str, Any], path: Path) -> GeneDefinition:
    try:
        if not str(table["genomeBuild"]).startswith(BUILD):
            raise BadInput(f"positions of {table['genomeBuild']}", wanted=f"positions of {BUILD}", do=_DOWNLOAD, path=path)
        ignored = {place["position"] for place in exemption.get("ignoredPositions", ())}
        if not table["variants"] or not table["namedAlleles"]:
            raise BadInput("a gene without positions or names", wanted="a whole table", do=_DOWNLOAD, path=path)
        columns = [i for i, place in enumerate(table["variants"]) if place["position"] not in ignored]
        positions = tuple(_position(table["variants"][i]) for i in columns)
        core = dict(table.get("suballelesMap") or {})
        return GeneDefinition(
            gene=table["gene"],
            version=table["version"],
            positions=positions,
            alleles=tuple(_alleles(table, columns, positions, set(exemption.get("ignoredAlleles", ())), path)),
            required=frozenset(place - 1 for place in exemption.get("requiredPositions", ())),
            core_name=core,
            preferred={frozenset(priority["list"]): priority["pick"] for priority in exemption.get("unphasedDiplotypePriorities", ())},
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadInput(f"unlike a definition table ({error!r})", wanted="PharmCAT's form", do=_DOWNLOAD, path=path) from error


def _position(place: Mapping[str, Any]) -> Position:
    return Position(place["chromosome"], place["position"] - 1, (place["ref"], *place["alts"]), place["rsid"])


def _alleles(
    table: Mapping[str, Any], columns: list[int], positions: tuple[Position, ...], ignored: set[str], path: Path
) -> Iterator[NamedAllele]:
    for named in table["namedAlleles"]:
        if named["name"] in ignored or named.get("structuralVariant"):
            continue
        wanted = tuple(_wanted(named["alleles"][i], position, path) for i, position in zip(columns, positions, strict=True))
        if any(wanted):
            yield NamedAllele(named["name"], bool(named["reference"]), wanted)


def _wanted(allele: str | None, position: Position, path: Path) -> frozenset[int] | None:
    if allele is None:
        return None
    spelled = [allele] if allele in position.alleles else list(_IUPAC.get(allele, allele))
    found = frozenset(position.alleles.index(base) for base in spelled if base in position.alleles)
    if not found or not (allele in position.alleles or re.fullmatch("[A-Z]", allele)):
        raise BadInput(f"allele {allele!r} at {position.name}", wanted=f"one of {position.alleles}", do=_DOWNLOAD, path=path)
    return found
