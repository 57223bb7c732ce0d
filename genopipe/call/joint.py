"""`genopipe joint`: the gVCFs of a family to one VCF.

All files are walked side by side. Where any sample has a variant, the records of that place are brought to one list of alleles, and every
sample's likelihoods are looked up in its own record there, or in the reference block or other record that lies over the place (of a
deletion, as the allele `*`), and brought to as many copies as the sample has there. Then each child is judged together with its parents. A
raw genotype stands unless that judgement is for another one, and where nothing was seen of a sample none is written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

from genopipe.call.bias import strand_odds
from genopipe.call.copies import Call, Person, in_copies, people_of, unseen
from genopipe.call.family import Trio, consistent, judge_trio
from genopipe.call.ploidy import is_mitochondrial, sex_chromosome
from genopipe.call.sites import DELETED, MAX_QUALITY, fisher_phred, genotypes
from genopipe.errors import BadInput
from genopipe.formats.gvcf import Gvcf, GvcfLine, GvcfRecord, open_gvcf, parsed, read_gvcf
from genopipe.formats.ped import Member, read_ped
from genopipe.formats.vcf import VcfContig, check_name, header, vcf_writer
from genopipe.progress import log

FILTERS = ("LowQual", "StrandBias", "Learnt")
_FORMATS = ("GT", "AD", "DP", "GQ", "PL", "DNM", "PS")
_INFOS = ("AC", "AN", "FS", "MENDEL", "SOR")
KINDS = (*(f"FILTER/{name}" for name in FILTERS), *(f"INFO/{name}" for name in _INFOS), *(f"FORMAT/{name}" for name in _FORMATS))
_SURE = 30
_MOST_AHEAD = 4_096
"""Lines that are held of a gVCF."""


@dataclass(slots=True)
class JointSite:
    """One record over all samples; `filters` are those that it fails in every sample with a variant, `strand` the reads of all of these."""

    contig: int
    position: int
    alleles: tuple[str, ...]
    quality: int
    filters: tuple[str, ...]
    strand: tuple[int, ...]
    calls: list[Call]

    @property
    def is_indel(self) -> bool:
        return has_indel(self.alleles)


def joint_genotypes(gvcf_paths: list[Path], ped: Path, output: Path) -> None:
    """Writes the family VCF. Raises BadInput for gVCFs of different references, or samples that the pedigree does not know."""
    check_name(output)
    for path in gvcf_paths:
        if path.resolve() == output.resolve():
            raise BadInput("the output is one of the gVCFs", wanted="a file of its own", do="Choose another output.", path=path)
    gvcfs = [open_gvcf(path) for path in gvcf_paths]
    contigs = _same_contigs(gvcfs)
    samples = [gvcf.sample for gvcf in gvcfs]
    members = read_ped(ped)
    trios, people = _trios(samples, members, gvcfs, ped), people_of(gvcfs, members)
    n_sites = n_new = n_violations = 0
    with vcf_writer(output, header(contigs, samples, KINDS)) as write:
        for site in merged_sites(gvcfs):
            _bring_to_copies(site, contigs[site.contig], people)
            contradictions = judge_families(site, contigs[site.contig], trios)
            if not any(site.alleles[allele] != DELETED for call in site.calls for allele in call.genotype or () if allele):
                continue
            n_sites, n_violations = n_sites + 1, n_violations + contradictions
            n_new += sum(bool(call.new) for call in site.calls)
            write(site_line(contigs[site.contig].name, _with_used_alleles(site), contradictions))
    log.info("%s records; %s de novo alleles; %s genotypes against Mendel's rules", f"{n_sites:,}", f"{n_new:,}", f"{n_violations:,}")


def _same_contigs(gvcfs: list[Gvcf]) -> tuple[VcfContig, ...]:
    first = gvcfs[0]
    for other in gvcfs[1:]:
        for ours, theirs in zip(first.contigs, other.contigs, strict=False):
            if ours != theirs:
                raise _mixed(other.path, f"contig {theirs.name} ({theirs.length:,} bases, MD5 {theirs.md5}) differs from {first.path.name}")
        if len(first.contigs) != len(other.contigs):
            raise _mixed(other.path, f"{len(other.contigs)} contigs against {len(first.contigs)} in {first.path.name}")
    return first.contigs


def _mixed(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted="gVCFs of one reference", do="Call all samples against the same reference.", path=path)


def _trios(samples: list[str], members: tuple[Member, ...], gvcfs: list[Gvcf], ped: Path) -> list[tuple[int, int, int]]:
    """Rows of father, mother and child of each child with both parents here."""
    row = {sample: i for i, sample in enumerate(samples)}
    known = {member.sample for member in members}
    for gvcf in gvcfs:
        if gvcf.sample not in known:
            raise BadInput(
                f"sample {gvcf.sample} of {gvcf.path.name} is not in the pedigree",
                wanted=f"one of {', '.join(sorted(known))}",
                do="Correct the pedigree, or the sample name in the read groups.",
                path=ped,
            )
        if samples.count(gvcf.sample) > 1:
            raise BadInput(f"sample {gvcf.sample} twice", wanted="one gVCF a sample", do="Leave one out.", path=gvcf.path)
    return [
        (row[m.father], row[m.mother], row[m.sample])
        for m in members
        if m.sample in row and m.father is not None and m.mother is not None and m.father in row and m.mother in row
    ]


def merged_sites(gvcfs: list[Gvcf]) -> Iterator[JointSite]:
    """Every place where a sample has a variant, with the calls of all samples."""
    walks = [_Walk(gvcf) for gvcf in gvcfs]
    while places := [walk.next for walk in walks if walk.next is not None]:
        place = min(places)
        over = [walk.to(place) for walk in walks]
        variants = [(i, record) for i, each in enumerate(over) for record in each if not record.is_block and record.start == place[1]]
        for is_indel in (False, True):
            those = [(sample, record) for sample, record in variants if has_indel(record.alleles[:-1]) == is_indel]
            if those:
                yield _site(place[1], those, over)


class _Walk:
    """The records of a gVCF, from place to place; `next` is the next one where it has a variant, or a good many lines on."""

    def __init__(self, gvcf: Gvcf) -> None:
        self._gvcf, self._lines = gvcf, read_gvcf(gvcf)
        self._ahead: deque[GvcfLine] = deque()
        self._over: list[GvcfRecord] = []
        self._read_on()

    def to(self, place: tuple[int, int]) -> list[GvcfRecord]:
        """Goes on to a place that is not behind `next`, and gives the records over it."""
        block = None
        while self._ahead and self._ahead[0][:2] <= place:
            line = self._ahead.popleft()
            if line.is_block:
                block = line
            else:
                self._over.append(parsed(self._gvcf, line))
            if not self._ahead:
                self._read_on()
        if block is not None:
            self._over.append(parsed(self._gvcf, block))
        self._over = [record for record in self._over if record.contig == place[0] and record.end > place[1]]
        return self._over

    def _read_on(self) -> None:
        for line in islice(self._lines, _MOST_AHEAD):
            self._ahead.append(line)
            if not line.is_block:
                break
        self.next = self._ahead[-1][:2] if self._ahead else None


def has_indel(alleles: Sequence[str]) -> bool:
    """Whether an allele is longer or shorter than the reference, the first."""
    return any(len(allele) != len(alleles[0]) for allele in alleles if allele != DELETED)


def _site(position: int, variants: list[tuple[int, GvcfRecord]], over: list[list[GvcfRecord]]) -> JointSite:
    reference = max((record.alleles[0] for _, record in variants), key=len)
    widened = {sample: _widened(record, reference) for sample, record in variants}
    own = dict(variants)
    others = {sample: _nearest(records, position) for sample, records in enumerate(over) if sample not in own and records}
    star = [DELETED] * any(_deleting(record, position) for record in others.values())
    alleles = (reference, *dict.fromkeys([*(allele for list_ in widened.values() for allele in list_[1:-1]), *star]))
    calls = [
        _own_call(own[sample], widened[sample], alleles) if sample in own else _other_call(others.get(sample), position, alleles)
        for sample in range(len(over))
    ]
    records = [record for _, record in variants]
    strand = tuple(map(sum, zip(*(record.strand for record in records if record.strand), strict=True)))
    return JointSite(records[0].contig, position, alleles, max(record.quality for record in records), _filters(records), strand, calls)


def _filters(records: list[GvcfRecord]) -> tuple[str, ...]:
    """None where any record passes, else what they fail; a filter that is not ours counts as low quality."""
    if not all(record.filters for record in records):
        return ()
    return tuple(sorted({name if name in FILTERS else FILTERS[0] for record in records for name in record.filters}))


def _widened(record: GvcfRecord, reference: str) -> list[str]:
    """The record's alleles with the longer reference allele of the site."""
    tail = reference[len(record.alleles[0]) :]
    return [*(allele if allele == DELETED else allele + tail for allele in record.alleles[:-1]), record.alleles[-1]]


