"""VCF and BCF files: what they begin with, how htslib opens them with faults told as `BadInput`, and the build that a header tells of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pysam

from genopipe.errors import BadInput
from genopipe.formats.assembly import assemblies_of
from genopipe.formats.inflate import inflated

ASSEMBLIES = ("GRCh37", "GRCh38")
"""Assemblies by whose names a set may be called; a set on any other is held against none."""

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
"""What every record has."""

_CONTIG = re.compile(r"##contig=<(?=.*\bID=([^,>]+))(?=.*\blength=(\d+))")


@contextmanager
def reading(path: Path, *, drop_samples: bool = False) -> Iterator[pysam.VariantFile]:
    """The file, open; htslib's own messages are kept back. Raises BadInput for what htslib cannot read, then or while it is read."""
    verbosity = pysam.set_verbosity(0)
    try:
        with pysam.VariantFile(str(path), drop_samples=drop_samples) as file:
            yield file
    except NotImplementedError as error:
        raise BadInput(
            "compressed by gzip", wanted="plain text or bgzip, as tabix needs it", do="Compress it with bgzip.", path=path
        ) from error
    except (OSError, ValueError) as error:
        told = re.sub(r"^.*- is it VCF/BCF format\?", "no header of one", str(error))
        raise BadInput(f"cannot be read as VCF ({told})", wanted="a whole VCF or BCF", do="Check the file.", path=path) from error
    finally:
        pysam.set_verbosity(verbosity)


def is_bcf(path: Path) -> bool:
    """True for BCF, compressed or not. Raises BadInput for a file that is missing or damaged."""
    return next(inflated(path), b"").startswith(b"BCF")


def contig_lengths(header: Iterable[str]) -> dict[str, int]:
    """Length by contig, as the lines of a header tell it."""
    told = (_CONTIG.match(line) for line in header)
    return {contig[1]: int(contig[2]) for contig in told if contig}


def lengths_in(file: pysam.VariantFile) -> dict[str, int]:
    """Length by contig, 0 where the header of an open file does not tell it."""
    return {str(name): file.header.contigs[name].length or 0 for name in file.header.contigs}


def check_lengths(lengths: Mapping[str, int], assembly: str | None, path: Path) -> None:
    """Raises BadInput for a contig of the length that it has on another known assembly."""
    for name, length in lengths.items():
        others = assemblies_of(name, length)
        if assembly in ASSEMBLIES and others and assembly not in others:
            raise BadInput(
                f"contig {name} has {length:,} bases, as on {' and '.join(sorted(others))}",
                wanted=f"a VCF on {assembly}",
                do="Use variants and evidence of one assembly.",
                path=path,
            )
