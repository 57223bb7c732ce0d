"""Which filters a record fails, by plain thresholds."""

from __future__ import annotations

from genopipe.call.settings import Settings
from genopipe.call.sites import Site


def failed_filters(site: Site, settings: Settings) -> list[str]:
    """Names of the filters, none for a record that passes."""
    failed = ["LowQual"] if site.quality < settings.min_quality else []
    bias = site.strand_bias
    if bias >= settings.min_strand_bias and site.quality < settings.strand_bias_weight * bias:
        failed.append("StrandBias")
    return failed
