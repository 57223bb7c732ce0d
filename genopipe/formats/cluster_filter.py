"""`.filter`: which clusters of a tile passed the purity filter, a byte each after a header of twelve bytes (0, version 3, clusters).

Source: Illumina bcl2fastq2 Conversion Software guide, document 15051736, appendix "Filter files".
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.bcl import damaged, read_bytes

_HEADER = struct.Struct("<3I")
_VERSION = 3


def read_filter(path: Path) -> NDArray[np.bool_]:
    """(clusters) bool: passed. Raises BadInput naming the byte."""
    content = read_bytes(path)
    if len(content) < _HEADER.size:
        raise damaged(f"the file ends at byte {len(content)} inside its header", f"a header of {_HEADER.size} bytes", path)
    zero, version, clusters = _HEADER.unpack_from(content)
    if zero != 0:
        raise damaged(f"bytes 0 to 3 are {zero}", "0, as a filter file begins", path)
    if version != _VERSION:
        raise damaged(f"version {version} at byte 4", f"version {_VERSION}", path)
    values = np.frombuffer(content, np.uint8, offset=_HEADER.size)
    if len(values) != clusters:
        raise damaged(f"{clusters} clusters by byte 8 and {len(values)} values from byte {_HEADER.size}", "a value for each cluster", path)
    if values.size and values.max() > 1:
        first = int(np.argmax(values > 1))
        raise damaged(f"byte {_HEADER.size + first} is {values[first]}", "0 (failed) or 1 (passed)", path)
    return values.astype(bool)
