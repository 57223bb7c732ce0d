"""The catalogue: what the archived samples carry and the archived cases found, as Parquet that any engine reads as it is.

| file | holds |
|---|---|
| `catalogue/variants/bin=CONTIG_NUMBER/PART.parquet` | the normalised variants of one sample of one VCF in one stretch of 2^27 bases |
| `catalogue/findings/PART.parquet` | the ranked genes of one case |
| `catalogue/entries/PART.json` | what a part is of; written last, so that a part is listed whole or not at all |

PART is drawn from digests, so nobody is named in a path. Everything here can be made again from the archived files. The rows of a part are
sorted by position, ref and alt.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genopipe.archive.manifests import Manifest, canonical
from genopipe.errors import BadInput
from genopipe.store import Files

VERSION = 2
BIN_BITS = 27
"""A bin has 2^27 bases: two for the longest contig, and some 150,000 variants of a whole genome."""

DATABASE = "catalogue/cohort.duckdb"
"""What questions are asked of, in a folder: made of the Parquet by `genopipe.archive.query`."""

_WORD = pa.dictionary(pa.int32(), pa.string())
VARIANTS = pa.schema(
    {
        "sample": _WORD,
        "contig": _WORD,
        "position": pa.int32(),
        "ref": pa.string(),
        "alt": pa.string(),
        "alt_count": pa.int8(),
        "ploidy": pa.int8(),
        "depth": pa.int32(),
        "alt_depth": pa.int32(),
        "genotype_quality": pa.int32(),
        "passed": pa.bool_(),
    }
)
FINDINGS = pa.schema(
    {
        "case_id": _WORD,
        "gene": pa.string(),
        "rank": pa.float64(),
        "score": pa.float64(),
        "phenotype_score": pa.float64(),
        "variant_score": pa.float64(),
        "mode": _WORD,
        "variant": pa.string(),
        "acmg": _WORD,
        "candidate": pa.bool_(),
    }
)
"""One row for each variant of a gene, or for the gene where it has none; `variant` is CHROM-POS-REF-ALT, position from 1."""


class Catalogue:
    """The catalogue among the files of an archive."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def parts(self) -> list[str]:
        """The names of all parts that are whole, sorted."""
        return [Path(found.name).stem for found in self.files.listed("catalogue/entries/")]

    def entry(self, part: str) -> dict[str, Any]:
        """What a part is of. Raises BadInput where it cannot be read."""
        try:
            document: dict[str, Any] = json.loads(self.files.read(_entry_name(part)))
            if document["entry"] != VERSION:
                raise BadInput(
                    f"the catalogue has version {document['entry']!r}",
                    wanted=f"version {VERSION}",
                    do="Use a newer genopipe, or make the catalogue again with `genopipe archive catalogue`.",
                    path=self.files.place,
                )
        except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
            raise BadInput(
                f"the catalogue's entry {part} cannot be read",
                wanted="an entry written by `genopipe archive put`",
                do="Make the catalogue again with `genopipe archive catalogue`.",
                path=self.files.place,
            ) from error
        return document

    def has(self, part: str) -> bool:
        """True when the part is whole."""
        return self.files.found(_entry_name(part)) is not None

    def write_contig(self, part: str, table: pa.Table) -> dict[str, int]:
        """Writes the variants of one sample on one contig; gives the number of records by bin. `enter_variants` makes the part whole."""
        records = {}
        for name, stretch in _binned(table):
            self._write(_variants_name(name, part), stretch)
            records[name] = len(stretch)
        return records

    def enter_variants(self, part: str, about: dict[str, Any], records: dict[str, int]) -> None:
        """Lists a part whose contigs are all written."""
        self._enter(part, about | {"kind": "variants", "bins": list(records), "records": sum(records.values())})

    def add_case(self, part: str, about: dict[str, Any], findings: pa.Table | None) -> None:
        """Writes a case, and the genes it ranked where it has findings."""
        if findings is not None:
            self._write(_findings_name(part), findings)
        self._enter(part, about | {"kind": "case", "findings": findings is not None})

    def table(self, part: str, stretch: str | None, folder: Path) -> Path:
        """The Parquet file of a part's variants in a bin, or of its findings: the catalogue's own, or a copy in `folder`."""
        name = _findings_name(part) if stretch is None else _variants_name(stretch, part)
        return self._local(name, folder / f"{part}.parquet")

    def remove(self, part: str) -> None:
        """Takes a part away, its entry first, and the database with what it holds of it; nothing happens where there is none."""
        if self.has(part):
            entry = self.entry(part)
            for name in (_entry_name(part), *_names(entry), DATABASE, f"{DATABASE}.wal"):
                self.files.delete(name)

    def forget(self, digests: set[str]) -> None:
        """Takes away all parts of the files with these digests."""
        for part in self.parts():
            if self.entry(part)["file"]["digest"] in digests:
                self.remove(part)

    def clear(self) -> None:
        """Takes everything away, entries first."""
        for folder in ("catalogue/entries/", "catalogue/"):
            for found in list(self.files.listed(folder)):
                self.files.delete(found.name)

    def _local(self, name: str, copy: Path) -> Path:
        path = getattr(self.files, "path", None)
        if path is not None:
            own: Path = path(name)
            return own
        copy.write_bytes(self.files.read(name))
        return copy

    def _write(self, name: str, table: pa.Table) -> None:
        with tempfile.NamedTemporaryFile(suffix=".parquet") as partial:
            pq.write_table(table, partial.name, compression="zstd")
            self.files.replace(name, Path(partial.name))

    def _enter(self, part: str, about: dict[str, Any]) -> None:
        self.files.replace(_entry_name(part), canonical({"entry": VERSION, "part": part, **about}))


def part_of(manifest: Manifest, sample: str) -> str:
    """The part of one sample (or case) of an archived file: 32 hex digits that name nobody."""
    named = "\0".join((manifest.digest, manifest.name, manifest.sample or "", str(manifest.version), sample))
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def described(manifest: Manifest) -> dict[str, Any]:
    """The file that a part is of."""
    return {"digest": manifest.digest, "name": manifest.name, "sample": manifest.sample, "version": manifest.version}


def bin_name(contig: str, number: int) -> str:
    """The name of the N-th bin of a contig."""
    return f"{quote(contig, safe='')}_{number}"


def place_of(name: str) -> tuple[str, int]:
    """Contig and number of a bin."""
    contig, _, number = name.rpartition("_")
    return unquote(contig), int(number)


def _binned(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Name and variants, sorted, of each bin of one contig."""
    contig = table["contig"][0].as_py()
    ordered = table.sort_by([(name, "ascending") for name in ("position", "ref", "alt")]).select(VARIANTS.names).cast(VARIANTS)
    number = pc.shift_right(ordered["position"], pa.scalar(BIN_BITS, pa.int32()))
    numbers: list[Any] = pc.unique(number).to_pylist()
    for each in numbers:
        yield bin_name(contig, each), ordered.filter(pc.equal(number, pa.scalar(each, pa.int32())))


def _names(entry: dict[str, Any]) -> list[str]:
    """The Parquet files of an entry."""
    part = entry["part"]
    return [_variants_name(name, part) for name in entry.get("bins", ())] + ([_findings_name(part)] if entry.get("findings") else [])


def _variants_name(stretch: str, part: str) -> str:
    return f"catalogue/variants/bin={stretch}/{part}.parquet"


def _findings_name(part: str) -> str:
    return f"catalogue/findings/{part}.parquet"


def _entry_name(part: str) -> str:
    return f"catalogue/entries/{part}.json"
