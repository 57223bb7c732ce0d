"""The evidence folder: data sets with versions, and locked sets of them, which are the only thing a run may name.

A data set is one Parquet object in a content-addressed store and a manifest that says what it is: name, kind, version, date, licence,
assembly, digest and number of records. `add` converts a file and writes both; adding the same file again changes nothing. `lock` freezes
the newest version of every data set (or of those named) into one file `E/NAME` with one digest, which every output of a run repeats. A
locked set never changes, and data sets on different assemblies are never locked together.

What the kinds hold is in `evidence_tables` and `evidence_variants`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from genopipe.errors import BadInput
from genopipe.interpret import evidence_annotations, evidence_files, evidence_genes, evidence_scores, evidence_tables, evidence_variants
from genopipe.interpret.evidence_digest import records_digest
from genopipe.interpret.normalise import contig_key
from genopipe.model import Genome
from genopipe.outputs import write_json, writing
from genopipe.progress import log
from genopipe.store import FolderStore, file_digest

SCHEMA_VERSION = 2
SMALLEST_SHARE = 0.8
"""A version with fewer records than this share of the one before is taken for damaged unless the user insists."""

COMMERCIAL = frozenset(
    {"apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc0", "cc0-1.0", "hpo", "mit", "public domain"}
)
"""Licences known to allow commercial use, in lower case."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = ("objects", "partial", "datasets")

TABLE_KINDS: Mapping[str, Callable[[Path, Path], int]] = {
    "hpo": evidence_tables.write_hpo,
    "hpo-annotations": evidence_annotations.write_annotations,
    "genes": evidence_tables.write_genes,
    "coding-exons": evidence_tables.write_coding_exons,
    "constraint": evidence_tables.write_constraint,
    "panel": evidence_genes.write_panel,
    "gene-list": evidence_genes.write_gene_list,
    "gene-names": evidence_genes.write_gene_names,
    "pgx-definitions": evidence_files.write_files,
}
VARIANT_KINDS = {"frequency": evidence_variants.write_frequency, "clinvar": evidence_variants.write_clinvar}
SCORE_KINDS = evidence_scores.KINDS
KINDS = (*TABLE_KINDS, *VARIANT_KINDS, *SCORE_KINDS)
GENE_MODELS = ("genes", "coding-exons")
"""Kinds that hold gene models, the better ones first."""
POSITIONAL = (*GENE_MODELS, *VARIANT_KINDS, *SCORE_KINDS)
"""Kinds whose records have places on an assembly."""
ONCE = ("hpo", "genes", "coding-exons", "constraint", "gene-names", "pgx-definitions")
"""Kinds of which a set holds one data set at most."""

_ASSEMBLIES = {
    "hg19": "GRCh37",
    "b37": "GRCh37",
    "hs37d5": "GRCh37",
    "hg38": "GRCh38",
    "hs38dh": "GRCh38",
    "grch37": "GRCh37",
    "grch38": "GRCh38",
}


@dataclass(frozen=True, slots=True)
class Release:
    """What the person who adds a data set says about it. `date` is ISO 8601, `assembly` None for data without places."""

    name: str
    version: str
    date: str
    licence: str
    assembly: str | None


@dataclass(frozen=True, slots=True)
class DataSet:
    """The manifest of one version of one data set.

    `digest` is that of its records, `object` that of the Parquet file which holds them here, `source` that of the file it came from.
    """

    name: str
    kind: str
    version: str
    date: str
    licence: str
    assembly: str | None
    digest: str
    object: str
    records: int
    source: str
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class EvidenceSet:
    """A locked set, and the store that holds its objects. `assembly` is None when nothing in it has places."""

    name: str
    digest: str
    assembly: str | None
    datasets: tuple[DataSet, ...]
    store: FolderStore

    def of_kind(self, kind: str) -> tuple[DataSet, ...]:
        return tuple(dataset for dataset in self.datasets if dataset.kind == kind)

    def one(self, kind: str) -> DataSet | None:
        return next(iter(self.of_kind(kind)), None)

    def table(self, dataset: DataSet) -> Path:
        """The Parquet file of a data set. Raises BadInput when it is missing."""
        if not self.store.has(dataset.object):
            raise BadInput(
                f"the records of {dataset.name} {dataset.version} are not in the evidence folder",
                wanted=f"object {dataset.object[:12]}",
                do="Restore the evidence folder, or add and lock the data again.",
                path=self.store.root,
            )
        return self.store.path(dataset.object)