def _own_call(record: GvcfRecord, widened: list[str], alleles: tuple[str, ...]) -> Call:
    """The call from the sample's own record; alleles it does not have are its <NON_REF>."""
    any_other = len(widened) - 1
    number = [widened.index(allele) if allele in widened else any_other for allele in alleles]
    ploidy = len(record.genotype)
    place = {genotype: i for i, genotype in enumerate(genotypes(len(widened), ploidy))}
    likelihood = [record.likelihood[place[tuple(sorted(number[a] for a in g))]] for g in genotypes(len(alleles), ploidy)]
    order = tuple(alleles.index(widened[allele]) for allele in record.genotype)
    depths = tuple(record.allele_depth[n] if n < any_other else None for n in number)
    own = Call(tuple(sorted(order)), record.genotype_quality, record.depth, depths, _from_zero(likelihood))
    return own if record.phase_set is None else replace(own, order=order, phase_set=record.phase_set)


def _nearest(records: list[GvcfRecord], position: int) -> GvcfRecord:
    """The one of the records over a place that tells most of it: a block, a deletion of it, else the least sure one."""
    blocks, deletions = [each for each in records if each.is_block], [each for each in records if _deleting(each, position)]
    return min(blocks or deletions or records, key=lambda record: record.genotype_quality)


