"""Which filters a record fails: plain thresholds, or a learnt filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.call.forest import Forest
from genopipe.call.settings import Settings
from genopipe.call.sites import MOST_BIAS, Site

Filters = tuple[str, ...]
"""Names of the filters that a record fails, none for one that passes."""


def failed_thresholds(site: Site, settings: Settings) -> Filters:
    """By QUAL and strand bias."""
    low = ("LowQual",) if site.quality < settings.min_quality else ()
    bias = site.strand_bias
    # at great depth QUAL outgrows any bias
    certain = bias >= MOST_BIAS
    biased = certain or (bias >= settings.min_strand_bias and site.quality < settings.strand_bias_weight * bias)
    return (*low, "StrandBias") if biased else low


def fail_by_trees(sites: list[Site], features: NDArray[np.int64], forest: Forest) -> None:
    """Tells the sites what they fail: a filter where the trees hold them for likelier wrong than right by `features` (sites, features)."""
    for site, score in zip(sites, forest.scores(features).tolist(), strict=True):
        site.filters = ("Learnt",) if score > 0 else ()
