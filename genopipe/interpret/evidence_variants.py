"""Evidence about variants: population frequency and ClinVar, as Parquet sorted by contig, position, REF and ALT.

A VCF is read once, by columns. Each ALT becomes a record of its own, trimmed, and left-aligned where the genome is at hand (then its REF
alleles are checked too).

frequency  `af` of all people, `af_max` the highest of the large populations, `homozygotes` where the file counts them
clinvar    class, stars and condition; today's INFO keys (CLNSIG) and those of the 2016 conversion (CLINICAL_SIGNIFICANCE)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from genopipe.interpret.evidence_sorted import PLACE, write_sorted
from genopipe.interpret.places import placed
from genopipe.interpret.site_columns import Sites, read_sites
from genopipe.model import Genome

pc: Any = compute

FREQUENCY = pa.schema(PLACE | {"af": pa.float64(), "af_max": pa.float64(), "homozygotes": pa.int32()})
CLINVAR = pa.schema(
    PLACE | {"accession": pa.string(), "significance": pa.string(), "stars": pa.int8(), "conditions": pa.string(), "gene": pa.string()}
)

POPULATIONS = ("afr", "amr", "eas", "nfe", "eur", "sas")
"""Populations whose frequency counts; small bottlenecked ones (ASJ, FIN, AMI, MID) would hide founder variants."""

_OF_POPULATIONS = ("AF_popmax", "AF_grpmax", "AF_POPMAX", *(f"AF_{p}" for p in POPULATIONS), *(f"AF_{p.upper()}" for p in POPULATIONS))
_HOMOZYGOTES = ("nhomalt", "AC_Hom")
_SHARES = ("AF", *_OF_POPULATIONS)
_COUNTS = ("AC", "AN", *_HOMOZYGOTES)
_CLINVAR_KEYS = (
    *("CLNSIG", "CLINICAL_SIGNIFICANCE", "CLNREVSTAT", "REVIEW_STATUS", "GENEINFO", "SYMBOL", "MEASURESET_ID", "CLNDN", "ALL_TRAITS"),
    "MUT",
)

Float64 = NDArray[np.float64]
Describe = Callable[[Sites], pa.Table]
"""What a kind says of the ALTs it keeps, with contig, position, ref, alt and line."""


def write_frequency(sources: Sequence[Path], target: Path, *, assembly: str, genome: Genome | None) -> int:
    """Allele frequencies of VCFs with AF, or AC and AN."""

    def read(source: Path) -> Iterator[pa.Table]:
        return _tables(read_sites(source, (*_SHARES, *_COUNTS), assembly=assembly), _frequency, genome)

    return write_sorted(sources, read, target, FREQUENCY)


def write_clinvar(sources: Sequence[Path], target: Path, *, assembly: str, genome: Genome | None) -> int:
    """ClinVar's classes of VCFs."""

    def read(source: Path) -> Iterator[pa.Table]:
        return _tables(read_sites(source, _CLINVAR_KEYS, assembly=assembly), _clinvar, genome)

    return write_sorted(sources, read, target, CLINVAR)


def _tables(blocks: Iterator[Sites], describe: Describe, genome: Genome | None) -> Iterator[pa.Table]:
    for sites in blocks:
        for _, table in placed(describe(sites), genome=genome, path=sites.path):
            yield table


def _frequency(sites: Sites) -> pa.Table:
    number = sites.numbers()
    _check(sites, number)
    # Float is a number of 32 bits in VCF; what is counted here is not.
    share = number[: len(_SHARES)].astype(np.float32).astype(np.float64)
    count, total, *homozygotes = number[len(_SHARES) :]
    with np.errstate(invalid="ignore", divide="ignore"):
        share[0] = np.where(np.isnan(share[0]) & (total > 0), count / total, share[0])
    numbers = {
        "af": share[0],
        "af_max": np.fmax.reduce(share),
        "homozygotes": pa.array(np.where(np.isnan(homozygotes[0]), homozygotes[1], homozygotes[0]), from_pandas=True),
    }
    table = pa.table(sites.places() | numbers)
    known = ~np.isnan(share[0])
    return table if known.all() else table.filter(pa.array(known))


def _check(sites: Sites, number: Float64) -> None:
    """Raises BadInput, with the line, for frequencies and counts that cannot be."""
    share, count = number[: len(_SHARES)], number[len(_SHARES) :]
    with np.errstate(invalid="ignore"):
        no_share = (share < 0) | (share > 1)
        no_count = (count < 0) | (count > np.iinfo(np.int32).max) | (count % 1 > 0)
    for keys, wrong, wanted in (
        (_SHARES, no_share, "a share from 0 to 1"),
        (_COUNTS, no_count, "a count"),
        (_COUNTS[:1], count[:1] > count[1:2], "no more than AN"),
    ):
        if wrong.any():
            key, row = (int(at) for at in np.argwhere(wrong)[0])
            raise sites.fault(f"{keys[key]} is {number[sites.keys.index(keys[key]), row]:g}", wanted, row)


def _clinvar(sites: Sites) -> pa.Table:
    text = {key: sites.texts(key) for key in _CLINVAR_KEYS}
    told = pc.coalesce(_or_null(text["CLNSIG"]), text["CLINICAL_SIGNIFICANCE"])
    status = pc.coalesce(_or_null(text["CLNREVSTAT"]), _commas(text["REVIEW_STATUS"]), "")
    gene = pc.struct_field(pc.extract_regex(text["GENEINFO"], "^(?P<symbol>[^:]*)"), [0])
    conditions = pc.coalesce(_or_null(text["CLNDN"]), _commas(text["ALL_TRAITS"]), "")
    described = {
        "accession": pc.coalesce(_or_null(text["MEASURESET_ID"]), pc.replace_substring_regex(sites.identifier(), r"^\.$", "")),
        "significance": _each(told, significance, pa.string()),
        "stars": _each(status, stars, pa.int8()),
        "conditions": pc.replace_substring(conditions, "_", " "),
        "gene": pc.coalesce(_or_null(gene), text["SYMBOL"], ""),
    }
    about_reference = pc.fill_null(pc.equal(text["MUT"], "REF"), False)
    return pa.table(sites.places() | described).filter(pc.and_(pc.is_valid(told), pc.invert(about_reference)))


def _or_null(text: Any) -> Any:
    return pc.if_else(pc.equal(text, ""), None, text)


def _commas(text: Any) -> Any:
    """The 2016 conversion writes `..` for a comma and a blank."""
    return pc.replace_substring(text, "..", ",_")


def _each(text: Any, of: Callable[[str], Any], kind: pa.DataType) -> Any:
    """`of` of every value, asked once for each that occurs."""
    spelled = text.dictionary_encode()
    return pa.array([of(value) for value in spelled.dictionary.to_pylist()], kind).take(spelled.indices)


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
