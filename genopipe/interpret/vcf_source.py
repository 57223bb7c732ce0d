"""VCF and BCF files opened for reading, their faults told as `BadInput`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pysam

from genopipe.errors import BadInput


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
        raise BadInput(f"cannot be read as VCF ({error})", wanted="a whole VCF or BCF", do="Check the file.", path=path) from error
    finally:
        pysam.set_verbosity(verbosity)
