"""The family's variants as arrays: every ALT that the proband carries, in one spelling, with everyone's genotype at it.

A VCF is read once. Records where the proband has no ALT are passed over; the others are split, trimmed, left-aligned where the genome is
known, and their REF alleles compared with it, which catches a VCF of another build. Rows come out sorted by contig (in file order),
position, REF and ALT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pysam
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.contig_names import resolve_contig
from genopipe.interpret.normalise import Fetch, contig_key, is_sequence, left_align, trim
from genopipe.interpret.sequence import bases_of
from genopipe.interpret.vcf_source import reading
from genopipe.model import Genome
from genopipe.progress import log

UNPHASED = -1
MISSING = -1


@dataclass(frozen=True, slots=True)
class Variants:
    """One row an ALT that the proband carries; axis `samples` in the order of `samples`, the proband first.

    contig, ref, alt   (variants) lists of str; `key` is the contig's name for comparison with evidence
    position           (variants) int32, 0-based; of a structural variant the base before it
    end                (variants) int32: end of the reference bases that it changes
    structural         (variants) bool: a deletion, duplication, inversion, insertion or breakend written without its bases
    passed             (variants) bool: FILTER is PASS or empty
    in_dbsnp           (variants) bool: the record has the INFO flag DB, which VCF reserves for membership in dbSNP
    alt_count          (variants, samples) int8: copies of this ALT; -1 where the genotype is missing
    ploidy             (variants, samples) int8: called alleles; 0 where missing
    depth, alt_depth, genotype_quality   (variants, samples) int32; -1 where missing
    haplotype          (variants, samples) int8: which haplotype has the ALT, 0 or 1; -1 where not phased
    phase_set          (variants, samples) int32: PS; 0 where the file gives none
    new                (variants) float64: probability that the ALT is new in the proband, by a joint caller; NaN where not given
    other_allele       (variants, samples) bool: the genotype also has another ALT
    record             (variants) int32: number of the record in the file; two ALTs of one record are on different copies
    """

    samples: tuple[str, ...]
    contig: list[str]
    key: list[str]
    position: NDArray[np.int32]
    end: NDArray[np.int32]
    structural: NDArray[np.bool_]
    ref: list[str]
    alt: list[str]
    passed: NDArray[np.bool_]
    in_dbsnp: NDArray[np.bool_]
    alt_count: NDArray[np.int8]
    ploidy: NDArray[np.int8]
    depth: NDArray[np.int32]
    alt_depth: NDArray[np.int32]
    genotype_quality: NDArray[np.int32]
    haplotype: NDArray[np.int8]
    phase_set: NDArray[np.int32]
    new: NDArray[np.float64]
    other_allele: NDArray[np.bool_]
    record: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.contig)

    def name(self, row: int) -> str:
        """CHROM-POS-REF-ALT, position from 1."""
        return f"{self.contig[row]}-{self.position[row] + 1}-{self.ref[row]}-{self.alt[row]}"


@dataclass(slots=True)
class Row:
    """One variant on its way into the arrays: `order` is contig number, position, REF, ALT; `calls` those of the samples."""

    order: tuple[int, int, str, str]
    contig: str
    passed: bool
    new: float
    record: int
    calls: list[tuple[int, ...]]
    structural_end: int | None = None
    in_dbsnp: bool = False


def read_variants(path: Path, people: Sequence[str], *, genome: Genome | None = None) -> Variants:
    """The variants of the first of `people`, with the genotypes of those of `people` who are in the file.

    Raises BadInput for a file that is no VCF, has no GT, lacks the proband, has contigs that the genome lacks, or REF alleles or
    contig lengths of another build.
    """
    with reading(path) as file:
        samples = _samples(file, people, path)
        check_header(file, genome, path)
        file.subset_samples(list(samples))
        rows = list(_rows(file, samples, genome, path))
    return arrays(samples, rows)


def _samples(file: pysam.VariantFile, people: Sequence[str], path: Path) -> tuple[str, ...]:
    present = list(file.header.samples)
    if people[0] not in present:
        told = ", ".join(present[:5]) + (" ..." if len(present) > 5 else "") if present else "none"
        raise BadInput(
            f"sample {people[0]} of the case is not in the VCF, which has {told}",
            wanted="the proband's sample in the VCF",
            do="Use the family's VCF, or correct the sample in the case.",
            path=path,
        )
    return tuple(person for person in people if person in present)


def check_header(file: pysam.VariantFile, genome: Genome | None, path: Path) -> None:
    """Raises BadInput for a file without genotypes, or with contigs of another length than the genome's."""
    if "GT" not in file.header.formats:
        raise BadInput("no genotypes (FORMAT GT)", wanted="a VCF with GT", do="Call genotypes first.", path=path)
    if genome is None:
        return
    for name in map(str, file.header.contigs):
        length = file.header.contigs[name].length
        same = [contig for contig in genome.contigs if contig.name == name or contig_key(contig.name) == contig_key(name)]
        if length and same and same[0].length != length:
            raise BadInput(
                f"contig {name} has {length:,} bases; the reference {genome.name} has {same[0].length:,}",
                wanted="a VCF on the build of the reference",
                do="Use the reference that the variants were called with.",
                path=path,
            )


def _rows(file: pysam.VariantFile, samples: tuple[str, ...], genome: Genome | None, path: Path) -> Iterator[Row]:
    contigs: dict[str, tuple[int, str, Fetch | None]] = {}
    for number, record in enumerate(file):
        calls = [record.samples[sample] for sample in samples]
        carried = {allele for allele in calls[0].allele_indices or () if allele}
        if not carried:
            continue
        if record.contig not in contigs:
            contigs[record.contig] = (len(contigs), *contig_of(record.contig, genome, path))
        order, name, fetch = contigs[record.contig]
        _check_ref(record, fetch, genome, path)
        for allele in sorted(carried):
            row = _row(record, allele, calls, fetch)
            if row is not None:
                place, (passed, new, genotypes) = row
                yield Row((order, *place), name, passed, new, number, genotypes, in_dbsnp="DB" in record.info)


