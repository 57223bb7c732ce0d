"""Sites and blocks as lines of a VCF or gVCF."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, zip_longest

import numpy as np

from genopipe.call.bias import strand_odds
from genopipe.call.blocks import Blocks
from genopipe.call.ploidy import is_mitochondrial
from genopipe.call.sites import Site, genotypes
from genopipe.formats.vcf import ANY_OTHER
from genopipe.kernels.reference_blocks import spelled
from genopipe.model import BASES, Contig

KINDS = (
    "FILTER/LowQual",
    "FILTER/StrandBias",
    *(f"INFO/{name}" for name in ("AB", "ASM", "FS", "MPOS", "MQ", "MQRankSum", "NUMT", "ReadPosRankSum", "SOR")),
    *(f"FORMAT/{name}" for name in ("GT", "AD", "DP", "GQ", "PL", "SB", "PS", "AF")),
)
_SHARE_DIGITS = 4
_LETTERS = np.frombuffer(BASES, np.uint8)


def texts(contig: Contig, sites: list[Site], blocks: list[Blocks] | None) -> tuple[str, str]:
    """The records of sorted sites and blocks, for a VCF and for a gVCF; without blocks nothing for a gVCF."""
    vcf = "".join(vcf_line(contig, site) for site in sites)
    if blocks is None:
        return vcf, ""
    text, before = _block_lines(contig, blocks, [site.position for site in sites])
    records = (gvcf_line(contig, site) for site in sites)
    pieces = (text[first:last] for first, last in pairwise([0, *before, len(text)]))
    return vcf, "".join(map("".join, zip_longest(pieces, records, fillvalue="")))


def _block_lines(contig: Contig, blocks: list[Blocks], position: list[int]) -> tuple[str, list[int]]:
    """The records of blocks, and for each sorted position how many letters of them stand before it."""
    text, before = "", np.zeros(len(position), np.int64)
    for each in blocks:
        genotype = "/".join("0" * each.ploidy)
        words = [
            f"{contig.name}\t",
            "\t.\t",
            f"\t{ANY_OTHER}\t.\t.\tEND=",
            f"\tGT:DP:GQ:PL\t{genotype}:",
            ":",
            ":",
            *"," * each.ploidy,
            "\n",
        ]
        number = np.column_stack((each.start + 1, each.end, each.least))
        lines, line_start = spelled(words, _LETTERS[each.reference], number)
        text += lines
        before += line_start[np.searchsorted(each.start, position)]
    return text, before.tolist()


def vcf_line(contig: Contig, site: Site) -> str:
    """The record of a site."""
    n = len(site.alleles)
    likelihood = [pl for genotype, pl in zip(genotypes(n + 1, len(site.genotype)), site.likelihood, strict=True) if max(genotype) < n]
    return _line(contig, site, site.alleles[1:], site.allele_depth, likelihood)


def gvcf_line(contig: Contig, site: Site) -> str:
    """The record of a site with <NON_REF> as last allele."""
    return _line(contig, site, (*site.alleles[1:], ANY_OTHER), (*site.allele_depth, 0), site.likelihood)


def _line(contig: Contig, site: Site, alternatives: Sequence[str], allele_depth: Sequence[int], likelihood: Sequence[int]) -> str:
    filters = ";".join(site.filters) or "PASS"
    names, values = "GT:AD:DP:GQ:PL:SB", _sample(site, allele_depth, likelihood)
    if site.phase_set is not None:
        names, values = names + ":PS", f"{values}:{site.phase_set + 1}"
    if is_mitochondrial(contig):
        names, values = names + ":AF", values + ":" + _fractions(allele_depth)
    place = f"{contig.name}\t{site.position + 1}\t.\t{site.alleles[0]}\t{','.join(alternatives)}"
    return f"{place}\t{site.quality}\t{filters}\t{_info(site, allele_depth)}\t{names}\t{values}\n"


def _info(site: Site, allele_depth: Sequence[int]) -> str:
    """What speaks for and against the record; what cannot be told is left out."""
    bias = site.bias
    told = {
        "AB": _fractions(allele_depth),
        "ASM": site.assembled,
        "FS": site.strand_bias,
        "MPOS": _distances(bias.end_distance, len(allele_depth) - 1),
        "MQ": _decimal(bias.mapping_quality, 2),
        "MQRankSum": _decimal(bias.mapping_rank, 3),
        "NUMT": site.nuclear,
        "ReadPosRankSum": _decimal(bias.place_rank, 3),
        "SOR": _decimal(strand_odds(*site.strand), 3),
    }
    known = {name: value for name, value in told.items() if value is not None and value is not False}
    return ";".join(name if value is True else f"{name}={value}" for name, value in known.items())


def _decimal(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:z.{digits}f}"


def _distances(distance: Sequence[int | None], n: int) -> str | None:
    """The distances of n alternative alleles, of which the last may not be known."""
    told = ["." if d is None else str(d) for d in distance]
    return ",".join(told + ["."] * (n - len(told))) if told else None


def _sample(site: Site, allele_depth: Sequence[int], likelihood: Sequence[int]) -> str:
    values = (
        ("/" if site.phase_set is None else "|").join(map(str, site.genotype)),
        _joined(allele_depth),
        site.depth,
        site.genotype_quality,
        _joined(likelihood),
        _joined(site.strand),
    )
    return ":".join(map(str, values))


def _fractions(allele_depth: Sequence[int]) -> str:
    """Share of each alternative allele, in decimals made from integers."""
    total = max(sum(allele_depth), 1)
    shares = [(depth * 10**_SHARE_DIGITS + total // 2) // total for depth in allele_depth[1:]]
    return ",".join(f"{share // 10**_SHARE_DIGITS}.{share % 10**_SHARE_DIGITS:0{_SHARE_DIGITS}d}" for share in shares)


def _joined(values: Sequence[int]) -> str:
    return ",".join(map(str, values))
