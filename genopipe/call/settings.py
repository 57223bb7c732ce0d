"""Every number of the caller that is a choice, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What the caller goes by. Costs are milli-phred.

    min_mapping_quality    reads below are no evidence
    most_mitochondrial_depth
                           mitochondrial reads are thinned out to this depth; all others to that of the model
    window, padding        the contig is worked on in windows on an absolute grid, each seen with padding on both sides
    most_bases             a window whose reads have more of them is looked at in slabs that have so many
    min_support            fragments that must show a candidate, and
    min_snv_share,
    min_indel_share,
    min_clip_share         the share of the depth that they must be
    reach                  bases around an indel within which other candidates are judged together with it
    longest_region         bases of the core of one region
    flank                  reference bases on each side of a core in its haplotypes; reads are cut `inset` bases before the ends
    kmers                  word lengths of the assembly
    max_fragments          fragments used in one region; of more, those with the lowest name hash
    read_cap               the most that one fragment may speak against a haplotype,
    reference_cap          and one with the reference's alleles, which a model of a contaminated sample lowers
    snv_prior, indel_prior cost of an event that was not there before; in a tandem repeat of many units an indel is likelier
    min_quality            QUAL (phred) below which a record is LowQual
    callable_quality       GQ of the reference genotype from which a base counts as callable
    min_strand_bias,
    strand_bias_weight     a record is StrandBias from that phred on, if QUAL is not so many times as high
    block_step,
    block_percent          phred, and per cent of the lowest, by which GQ may differ within a reference block (a read is worth 3),
    block_quality          and what higher GQ counts as there
    """

    min_mapping_quality: int = 20
    most_mitochondrial_depth: int = 4_000
    window: int = 65_536
    padding: int = 700
    most_bases: int = 1 << 23
    min_support: int = 2
    min_snv_share: float = 0.1
    min_indel_share: float = 0.08
    min_clip_share: float = 0.15
    reach: int = 20
    longest_region: int = 250
    flank: int = 50
    inset: int = 8
    kmers: tuple[int, ...] = (13, 19, 25, 31)
    max_events: int = 16
    max_fragments: int = 600
    read_cap: int = 45_000
    reference_cap: int = 45_000
    snv_prior: int = 30_000
    indel_prior: int = 38_000
    repeat_prior: int = 30_000
    min_emitted: int = 1_000
    min_quality: int = 10
    callable_quality: int = 20
    min_strand_bias: int = 13
    strand_bias_weight: int = 3
    block_step: int = 3
    block_percent: int = 10
    block_quality: int = 60


DEFAULT = Settings()
