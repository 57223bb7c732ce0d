"""VCF 4.2 and gVCF: the header and lines of records, compressed by BGZF, indexed by tabix, whole or not there at all.

Source: The Variant Call Format specification, VCFv4.2; reference blocks as in the gVCF convention (symbolic allele <NON_REF>, INFO END).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from genopipe.errors import BadConfiguration
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.tbi import TbiBuilder
from genopipe.model import Genome
from genopipe.outputs import whole_file

ANY_OTHER = "<NON_REF>"
SEX_NOTE = "genopipe_sex"
"""Header line: the sex that a sample was called with, and where it is from."""

_DESCRIPTIONS = {
    "FILTER/LowQual": "QUAL below the threshold of the caller",
    "FILTER/StrandBias": "The alternative alleles stand on other strands than the reference, and QUAL is low",
    "FILTER/Learnt": "The learnt filter holds the genotype for likelier wrong than right",
    "ALT/NON_REF": "Any allele that is not listed",
    "INFO/END": ("1", "Integer", "Last base of the reference block"),
    "INFO/AB": ("A", "Float", "Share of the fragments that show each alternative allele, among those that clearly show any allele"),
    "INFO/FS": ("1", "Integer", "Phred of Fisher's exact test for strand bias"),
    "INFO/MPOS": ("A", "Integer", "Median distance of each alternative allele to the nearer end of the read"),
    "INFO/MQ": ("1", "Float", "Root mean square of the mapping qualities of the reads over the site"),
    "INFO/MQRankSum": ("1", "Float", "Z-score of the mapping qualities of alternative against reference reads (Mann-Whitney)"),
    "INFO/ReadPosRankSum": ("1", "Float", "Z-score of the distances to the end of the read, alternative against reference (Mann-Whitney)"),
    "INFO/SOR": ("1", "Float", "Symmetric odds ratio of the strands of reference and alternative reads (logarithm)"),
    "INFO/ASM": ("0", "Flag", "Haplotypes of the region were compared; without it the bases at the site alone"),
    "INFO/NUMT": (
        "0",
        "Flag",
        "So few fragments show the allele that they may come from a copy of the mitochondrial genome in the nucleus",
    ),
    "INFO/AC": ("A", "Integer", "Alternative alleles called, over all samples"),
    "INFO/AN": ("1", "Integer", "Alleles called, over all samples"),
    "INFO/MENDEL": ("1", "Integer", "Children whose genotype contradicts their parents'"),
    "FORMAT/GT": ("1", "String", "Genotype"),
    "FORMAT/AD": ("R", "Integer", "Fragments that clearly show each allele"),
    "FORMAT/DP": ("1", "Integer", "Fragments that count; in a reference block the lowest number of them over a base"),
    "FORMAT/GQ": ("1", "Integer", "Phred of the called genotype being wrong"),
    "FORMAT/PL": ("G", "Integer", "Phred-scaled genotype likelihoods, 0 for the best"),
    "FORMAT/SB": ("4", "Integer", "Reads on the forward and reverse strand: reference, then alternative alleles"),
    "FORMAT/PS": ("1", "Integer", "Phase set: position of its first site; the order of the alleles in GT is that of the copies"),
    "FORMAT/AF": ("A", "Float", "Share of the fragments that show each alternative allele"),
    "FORMAT/DNM": ("1", "Integer", "Phred of the alternative allele of a child not being new in it"),
}


class VcfContig(NamedTuple):
    """A ##contig line; the MD5 is that of the sequence."""

    name: str
    length: int
    md5: str | None


def contigs_of(genome: Genome) -> list[VcfContig]:
    return [VcfContig(contig.name, contig.length, contig.md5) for contig in genome.contigs]


def header(contigs: Sequence[VcfContig], samples: Sequence[str], kinds: Iterable[str], notes: Mapping[str, str] | None = None) -> str:
    """The header; `kinds` are the filters and fields used, such as `FORMAT/GT`, `notes` lines of our own."""
    lines = ["##fileformat=VCFv4.2", '##FILTER=<ID=PASS,Description="All filters passed">']
    lines += [f"##{key}={value}" for key, value in (notes or {}).items()]
    lines += [_definition(kind) for kind in kinds]
    lines += [f"##contig=<ID={name},length={length}" + (f",md5={md5}>" if md5 else ">") for name, length, md5 in contigs]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]
    return "\n".join([*lines, "\t".join(columns)]) + "\n"


def _definition(kind: str) -> str:
    section, name = kind.split("/")
    what = _DESCRIPTIONS[kind]
    if isinstance(what, str):
        return f'##{section}=<ID={name},Description="{what}">'
    number, type_, text = what
    return f'##{section}=<ID={name},Number={number},Type={type_},Description="{text}">'


@contextmanager
def vcf_writer(path: Path, head: str, *, threads: int = 1) -> Iterator[Callable[[str], None]]:
    """Gives a function that takes lines of sorted records; at the end the file and its .tbi appear under their names.

    Raises BadConfiguration for a name that does not end with .vcf.gz, BadInput for a contig too long for such an index.
    """
    check_name(path)
    with whole_file(path) as partial, whole_file(path.with_name(path.name + ".tbi")) as index:
        with BgzfWriter(partial, threads=threads) as file:
            file.write(head.encode())
            builder = TbiBuilder(file.tell())

            def write(text: str) -> None:
                lines = text.encode()
                file.write(lines)
                builder.add(lines)

            yield write
        builder.write(index, file)


def check_name(path: Path) -> None:
    """Raises BadConfiguration for the name of a VCF that is not compressed."""
    if not path.name.endswith(".vcf.gz"):
        raise BadConfiguration(f"the output is named {path.name!r}", wanted="a name that ends with .vcf.gz", do="Rename it.", path=path)
