"""Evidence about variants: population frequency and ClinVar, as Parquet sorted by contig, position, REF and ALT.

A VCF is read once. Each ALT becomes a record of its own, trimmed, and left-aligned where the genome is at hand (then its REF alleles are
checked too).

frequency  `af` of all people, `af_max` the highest of the large populations, `homozygotes` where the file counts them
clinvar    class, stars and condition; today's INFO keys (CLNSIG) and those of the 2016 conversion (CLINICAL_SIGNIFICANCE)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pysam

from genopipe.interpret.evidence_sorted import PLACE, write_sorted
from genopipe.interpret.places import placed
from genopipe.interpret.vcf_source import check_lengths, reading
from genopipe.model import Genome

BATCH = 1 << 16
FREQUENCY = pa.schema(PLACE | {"af": pa.float64(), "af_max": pa.float64(), "homozygotes": pa.int32()})
CLINVAR = pa.schema(
    PLACE | {"accession": pa.string(), "significance": pa.string(), "stars": pa.int8(), "conditions": pa.string(), "gene": pa.string()}
)

POPULATIONS = ("afr", "amr", "eas", "nfe", "eur", "sas")
"""Populations whose frequency counts; small bottlenecked ones (ASJ, FIN, AMI, MID) would hide founder variants."""

Row = dict[str, Any]
Describe = Callable[[pysam.VariantRecord, int], Row | None]
"""What a kind says of one ALT (its number from 0) of a record; None for an ALT to leave out."""


def write_frequency(source: Path, target: Path, *, assembly: str, genome: Genome | None) -> int:
    """Allele frequencies of a VCF with AF, or AC and AN."""
    tables = _tables(source, FREQUENCY, _frequency, assembly=assembly, genome=genome)
    return write_sorted(tables, target, FREQUENCY, source=source)


def write_clinvar(source: Path, target: Path, *, assembly: str, genome: Genome | None) -> int:
    """ClinVar's classes of a VCF."""
    return write_sorted(_tables(source, CLINVAR, _clinvar, assembly=assembly, genome=genome), target, CLINVAR, source=source)


def _tables(source: Path, schema: pa.Schema, describe: Describe, *, assembly: str, genome: Genome | None) -> Iterator[pa.Table]:
    with reading(source, drop_samples=True) as file:
        check_lengths(file, assembly, source)
        alleles = (row for record in file for row in _alleles(record, describe))
        while rows := list(islice(alleles, BATCH)):
            for _, table in placed(pa.Table.from_pylist(rows, schema=schema), genome=genome, path=source):
                yield table


def _alleles(record: pysam.VariantRecord, describe: Describe) -> Iterator[Row]:
    for number, alt in enumerate(record.alts or ()):
        described = describe(record, number)
        if described is not None:
            yield {"contig": record.contig, "position": record.start, "ref": record.ref, "alt": alt} | described


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
