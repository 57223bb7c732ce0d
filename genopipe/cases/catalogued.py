"""What is put into an archive, into its catalogue: the variants of VCF files, normalised, and cases with their findings.

The archive keeps files; this joins them with what reads them. A VCF that cannot be catalogued is kept all the same, and a warning says why.
Left out are gVCFs, whose variants stand in the VCF made of them, and `findings.vcf.gz`, which repeats some of the case's VCF.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from genopipe.archive.catalogue import FINDINGS, Catalogue, described, part_of
from genopipe.archive.get import get_file
from genopipe.archive.manifests import CASE_FILE, VCF_FILE, Manifest
from genopipe.archive.opened import Archive
from genopipe.cases.case_record import read_case_record
from genopipe.errors import BadInput
from genopipe.formats.vcf_genotypes import VcfSamples, open_vcf
from genopipe.interpret.evidence import canonical_assembly
from genopipe.interpret.places import placed
from genopipe.model import Genome
from genopipe.outputs import temporary_folder
from genopipe.progress import log, progress
from genopipe.store import Location

_NO_SAMPLE_FILE = ("##ALT=<ID=NON_REF,", "##ALT=<ID=*,", "##genopipe_evidence=")


def catalogue_files(archive: Archive, files: Iterable[tuple[Manifest, Path]], *, genome: Genome | None) -> None:
    """Catalogues those of the archived files that are VCFs with samples or case records; what is there already stays."""
    catalogue = Catalogue(archive.files)
    for manifest, path in files:
        if manifest.name.endswith(VCF_FILE):
            _try_variants(catalogue, manifest, path, genome)
        elif manifest.name.endswith(CASE_FILE):
            _add_case(catalogue, archive, manifest, path)


def make_again(location: Location, *, genome: Genome | None) -> int:
    """Makes the catalogue again from the archived files, the last version of each; gives the number of parts."""
    archive = Archive.existing(location)
    catalogue = Catalogue(archive.files)
    wanted = [manifest for manifest in archive.manifests() if manifest.name.endswith((*VCF_FILE, CASE_FILE))]
    latest = list({(manifest.sample, manifest.name): manifest for manifest in wanted}.values())
    catalogue.clear()
    with temporary_folder() as folder, progress("catalogued", total=len(latest), unit="files") as counter:
        for number, manifest in enumerate(latest):
            path = folder / str(number) / manifest.name
            get_file(location, manifest.digest, path)
            catalogue_files(archive, [(manifest, path)], genome=genome)
            path.unlink()
            counter.advance()
    return len(catalogue.parts())


def _try_variants(catalogue: Catalogue, manifest: Manifest, path: Path, genome: Genome | None) -> None:
    try:
        vcf = open_vcf(path)
        if not any(line.startswith(_NO_SAMPLE_FILE) for line in vcf.header):
            _add_variants(catalogue, manifest, vcf, genome)
    except BadInput as reason:
        log.warning("kept, but not in the catalogue: %s", reason)


def _add_variants(catalogue: Catalogue, manifest: Manifest, vcf: VcfSamples, genome: Genome | None) -> None:
    missing = [sample for sample in vcf.samples if not catalogue.has(part_of(manifest, sample))]
    if not missing:
        return
    records: dict[str, dict[str, int]] = {sample: {} for sample in missing}
    for contig, by_sample in _by_contig(vcf, genome):
        for sample in records.keys() & by_sample.keys():
            named = by_sample[sample].append_column("sample", pa.array([sample] * len(by_sample[sample])))
            written = catalogue.write_contig(part_of(manifest, sample), named)
            if written.keys() & records[sample].keys():
                raise BadInput(f"contig {contig} comes again", wanted="records sorted by contig", do="Sort it.", path=vcf.path)
            records[sample] |= written
    assembly = canonical_assembly(genome.name) if genome is not None else None
    for sample, of_sample in records.items():
        about = {"file": described(manifest), "sample": sample, "assembly": assembly, "left_aligned": genome is not None}
        catalogue.enter_variants(part_of(manifest, sample), about, of_sample)


def _by_contig(vcf: VcfSamples, genome: Genome | None) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    """(contig, by sample what it carries there), spelled as evidence tables are; memory is one contig."""
    held: dict[str, dict[str, list[pa.Table]]] = {}
    for last, by_sample in vcf.carried():
        for sample, table in by_sample.items():
            for contig, piece in placed(table, genome=genome, path=vcf.path):
                held.setdefault(contig, {}).setdefault(sample, []).append(piece)
        for contig in [contig for contig in held if contig != last]:
            yield contig, _joined(held.pop(contig))
    for contig, pieces in held.items():
        yield contig, _joined(pieces)


def _joined(pieces: dict[str, list[pa.Table]]) -> dict[str, pa.Table]:
    joined = {sample: pa.concat_tables(tables) for sample, tables in pieces.items()}
    return {sample: table for sample, table in joined.items() if len(table)}


def _add_case(catalogue: Catalogue, archive: Archive, manifest: Manifest, path: Path) -> None:
    record = read_case_record(path)
    part = part_of(manifest, record["case"])
    if catalogue.has(part):
        return
    digest = record["files"]["findings"]
    findings, document = None, {}
    if digest is not None:
        with temporary_folder() as folder:
            get_file(archive.files.place, digest, folder / "findings.json")
            document = json.loads((folder / "findings.json").read_bytes())
            findings = findings_table(document)
    catalogue.add_case(part, {"file": described(manifest), "record": record, "ranked": _ranked(record, document)}, findings)


def _ranked(record: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """What a case was ranked with, by its findings.json; that of an older version tells no more than the score."""
    before = {"score": "genopipe", "panels": record["panels"], "by_onset": False, "inputs": {}}
    return {key: document.get(key, value) for key, value in before.items()}


def findings_table(document: dict[str, Any]) -> pa.Table:
    """The ranked genes of a findings.json as a table of the catalogue."""
    rows = [row for finding in document["findings"] for row in _finding_rows(document["case"], finding)]
    return pa.Table.from_pylist(rows, schema=FINDINGS)


def _finding_rows(case: str, finding: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kept = ("gene", "rank", "score", "phenotype_score", "variant_score", "mode", "candidate")
    of_gene = {"case_id": case} | {key: finding[key] for key in kept}
    if not finding["hits"]:
        yield of_gene
    for hit in finding["hits"]:
        yield of_gene | {"variant": hit["variant"], "acmg": hit["acmg"]["class"]}
