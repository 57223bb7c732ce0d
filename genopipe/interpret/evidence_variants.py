"""Evidence about variants: population frequency and ClinVar, as Parquet sorted by contig, position, REF and ALT.

A VCF is read once, contig by contig. Each ALT becomes a record of its own, trimmed, and left-aligned where the genome is at hand (then its
REF alleles are checked too). Records of one contig are sorted and written in row groups that never span contigs, so that a case is joined
to a table by reading only the groups it touches (`annotate`).

frequency  `af` of all people, `af_max` the highest of the large populations, `homozygotes` where the file counts them
clinvar    class, stars and condition; today's INFO keys (CLNSIG) and those of the 2016 conversion (CLINICAL_SIGNIFICANCE)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pysam

from genopipe.errors import BadInput
from genopipe.formats.contig_names import resolve_contig
from genopipe.interpret.normalise import Fetch, contig_key, is_sequence, left_align, trim
from genopipe.interpret.sequence import bases_of
from genopipe.interpret.vcf_source import reading
from genopipe.model import Genome

ROW_GROUP = 1 << 17
KEY = ("contig", "position", "ref", "alt")
_PLACE: dict[str, pa.DataType] = {"contig": pa.string(), "position": pa.int32(), "ref": pa.string(), "alt": pa.string()}
FREQUENCY = pa.schema(_PLACE | {"af": pa.float64(), "af_max": pa.float64(), "homozygotes": pa.int32()})
CLINVAR = pa.schema(
    _PLACE | {"accession": pa.string(), "significance": pa.string(), "stars": pa.int8(), "conditions": pa.string(), "gene": pa.string()}
)

POPULATIONS = ("afr", "amr", "eas", "nfe", "eur", "sas")
"""Populations whose frequency counts; small bottlenecked ones (ASJ, FIN, AMI, MID) would hide founder variants."""

Row = dict[str, Any]
Describe = Callable[[pysam.VariantRecord, int], Row | None]
"""What a kind says of one ALT (its number from 0) of a record; None for an ALT to leave out."""


def write_frequency(source: Path, target: Path, *, genome: Genome | None) -> int:
    """Allele frequencies of a VCF with AF, or AC and AN."""
    return _write(source, target, FREQUENCY, _frequency, genome=genome)


def write_clinvar(source: Path, target: Path, *, genome: Genome | None) -> int:
    """ClinVar's classes of a VCF."""
    return _write(source, target, CLINVAR, _clinvar, genome=genome)


def _write(source: Path, target: Path, schema: pa.Schema, describe: Describe, *, genome: Genome | None) -> int:
    records = 0
    seen: set[str] = set()
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for contig, rows in groupby(_rows(source, describe, genome), key=lambda row: row["contig"]):
            if contig in seen:
                raise BadInput(
                    f"contig {contig} comes again", wanted="records sorted by contig", do="Sort it with bcftools sort.", path=source
                )
            seen.add(contig)
            sorted_rows = sorted(rows, key=lambda row: (row["position"], row["ref"], row["alt"]))
            unique = [next(group) for _, group in groupby(sorted_rows, key=lambda row: (row["position"], row["ref"], row["alt"]))]
            writer.write_table(pa.Table.from_pylist(unique, schema=schema), row_group_size=ROW_GROUP)
            records += len(unique)
    if not records:
        raise BadInput("no record to keep", wanted="a VCF with the INFO keys of its kind", do="Check kind and file.", path=source)
    return records


def _rows(source: Path, describe: Describe, genome: Genome | None) -> Iterator[Row]:
    for name, records in groupby(_records(source), key=lambda record: record.contig):
        fetch = None
        if genome is not None:
            contig = resolve_contig(genome, name, path=source)
            fetch = bases_of(genome, contig.name)
        for record in records:
            yield from _alleles(record, describe, fetch, source)


def _records(source: Path) -> Iterator[pysam.VariantRecord]:
    with reading(source, drop_samples=True) as file:
        yield from file


