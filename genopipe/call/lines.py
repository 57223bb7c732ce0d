"""Sites and blocks as lines of a VCF or gVCF."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, zip_longest

import numpy as np

from genopipe.call.bias import strand_odds
from genopipe.call.blocks import Blocks
from genopipe.call.ploidy import is_mitochondrial
from genopipe.call.sites import Bias, Site
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
_NO_SHARE = f"{0:.{_SHARE_DIGITS}f}"
_LETTERS = np.frombuffer(BASES, np.uint8)


def texts(contig: Contig, sites: list[Site], blocks: list[Blocks] | None) -> tuple[str, str]:
    """The records of sorted sites and blocks, for a VCF and for a gVCF; without blocks nothing for a gVCF."""
    with_shares = is_mitochondrial(contig)
    records = [site_lines(contig.name, site, with_shares=with_shares) for site in sites]
    vcf = "".join(record for record, _ in records)
    if blocks is None:
        return vcf, ""
    text, before = _block_lines(contig, blocks, [site.position for site in sites])
    bounds = [0, *before, len(text)]
    pieces = (text[first:last] for first, last in pairwise(bounds))
    return vcf, "".join(map("".join, zip_longest(pieces, (record for _, record in records), fillvalue="")))


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


def site_lines(name: str, site: Site, *, with_shares: bool) -> tuple[str, str]:
    """The record of a site for a VCF, and for a gVCF, where <NON_REF> as last allele makes its lists longer; AF if shares are wanted."""
    n, (reference, *alternatives), shares, distances = len(site.alleles), site.alleles, _shares(site.allele_depth), _distances(site.bias)
    judged = f"{site.quality}\t{';'.join(site.filters) or 'PASS'}"
    keys = f"GT:AD:DP:GQ:PL:SB{'' if site.phase_set is None else ':PS'}{':AF' if with_shares else ''}"
    genotype = ("/" if site.phase_set is None else "|").join(map(str, site.genotype))
    behind = _joined(site.strand) if site.phase_set is None else f"{_joined(site.strand)}:{site.phase_set + 1}"
    place, told, rest = f"{name}\t{site.position + 1}\t.\t{reference}", f"FS={site.strand_bias}", _rest_of_info(site)
    known, all_of_them = n * (n + 1) // 2 if len(site.genotype) == 2 else n, list(map(str, site.likelihood))

    def line(more: str, share: str, distance: str, depth: str, likelihood: list[str]) -> str:
        info = f"AB={shares}{share}{';ASM' if site.assembled else ''};{told}{distances}{distance}{rest}"
        sample = f"{genotype}:{_joined(site.allele_depth)}{depth}:{site.depth}:{site.genotype_quality}:{','.join(likelihood)}:{behind}"
        return f"{place}\t{','.join(alternatives)}{more}\t{judged}\t{info}\t{keys}\t{sample}{f':{shares}{share}' if with_shares else ''}\n"

    longer = line(f",{ANY_OTHER}", f",{_NO_SHARE}", ",." if distances else "", ",0", all_of_them)
    return line("", "", "", "", all_of_them[:known]), longer


def _distances(bias: Bias) -> str:
    told = ",".join("." if distance is None else str(distance) for distance in bias.end_distance)
    return f";MPOS={told}" if told else ""


def _rest_of_info(site: Site) -> str:
    """What stands in INFO behind MPOS; what cannot be told is left out."""
    bias, nuclear = site.bias, ";NUMT" if site.nuclear else ""
    mapping = _decimal("MQ", bias.mapping_quality, 2) + _decimal("MQRankSum", bias.mapping_rank, 3)
    return f"{mapping}{nuclear}{_decimal('ReadPosRankSum', bias.place_rank, 3)};SOR={strand_odds(*site.strand):z.3f}"


def _decimal(name: str, value: float | None, digits: int) -> str:
    return "" if value is None else f";{name}={value:z.{digits}f}"


def _shares(allele_depth: Sequence[int]) -> str:
    """Share of each alternative allele, in decimals made from integers."""
    total = max(sum(allele_depth), 1)
    shares = [(depth * 10**_SHARE_DIGITS + total // 2) // total for depth in allele_depth[1:]]
    return ",".join(f"{share // 10**_SHARE_DIGITS}.{share % 10**_SHARE_DIGITS:0{_SHARE_DIGITS}d}" for share in shares)


def _joined(values: Sequence[int]) -> str:
    return ",".join(map(str, values))