def _deleting(record: GvcfRecord, position: int) -> list[int]:
    """The alleles of a record over a place that have not the base there."""
    return [i for i, allele in enumerate(record.alleles[:-1]) if i and len(allele) <= position - record.start]


def _other_call(record: GvcfRecord | None, position: int, alleles: tuple[str, ...]) -> Call:
    """The call of a sample without a variant here: what a block or record over the place says of its copies that are there, or deleted."""
    if record is None:
        return Call()
    ploidy, any_other = len(record.genotype), len(record.alleles) - 1
    deleted = _deleting(record, position)
    kept = [allele for allele in range(any_other) if allele not in deleted]
    of = [kept, *(deleted if deleted and allele == DELETED else [any_other] for allele in alleles[1:])]
    place = {genotype: i for i, genotype in enumerate(genotypes(any_other + 1, ploidy))}
    ways = [product(*(of[allele] for allele in genotype)) for genotype in genotypes(len(alleles), ploidy)]
    likelihood = [min(record.likelihood[place[tuple(sorted(way))]] for way in each) for each in ways]
    here = {allele: number for number in (0, alleles.index(DELETED) if deleted else 0) for allele in of[number]}
    order = tuple(here[allele] for allele in record.genotype)
    depths = [sum(record.allele_depth[allele] for allele in same) if any_other not in same else None for same in of]
    call = Call(tuple(sorted(order)), record.genotype_quality, record.depth, tuple(depths), _from_zero(likelihood))
    return replace(call, order=order, phase_set=record.phase_set) if deleted else call


def _from_zero(likelihood: list[int]) -> tuple[int, ...]:
    low = min(likelihood)
    return tuple(value - low for value in likelihood)


def _bring_to_copies(site: JointSite, contig: VcfContig, people: list[Person]) -> None:
    calls = zip(site.calls, people, strict=True)
    site.calls = [in_copies(call, person, contig, site.position, is_indel=site.is_indel) for call, person in calls]


def judge_families(site: JointSite, contig: VcfContig, trios: list[tuple[int, int, int]]) -> int:
    """Lets each trio correct the genotypes of the site and takes those away that nothing was seen of; returns how many children
    contradict their parents afterwards."""
    haploid_from = "paternal" if sex_chromosome(contig) == "Y" else "maternal"
    judged = [] if is_mitochondrial(contig) else trios
    for rows in judged:
        three = [site.calls[row] for row in rows]
        if all(call.genotype is not None for call in three):
            _judge(site, three, haploid_from)
    site.calls = [unseen(call) for call in site.calls]
    triples = [[site.calls[row].genotype for row in rows] for rows in judged]
    known = [(father, mother, child) for father, mother, child in triples if not (father is None or mother is None or child is None)]
    return sum(not consistent(father, mother, child, haploid_from=haploid_from) for father, mother, child in known)