def contig_of(name: str, genome: Genome | None, path: Path) -> tuple[str, Fetch | None]:
    """The contig's name in the genome, and its bases; without a genome the name as it is."""
    if genome is None:
        return name, None
    contig = resolve_contig(genome, name, path=path)
    return contig.name, bases_of(genome, contig.name)


def _check_ref(record: pysam.VariantRecord, fetch: Fetch | None, genome: Genome | None, path: Path) -> None:
    if fetch is None or genome is None or not is_sequence(record.ref or ""):
        return
    there = fetch(record.start, record.start + len(record.ref or ""))
    if any(a != b and "N" not in (a, b) for a, b in zip((record.ref or "").upper(), there, strict=False)) or len(there) != len(
        record.ref or ""
    ):
        raise BadInput(
            f"REF {record.ref} at {record.contig}:{record.pos}; the reference {genome.name} has {there or 'nothing'} there",
            wanted="a VCF on the build of the reference",
            do="Use the reference that the variants were called with.",
            path=path,
        )


def _row(record: pysam.VariantRecord, allele: int, calls: list[Any], fetch: Fetch | None) -> tuple[tuple[int, str, str], Any] | None:
    """The place of one ALT, and (passed, new, calls); None for symbolic alleles."""
    ref, alt = (record.ref or "").upper(), (record.alleles or ("",))[allele].upper()
    if not (is_sequence(ref) and is_sequence(alt)):
        return None
    place = left_align(record.start, ref, alt, fetch=fetch) if fetch else trim(record.start, ref, alt)
    passed = set(record.filter.keys()) <= {"PASS"}
    return place, (passed, _new(record, calls[0]), [genotype_of(call, allele) for call in calls])


def _new(record: pysam.VariantRecord, proband: Any) -> float:
    """FORMAT/DNM of `genopipe joint` is phred of the ALT not being new; other callers give a probability in INFO."""
    phred = proband.get("DNM")
    if phred is not None:
        return float(1 - 10 ** (-(phred[0] if isinstance(phred, tuple) else phred) / 10))
    if "DNM" in record.info:
        value = record.info["DNM"]
        return float(value[0] if isinstance(value, tuple) else value)
    return float("nan")


NOT_CALLED = (MISSING, 0, MISSING, MISSING, MISSING, UNPHASED, 0, 0)


def genotype_of(call: Any, allele: int) -> tuple[int, ...]:
    """alt_count, ploidy, depth, alt_depth, quality, haplotype, phase_set, other_allele of one sample."""
    alleles = [index for index in call.allele_indices or () if index is not None]
    if not alleles or len(alleles) < len(call.allele_indices):
        return NOT_CALLED
    depths = call.get("AD")
    alt_depth = depths[allele] if isinstance(depths, tuple) and len(depths) > allele and depths[allele] is not None else MISSING
    depth = call.get("DP")
    if depth is None:
        depth = sum(value or 0 for value in depths) if isinstance(depths, tuple) and depths[0] is not None else MISSING
    quality = call.get("GQ")
    count = alleles.count(allele)
    phased = call.phased and len(alleles) == 2 and count == 1
    other = any(index not in (0, allele) for index in alleles)
    haplotype = alleles.index(allele) if phased else UNPHASED
    set_ = call.get("PS") if phased else None
    return (
        count,
        len(alleles),
        depth,
        alt_depth,
        MISSING if quality is None else int(quality),
        haplotype,
        set_ if isinstance(set_, int) else 0,
        other,
    )


def arrays(samples: tuple[str, ...], rows: list[Row]) -> Variants:
    """The rows sorted, each variant once."""
    rows.sort(key=lambda row: row.order)
    n_read = len(rows)
    rows = [row for i, row in enumerate(rows) if i == 0 or row.order != rows[i - 1].order]
    if len(rows) < n_read:
        log.warning(
            "%s of the proband's variants stand in the VCF more than once; the first record of each counts", f"{n_read - len(rows):,}"
        )
    calls = np.array([row.calls for row in rows], np.int64).reshape(len(rows), len(samples), 8)
    return Variants(
        samples=samples,
        contig=[row.contig for row in rows],
        key=[contig_key(row.contig) for row in rows],
        position=np.array([row.order[1] for row in rows], np.int32),
        end=np.array([row.order[1] + len(row.order[2]) if row.structural_end is None else row.structural_end for row in rows], np.int32),
        structural=np.array([row.structural_end is not None for row in rows], bool),
        ref=[row.order[2] for row in rows],
        alt=[row.order[3] for row in rows],
        passed=np.array([row.passed for row in rows], bool),
        in_dbsnp=np.array([row.in_dbsnp for row in rows], bool),
        alt_count=calls[:, :, 0].astype(np.int8),
        ploidy=calls[:, :, 1].astype(np.int8),
        depth=calls[:, :, 2].astype(np.int32),
        alt_depth=calls[:, :, 3].astype(np.int32),
        genotype_quality=calls[:, :, 4].astype(np.int32),
        haplotype=calls[:, :, 5].astype(np.int8),
        phase_set=calls[:, :, 6].astype(np.int32),
        other_allele=calls[:, :, 7].astype(bool),
        new=np.array([row.new for row in rows], np.float64),
        record=np.array([row.record for row in rows], np.int32),
    )