def _alleles(record: pysam.VariantRecord, describe: Describe, fetch: Fetch | None, source: Path) -> Iterator[Row]:
    ref = (record.ref or "").upper()
    if fetch is not None and is_sequence(ref) and fetch(record.start, record.stop) != ref:
        raise BadInput(
            f"REF {ref} at {record.contig}:{record.pos}, where the reference has {fetch(record.start, record.stop)}",
            wanted="a VCF on the assembly of the reference",
            do="Use the release for this assembly.",
            path=source,
        )
    for number, alt in enumerate(record.alts or ()):
        if not (is_sequence(ref) and is_sequence(alt.upper())) or ref == alt.upper():
            continue
        described = describe(record, number)
        if described is None:
            continue
        place = left_align(record.start, ref, alt.upper(), fetch=fetch) if fetch else trim(record.start, ref, alt.upper())
        yield {"contig": contig_key(record.contig), "position": place[0], "ref": place[1], "alt": place[2]} | described


def _frequency(record: pysam.VariantRecord, number: int) -> Row | None:
    frequency = _value(record, "AF", number)
    if frequency is None:
        count, total = _value(record, "AC", number), _value(record, "AN", number)
        if count is None or not total:
            return None
        frequency = count / total
    named = ("AF_popmax", "AF_grpmax", "AF_POPMAX", *(f"AF_{p}" for p in POPULATIONS), *(f"AF_{p.upper()}" for p in POPULATIONS))
    of_populations = [value for name in named if (value := _value(record, name, number)) is not None]
    homozygotes = next((value for name in ("nhomalt", "AC_Hom") if (value := _value(record, name, number)) is not None), None)
    return {"af": float(frequency), "af_max": float(max([frequency, *of_populations])), "homozygotes": homozygotes}


def _value(record: pysam.VariantRecord, key: str, number: int) -> Any:
    """The INFO value of one ALT; the same for all where the file gives a single one."""
    if key not in record.info:
        return None
    value = record.info[key]
    if isinstance(value, tuple):
        value = value[number] if number < len(value) else value[0]
    return value


def _clinvar(record: pysam.VariantRecord, number: int) -> Row | None:
    del number  # ClinVar gives one ALT a record
    text = {key: _joined(record.info[key]) for key in record.info}
    if text.get("MUT") == "REF":
        return None
    raw = text.get("CLNSIG") or text.get("CLINICAL_SIGNIFICANCE")
    if raw is None:
        return None
    status = text.get("CLNREVSTAT") or text.get("REVIEW_STATUS", "").replace("..", ",_")
    gene = text.get("GENEINFO", "").split(":")[0] or text.get("SYMBOL", "")
    return {
        "accession": text.get("MEASURESET_ID") or record.id or "",
        "significance": significance(raw),
        "stars": stars(status),
        "conditions": (text.get("CLNDN") or text.get("ALL_TRAITS", "").replace("..", ",_")).replace("_", " "),
        "gene": gene,
    }


def _joined(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def significance(text: str) -> str:
    """One of pathogenic, likely_pathogenic, conflicting, uncertain, likely_benign, benign, other for ClinVar's words.

    Assertions of pathogenic beside benign or uncertain ones are conflicting.
    """
    words = {word.strip("_ ").lower() for word in re.split(r"[|/,;]", text)}
    if any(word.startswith("conflicting") for word in words):
        return "conflicting"
    harmful = words & {"pathogenic", "likely_pathogenic"}
    harmless = words & {"benign", "likely_benign"}
    uncertain = words & {"uncertain_significance"}
    if sum(map(bool, (harmful, harmless, uncertain))) > 1:
        return "conflicting"
    for word in ("pathogenic", "likely_pathogenic", "benign", "likely_benign"):
        if word in words:
            return word
    return "uncertain" if uncertain else "other"


def stars(status: str) -> int:
    """ClinVar's gold stars, 0 to 4, for its review status."""
    if "practice_guideline" in status:
        return 4
    if "reviewed_by_expert_panel" in status:
        return 3
    if "criteria_provided" in status and "no_assertion" not in status:
        return 2 if "multiple_submitters" in status and "no_conflicts" in status else 1
    return 0