def canonical_assembly(name: str) -> str:
    """GRCh37 or GRCh38 for their other names; every other name as it is."""
    return _ASSEMBLIES.get(re.sub(r"\.p\d+$", "", name).lower(), name)


def add(folder: Path, kind: str, *files: Path, release: Release, genome: Genome | None = None, may_shrink: bool = False) -> DataSet:
    """Converts `files` and keeps them as one data set; with `genome`, variants are left-aligned and their REF alleles checked.

    Several files are those of a data set of variants or scores that comes by contig; their order does not matter.

    Raises BadInput for a file or a description that does not fit, for another content under the same name and version, and for a
    version that has lost records, unless it `may_shrink`.
    """
    release = _checked(release, kind)
    store = FolderStore(folder)
    with store.scratch() as scratch, writing(folder):
        partial = scratch.with_suffix(".parquet")
        try:
            records = _convert(kind, files, partial, assembly=release.assembly or "", genome=genome)
            digests: Any = {"digest": records_digest(partial), "object": file_digest(partial)}
            dataset = DataSet(**asdict(release), **digests, kind=kind, records=records, source=evidence_files.source_digest(files))
            path = _manifest_path(folder, dataset)
            if not may_shrink:
                _check_size(folder, dataset)
            store.put_file(partial)
        finally:
            partial.unlink(missing_ok=True)
    write_json(path, asdict(dataset))
    log.info("%s %s: %s records", dataset.name, dataset.version, f"{records:,}")
    return dataset


def _convert(kind: str, files: Sequence[Path], target: Path, *, assembly: str, genome: Genome | None) -> int:
    for file in files:
        if file.is_dir() != (kind == "pgx-definitions"):
            came, wanted = ("a folder", "a file") if file.is_dir() else ("a file", "the folder of a PharmCAT release")
            raise BadInput(came, wanted=wanted, do="Check kind and path.", path=file)
    if kind in VARIANT_KINDS:
        return VARIANT_KINDS[kind](files, target, assembly=assembly, genome=genome)
    if kind in SCORE_KINDS:
        return evidence_scores.write_scores(kind, files, target, assembly=assembly, genome=genome)
    if len(files) > 1:
        raise BadInput(f"{len(files)} files", wanted=f"one file of {kind}", do="Add each as a data set of its own.", path=files[1])
    (file,) = files
    records = TABLE_KINDS[kind](file, target)
    if kind in GENE_MODELS and genome is not None:
        _check_places(file, target, genome)
    return records


def _check_places(source: Path, table: Path, genome: Genome) -> None:
    """Raises BadInput for gene models that cannot be on this genome; contigs that it lacks are passed over, unless it lacks all."""
    length = {contig_key(contig.name): contig.length for contig in genome.contigs}
    column = pq.read_table(table, columns=["contig", "end"]).to_pydict()
    last: dict[str, int] = {}
    for contig, end in zip(column["contig"], column["end"], strict=True):
        last[contig] = max(end, last.get(contig, 0))
    wanted, do = f"gene models on the assembly of the reference {genome.name}", "Use the release for this assembly."
    if not any(contig_key(contig) in length for contig in last):
        raise BadInput(f"no contig of the reference, but {', '.join(list(last)[:5])}", wanted=wanted, do=do, path=source)
    for contig, end in last.items():
        if end > length.get(contig_key(contig), end):
            came = f"a transcript ends at {end:,} on {contig}, which has {length[contig_key(contig)]:,} bases in the reference"
            raise BadInput(came, wanted=wanted, do=do, path=source)