def _judge(site: JointSite, three: list[Call], haploid_from: str) -> None:
    raw = tuple(call.genotype or () for call in three)
    sure = all(call.quality >= _SURE for call in three)
    if sure and consistent(raw[0], raw[1], raw[2], haploid_from=haploid_from):
        return
    ploidies = (len(raw[0]), len(raw[1]), len(raw[2]))
    likelihoods = (three[0].likelihood, three[1].likelihood, three[2].likelihood)
    verdict = judge_trio(Trio(*likelihoods, ploidies, site.is_indel, haploid_from), len(site.alleles))
    for call, genotype, quality in zip(three, verdict.genotypes, verdict.qualities, strict=True):
        if genotype != call.genotype:
            call.genotype, call.quality = genotype, min(quality, MAX_QUALITY)
    father, mother, child = verdict.genotypes
    if verdict.new and {site.alleles[allele] for allele in set(child).difference(father, mother)} != {DELETED}:
        three[2].new = verdict.new


def _with_used_alleles(site: JointSite) -> JointSite:
    """The site without alternative alleles that nobody is called with."""
    used = [0, *sorted({allele for call in site.calls for allele in call.genotype or () if allele})]
    if len(used) == len(site.alleles):
        return site
    new = {allele: i for i, allele in enumerate(used)}
    calls = []
    for call in site.calls:
        if not call.genotype:
            calls.append(call)
            continue
        place = {genotype: i for i, genotype in enumerate(genotypes(len(site.alleles), len(call.genotype)))}
        kept = [call.likelihood[place[tuple(used[a] for a in g)]] for g in genotypes(len(used), len(call.genotype))]
        genotype = tuple(new[allele] for allele in call.genotype)
        order = tuple(new.get(allele, -1) for allele in call.order)
        depths = tuple(call.allele_depth[allele] for allele in used)
        calls.append(replace(call, genotype=genotype, order=order, allele_depth=depths, likelihood=_from_zero(kept)))
    position, alleles = _trimmed(site.position, tuple(site.alleles[allele] for allele in used))
    return JointSite(site.contig, position, alleles, site.quality, site.filters, site.strand, calls)


def _trimmed(position: int, alleles: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Alleles without a shared end; the first base stays."""
    spelled = [allele for allele in alleles if allele != DELETED]
    while min(map(len, spelled)) > 1 and len({allele[-1] for allele in spelled}) == 1:
        spelled = [allele[:-1] for allele in spelled]
    left = iter(spelled)
    return position, tuple(allele if allele == DELETED else next(left) for allele in alleles)


def site_line(contig: str, site: JointSite, contradictions: int) -> str:
    """The record."""
    called = [allele for call in site.calls for allele in call.genotype or ()]
    counts = ",".join(str(called.count(allele)) for allele in range(1, len(site.alleles)))
    bias = (f";FS={fisher_phred(*site.strand)}", f";SOR={strand_odds(*site.strand):.3f}") if site.strand else ("", "")
    info = f"AC={counts};AN={len(called)}{bias[0]}" + (f";MENDEL={contradictions}" if contradictions else "") + bias[1]
    place = f"{contig}\t{site.position + 1}\t.\t{site.alleles[0]}\t{','.join(site.alleles[1:])}"
    samples = "\t".join(map(_sample_text, site.calls))
    return f"{place}\t{site.quality}\t{';'.join(site.filters) or 'PASS'}\t{info}\tGT:AD:DP:GQ:PL:DNM:PS\t{samples}\n"


def _sample_text(call: Call) -> str:
    if not call.genotype:
        return f"{'./.' if call.copies == 2 else '.'}:.:{'.' if call.depth is None else call.depth}:.:.:.:."
    phased = call.phase_set is not None and tuple(sorted(call.order)) == call.genotype
    genotype = "|".join(map(str, call.order)) if phased else "/".join(map(str, call.genotype))
    untold = any(call.allele_depth[allele] is None for allele in call.genotype)
    depths = "." if untold else ",".join(str(depth or 0) for depth in call.allele_depth)
    likelihood = ",".join(map(str, call.likelihood))
    new, phase_set = "." if call.new is None else call.new, call.phase_set if phased else "."
    return f"{genotype}:{depths}:{call.depth}:{call.quality}:{likelihood}:{new}:{phase_set}"
