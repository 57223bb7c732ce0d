"""Which records the plain thresholds fail."""

from __future__ import annotations

import pytest

from genopipe.call.filters import failed_thresholds
from genopipe.call.settings import DEFAULT
from genopipe.call.sites import MOST_BIAS, Site


@pytest.mark.parametrize(
    ("quality", "strand", "expected"),
    [
        (9, (10, 10, 10, 10), ("LowQual",)),
        (10, (10, 10, 10, 10), ()),
        (53, (10, 18, 7, 1), ("StrandBias",)),
        (54, (10, 18, 7, 1), ()),
        (9, (10, 18, 7, 1), ("LowQual", "StrandBias")),
        (20_000, (65, 239, 174, 41), ("StrandBias",)),
        (20_000, (500, 400, 450, 420), ()),
    ],
)
def test_low_quality_and_strand_bias_fail(quality, strand, expected):
    """FS of 10, 18 and 7, 1 is 18, three times which is 54; no QUAL makes up for a bias that is certain."""
    site = Site(5, ("A", "C"), (0, 1), (9, 0, 99), 9, quality, 40, (20, 20), strand, False)
    assert site.strand_bias == {(10, 18, 7, 1): 18, (65, 239, 174, 41): MOST_BIAS}.get(strand, site.strand_bias)
    assert failed_thresholds(site, DEFAULT) == expected
