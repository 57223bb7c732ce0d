"""Which contigs are alternatives to a part of the primary assembly: ALT haplotypes, HLA alleles, patches.

A read that fits on the primary assembly must not lose mapping quality to a copy of the same locus on such a contig. So their seeds are
kept only where the primary assembly lacks them (`genopipe.align.index`), and a place on them counts only for a read that has none
elsewhere (`genopipe.align.pairing`). Decoys, unplaced and unlocalised contigs are no alternatives: they compete like chromosomes.

They are known by name: `_alt`, `_fix` and `_hap1` of UCSC, `HLA-` of bwakit's hs38DH, `CHR_H` of Ensembl; and by a file `.alt` as bwa has
it.

Source: the manual of bwa (README-alt.md) for the file: SAM records, of which the first column is the name of an alternative contig.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.model import Contig
from genopipe.progress import log

_BY_NAME = re.compile(r".*_(alt|fix|hap\d+)|HLA-.*|CHR_H.*")


def alternative_contigs(contigs: Sequence[Contig], alt_file: Path | None) -> list[str]:
    """The names of the alternative contigs, in the order of the genome. Raises BadInput for a file that names no contig of it."""
    listed = _listed(alt_file) if alt_file is not None else set()
    names = [contig.name for contig in contigs if _BY_NAME.fullmatch(contig.name) or contig.name in listed]
    absent = sorted(listed.difference(contig.name for contig in contigs))
    if alt_file is not None and len(absent) == len(listed):
        wanted = "the names of alternative contigs in the first column"
        raise BadInput("no line names a contig of this genome", wanted=wanted, do="Give the .alt file of this genome.", path=alt_file)
    if absent:
        log.warning("%d contigs of %s are not in this genome, such as %s", len(absent), alt_file, absent[0])
    if len(names) == len(contigs):
        raise BadInput(
            "every contig is an alternative", wanted="a primary assembly beside them", do="Add the chromosomes to the FASTA.", path=alt_file
        )
    if names:
        log.info("%d contigs are alternatives to parts of the others, such as %s", len(names), names[0])
    return names


def _listed(path: Path) -> set[str]:
    """The names in the first column of a .alt file."""
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        raise BadInput("this is no text", wanted="a .alt file as bwa has it", do="Give another file.", path=path) from None
    return {line.split("\t")[0].strip() for line in lines if line.strip() and not line.startswith("@")}