def _checked(release: Release, kind: str) -> Release:
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1)
        raise BadInput(f"kind {kind!r}", wanted=", ".join(KINDS), do=f"Did you mean {near[0]}?" if near else "Choose one.", key="KIND")
    for key in ("name", "version"):
        value = getattr(release, key)
        if not _NAME.fullmatch(value):
            raise BadInput(f"{key} {value!r}", wanted="letters, digits, `.`, `_` and `-`", do="Choose another.", key=f"--{key}")
    if not _is_date(release.date):
        raise BadInput(f"date {release.date!r}", wanted="a date such as 2026-11-20", do="Give the date of the release.", key="--date")
    if kind not in POSITIONAL:
        return Release(release.name, release.version, release.date, release.licence, None)
    if release.assembly is None:
        raise BadInput(f"no assembly for {kind}", wanted="the assembly its positions are on", do="Add --assembly.", key="--assembly")
    return Release(release.name, release.version, release.date, release.licence, canonical_assembly(release.assembly))


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _manifest_path(folder: Path, dataset: DataSet) -> Path:
    """Where the manifest goes. Raises BadInput when another content is there."""
    path = folder / "datasets" / f"{dataset.name}@{dataset.version}.json"
    if path.exists():
        known = _dataset(json.loads(path.read_text()), path)
        if known.digest != dataset.digest or known.kind != dataset.kind:
            raise BadInput(
                f"{dataset.name} {dataset.version} is here with other content",
                wanted="a version of its own for each content",
                do="Give this file another --version.",
                path=path,
            )
    return path


def _check_size(folder: Path, dataset: DataSet) -> None:
    """Raises BadInput where the newest earlier version has many more records."""
    if not (folder / "datasets").is_dir():
        return
    earlier = [known for known in datasets(folder) if known.name == dataset.name and known.date <= dataset.date]
    if earlier and dataset.records < SMALLEST_SHARE * earlier[-1].records:
        raise BadInput(
            f"{dataset.name} {dataset.version} has {dataset.records:,} records, {earlier[-1].version} had {earlier[-1].records:,}",
            wanted=f"at least {SMALLEST_SHARE:.0%} of them",
            do="Check that the file is whole; --may-shrink if it is.",
        )


def datasets(folder: Path) -> tuple[DataSet, ...]:
    """Every data set in the folder, sorted by name, date and version. Raises BadInput where no evidence was ever added."""
    if not (folder / "datasets").is_dir():
        raise BadInput("there is no evidence here", wanted="a folder written by `genopipe evidence add`", do="Check --store.", path=folder)
    paths = sorted((folder / "datasets").glob("*.json"))
    found = (_dataset(json.loads(path.read_text()), path) for path in paths)
    return tuple(sorted(found, key=lambda dataset: (dataset.name, dataset.date, dataset.version)))


def _dataset(manifest: Mapping[str, Any], path: Path) -> DataSet:
    if manifest["schema"] != SCHEMA_VERSION:
        came = f"evidence of schema {manifest['schema']}"
        raise BadInput(came, wanted=f"schema {SCHEMA_VERSION}", do="Add the data to a new folder with this version of genopipe.", path=path)
    return DataSet(**manifest)


