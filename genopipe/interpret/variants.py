"""The family's variants as arrays: every ALT that the proband carries, in one spelling, with everyone's genotype at it.

A VCF is read once, in blocks of columns (`vcf_columns`). ALTs are trimmed, left-aligned where the genome is known, and their REF alleles
compared with it, which catches a VCF of another build. Rows come out sorted by contig (in file order), position, REF and ALT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pysam
from numpy.typing import NDArray
from pyarrow import compute

from genopipe.errors import BadInput
from genopipe.formats.contig_names import resolve_contig
from genopipe.interpret.normalise import contig_key
from genopipe.interpret.places import placed
from genopipe.interpret.vcf_columns import CALL, MISSING, UNPHASED, Carried, carried, no_genotypes
from genopipe.interpret.vcf_source import check_lengths, lengths_in, reading
from genopipe.model import Genome
from genopipe.progress import log

__all__ = ["MISSING", "UNPHASED", "Part", "Variants", "arrays", "check_header", "read_variants"]

pc: Any = compute

OF_VARIANT = {"end": np.int32, "structural": np.bool_, "passed": np.bool_, "in_dbsnp": np.bool_, "new": np.float64, "record": np.int32}
"""Fields of `Variants` with one number a row, and their types."""


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
    other_allele       (variants, samples) bool: the genotype also has another ALT, or one allele that was not called
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


@dataclass(frozen=True, slots=True)
class Part:
    """Variants of one contig on their way into the arrays; `values` holds what `OF_VARIANT` and `CALL` name."""

    contig: str
    position: NDArray[Any]
    ref: Any
    alt: Any
    values: Mapping[str, NDArray[Any]]


def read_variants(path: Path, people: Sequence[str], *, genome: Genome | None = None, assembly: str | None = None) -> Variants:
    """The variants of the first of `people`, with the genotypes of those of `people` who are in the file.

    Without a genome the lengths of its contigs are held against those of the `assembly`, where that is a known one. Raises BadInput for a
    file that is no VCF, has no GT, lacks the proband, has contigs that the genome lacks, or REF alleles or contig lengths of another build.
    """
    with reading(path) as file:
        samples = _samples(file, people, path)
        check_header(file, genome, path, assembly=assembly)
    return arrays(samples, [part for block in carried(path, samples) for part in _parts(block, genome, path)])


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


def check_header(
    file: pysam.VariantFile, genome: Genome | None, path: Path, *, assembly: str | None = None, called_by: Sequence[str] = ("GT",)
) -> None:
    """Raises BadInput for a file without genotypes, or with contigs of another length than the genome's; without one, the assembly's."""
    if not any(key in file.header.formats for key in called_by):
        raise no_genotypes(path)
    if genome is None:
        check_lengths(lengths_in(file), assembly, path)
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


def _parts(block: Carried, genome: Genome | None, path: Path) -> Iterator[Part]:
    """The variants of a block, normalised."""
    at = np.arange(len(block.position))
    columns: Any = {"contig": block.contig, "position": block.position, "ref": block.ref, "alt": block.alt, "at": at}
    for name, rows in placed(pa.table(columns), genome=genome, path=path):
        at, position, ref = rows["at"].to_numpy(), rows["position"].to_numpy(), rows["ref"].combine_chunks()
        values = {key: getattr(block, key)[at] for key in ("passed", "in_dbsnp", "new", "record")}
        values |= {key: call[at] for key, call in block.calls.items()}
        values |= {"end": position + pc.utf8_length(ref).to_numpy(), "structural": np.zeros(len(at), bool)}
        contig = name if genome is None else resolve_contig(genome, name, path=path).name
        yield Part(contig, position, ref, rows["alt"].combine_chunks(), values)


def arrays(samples: tuple[str, ...], parts: Sequence[Part]) -> Variants:
    """The parts in one order, each variant once."""
    names = list(dict.fromkeys(part.contig for part in parts))
    contig = _joined([np.full(len(part.position), names.index(part.contig)) for part in parts], np.int64)
    position = _joined([part.position for part in parts], np.int32)
    ref, alt = (_texts([getattr(part, key) for part in parts]) for key in ("ref", "alt"))
    order = _once(_order(contig, position, ref, alt), contig, position, ref, alt)
    kinds = OF_VARIANT | {name: kind for name, (kind, _) in CALL.items()}
    shape = {name: (0, len(samples)) for name in CALL}
    values: dict[str, Any] = {
        name: _joined([part.values[name] for part in parts], kind, shape.get(name, (0,)))[order] for name, kind in kinds.items()
    }
    codes = contig[order].tolist()
    keys = [contig_key(name) for name in names]
    return Variants(
        samples=samples,
        contig=[names[code] for code in codes],
        key=[keys[code] for code in codes],
        position=position[order],
        ref=ref.take(order).to_pylist(),
        alt=alt.take(order).to_pylist(),
        **values,
    )


def _joined(pieces: list[NDArray[Any]], kind: type, shape: tuple[int, ...] = (0,)) -> NDArray[Any]:
    return np.concatenate([np.empty(shape, kind), *(piece.astype(kind, copy=False) for piece in pieces)])


def _texts(pieces: list[Any]) -> Any:
    return pa.chunked_array(pieces, pa.string()).combine_chunks()


def _order(contig: NDArray[np.int64], position: NDArray[np.int32], ref: Any, alt: Any) -> NDArray[np.int64]:
    """Rows sorted by contig, position, REF and ALT; equal ones in the order of the file."""
    order = np.lexsort((position, contig))
    tied = np.zeros(len(order) + 1, bool)
    tied[1:-1] = (np.diff(position[order]) == 0) & (np.diff(contig[order]) == 0)
    places = np.flatnonzero(tied[1:] | tied[:-1])
    rows = order[places]
    alleles = zip(contig[rows].tolist(), position[rows].tolist(), ref.take(rows).to_pylist(), alt.take(rows).to_pylist(), rows, strict=True)
    order[places] = [row for *_, row in sorted(alleles)]
    return order


def _once(order: NDArray[np.int64], contig: NDArray[np.int64], position: NDArray[np.int32], ref: Any, alt: Any) -> NDArray[np.int64]:
    """The order without the rows that are a variant again."""
    again = np.zeros(len(order), bool)
    again[1:] = (np.diff(position[order]) == 0) & (np.diff(contig[order]) == 0)
    places = np.flatnonzero(again)
    for allele in (ref, alt):
        again[places] &= pc.equal(allele.take(order[places]), allele.take(order[places - 1])).to_numpy(zero_copy_only=False)
    if again.any():
        log.warning("%s of the proband's variants stand in the VCF more than once; the first record of each counts", f"{again.sum():,}")
    return order[~again]
