"""How a gene's variants could have been inherited, given the family: which modes fit, and how well.

A `Pattern` is a mode with the variants that make it up. Genotypes are read by sex and chromosome: one X in a male outside of the
pseudoautosomal regions, mothers alone for mitochondria. The modes and their weights:

AD_de_novo, XD_de_novo        new in the child: both parents surely without it                                          1
AD, XD                        every affected relative who was sequenced has it, no unaffected one                       1
AR_hom, AR_comphet, XR, YL, MT  two copies, two hits in trans, the one copy of a male, mitochondrial                    1
AR_comphet, phase unknown     two hits, but nobody can say whether in trans                                             0.7
AD, XD, parents unknown       a single hit with at least one parent not sequenced                                       0.8
AD_incomplete, XD_incomplete  inherited from an unaffected parent                                                       0.25
new, but others contradict    an affected relative lacks it, or an unaffected one has it                                0.25
MT, unaffected mother alike   she has as large a share of it                                                            0.25
AR_single                     one hit of a gene in which nothing else fits                                              0.05

The quality a call needs is that of slivar's published trio rules (GQ 20, depth 6, allele balance 0.2 to 0.8; parents of a new variant with
fewer than 2 reads of it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.assembly import pseudoautosomal_of
from genopipe.interpret.subject import Subject
from genopipe.interpret.variants import MISSING, UNPHASED, Variants

LEAST_QUALITY, LEAST_QUALITY_HEMIZYGOUS, LEAST_DEPTH = 20, 10, 6
BALANCE = (0.2, 0.8)
MOST_PARENT_READS = 1
LEAST_NEW = 0.9
"""A joint caller that gives less than this probability to a variant being new is believed."""

WEIGHT = {"fits": 1.0, "parents unknown": 0.8, "phase unknown": 0.7, "incomplete": 0.25, "single": 0.05}
LIMIT = {"AD": 0.001, "XD": 0.001, "AR": 0.01, "XR": 0.01, "YL": 0.001, "MT": 0.002}
"""Highest frequency for a mode; recessive ones are by copy."""

ILL_FROM = 0.6
"""Share of mitochondria from which most pathogenic variants make ill: 60 to 80 % (Stewart, Chinnery, Nature Reviews Genetics 2015)."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A mode of inheritance that fits, and the rows of the variants that make it up. `why` says it in plain words."""

    mode: str
    rows: tuple[int, ...]
    weight: float
    why: str
    in_trans: bool = False
    new: bool = False

    @property
    def family(self) -> str:
        """AD, AR, XD, XR, YL or MT."""
        return self.mode.split("_")[0]


def call_faults(variants: Variants, *, male: bool) -> dict[str, NDArray[np.bool_]]:
    """By what is wrong, (variants) bool: calls of the proband too poor to act on.

    Values that the VCF does not give are not held against a call.
    """
    depth, quality = variants.depth[:, 0], variants.genotype_quality[:, 0]
    sex_chromosome = np.array([key in ("X", "Y") for key in variants.key], bool)
    mitochondrial = np.array([key == "MT" for key in variants.key], bool)
    needed = np.where(sex_chromosome & male, LEAST_QUALITY_HEMIZYGOUS, LEAST_QUALITY)
    balance = variants.alt_depth[:, 0] / np.maximum(depth, 1)
    het = (variants.alt_count[:, 0] == 1) & (variants.ploidy[:, 0] == 2) & ~variants.other_allele[:, 0] & ~mitochondrial
    known = (variants.alt_depth[:, 0] != MISSING) & (depth != MISSING)
    return {
        "FILTER is not PASS": ~variants.passed,
        f"depth below {LEAST_DEPTH}": (depth != MISSING) & (depth < LEAST_DEPTH),
        "GQ too low": (quality != MISSING) & (quality < needed),
        f"share of reads not from {BALANCE[0]} to {BALANCE[1]}": het & known & ((balance < BALANCE[0]) | (balance > BALANCE[1])),
    }