def lock(folder: Path, name: str, *, only: Iterable[str] = (), commercial: bool = False) -> EvidenceSet:
    """Freezes the newest version of every data set, or of those named in `only`, as the set `name`.

    Raises BadInput when there is nothing to lock, for mixed assemblies, for two data sets of a kind that a set holds once, for a
    name that is taken by another content, and, when `commercial`, for a licence that is not known to allow it.
    """
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise BadInput(f"set name {name!r}", wanted="letters, digits, `.`, `_` and `-`", do="Choose another name.", key="NAME")
    newest = {dataset.name: dataset for dataset in datasets(folder)}
    chosen = _chosen(newest, tuple(only), folder)
    _check_together(chosen, folder)
    if commercial:
        _check_licences(chosen, folder)
    content = [asdict(dataset) for dataset in chosen]
    digest = _set_digest(content)
    path = folder / name
    if path.exists() and json.loads(path.read_text())["digest"] != digest:
        raise BadInput(
            f"the set {name} is locked with other content", wanted="a new name for a new set", do="Choose another name.", path=path
        )
    write_json(path, {"schema": SCHEMA_VERSION, "name": name, "digest": digest, "datasets": content})
    return open_set(path)


def _set_digest(content: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of the data sets as JSON, without the names of their objects, which depend on the version of pyarrow."""
    told = [{key: value for key, value in dataset.items() if key != "object"} for dataset in content]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _chosen(newest: Mapping[str, DataSet], only: tuple[str, ...], folder: Path) -> list[DataSet]:
    for name in only:
        if name not in newest:
            raise BadInput(
                f"no data set {name!r}", wanted=", ".join(newest) or "a data set", do="See `genopipe evidence list`.", path=folder
            )
    chosen = [dataset for name, dataset in sorted(newest.items()) if not only or name in only]
    if not chosen:
        raise BadInput("nothing to lock", wanted="at least one data set", do="Add data with `genopipe evidence add`.", path=folder)
    return chosen


def _check_together(chosen: list[DataSet], folder: Path) -> None:
    assemblies = {dataset.assembly: dataset.name for dataset in chosen if dataset.assembly is not None}
    if len(assemblies) > 1:
        story = ", ".join(f"{name} is on {assembly}" for assembly, name in sorted(assemblies.items()))
        raise BadInput(
            f"mixed assemblies: {story}", wanted="one assembly in a set", do="Name the data sets to lock with --dataset.", path=folder
        )
    for kind in ONCE:
        names = [dataset.name for dataset in chosen if dataset.kind == kind]
        if len(names) > 1:
            raise BadInput(
                f"{len(names)} data sets of kind {kind}: {', '.join(names)}",
                wanted="one of them in a set",
                do="Name the data sets to lock with --dataset.",
                path=folder,
            )


def _check_licences(chosen: list[DataSet], folder: Path) -> None:
    for dataset in chosen:
        if dataset.licence.lower() not in COMMERCIAL:
            raise BadInput(
                f"{dataset.name} has the licence {dataset.licence!r}, not known to allow commercial use",
                wanted=f"one of {', '.join(sorted(COMMERCIAL))}",
                do="Leave it out with --dataset, or get a licence and lock without --commercial.",
                path=folder,
            )


def open_set(path: Path) -> EvidenceSet:
    """The locked set at `E/NAME`. Raises BadInput when there is none, or when its digest is not that of its content."""
    if not path.is_file():
        is_evidence = (path.parent / "datasets").is_dir()
        locked = sorted(other.name for other in path.parent.iterdir() if other.is_file()) if is_evidence else []
        wanted = f"a locked set, such as {', '.join(locked)}" if locked else "a set made by `genopipe evidence lock`"
        raise BadInput(f"no evidence set {path.name!r}", wanted=wanted, do="Check the name, or lock one.", path=path)
    try:
        document: dict[str, Any] = json.loads(path.read_text())
        content = document["datasets"]
        digest = _set_digest(content)
        intact = digest == document["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            "this is no evidence set", wanted="a file made by `genopipe evidence lock`", do="Check the path.", path=path
        ) from error
    if not intact:
        raise BadInput("the set was changed after it was locked", wanted="its locked content", do="Lock a new set.", path=path)
    members = tuple(_dataset(dataset, path) for dataset in content)
    assembly = next((dataset.assembly for dataset in members if dataset.assembly is not None), None)
    return EvidenceSet(document["name"], digest, assembly, members, FolderStore(path.parent))
