"""What a sample may be called: a name that is safe as part of a file name and as the sample of a SAM read group."""

from __future__ import annotations

import re

from genopipe.errors import BadConfiguration

LONGEST = 64
_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_sample_name(sample: str) -> None:
    """Raises BadConfiguration for a name with other characters, or a longer one."""
    if not _ALLOWED.fullmatch(sample) or len(sample) > LONGEST:
        wanted = f"letters, digits, - _ and . with a letter or digit first, at most {LONGEST}"
        raise BadConfiguration(
            f"the sample name {sample[: 2 * LONGEST]!r} is not allowed", wanted=wanted, do="Choose another name.", key="--sample"
        )