class Family:
    """Who in the VCF is whom, and which patterns their genotypes allow.

    copies  (variants, samples) int8: copies of the ALT; -1 where unknown, as is a relative's genotype of GQ below 10
    """

    def __init__(self, subject: Subject, variants: Variants, *, assembly: str | None) -> None:
        self.variants = variants
        self.male, self.female = subject.sex == "male", subject.sex == "female"
        self.column = {sample: i for i, sample in enumerate(variants.samples)}
        proband = subject.member
        self.father = self.column.get(proband.father) if proband.father else None
        self.mother = self.column.get(proband.mother) if proband.mother else None
        self.members = [(self.column[m.sample], m) for m in subject.family if m.sample in self.column]
        self.pseudoautosomal = pseudoautosomal_of(assembly)
        poor = (variants.genotype_quality != MISSING) & (variants.genotype_quality < LEAST_QUALITY_HEMIZYGOUS)
        poor[:, 0] = False
        self.copies = np.where(poor, MISSING, variants.alt_count)

    def patterns(self, rows: Sequence[int]) -> list[Pattern]:
        """Every pattern that the variants of one gene allow, alone and in pairs."""
        chromosome = {self._chromosome(row) for row in rows}
        found = [pattern for row in rows for pattern in self._alone(row)]
        if "MT" not in chromosome and not (self.male and "X" in chromosome):
            found += self._pairs([row for row in rows if self._one_copy(row)])
        return found or [Pattern("AR_single", (row,), WEIGHT["single"], "it fits no mode in this family") for row in rows]

    def _chromosome(self, row: int) -> str:
        key = self.variants.key[row]
        position = int(self.variants.position[row])
        if any(start <= position < end for start, end in self.pseudoautosomal.get(key, ())):
            return "autosome"
        return key if key in ("X", "Y", "MT") else "autosome"

    def _one_copy(self, row: int) -> bool:
        return int(self.variants.alt_count[row, 0]) == 1 and int(self.variants.ploidy[row, 0]) == 2

    def _alone(self, row: int) -> Iterator[Pattern]:
        chromosome = self._chromosome(row)
        if chromosome == "MT":
            yield from self._mitochondrial(row)
        elif chromosome == "Y" and self.female:
            return
        elif chromosome == "Y" or (chromosome == "X" and self.male):
            yield from self._hemizygous(row, chromosome)
        elif self._one_copy(row):
            yield from self._dominant(row, "XD" if chromosome == "X" else "AD")
        elif self._all(row, affected=lambda count, ploidy: count == ploidy, unaffected=lambda count, ploidy: count < ploidy):
            why = f"two copies in the child{self._parents_told(row)}{self._missing_parent(row, chromosome)}"
            yield Pattern("XR" if chromosome == "X" else "AR_hom", (row,), 1.0, why)

    def _dominant(self, row: int, mode: str) -> Iterator[Pattern]:
        fits = self._all(row, affected=lambda count, _: count > 0, unaffected=lambda count, _: count == 0)
        if self.is_new(row):
            against = "" if fits else ", but an affected relative lacks it or an unaffected one has it"
            weight = 1.0 if fits else WEIGHT["incomplete"]
            yield Pattern(f"{mode}_de_novo", (row,), weight, f"new in the child: neither parent has it{against}", new=True)
        elif not fits:
            if self._affected_fit(row):
                yield Pattern(f"{mode}_incomplete", (row,), WEIGHT["incomplete"], "one copy, inherited from an unaffected relative")
        elif self._carriers(row) > 1:
            yield Pattern(mode, (row,), 1.0, "one copy, shared by the affected relatives only")
        elif self.variants.new[row] < LEAST_NEW:
            yield Pattern(
                f"{mode}_incomplete", (row,), WEIGHT["incomplete"], "one copy; the parents' reads make it doubtful that it is new"
            )
        else:
            yield Pattern(mode, (row,), WEIGHT["parents unknown"], f"one copy; whether it is new is unknown, {self._why_unknown(row)}")

    def _why_unknown(self, row: int) -> str:
        parents = (("mother", self.mother), ("father", self.father))
        absent = [name for name, column in parents if column is None]
        some = [name for name, column in parents if column is not None and int(self.variants.alt_depth[row, column]) > MOST_PARENT_READS]
        if absent:
            return f"as the {' and the '.join(absent)} {'was' if len(absent) == 1 else 'were'} not sequenced"
        if some:
            return f"as some reads of the {' and the '.join(some)} have it too: mosaicism there, or an artefact"
        return "as not both parents were read well there"

    def _hemizygous(self, row: int, chromosome: str) -> Iterator[Pattern]:
        if self._one_copy(row):
            return
        mode, giver, parent = ("XR", "mother", self.mother) if chromosome == "X" else ("YL", "father", self.father)
        place = f"on the only {chromosome} of a boy"
        fits = self._all(row, affected=lambda count, _: count > 0, unaffected=lambda count, ploidy: count < ploidy)
        if self._surely_absent(row, parent):
            against = "" if fits else ", but an affected relative lacks it or an unaffected one has it"
            weight = 1.0 if fits else WEIGHT["incomplete"]
            yield Pattern(f"{mode}_de_novo", (row,), weight, f"{place}, and new: the {giver} does not have it{against}", new=True)
        elif fits:
            yield Pattern(mode, (row,), 1.0, f"{place}{self._parents_told(row)}")

    def _mitochondrial(self, row: int) -> Iterator[Pattern]:
        told = "mitochondrial" + self._share_told(row, 0, "the child's")
        against = self._against_mitochondrial(row)
        if against:
            yield Pattern("MT", (row,), WEIGHT["incomplete"], f"{told}; {against}")
        elif self.mother is not None and self._count(row, self.mother) > 0:
            unaffected = self._unaffected(self.mother)
            more = self._share(row, self.mother) < ILL_FROM <= self._share(row, 0)
            who = f"the {'unaffected ' if unaffected else ''}mother has it too{self._share_told(row, self.mother, 'her')}"
            yield Pattern("MT", (row,), 1.0 if more or not unaffected else WEIGHT["incomplete"], f"{told}; {who}")
        else:
            new = self._surely_absent(row, self.mother)
            yield Pattern("MT", (row,), 1.0, told + ("; the mother does not have it" if new else ""), new=new)

    def _against_mitochondrial(self, row: int) -> str:
        """Why it cannot be the cause in the other children of the mother, who have her mitochondria."""
        mother = next((member.mother for column, member in self.members if column == 0), None)
        for column, member in self.members:
            if column == 0 or member.mother is None or member.mother != mother:
                continue
            if member.affected and self._surely_absent(row, column):
                return "an affected child of the mother does not have it"
            if member.affected is False and self._count(row, column) > 0 and self._share(row, column) >= max(ILL_FROM, self._share(row, 0)):
                return f"an unaffected child of the mother has it too{self._share_told(row, column, 'its')}"
        return ""

    def _share(self, row: int, column: int) -> float:
        """Share of the mitochondria with it, by reads; without reads 1 where no other allele was called, else NaN."""
        reads, depth = int(self.variants.alt_depth[row, column]), int(self.variants.depth[row, column])
        if reads != MISSING and depth > 0:
            return reads / depth
        return 1.0 if self.variants.alt_count[row, column] == self.variants.ploidy[row, column] else float("nan")

    def _share_told(self, row: int, column: int, whose: str) -> str:
        share = self._share(row, column)
        return "" if np.isnan(share) else f", in {100 * share:.0f} % of {whose} copies"

    def _pairs(self, rows: Sequence[int]) -> Iterator[Pattern]:
        for first, second in combinations(rows, 2):
            phase = self._phase(first, second)
            mode = "XR_comphet" if self._chromosome(first) == "X" else "AR_comphet"
            if phase == "cis" or self._contradicted(first, second) or (self._from_nobody(first) and self._from_nobody(second)):
                continue
            if phase == "trans":
                yield Pattern(mode, (first, second), 1.0, "two different hits, one on each copy of the gene", in_trans=True)
            else:
                yield Pattern(mode, (first, second), WEIGHT["phase unknown"], "two different hits; whether on the same copy is unknown")

    def _phase(self, first: int, second: int) -> str:
        """trans, cis or unknown: two ALTs of one record are in trans; else the parents tell, else read phase."""
        if self.variants.record[first] == self.variants.record[second]:
            return "trans"
        origins = (self._origin(first), self._origin(second))
        if set(origins) == {"father", "mother"}:
            return "trans"
        if origins[0] == origins[1] and origins[0] in ("father", "mother"):
            return "cis"
        haplotypes = self.variants.haplotype[first, 0], self.variants.haplotype[second, 0]
        same_set = self.variants.phase_set[first, 0] == self.variants.phase_set[second, 0]
        if UNPHASED in haplotypes or not same_set:
            return "unknown"
        return "trans" if haplotypes[0] != haplotypes[1] else "cis"

    def _from_nobody(self, row: int) -> bool:
        """True where both parents were called without it; two such hits of one gene are one event, or none."""
        return all(self._called(row, parent) and self._count(row, parent) == 0 for parent in (self.father, self.mother))

    def _origin(self, row: int) -> str:
        """father or mother where only one of the two has it and both were called, else unknown."""
        if not (self._called(row, self.father) and self._called(row, self.mother)):
            return "unknown"
        has = (self._count(row, self.father) > 0, self._count(row, self.mother) > 0)
        return {(True, False): "father", (False, True): "mother"}.get(has, "unknown")

    def is_new(self, row: int) -> bool:
        """True when both parents were read well there, neither has it, and no joint caller disagrees."""
        if not (self._surely_absent(row, self.father) and self._surely_absent(row, self.mother)):
            return False
        new = float(self.variants.new[row])
        return np.isnan(new) or new >= LEAST_NEW

    def _surely_absent(self, row: int, column: int | None) -> bool:
        if column is None or not self._called(row, column) or self._count(row, column) != 0:
            return False
        depth, reads = self.variants.depth[row, column], self.variants.alt_depth[row, column]
        quality = self.variants.genotype_quality[row, column]
        return (
            bool(depth == MISSING or depth >= LEAST_DEPTH)
            and bool(quality == MISSING or quality >= LEAST_QUALITY)
            and bool(reads == MISSING or reads <= MOST_PARENT_READS)
        )

    def _called(self, row: int, column: int | None) -> bool:
        return column is not None and int(self.copies[row, column]) != MISSING

    def _count(self, row: int, column: int | None) -> int:
        return int(self.copies[row, column]) if column is not None else MISSING

    def _all(self, row: int, *, affected, unaffected) -> bool:  # type: ignore[no-untyped-def]
        """True when everyone called fits: `affected` and `unaffected` judge (copies, ploidy)."""
        for column, member in self.members:
            count, ploidy = self._count(row, column), int(self.variants.ploidy[row, column])
            if count == MISSING or member.affected is None:
                continue
            if not (affected if member.affected else unaffected)(count, ploidy):
                return False
        return True

    def _affected_fit(self, row: int) -> bool:
        return all(self._count(row, column) != 0 for column, member in self.members if member.affected)

    def _carriers(self, row: int) -> int:
        return sum(self._count(row, column) > 0 for column, member in self.members if member.affected)

    def _unaffected(self, column: int) -> bool:
        return any(member.affected is False for other, member in self.members if other == column)

    def _contradicted(self, first: int, second: int) -> bool:
        """True when an affected relative lacks one of a pair, or an unaffected one has both or, as a male, one on his only X."""
        for column, member in self.members:
            has = [count > 0 for row in (first, second) if (count := self._count(row, column)) != MISSING]
            if member.affected and not all(has):
                return True
            only_x = member.sex == "male" and self._chromosome(first) == "X"
            if member.affected is False and (has == [True, True] or (only_x and any(has))):
                return True
        return False

    def _parents_told(self, row: int) -> str:
        has = [name for name, column in (("mother", self.mother), ("father", self.father)) if self._count(row, column) > 0]
        return f"; inherited from the {' and the '.join(has)}" if has else ""

    def _missing_parent(self, row: int, chromosome: str) -> str:
        """Told where a child has two copies though a parent has none to give."""
        parents = (("mother", self.mother), ("father", self.father if chromosome != "X" else None))
        without = [name for name, column in parents if self._surely_absent(row, column)]
        if not without:
            return ""
        told = f"; not found in the {' and the '.join(without)}"
        return told + (": one copy may be deleted, or both may come from one parent" if len(without) == 1 else ": check the samples")


def parentage(variants: Variants, father: int | None, mother: int | None) -> tuple[int, int]:
    """Variants where all three genotypes are known, and how many of them a child of these parents could hardly have.

    About one in ten variants contradicts parents who are not the child's; and as many parents who are, where reads are so few that one of
    two alleles is often not seen, as beside the targets of a capture kit: depths below `LEAST_DEPTH` do not count.
    """
    if father is None or mother is None:
        return 0, 0
    trio = [0, father, mother]
    counts, autosomal = variants.alt_count, np.array([key not in ("X", "Y", "MT") for key in variants.key], bool)
    read = ((variants.depth[:, trio] == MISSING) | (variants.depth[:, trio] >= LEAST_DEPTH)).all(axis=1)
    known = autosomal & read & (counts[:, trio] != MISSING).all(axis=1) & variants.passed & ~variants.structural
    het = (counts[:, 0] == 1) & (counts[:, father] == 0) & (counts[:, mother] == 0)
    hom = (counts[:, 0] == 2) & ((counts[:, father] == 0) | (counts[:, mother] == 0))
    return int(known.sum()), int((known & (het | hom)).sum())
