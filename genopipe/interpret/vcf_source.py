"""VCF and BCF files opened for reading, their faults told as `BadInput`; and the build that a header tells of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pysam

from genopipe.errors import BadInput
from genopipe.formats.assembly import assemblies_of

ASSEMBLIES = ("GRCh37", "GRCh38")
"""Assemblies by whose names a set may be called; a set on any other is held against none."""


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


def check_lengths(file: pysam.VariantFile, assembly: str | None, path: Path) -> None:
    """Raises BadInput for a header with a contig of the length that it has on another known assembly."""
    for name in map(str, file.header.contigs):
        length = file.header.contigs[name].length
        others = assemblies_of(name, length or 0)
        if assembly in ASSEMBLIES and others and assembly not in others:
            raise BadInput(
                f"contig {name} has {length:,} bases, as on {' and '.join(sorted(others))}",
                wanted=f"a VCF on {assembly}",
                do="Use variants and evidence of one assembly.",
                path=path,
            )
