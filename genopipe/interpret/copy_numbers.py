"""Copy numbers as genotypes: FORMAT/CN beside the copies that a person of that sex usually has there.

`<CNV>` says only that the number may differ, and callers of segments write no GT, or one of a single allele. Such records are read by CN:
fewer copies than usual are a deletion, more a duplication. Elsewhere GT counts: a CN beside it may be a mere estimate by depth.

Sources: The Variant Call Format specification 4.4, CN; 1000 Genomes, alleles `<CN0>`, `<CN2>` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pysam

from genopipe.formats.assembly import Regions
from genopipe.formats.ped import Sex
from genopipe.interpret.normalise import contig_key
from genopipe.interpret.vcf_columns import CALL

NOT_CALLED: Mapping[str, Any] = {name: missing for name, (_, missing) in CALL.items()}
_ALLELE = re.compile(r"<CN(\d+)>")


@dataclass(frozen=True, slots=True)
class Usual:
    """How many copies people have: by the sex of each sample, and the pseudoautosomal regions by contig key."""

    sex: Mapping[str, Sex] = field(default_factory=dict)
    pseudoautosomal: Mapping[str, Regions] = field(default_factory=dict)

    def copies(self, sample: str, contig: str, position: int) -> int | None:
        """None where the sex that decides is unknown, and of mitochondria."""
        key = contig_key(contig)
        if key == "MT":
            return None
        if key not in ("X", "Y") or any(start <= position < end for start, end in self.pseudoautosomal.get(key, ())):
            return 2
        of_sex = {"X": {"male": 1, "female": 2}, "Y": {"male": 1, "female": 0}}[key]
        return of_sex.get(self.sex.get(sample, "unknown"))


def by_allele(alt: str) -> str:
    """`<CN0>` is an allele without the stretch, from `<CN2>` on it has more of it; other ALTs stay."""
    number = _ALLELE.fullmatch(alt)
    return alt if number is None or number[1] == "1" else "<DEL>" if number[1] == "0" else "<DUP>"


def told_by_copies(record: pysam.VariantRecord, sample: str, usual: Usual) -> bool:
    """Whether CN tells what the record is, and not GT."""
    if "CN" not in record.format or not all(alt.startswith("<") for alt in record.alts or ()):
        return False
    alone = len(record.samples[sample].allele_indices or ()) == 1 and usual.copies(sample, record.contig, record.start) == 2
    return alone or "GT" not in record.format or "<CNV>" in (record.alts or ())


def changed(record: pysam.VariantRecord, sample: str, usual: Usual) -> str | None:
    """`<DEL>` or `<DUP>`; empty for the usual number, None where it is not known."""
    difference = _difference(record, sample, usual)
    return None if difference is None else "<DEL>" if difference < 0 else "<DUP>" if difference > 0 else ""


def copy_number_call(record: pysam.VariantRecord, sample: str, alt: str, usual: Usual) -> Mapping[str, Any]:
    """What `CALL` names, by the number of copies."""
    difference, ploidy = _difference(record, sample, usual), usual.copies(sample, record.contig, record.start)
    if difference is None or not ploidy:
        return NOT_CALLED
    quality = record.samples[sample].get("GQ")
    count = min(max(-difference if alt == "<DEL>" else difference, 0), ploidy)
    return {**NOT_CALLED, "alt_count": count, "ploidy": ploidy, "genotype_quality": -1 if quality is None else int(quality)}


def _difference(record: pysam.VariantRecord, sample: str, usual: Usual) -> int | None:
    copies, found = usual.copies(sample, record.contig, record.start), record.samples[sample].get("CN")
    number = found[0] if isinstance(found, tuple) else found
    return None if copies is None or number is None else round(float(number)) - copies
